//! Every model on a GPU beside the CPU: the gradients of a first step, and samples before and after
//! it. Prints a line a model; fails where the two differ by more than [`tolerance`] allows. And convolutions and normalisation of maps
//! of other sizes than those models have, spectral normalisation, and later steps of the optimiser.
//!
//!     just gpu-parity
//!
//! Only for builds for a GPU (`wgpu`, `cuda`), and by hand: such a build takes a quarter of an hour, and a device in software
//! (Mesa's) compiles its kernels for minutes. `HISTOGEN_PARITY_DEVICE` names the device.
#![allow(missing_docs, clippy::print_stdout, reason = "a check that prints")]

#[path = "it/toy.rs"]
mod toy;

use std::path::Path;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use burn_pack::Reader;
use histogen::config::RunConfig;
use histogen::device::{self, Compute, DeviceName, Precision, PrecisionSetting};
use histogen::kernels::adam::{AdamStep, adam};
use histogen::kernels::{
    Activation, batch_norm_train, conv_transpose2d, conv2d, group_norm, moving_average,
    power_iteration, spectral_normalise, together,
};
use histogen::models::{self, GenerativeModel, MODELS, StepScalars};
use histogen::random::Random;

/// The largest relative distance of gradients, and the largest difference of samples in [-1, 1].
///
/// f32 on both sides, sums of a few thousand numbers in another order: Mesa's device is off by 8e-7 at most. CubeCL's CUDA back
/// end multiplies f32 on tensor cores wherever it can, which round to TF32 (10 bits of mantissa): an H100 is off by 1.2e-3.
fn tolerance(place: DeviceName) -> f64 {
    match place.kind.single_precision() {
        Precision::Tf32 => 5e-3,
        Precision::F32 | Precision::Bf16 => 1e-4,
    }
}

/// Images drawn before and after the step.
const SEEDS: [u64; 4] = [0, 1, 2, 3];

/// What one device makes of a first step.
struct Outcome {
    /// First moments of Adam, which after one step are gradients times a constant, by optimiser.
    gradients: Vec<(String, Vec<f32>)>,
    /// Samples before and after.
    samples: [Vec<f32>; 2],
    /// Named numbers of the step.
    scalars: models::Scalars,
}

fn cpu() -> DeviceName {
    "cpu".parse().expect("a device")
}

/// The device that `HISTOGEN_PARITY_DEVICE` names.
fn chosen() -> DeviceName {
    let chosen = std::env::var("HISTOGEN_PARITY_DEVICE").unwrap_or_else(|_| "wgpu".to_owned());
    chosen
        .parse()
        .expect("`HISTOGEN_PARITY_DEVICE` names a device")
}

fn open(device: DeviceName) -> Device {
    let compute = Compute {
        device,
        precision: PrecisionSetting::Auto,
    };
    compute.open().expect("the device is there")
}

fn outcome(run: &RunConfig, place: DeviceName) -> Outcome {
    let device = open(place);
    let mut model = models::build(run, Path::new("no reward models"), &device).expect("a model");
    let draws = toy::ToyDraws::new(SEEDS);
    let draw = |model: &dyn GenerativeModel| model.sample(&draws.get()).expect("samples").values;
    let before = draw(model.as_ref());
    let batch = toy::batch(&toy::images(32, 0), run.batch, 0);
    let scalars = model
        .step(&batch, Random::new(run.seed).at(0))
        .and_then(StepScalars::read)
        .expect("a step");
    let folder = tempfile::tempdir().expect("a folder");
    models::save(model.as_mut(), folder.path()).expect("a checkpoint");
    Outcome {
        gradients: gradients(folder.path()),
        samples: [before, draw(model.as_ref())],
        scalars,
    }
}

