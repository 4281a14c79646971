//! The forms, and which convolutions they are for.

use super::points::{FourByThree, FourByTwo, Points, TwoByTwo};
use crate::kernels::conv::geometry::Geometry;

/// Channels below which the transforms cost more than the products save.
const FEWEST_CHANNELS: usize = 32;
/// Tiles of an image below which they are too small, or the transform of the kernels is not worth it.
const FEWEST_TILES: usize = 4;

/// F(step x step, taps x taps), for each phase of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Kernels of 4 x 4 at every second place: 2 x 2 in each phase; tiles of 2 x 2 outputs.
    HalveTwo,
    /// The same with tiles of 4 x 4 outputs.
    HalveFour,
    /// Kernels of 3 x 3, tiles of 4 x 4 outputs.
    SameFour,
}

impl Form {
    /// The form of a convolution that is computed here.
    pub(super) fn of(geometry: &Geometry) -> Option<Self> {
        let forms: &[Self] = match (geometry.kernel, geometry.stride, geometry.padding) {
            (3, 1, 1) => &[Self::SameFour],
            (4, 2, 1) => &[Self::HalveFour, Self::HalveTwo],
            _ => return None,
        };
        if geometry.inputs.min(geometry.outputs) < FEWEST_CHANNELS {
            return None;
        }
        let enough = |form: &&Self| form.tiles(geometry).iter().product::<usize>() >= FEWEST_TILES;
        forms.iter().find(enough).copied()
    }

    /// Outputs of a tile along an axis.
    pub(super) fn step(self) -> usize {
        match self {
            Self::HalveTwo => 2,
            Self::HalveFour | Self::SameFour => 4,
        }
    }

    /// Taps that a phase has along an axis.
    pub(super) fn taps(self) -> usize {
        match self {
            Self::HalveTwo | Self::HalveFour => 2,
            Self::SameFour => 3,
        }
    }

    /// Step of the convolution, and phases along an axis.
    pub(super) fn stride(self) -> usize {
        match self {
            Self::HalveTwo | Self::HalveFour => 2,
            Self::SameFour => 1,
        }
    }

    /// Entries of a tile along an axis.
    fn side(self) -> usize {
        self.step() + self.taps() - 1
    }

    /// Entries of a tile.
    pub(super) fn entries(self) -> usize {
        self.side() * self.side()
    }

    pub(super) fn phases(self) -> usize {
        self.stride() * self.stride()
    }

    /// Matrices [inputs, outputs] that the kernels become.
    pub(super) fn matrices(self) -> usize {
        self.entries() * self.phases()
    }

    /// The matrix G, row by row.
    fn kernel(self) -> &'static [f64] {
        match self {
            Self::HalveTwo => TwoByTwo::KERNEL.as_flattened(),
            Self::HalveFour => FourByTwo::KERNEL.as_flattened(),
            Self::SameFour => FourByThree::KERNEL.as_flattened(),
        }
    }

    /// The tap of the whole kernel, row by row, that a phase has there.
    pub(super) fn tap(self, phase: usize, down: usize, right: usize) -> usize {
        let stride = self.stride();
        let (y, x) = (
            stride * down + phase / stride,
            stride * right + phase % stride,
        );
        y * stride * self.taps() + x
    }

    /// What each entry of each phase's kernel is made of: taps of the whole kernel, and their factors.
    pub(super) fn all_taps(self) -> Vec<Vec<(usize, f32)>> {
        let places = 0..self.matrices();
        places
            .map(|place| self.taps_of(place / self.phases(), place % self.phases()))
            .collect()
    }

    fn taps_of(self, entry: usize, phase: usize) -> Vec<(usize, f32)> {
        let row = |place: usize| {
            let factors = &self.kernel()[place * self.taps()..][..self.taps()];
            factors.iter().enumerate()
        };
        let mut parts = Vec::new();
        for (down, factor) in row(entry / self.side()) {
            for (right, other) in row(entry % self.side()) {
                parts.push((self.tap(phase, down, right), (factor * other) as f32));
            }
        }
        parts.retain(|&(_, factor)| factor != 0.0);
        parts
    }

    /// Rows of tiles in an image, and tiles in a row.
    pub(super) fn tiles(self, geometry: &Geometry) -> [usize; 2] {
        geometry.output.map(|side| side.div_ceil(self.step()))
    }
}
