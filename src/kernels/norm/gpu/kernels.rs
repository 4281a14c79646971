//! The kernels of normalisation, on maps with their channels last ([`Cut`]).

use burn_cubecl::cubecl::{self, prelude::*};

use super::cut::{Cut, DEPTH, LANES};
use crate::kernels::activation::gpu::{Function, apply, slope};
use crate::kernels::gpu::{UNITS, sum_of_units};

/// Mean and sum of squared distances from it, of a slice's entries of each channel: a cube for a slice of [`LANES`] channels.
#[cube(launch)]
pub(super) fn slice_moments(input: &Tensor<f32>, output: &mut Tensor<f32>, cut: Cut) {
    let slice = cut.slice_of_cube();
    if slice >= cut.slices {
        terminate!();
    }
    let channel = cut.channel_of_unit();
    let first = cut.first_row(slice) + UNIT_POS as usize / LANES;
    let mut end = cut.first_row(slice) + cut.rows_of(slice);
    if channel >= cut.channels {
        end = 0;
    }
    let mut sum = 0.0f32;
    let mut row = first;
    while row < end {
        sum += input[row * cut.channels + channel];
        row += DEPTH;
    }
    let mean = sum_of_units(sum, LANES) / f32::cast_from(cut.rows_of(slice));
    let mut squares = 0.0f32;
    let mut row = first;
    while row < end {
        let distance = input[row * cut.channels + channel] - mean;
        squares += distance * distance;
        row += DEPTH;
    }
    let squares = sum_of_units(squares, LANES);
    if (UNIT_POS as usize) < LANES && channel < cut.channels {
        output[slice * cut.channels + channel] = mean;
        output[(cut.slices + slice) * cut.channels + channel] = squares;
    }
}

/// Mean and biased variance of a group from those of its slices (Chan, Golub and `LeVeque` 1979): a cube each.
#[cube(launch)]
pub(super) fn group_moments(
    slices: &Tensor<f32>,
    output: &mut Tensor<f32>,
    groups: usize,
    cut: Cut,
) {
    let group = CUBE_POS as usize;
    if group >= groups {
        terminate!();
    }
    let first = UNIT_POS as usize;
    let parts = cut.parts_of_a_group();
    let size = f32::cast_from(cut.run * cut.block);
    let mut sum = 0.0f32;
    let mut part = first;
    while part < parts {
        let rows = f32::cast_from(cut.rows_of(part / cut.run));
        sum += rows * slices[cut.place_of_part(group, part)];
        part += UNITS;
    }
    let mean = sum_of_units(sum, 1usize) / size;
    let mut squares = 0.0f32;
    let mut part = first;
    while part < parts {
        let rows = f32::cast_from(cut.rows_of(part / cut.run));
        let place = cut.place_of_part(group, part);
        let distance = slices[place] - mean;
        squares += slices[cut.slices * cut.channels + place] + rows * distance * distance;
        part += UNITS;
    }
    let variance = sum_of_units(squares, 1usize) / size;
    if first == 0 {
        output[group] = mean;
        output[groups + group] = variance;
    }
}

/// activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)
#[cube(launch)]
pub(super) fn normalise(
    input: &Tensor<f32>,
    moments: &Tensor<f32>,
    gamma: &Tensor<f32>,
    beta: &Tensor<f32>,
    output: &mut Tensor<f32>,
    groups: usize,
    epsilon: f32,
    cut: Cut,
    leak: f32,
    #[comptime] function: Function,
) {
    let place = ABSOLUTE_POS;
    if place >= output.len() {
        terminate!();
    }
    let channel = place % cut.channels;
    let group = cut.group_of(place / cut.channels, channel);
    let inverse = 1.0 / (moments[groups + group] + epsilon).sqrt();
    let x = (input[place] - moments[group]) * gamma[channel] * inverse + beta[channel];
    output[place] = apply(x, leak, function);
}

