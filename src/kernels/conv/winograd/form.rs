//! The matrices of the two forms, and which convolutions they are for.

use super::side::Row;
use crate::kernels::conv::geometry::Geometry;

/// Channels below which the transforms cost more than the products save.
const FEWEST_CHANNELS: usize = 32;
/// Tiles of an image below which the transform of the kernels is not worth it.
const FEWEST_TILES: usize = 4;
/// F(2 x 2, r x r): the matrices B', A' and G' by rows, of each the entries that are not zero; r = `taps`.
pub(super) struct Form {
    pub(super) taps: usize,
    /// Step of the convolution, and phases along an axis.
    pub(super) stride: usize,
    pub(super) input: &'static [Row],
    pub(super) output: &'static [Row],
    kernel: &'static [Row],
}

/// Kernels of 3 x 3.
static SAME: Form = Form {
    taps: 3,
    stride: 1,
    input: &[
        &[(0, 1.0), (2, -1.0)],
        &[(1, 1.0), (2, 1.0)],
        &[(2, 1.0), (1, -1.0)],
        &[(1, 1.0), (3, -1.0)],
    ],
    output: &[
        &[(0, 1.0)],
        &[(0, 1.0), (1, 1.0)],
        &[(0, 1.0), (1, -1.0)],
        &[(1, -1.0)],
    ],
    kernel: &[
        &[(0, 1.0)],
        &[(0, 0.5), (1, 0.5), (2, 0.5)],
        &[(0, 0.5), (1, -0.5), (2, 0.5)],
        &[(2, 1.0)],
    ],
};

/// Kernels of 4 x 4 at every second place: 2 x 2 in each phase.
static HALVE: Form = Form {
    taps: 2,
    stride: 2,
    input: &[&[(0, 1.0), (1, -1.0)], &[(1, 1.0)], &[(2, 1.0), (1, -1.0)]],
    output: &[&[(0, 1.0)], &[(0, 1.0), (1, 1.0)], &[(1, 1.0)]],
    kernel: &[&[(0, 1.0)], &[(0, 1.0), (1, 1.0)], &[(1, 1.0)]],
};

impl Form {
    /// The form of a convolution that is computed here.
    pub(super) fn of(geometry: &Geometry) -> Option<&'static Self> {
        let form = match (geometry.kernel, geometry.stride, geometry.padding) {
            (3, 1, 1) => &SAME,
            (4, 2, 1) => &HALVE,
            _ => return None,
        };
        let channels = geometry.inputs.min(geometry.outputs);
        let [down, across] = tiles(geometry);
        (channels >= FEWEST_CHANNELS && down * across >= FEWEST_TILES).then_some(form)
    }

    /// Entries of a tile.
    pub(super) fn entries(&self) -> usize {
        self.input.len() * self.input.len()
    }

    /// Tiles that the same inputs are in, one for each residue of their row and column.
    pub(super) fn phases(&self) -> usize {
        self.stride * self.stride
    }

    /// Matrices [inputs, outputs] that the kernels become.
    pub(super) fn matrices(&self) -> usize {
        self.entries() * self.phases()
    }

    /// Row and column of an entry.
    pub(super) fn place(&self, entry: usize) -> [usize; 2] {
        [entry / self.input.len(), entry % self.input.len()]
    }

    /// The taps of every entry and phase.
    pub(super) fn all_taps(&self) -> Vec<Vec<(usize, f32)>> {
        let places = 0..self.matrices();
        places
            .map(|place| self.taps(place / self.phases(), place % self.phases()))
            .collect()
    }

    /// What an entry of a phase's kernel is made of: taps of the whole kernel, and their factors.
    fn taps(&self, entry: usize, phase: usize) -> Vec<(usize, f32)> {
        let [row, column] = self.place(entry);
        let (stride, size) = (self.stride, self.stride * self.taps);
        let rows = self.kernel[row].iter();
        rows.flat_map(|&(down, factor)| {
            self.kernel[column].iter().map(move |&(right, other)| {
                let y = stride * down + phase / stride;
                let x = stride * right + phase % stride;
                (y * size + x, factor * other)
            })
        })
        .collect()
    }
}

/// Rows of tiles in an image, and tiles in a row.
pub(super) fn tiles(geometry: &Geometry) -> [usize; 2] {
    geometry.output.map(|side| side.div_ceil(2))
}
