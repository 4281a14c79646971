//! The sizes of a convolution, and how its work is cut into blocks.

use std::ops::Range;

/// Places that a product should have: enough for the `gemm` crate, few enough that a block stays in the second cache.
const PLACES: usize = 512;
/// Places below which a product is too narrow to be fast.
const FEWEST_PLACES: usize = 128;
/// Blocks wanted, so that several cores are busy.
pub(super) const BLOCKS: usize = 8;

/// Which way an operation runs through a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From its input to its output.
    Along,
    /// From its output to its input: the transposed convolution.
    Back,
}

impl Direction {
    pub(super) fn reversed(self) -> Self {
        match self {
            Self::Along => Self::Back,
            Self::Back => Self::Along,
        }
    }

    /// What lies at the convolution's input, and what at its output: an operation's operand and its result, or the other way round.
    pub(super) fn ends<T>(self, operand: T, result: T) -> [T; 2] {
        match self {
            Self::Along => [operand, result],
            Self::Back => [result, operand],
        }
    }
}

/// A convolution of `images` images from `inputs` channels of `input` places to `outputs` channels of `output` places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) images: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Height and width.
    pub(super) input: [usize; 2],
    /// Height and width.
    pub(super) output: [usize; 2],
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// Zeros around the input. Negative: a border of the input that is not read.
    pub(super) padding: isize,
}

impl Geometry {
    /// Channels, height and width of the maps that the operation gives.
    pub(super) fn after(&self, direction: Direction) -> (usize, [usize; 2]) {
        match direction {
            Direction::Along => (self.outputs, self.output),
            Direction::Back => (self.inputs, self.input),
        }
    }

    /// [outputs, inputs, kernel, kernel]
    pub(super) fn weight_shape(&self) -> [usize; 4] {
        [self.outputs, self.inputs, self.kernel, self.kernel]
    }

    /// Products and sums of the operation in either direction, and of its weight gradient, those with padding among them.
    pub(super) fn multiply_adds(&self) -> usize {
        let kernel = self.kernel * self.kernel;
        self.images * self.inputs * self.outputs * self.output_places() * kernel
    }

    pub(super) fn input_places(&self) -> usize {
        self.input[0] * self.input[1]
    }

    pub(super) fn output_places(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Weights per pair of channels.
    pub(super) fn area(&self) -> usize {
        self.kernel * self.kernel
    }

    /// Numbers that one output is a weighted sum of.
    pub(super) fn terms(&self) -> usize {
        self.inputs * self.area()
    }

    /// Whether one place of the kernel covers the whole image: a plain product of matrices.
    pub(super) fn is_whole(&self) -> bool {
        self.output == [1, 1] && self.input == [self.kernel; 2] && self.padding == 0
    }

    /// Whether every output reads one place of the input: a plain product of matrices per image.
    pub(super) fn is_point(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0 && self.input == self.output
    }

    /// How many images form a block.
    pub(super) fn group(&self) -> usize {
        let places = self.output_places();
        let fewest = FEWEST_PLACES.div_ceil(places);
        let wanted = self.images.div_ceil(BLOCKS).max(fewest);
        (PLACES / places).clamp(1, wanted).min(self.images.max(1))
    }

    /// The rows of an image's output, cut so that a piece has about as many places as a block should.
    pub(super) fn bands(&self) -> impl Iterator<Item = Range<usize>> {
        let [height, width] = self.output;
        let rows = (PLACES / width).clamp(1, height);
        (0..height)
            .step_by(rows)
            .map(move |start| start..(start + rows).min(height))
    }
}