/// The first moments in each `*optimiser.bpk` of a checkpoint.
fn gradients(folder: &Path) -> Vec<(String, Vec<f32>)> {
    let mut found = Vec::new();
    for entry in folder.read_dir().expect("a checkpoint") {
        let path = entry.expect("a file").path();
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        if !name.ends_with("optimiser") {
            continue;
        }
        let reader = Reader::from_file(&path).expect("a record");
        let mut names = reader.tensor_names();
        names.sort_unstable();
        let moments = names.into_iter().filter(|name| name.ends_with("moment_1"));
        let values = moments.flat_map(|name| {
            let bytes = reader.tensor_data(name).expect("a tensor");
            let numbers = bytes.chunks_exact(4);
            numbers
                .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes")))
                .collect::<Vec<_>>()
        });
        found.push((name, values.collect()));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// |a - b| / |a|
fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let squared =
        |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let difference = squared(&mut a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b)));
    (difference / squared(&mut a.iter().map(|&a| f64::from(a)))).sqrt()
}

fn largest(a: &[f32], b: &[f32]) -> f64 {
    let differences = a.iter().zip(b).map(|(&a, &b)| f64::from((a - b).abs()));
    differences.fold(0.0, f64::max)
}

#[test]
fn every_model_computes_on_a_gpu_what_it_computes_on_the_cpu() {
    let place = chosen();
    let tolerance = tolerance(place);
    let mut failed = Vec::new();
    println!("model            what                        difference on {place}");
    for entry in MODELS.all() {
        // With a large epsilon a step of Adam is smooth: rounding stays rounding, where it could turn a sign.
        let run = toy::run(entry.name, &["optimiser.epsilon=1.0"]);
        let (ours, theirs) = (outcome(&run, cpu()), outcome(&run, place));
        let mut differences = Vec::new();
        for ((name, ours), (_, theirs)) in ours.gradients.iter().zip(&theirs.gradients) {
            differences.push((format!("gradients, {name}"), relative(ours, theirs)));
        }
        for (when, (ours, theirs)) in ["before", "after"]
            .into_iter()
            .zip(ours.samples.iter().zip(&theirs.samples))
        {
            differences.push((format!("samples {when}"), largest(ours, theirs)));
        }
        for ((name, ours), (_, theirs)) in ours.scalars.iter().zip(&theirs.scalars) {
            differences.push((
                name.to_string(),
                (ours - theirs).abs() / ours.abs().max(1.0),
            ));
        }
        assert!(!ours.gradients.is_empty(), "no optimiser in the checkpoint");
        for (what, difference) in differences {
            println!("{:16} {what:27} {difference:.2e}", entry.name);
            if difference.is_nan() || difference > tolerance {
                failed.push(format!("{}, {what}: {difference:.2e}", entry.name));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "more than {tolerance}: {}",
        failed.join("; ")
    );
}

/// Numbers far from zero mean, so that a variance is not the mean square.
fn leaf<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let entries = Random::new(5).stream(name).normals(shape.iter().product());
    let entries = entries.into_iter().map(|x| 0.7 * x + 1.5).collect();
    Tensor::from_data(TensorData::new::<f32, _>(entries, shape), device).require_grad()
}

/// The sum of a tensor under a random weighting.
fn weighted(output: &Tensor<4>) -> Tensor<1> {
    let weighting = leaf("weighting", output.dims(), &output.device());
    (output.clone() * weighting.detach()).sum()
}

fn gradient<const D: usize>(leaf: &Tensor<D>, gradients: &Gradients) -> Vec<f32> {
    device::values(leaf.grad(gradients).expect("a leaf")).expect("f32")
}

/// Prints how far apart two devices' numbers are, which must be less than `most`.
fn compare(case: &str, names: [&str; 4], ours: &[Vec<f32>], theirs: &[Vec<f32>], most: f64) {
    for (name, (ours, theirs)) in names.into_iter().zip(ours.iter().zip(theirs)) {
        let difference = relative(ours, theirs);
        println!("{case}, {name}: {difference:.2e}");
        assert!(difference < most, "{case}, {name}: {difference:.2e}");
    }
}

/// The output of group normalisation, or of batch normalisation if `groups` is none, and the gradients of its input, scale and shift
/// under a random weighting.
fn normalised(shape: [usize; 4], groups: Option<usize>, place: DeviceName) -> Vec<Vec<f32>> {
    let device = open(place);
    let input = leaf("input", shape, &device);
    let affine = ["gamma", "beta"].map(|name| leaf(name, [shape[1]], &device));
    let function = Activation::LeakyRelu(0.2);
    let output = match groups {
        None => batch_norm_train(input.clone(), affine.clone(), function).0,
        Some(groups) => group_norm(input.clone(), groups, affine.clone(), function),
    };
    let gradients = weighted(&output).backward();
    let [gamma, beta] = affine;
    vec![
        device::values(output.detach()).expect("f32"),
        gradient(&input, &gradients),
        gradient(&gamma, &gradients),
        gradient(&beta, &gradients),
    ]
}

/// Of maps whose channels and places are no multiple of what a kernel adds up at a time.
#[test]
fn normalisation_gives_on_a_gpu_what_it_gives_on_the_cpu() {
    let place = chosen();
    for (shape, groups) in [
        ([3, 40, 17, 9], 8),
        ([7, 99, 31, 40], 3),
        ([1, 4, 1, 3], 2),
        ([70, 8, 8, 8], 2),
    ] {
        for groups in [None, Some(groups)] {
            let (ours, theirs) = (
                normalised(shape, groups, cpu()),
                normalised(shape, groups, place),
            );
            let names = ["output", "input", "scale", "shift"];
            compare(
                &format!("{shape:?} in {groups:?}"),
                names,
                &ours,
                &theirs,
                1e-5,
            );
        }
    }
}

/// A convolution, or where `transposed` its transpose, of maps of `size`, and the gradients of operand, weight and bias under a random
/// weighting.
fn convolved(
    size: [usize; 2],
    window: [usize; 3],
    transposed: bool,
    place: DeviceName,
) -> Vec<Vec<f32>> {
    let device = open(place);
    let [kernel, stride, padding] = window;
    let (images, from, to) = (3, 5, 7);
    let operand = leaf("operand", [images, from, size[0], size[1]], &device);
    let bias = leaf("bias", [to], &device);
    let channels = if transposed { [from, to] } else { [to, from] };
    let operation = if transposed { conv_transpose2d } else { conv2d };
    let weight = leaf(
        "weight",
        [channels[0], channels[1], kernel, kernel],
        &device,
    );
    let output = operation(
        operand.clone(),
        weight.clone(),
        Some(bias.clone()),
        [stride, padding],
    );
    let gradients = weighted(&output).backward();
    vec![
        device::values(output.detach()).expect("f32"),
        gradient(&operand, &gradients),
        gradient(&weight, &gradients),
        gradient(&bias, &gradients),
    ]
}

/// With windows that leave out the last places, reach over all of them, or do not overlap, and with places enough for several sums.
#[test]
fn convolutions_give_on_a_gpu_what_they_give_on_the_cpu() {
    let place = chosen();
    for (size, window) in [
        ([7, 10], [4, 2, 1]),
        ([9, 6], [3, 2, 1]),
        ([8, 7], [2, 3, 0]),
        ([6, 5], [5, 3, 2]),
        ([9, 8], [3, 1, 1]),
        ([32, 40], [3, 1, 1]),
        ([4, 4], [4, 1, 0]),
        ([1, 1], [4, 1, 0]),
    ] {
        for transposed in [false, true] {
            let [kernel, _, padding] = window;
            if !transposed && size.iter().any(|side| side + 2 * padding < kernel) {
                continue;
            }
            let (ours, theirs) = (
                convolved(size, window, transposed, cpu()),
                convolved(size, window, transposed, place),
            );
            let names = ["output", "operand", "weight", "bias"];
            let case = format!("{size:?} by {window:?}, transposed {transposed}");
            compare(&case, names, &ours, &theirs, tolerance(place));
        }
    }
}

/// The right and the left singular vector after a power iteration, the weight over its singular value, and its gradient under a random
/// weighting. On a GPU weights lie as they are made, or as training leaves them, with channels last.
fn spectral(shape: [usize; 4], channels_last: bool, place: DeviceName) -> Vec<Vec<f32>> {
    let device = open(place);
    let [outputs, channels, height, width] = shape;
    let leaf_weight = if channels_last {
        leaf("weight", [outputs, height, width, channels], &device)
    } else {
        leaf("weight", shape, &device)
    };
    let weight = if channels_last {
        leaf_weight.clone().permute([0, 3, 1, 2])
    } else {
        leaf_weight.clone()
    };
    let left = leaf("left", [outputs], &device);
    let [left, right] = power_iteration(weight.clone(), left);
    let output = spectral_normalise(weight, [left.clone(), right.clone()]);
    let gradients = weighted(&output).backward();
    vec![
        device::values(right).expect("f32"),
        device::values(left).expect("f32"),
        device::values(output.detach()).expect("f32"),
        gradient(&leaf_weight, &gradients),
    ]
}

#[test]
fn spectral_normalisation_gives_on_a_gpu_what_it_gives_on_the_cpu() {
    let place = chosen();
    for shape in [[70, 33, 4, 4], [1, 513, 4, 4], [7, 5, 3, 3], [3, 40, 1, 1]] {
        for channels_last in [false, true] {
            let (ours, theirs) = (
                spectral(shape, channels_last, cpu()),
                spectral(shape, channels_last, place),
            );
            let names = ["right", "left", "output", "weight"];
            let case = format!("{shape:?}, channels last {channels_last}");
            compare(&case, names, &ours, &theirs, 1e-5);
        }
    }
}

/// Weights, both moments and averages of more parameters than a kernel takes, after three steps of Adam; and the first moments that
/// somebody holds since before the last of them, which nothing may write to.
fn stepped(place: DeviceName) -> [Vec<Vec<f32>>; 2] {
    let device = open(place);
    let draw = |name: &str, shape| leaf::<4>(name, shape, &device).inner();
    let shapes = (1..=19).map(|size| [size, 7, size % 5 + 1, 3]);
    let mut parameters: Vec<_> = shapes
        .map(|shape| {
            let [first, second] = ["first", "second"].map(|name| draw(name, shape));
            let weight = draw("weight", shape);
            (weight.clone(), [first, second * 0.1 + 1.0], weight)
        })
        .collect();
    let mut held = Vec::new();
    for time in 0..3 {
        held = parameters
            .iter()
            .map(|(_, [first, _], _)| first.clone())
            .collect();
        if time < 2 {
            held.clear();
        }
        let step = AdamStep {
            decays: [0.5, 0.999],
            correction: 0.7,
            epsilon: 1e-8,
            rate: 0.01 * (time + 1) as f32,
            bound: 1.9,
        };
        parameters = together(|| {
            let steps = parameters.drain(..).map(|(weight, moments, average)| {
                let gradient = draw(&format!("gradient {time}"), weight.dims());
                let (weight, moments) = adam(weight, gradient, moments, step);
                (weight, moments, average)
            });
            steps.collect()
        });
        parameters = together(|| {
            let steps = parameters.drain(..).map(|(weight, moments, average)| {
                let average = moving_average(average, weight.clone(), 0.9);
                (weight, moments, average)
            });
            steps.collect()
        });
    }
    let read = |tensors: Vec<Tensor<4>>| {
        let values = tensors
            .into_iter()
            .flat_map(|tensor| device::values(tensor).expect("f32"));
        values.collect::<Vec<_>>()
    };
    let held = read(held);
    let (mut weights, mut firsts, mut seconds, mut averages) = (vec![], vec![], vec![], vec![]);
    for (weight, [first, second], average) in parameters {
        weights.push(weight);
        firsts.push(first);
        seconds.push(second);
        averages.push(average);
    }
    [
        [weights, firsts, seconds, averages].map(read).into(),
        vec![held],
    ]
}

#[test]
fn steps_of_many_parameters_give_on_a_gpu_what_they_give_on_the_cpu() {
    let place = chosen();
    let ([ours, our_held], [theirs, their_held]) = (stepped(cpu()), stepped(place));
    let names = ["weights", "first moments", "second moments", "averages"];
    compare("three steps", names, &ours, &theirs, 1e-6);
    compare(
        "three steps",
        ["held", "", "", ""],
        &our_held,
        &their_held,
        1e-6,
    );
}
