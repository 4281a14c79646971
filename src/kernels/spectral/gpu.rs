//! Spectral normalisation on a GPU. Weights are read in the order in which they lie, which is with channels last once they were trained.

use burn::backend::Cube;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use super::EPSILON;
use super::extension::{PullBack, Spectral};
use crate::kernels::gpu::{
    UNITS, channels_last, empty, empty_like, in_one_order, of_each, of_sums, sum_of_units,
};

impl Spectral for Cube {
    fn times_rows(weight: CubeTensor, vector: CubeTensor) -> CubeTensor {
        let weight = Rows::of(weight);
        weight.sums(into_contiguous(vector), false)
    }

    fn times_columns(weight: CubeTensor, vector: CubeTensor) -> CubeTensor {
        let weight = Rows::of(weight);
        let sums = empty(&weight.tensor, [weight.length]);
        let (cubes, dimension) = of_each(&sums, weight.length);
        let client = sums.client.clone();
        column_sums::launch(
            &client,
            cubes,
            dimension,
            weight.tensor.into_tensor_arg(),
            into_contiguous(vector).into_tensor_arg(),
            sums.clone().into_tensor_arg(),
            weight.channels,
        );
        sums
    }

    fn unit(vector: CubeTensor) -> CubeTensor {
        let vector = into_contiguous(vector);
        let result = empty_like(&vector);
        let (cubes, dimension) = of_sums(1);
        let client = vector.client.clone();
        let to = result.clone().into_tensor_arg();
        over_its_length::launch(&client, cubes, dimension, vector.into_tensor_arg(), to);
        result
    }

    fn spectral_normalise(weight: CubeTensor, left: CubeTensor, right: CubeTensor) -> CubeTensor {
        Self::divide(weight, [left, right]).0
    }
}

impl PullBack for Cube {
    fn divide(weight: CubeTensor, [left, right]: [CubeTensor; 2]) -> (CubeTensor, CubeTensor) {
        let weight = Rows::of(weight);
        let products = weight.sums(into_contiguous(right), false);
        let sigma = total(products, Some(into_contiguous(left)));
        let weight = weight.tensor;
        let result = empty_like(&weight);
        let (cubes, dimension) = of_each(&weight, weight.meta.num_elements());
        let client = weight.client.clone();
        let (from, to) = (weight.into_tensor_arg(), result.clone().into_tensor_arg());
        let divisor = sigma.clone().into_tensor_arg();
        quotient::launch(&client, cubes, dimension, from, divisor, to);
        (result, sigma)
    }

    fn pull_back(
        gradient: CubeTensor,
        weight: CubeTensor,
        [left, right]: [CubeTensor; 2],
        sigma: CubeTensor,
    ) -> CubeTensor {
        let [weight, gradient] = in_one_order([Rows::of(weight).tensor, gradient]);
        let gradient = Rows::of(gradient);
        let products = total(gradient.sums(weight, true), None);
        let result = empty_like(&gradient.tensor);
        let (cubes, dimension) = of_each(&result, result.meta.num_elements());
        let client = result.client.clone();
        subtract::launch(
            &client,
            cubes,
            dimension,
            gradient.tensor.into_tensor_arg(),
            into_contiguous(left).into_tensor_arg(),
            into_contiguous(right).into_tensor_arg(),
            products.into_tensor_arg(),
            sigma.into_tensor_arg(),
            result.clone().into_tensor_arg(),
            gradient.length,
            gradient.channels,
        );
        result
    }
}

/// A weight without gaps, one output after the other.
struct Rows {
    tensor: CubeTensor,
    /// Numbers of an output.
    length: usize,
    /// Channels that lie last; 1 if places do.
    channels: usize,
}

impl Rows {
    fn of(weight: CubeTensor) -> Self {
        let shape = weight.meta.shape().clone();
        let length = shape.iter().skip(1).product();
        if weight.is_contiguous() || shape.num_dims() != 4 {
            return Self {
                tensor: into_contiguous(weight),
                length,
                channels: 1,
            };
        }
        Self {
            tensor: channels_last(weight),
            length,
            channels: shape[1],
        }
    }

    /// Of every row the sum of its numbers times those of `other`: a vector, or if `by_row` a weight in the same order.
    fn sums(&self, other: CubeTensor, by_row: bool) -> CubeTensor {
        let rows = self.tensor.meta.num_elements() / self.length;
        let sums = empty(&self.tensor, [rows]);
        let (cubes, dimension) = of_sums(rows);
        let client = sums.client.clone();
        row_sums::launch(
            &client,
            cubes,
            dimension,
            self.tensor.clone().into_tensor_arg(),
            other.into_tensor_arg(),
            sums.clone().into_tensor_arg(),
            self.length,
            self.channels,
            by_row,
        );
        sums
    }
}

