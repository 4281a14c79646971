//! Normalisation on a GPU, with the activation function that follows: two kernels forward, three backward.
//!
//! A *row* is a channel of an image. Entries are numbered within what is added up, a group or, backward, a *part* of one: a channel
//! of all images (batch normalisation) or a row (group normalisation).

use burn::backend::Cube;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::EPSILON;
use super::extension::{Normalise, Plan, PullBack};
use super::layout::{Layout, Sharing};
use crate::kernels::activation::gpu::{Function, apply, slope};
use crate::kernels::gpu::{UNITS, empty, empty_like, of_each, of_sums, sum_of_units};

/// How rows are grouped, in numbers that kernels take.
#[derive(Clone, Copy)]
struct Rows {
    /// Rows of the first group before those of the second begin: one, or a run of channels.
    run: usize,
    /// From one row of a group to the next.
    step: usize,
    /// Rows of a group.
    count: usize,
    /// Parts, and the rows of each.
    parts: [usize; 2],
}

impl Rows {
    fn of(layout: &Layout) -> Self {
        match layout.sharing {
            Sharing::Batch => Self {
                run: 1,
                step: layout.channels,
                count: layout.images,
                parts: [layout.channels, layout.images],
            },
            Sharing::Groups(groups) => Self {
                run: layout.channels / groups,
                step: 1,
                count: layout.channels / groups,
                parts: [layout.rows(), 1],
            },
        }
    }
}

impl Normalise for Cube {
    fn moments(input: CubeTensor, layout: Layout) -> CubeTensor {
        let input = into_contiguous(input);
        let (groups, rows) = (layout.groups(), Rows::of(&layout));
        let output = empty(&input, [2, groups]);
        let (cubes, dimension) = of_sums(groups);
        let client = input.client.clone();
        let to = output.clone().into_tensor_arg();
        let input = input.into_tensor_arg();
        let Rows {
            run, step, count, ..
        } = rows;
        moments::launch(
            &client,
            cubes,
            dimension,
            input,
            to,
            groups,
            run,
            step,
            count,
            layout.places,
        );
        output
    }

    fn normalise(
        input: CubeTensor,
        moments: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        plan: Plan,
    ) -> CubeTensor {
        let [input, moments, gamma, beta] = [input, moments, gamma, beta].map(into_contiguous);
        let output = empty_like(&input);
        let (cubes, dimension) = of_each(&input, input.meta.num_elements());
        let client = input.client.clone();
        let Plan {
            layout, activation, ..
        } = plan;
        let (function, leak) = activation.on_gpu();
        let to = output.clone().into_tensor_arg();
        let [input, moments, gamma, beta] =
            [input, moments, gamma, beta].map(CubeTensor::into_tensor_arg);
        normalise::launch(
            &client,
            cubes,
            dimension,
            input,
            moments,
            gamma,
            beta,
            to,
            layout.groups(),
            Rows::of(&layout).run,
            layout.channels,
            layout.places,
            EPSILON as f32,
            leak,
            function,
        );
        output
    }
}

