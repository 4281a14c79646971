//! bf16 in every registered model: here on the CPU, whose bf16 is Burn's own and slow, so that no GPU is needed to see that a model
//! learns in it as in f32.

use std::path::Path;

use burn_pack::{DType, Reader};
use histogen::config::RunConfig;
use histogen::device::{self, Precision};
use histogen::models::{self, GenerativeModel, StepScalars};
use histogen::random::Random;

use crate::systems;
use crate::toy;

const STEPS: u64 = 12;

/// A model after some steps in `precision`, and the numbers of each.
fn trained(name: &str, precision: Precision) -> (Box<dyn GenerativeModel>, Vec<models::Scalars>) {
    let run = RunConfig {
        precision,
        ..toy::run(name, &[])
    };
    let model = models::build(&run, Path::new("reward models"), &device::cpu());
    let (mut model, images) = (model.expect("a model"), toy::images(64, 0));
    let steps = (0..STEPS).map(|position| {
        let batch = toy::batch(&images, 8, position);
        let step = model.step(&batch, Random::new(1).at(position));
        step.and_then(StepScalars::read).expect("numbers")
    });
    let steps = steps.collect();
    (model, steps)
}

#[test]
fn losses_in_bf16_are_those_of_f32_up_to_its_rounding() {
    for entry in systems::models() {
        let [(_, exact), (_, rounded)] =
            [Precision::F32, Precision::Bf16].map(|precision| trained(entry.name, precision));
        let mut differs = false;
        // The first steps are the same but for rounding; later ones are of weights that went apart.
        for (step, bound) in [(0, 0.02), (1, 0.05), (STEPS as usize - 1, 0.3)] {
            for ((name, exact), (_, rounded)) in exact[step].iter().zip(&rounded[step]) {
                let difference = (exact - rounded).abs() / exact.abs().max(1.0);
                assert!(
                    difference < bound,
                    "{}, step {step}, {name}: {exact} and {rounded}",
                    entry.name
                );
                differs |= difference > 0.0;
            }
        }
        assert!(differs, "{} computes in f32", entry.name);
    }
}

#[test]
fn weights_and_moments_are_f32_whatever_layers_multiply_in() {
    for entry in systems::models() {
        let (mut model, _) = trained(entry.name, Precision::Bf16);
        let folder = tempfile::tempdir().expect("a folder");
        models::save(model.as_mut(), folder.path()).expect("saved");
        let mut count = 0;
        for file in folder.path().read_dir().expect("a checkpoint") {
            let path = file.expect("a file").path();
            let reader = Reader::from_file(&path).expect("a record");
            let tensors = reader.into_tensors().expect("tensors");
            for tensor in tensors.iter().filter(|tensor| tensor.dtype.is_float()) {
                assert_eq!(
                    tensor.dtype,
                    DType::F32,
                    "{}: {}",
                    entry.name,
                    path.display()
                );
                count += 1;
            }
        }
        assert!(count > 0, "{}", entry.name);
    }
}
