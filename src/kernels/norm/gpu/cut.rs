//! How a map with its channels last is cut for kernels that add up.

use burn_cubecl::cubecl::{self, prelude::*};

use crate::kernels::gpu::UNITS;
use crate::kernels::norm::layout::{Layout, Sharing};

/// Channels that a cube adds up, one a unit: units beside each other read numbers beside each other.
pub(super) const LANES: usize = 32;
/// Rows that a cube reads at a time.
pub(super) const DEPTH: usize = UNITS / LANES;
/// A slice has at least so many rows for a unit, if its block has.
const LEAST_ROWS: usize = 8;
/// Cubes in all above which blocks are not cut more finely: they keep a large card busy.
const MOST_CUBES: usize = 1024;

/// A map as a matrix, a row for each place of each image and a column for each channel, and how it is cut.
///
/// A *block* is the rows that share moments: all of them (batch normalisation), or those of an image (group normalisation). A *group* is a
/// block's entries of a run of channels. A *slice* is some rows of a block, and a *part* is what a slice has of one channel of a group.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Cut {
    pub(super) channels: usize,
    /// Channels of a group.
    pub(super) run: usize,
    /// Rows of a block.
    pub(super) block: usize,
    /// Rows of a slice; the last of a block may have fewer, not none.
    pub(super) slice: usize,
    pub(super) slices_of_a_block: usize,
    /// Slices of all blocks.
    pub(super) slices: usize,
}

impl Cut {
    /// The one for maps of `layout`: it depends on nothing else, so sums have one order on every device.
    pub(super) fn of(layout: &Layout) -> Self {
        let Layout {
            images,
            channels,
            places,
            ..
        } = *layout;
        let (blocks, block, run) = match layout.sharing {
            Sharing::Batch => (1, images * places, 1),
            Sharing::Groups(groups) => (images, places, channels / groups),
        };
        let most = MOST_CUBES / (blocks * channels.div_ceil(LANES)).max(1);
        let slices = (block / (LEAST_ROWS * DEPTH)).min(most).max(1);
        let slice = block.div_ceil(slices).max(1);
        let slices_of_a_block = block.div_ceil(slice);
        Self {
            channels,
            run,
            block,
            slice,
            slices_of_a_block,
            slices: blocks * slices_of_a_block,
        }
    }

    /// Cubes that add up slices, [`LANES`] channels each.
    pub(super) fn cubes(&self) -> usize {
        self.slices * self.channels.div_ceil(LANES)
    }

    /// What kernels take.
    pub(super) fn argument(self) -> CutLaunch {
        CutLaunch::new(
            self.channels,
            self.run,
            self.block,
            self.slice,
            self.slices_of_a_block,
            self.slices,
        )
    }
}

#[cube]
impl Cut {
    /// The slice that a cube adds up. Beyond the last for a cube that is left over.
    pub(super) fn slice_of_cube(&self) -> usize {
        CUBE_POS as usize / ((self.channels + LANES - 1) / LANES)
    }

    /// The channel that a unit adds up. Beyond the last for a unit that has none.
    pub(super) fn channel_of_unit(&self) -> usize {
        let runs = (self.channels + LANES - 1) / LANES;
        CUBE_POS as usize % runs * LANES + UNIT_POS as usize % LANES
    }

    /// The first row of a slice.
    pub(super) fn first_row(&self, slice: usize) -> usize {
        let (block, number) = (
            slice / self.slices_of_a_block,
            slice % self.slices_of_a_block,
        );
        block * self.block + number * self.slice
    }

    /// How many rows a slice has.
    pub(super) fn rows_of(&self, slice: usize) -> usize {
        let mut rows = self.block - slice % self.slices_of_a_block * self.slice;
        if rows > self.slice {
            rows = self.slice;
        }
        rows
    }

    /// The group of an entry.
    pub(super) fn group_of(&self, row: usize, channel: usize) -> usize {
        row / self.block * (self.channels / self.run) + channel / self.run
    }

    /// How many parts a group has. Part p is of the (p / run)th slice of its block.
    pub(super) fn parts_of_a_group(&self) -> usize {
        self.slices_of_a_block * self.run
    }

    /// Where the sum of a group's part is, among those of all slices: [slices, channels].
    pub(super) fn place_of_part(&self, group: usize, part: usize) -> usize {
        let groups_of_a_block = self.channels / self.run;
        let slice = group / groups_of_a_block * self.slices_of_a_block + part / self.run;
        slice * self.channels + group % groups_of_a_block * self.run + part % self.run
    }
}