impl PullBack for Cube {
    fn pull_back(
        [input, moments, gamma, beta]: [CubeTensor; 4],
        gradient: CubeTensor,
        plan: Plan,
    ) -> [CubeTensor; 3] {
        let [input, moments, gamma, beta, gradient] =
            [input, moments, gamma, beta, gradient].map(into_contiguous);
        let Plan {
            layout,
            activation,
            of_input,
        } = plan;
        let (function, leak) = activation.on_gpu();
        let (groups, rows) = (layout.groups(), Rows::of(&layout));
        let (channels, places, epsilon) = (layout.channels, layout.places, EPSILON as f32);
        let client = input.client.clone();
        let shared = || {
            let inputs = [&input, &moments, &gamma, &beta, &gradient];
            inputs.map(|tensor| tensor.clone().into_tensor_arg())
        };

        // The gradient before the activation, added up over parts.
        let [parts, rows_of_a_part] = rows.parts;
        let sums = empty(&input, [2, parts]);
        let (cubes, dimension) = of_sums(parts);
        let [x, of_groups, scale, shift, g] = shared();
        part_sums::launch(
            &client,
            cubes,
            dimension,
            x,
            of_groups,
            scale,
            shift,
            g,
            sums.clone().into_tensor_arg(),
            parts,
            rows_of_a_part,
            groups,
            rows.run,
            channels,
            places,
            epsilon,
            leak,
            function,
        );

        // Those of channels are the gradients of scale and shift; those of groups, with the scale, move with the moments.
        let [of_gamma, of_beta] = [(); 2].map(|()| empty(&input, [channels]));
        let means = empty(&input, [2, groups]);
        let (cubes, dimension) = of_each(&input, channels.max(groups));
        let size = layout.group_size() as f32;
        let weight = if of_input { 1.0 / size } else { 0.0 };
        fold::launch(
            &client,
            cubes,
            dimension,
            sums.into_tensor_arg(),
            gamma.clone().into_tensor_arg(),
            of_gamma.clone().into_tensor_arg(),
            of_beta.clone().into_tensor_arg(),
            means.clone().into_tensor_arg(),
            parts,
            parts / channels,
            rows.run,
            channels,
            groups,
            weight,
        );

        // The gradient of the input.
        let of_input = empty_like(&input);
        let (cubes, dimension) = of_each(&input, input.meta.num_elements());
        let [x, of_groups, scale, shift, g] = shared();
        input_gradient::launch(
            &client,
            cubes,
            dimension,
            x,
            of_groups,
            scale,
            shift,
            g,
            means.into_tensor_arg(),
            of_input.clone().into_tensor_arg(),
            groups,
            rows.run,
            channels,
            places,
            epsilon,
            leak,
            function,
        );
        [of_input, of_gamma, of_beta]
    }
}

/// Mean and biased variance of a group: a cube each.
#[cube(launch)]
fn moments(
    input: &Tensor<f32>,
    output: &mut Tensor<f32>,
    groups: usize,
    run: usize,
    step: usize,
    count: usize,
    places: usize,
) {
    let group = CUBE_POS as usize;
    if group >= groups {
        terminate!();
    }
    let first = UNIT_POS as usize;
    let size = count * places;
    let mut sum = 0.0f32;
    let mut entry = first;
    while entry < size {
        let row = group * run + entry / places * step;
        sum += input[row * places + entry % places];
        entry += UNITS;
    }
    let mean = sum_of_units(sum) / f32::cast_from(size);
    let mut squares = 0.0f32;
    let mut entry = first;
    while entry < size {
        let row = group * run + entry / places * step;
        let distance = input[row * places + entry % places] - mean;
        squares += distance * distance;
        entry += UNITS;
    }
    let variance = sum_of_units(squares) / f32::cast_from(size);
    if first == 0 {
        output[group] = mean;
        output[groups + group] = variance;
    }
}

/// The group of a row: its channel, or its run of channels.
#[cube]
fn group_of(row: usize, run: usize, channels: usize, groups: usize) -> usize {
    let mut group = row / run;
    // Batch normalisation: a group is a channel of all images.
    if groups == channels && run == 1 {
        group = row % channels;
    }
    group
}

/// activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)
#[cube(launch)]
fn normalise(
    input: &Tensor<f32>,
    moments: &Tensor<f32>,
    gamma: &Tensor<f32>,
    beta: &Tensor<f32>,
    output: &mut Tensor<f32>,
    groups: usize,
    run: usize,
    channels: usize,
    places: usize,
    epsilon: f32,
    leak: f32,
    #[comptime] function: Function,
) {
    let place = ABSOLUTE_POS;
    if place >= output.len() {
        terminate!();
    }
    let row = place / places;
    let group = group_of(row, run, channels, groups);
    let channel = row % channels;
    let inverse = 1.0 / (moments[groups + group] + epsilon).sqrt();
    let x = (input[place] - moments[group]) * gamma[channel] * inverse + beta[channel];
    output[place] = apply(x, leak, function);
}