/// The sum of a vector's numbers, times those of another if there is one, `[1]`.
fn total(numbers: CubeTensor, factors: Option<CubeTensor>) -> CubeTensor {
    let sum = empty(&numbers, [1]);
    let (cubes, dimension) = of_sums(1);
    let client = sum.client.clone();
    let weighted = factors.is_some();
    let factors = factors.unwrap_or_else(|| numbers.clone());
    total_of::launch(
        &client,
        cubes,
        dimension,
        numbers.into_tensor_arg(),
        factors.into_tensor_arg(),
        sum.clone().into_tensor_arg(),
        weighted,
    );
    sum
}

/// The column, as [channels, places] count it, of what is in a row's `place` in memory.
#[cube]
fn column_of(place: usize, length: usize, channels: usize) -> usize {
    place % channels * (length / channels) + place / channels
}

#[cube(launch)]
fn row_sums(
    matrix: &Tensor<f32>,
    other: &Tensor<f32>,
    sums: &mut Tensor<f32>,
    length: usize,
    channels: usize,
    #[comptime] by_row: bool,
) {
    let row = CUBE_POS;
    if row >= sums.len() {
        terminate!();
    }
    let mut sum = 0.0f32;
    let mut place = UNIT_POS as usize;
    while place < length {
        let at = row * length + place;
        if comptime!(by_row) {
            sum += matrix[at] * other[at];
        } else {
            sum += matrix[at] * other[column_of(place, length, channels)];
        }
        place += UNITS;
    }
    let sum = sum_of_units(sum, 1usize);
    if UNIT_POS == 0 {
        sums[row] = sum;
    }
}

#[cube(launch)]
fn column_sums(
    matrix: &Tensor<f32>,
    vector: &Tensor<f32>,
    sums: &mut Tensor<f32>,
    channels: usize,
) {
    let place = ABSOLUTE_POS;
    let length = sums.len();
    if place >= length {
        terminate!();
    }
    let mut sum = 0.0f32;
    for row in 0..vector.len() {
        sum += matrix[row * length + place] * vector[row];
    }
    sums[column_of(place, length, channels)] = sum;
}

#[cube(launch)]
fn total_of(
    numbers: &Tensor<f32>,
    factors: &Tensor<f32>,
    sum: &mut Tensor<f32>,
    #[comptime] weighted: bool,
) {
    let mut own = 0.0f32;
    let mut place = UNIT_POS as usize;
    while place < numbers.len() {
        if comptime!(weighted) {
            own += numbers[place] * factors[place];
        } else {
            own += numbers[place];
        }
        place += UNITS;
    }
    let all = sum_of_units(own, 1usize);
    if UNIT_POS == 0 {
        sum[0] = all;
    }
}

#[cube(launch)]
fn over_its_length(vector: &Tensor<f32>, result: &mut Tensor<f32>) {
    let mut squares = 0.0f32;
    let mut place = UNIT_POS as usize;
    while place < vector.len() {
        squares += vector[place] * vector[place];
        place += UNITS;
    }
    let mut length = sum_of_units(squares, 1usize).sqrt();
    if length < EPSILON {
        length = EPSILON;
    }
    let mut place = UNIT_POS as usize;
    while place < vector.len() {
        result[place] = vector[place] / length;
        place += UNITS;
    }
}

#[cube(launch)]
fn quotient(weight: &Tensor<f32>, sigma: &Tensor<f32>, result: &mut Tensor<f32>) {
    let place = ABSOLUTE_POS;
    if place >= result.len() {
        terminate!();
    }
    result[place] = weight[place] / sigma[0];
}

/// See [`pull_back`](super::kernel::pull_back); `products` is the sum of G W, entry by entry.
#[cube(launch)]
fn subtract(
    gradient: &Tensor<f32>,
    left: &Tensor<f32>,
    right: &Tensor<f32>,
    products: &Tensor<f32>,
    sigma: &Tensor<f32>,
    result: &mut Tensor<f32>,
    length: usize,
    channels: usize,
) {
    let place = ABSOLUTE_POS;
    if place >= result.len() {
        terminate!();
    }
    let column = column_of(place % length, length, channels);
    let along = products[0] / sigma[0] * left[place / length] * right[column];
    result[place] = (gradient[place] - along) / sigma[0];
}