/// The sums over a slice's entries of each channel of g and of g x', g being the gradient before the activation and x' the normalised
/// input: a cube for a slice of [`LANES`] channels.
#[cube(launch)]
pub(super) fn slice_sums(
    input: &Tensor<f32>,
    moments: &Tensor<f32>,
    gamma: &Tensor<f32>,
    beta: &Tensor<f32>,
    gradient: &Tensor<f32>,
    sums: &mut Tensor<f32>,
    groups: usize,
    epsilon: f32,
    cut: Cut,
    leak: f32,
    #[comptime] function: Function,
) {
    let slice = cut.slice_of_cube();
    if slice >= cut.slices {
        terminate!();
    }
    let channel = cut.channel_of_unit();
    let first_row = cut.first_row(slice);
    let mut sum = 0.0f32;
    let mut products = 0.0f32;
    if channel < cut.channels {
        let group = cut.group_of(first_row, channel);
        let mean = moments[group];
        let inverse = 1.0 / (moments[groups + group] + epsilon).sqrt();
        let scale = gamma[channel];
        let shift = beta[channel];
        let mut row = first_row + UNIT_POS as usize / LANES;
        let end = first_row + cut.rows_of(slice);
        while row < end {
            let place = row * cut.channels + channel;
            let normalised = (input[place] - mean) * inverse;
            let g = gradient[place] * slope(normalised * scale + shift, leak, function);
            sum += g;
            products += g * normalised;
            row += DEPTH;
        }
    }
    let sum = sum_of_units(sum, LANES);
    let products = sum_of_units(products, LANES);
    if (UNIT_POS as usize) < LANES && channel < cut.channels {
        sums[slice * cut.channels + channel] = sum;
        sums[(cut.slices + slice) * cut.channels + channel] = products;
    }
}

/// The gradients of scale and shift from the sums of slices, and per group `weight` times the sums of gamma g and gamma g x': a cube
/// for a channel and a group.
#[cube(launch)]
pub(super) fn fold(
    sums: &Tensor<f32>,
    gamma: &Tensor<f32>,
    of_gamma: &mut Tensor<f32>,
    of_beta: &mut Tensor<f32>,
    means: &mut Tensor<f32>,
    groups: usize,
    weight: f32,
    cut: Cut,
) {
    let number = CUBE_POS as usize;
    let first = UNIT_POS as usize;
    let second = cut.slices * cut.channels;

    let mut sum = 0.0f32;
    let mut products = 0.0f32;
    if number < cut.channels {
        let mut slice = first;
        while slice < cut.slices {
            let place = slice * cut.channels + number;
            sum += sums[place];
            products += sums[second + place];
            slice += UNITS;
        }
    }
    let sum = sum_of_units(sum, 1usize);
    let products = sum_of_units(products, 1usize);
    if first == 0 && number < cut.channels {
        of_beta[number] = sum;
        of_gamma[number] = products;
    }

    let mut sum = 0.0f32;
    let mut products = 0.0f32;
    if number < groups {
        let mut part = first;
        while part < cut.parts_of_a_group() {
            let place = cut.place_of_part(number, part);
            let scale = gamma[place % cut.channels];
            sum += scale * sums[place];
            products += scale * sums[second + place];
            part += UNITS;
        }
    }
    let sum = sum_of_units(sum, 1usize);
    let products = sum_of_units(products, 1usize);
    if first == 0 && number < groups {
        means[number] = weight * sum;
        means[groups + number] = weight * products;
    }
}

/// The gradient of the input: gamma g less the two means, over the deviation.
#[cube(launch)]
pub(super) fn input_gradient(
    input: &Tensor<f32>,
    moments: &Tensor<f32>,
    gamma: &Tensor<f32>,
    beta: &Tensor<f32>,
    gradient: &Tensor<f32>,
    means: &Tensor<f32>,
    output: &mut Tensor<f32>,
    groups: usize,
    epsilon: f32,
    cut: Cut,
    leak: f32,
    #[comptime] function: Function,
) {
    let place = ABSOLUTE_POS;
    if place >= output.len() {
        terminate!();
    }
    let channel = place % cut.channels;
    let group = cut.group_of(place / cut.channels, channel);
    let inverse = 1.0 / (moments[groups + group] + epsilon).sqrt();
    let normalised = (input[place] - moments[group]) * inverse;
    let g = gradient[place] * slope(normalised * gamma[channel] + beta[channel], leak, function);
    output[place] =
        inverse * (gamma[channel] * g - means[group] - normalised * means[groups + group]);
}