/// The sums over a part of g and of g x', g being the gradient before the activation and x' the normalised input: a cube each.
#[cube(launch)]
fn part_sums(
    input: &Tensor<f32>,
    moments: &Tensor<f32>,
    gamma: &Tensor<f32>,
    beta: &Tensor<f32>,
    gradient: &Tensor<f32>,
    sums: &mut Tensor<f32>,
    parts: usize,
    rows: usize,
    groups: usize,
    run: usize,
    channels: usize,
    places: usize,
    epsilon: f32,
    leak: f32,
    #[comptime] function: Function,
) {
    let part = CUBE_POS as usize;
    if part >= parts {
        terminate!();
    }
    let group = group_of(part, run, channels, groups);
    let channel = part % channels;
    let mean = moments[group];
    let inverse = 1.0 / (moments[groups + group] + epsilon).sqrt();
    let scale = gamma[channel];
    let shift = beta[channel];
    let first = UNIT_POS as usize;
    let size = rows * places;
    let mut sum = 0.0f32;
    let mut products = 0.0f32;
    let mut entry = first;
    while entry < size {
        let place = (part + entry / places * channels) * places + entry % places;
        let normalised = (input[place] - mean) * inverse;
        let g = gradient[place] * slope(normalised * scale + shift, leak, function);
        sum += g;
        products += g * normalised;
        entry += UNITS;
    }
    let sum = sum_of_units(sum);
    let products = sum_of_units(products);
    if first == 0 {
        sums[part] = sum;
        sums[parts + part] = products;
    }
}

/// The gradients of scale and shift from the sums of parts, and per group `weight` times the sums of gamma g and gamma g x'.
#[cube(launch)]
fn fold(
    sums: &Tensor<f32>,
    gamma: &Tensor<f32>,
    of_gamma: &mut Tensor<f32>,
    of_beta: &mut Tensor<f32>,
    means: &mut Tensor<f32>,
    parts: usize,
    parts_of_a_channel: usize,
    run: usize,
    channels: usize,
    groups: usize,
    weight: f32,
) {
    let place = ABSOLUTE_POS;
    if place < channels {
        let mut sum = 0.0f32;
        let mut products = 0.0f32;
        let mut number = 0usize;
        while number < parts_of_a_channel {
            let part = place + number * channels;
            sum += sums[part];
            products += sums[parts + part];
            number += 1;
        }
        of_beta[place] = sum;
        of_gamma[place] = products;
    }
    if place < groups {
        let mut sum = 0.0f32;
        let mut products = 0.0f32;
        let mut number = 0usize;
        while number < run {
            let part = place * run + number;
            let scale = gamma[part % channels];
            sum += scale * sums[part];
            products += scale * sums[parts + part];
            number += 1;
        }
        means[place] = weight * sum;
        means[groups + place] = weight * products;
    }
}

/// The gradient of the input: gamma g less the two means, over the deviation.
#[cube(launch)]
fn input_gradient(
    input: &Tensor<f32>,
    moments: &Tensor<f32>,
    gamma: &Tensor<f32>,
    beta: &Tensor<f32>,
    gradient: &Tensor<f32>,
    means: &Tensor<f32>,
    output: &mut Tensor<f32>,
    groups: usize,
    run: usize,
    channels: usize,
    places: usize,
    epsilon: f32,
    leak: f32,
    #[comptime] function: Function,
) {
    let place = ABSOLUTE_POS;
    if place >= output.len() {
        terminate!();
    }
    let row = place / places;
    let group = group_of(row, run, channels, groups);
    let channel = row % channels;
    let inverse = 1.0 / (moments[groups + group] + epsilon).sqrt();
    let normalised = (input[place] - moments[group]) * inverse;
    let g = gradient[place] * slope(normalised * gamma[channel] + beta[channel], leak, function);
    output[place] =
        inverse * (gamma[channel] * g - means[group] - normalised * means[groups + group]);
}
