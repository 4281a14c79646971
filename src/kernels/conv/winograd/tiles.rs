//! Tiles of planes: what products are made of and what becomes of them. A tile is [entries, phases, channels].

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

use super::form::Form;
use super::points::{FourByThree, FourByTwo, Points, TwoByTwo};
use super::side::Side;
use super::vector::{Vector, in_lanes, load, store};
use crate::wide::LANES;
use crate::wide::wide;

wide! {
    /// What tiles become of a plane: B' d B of an input, A e A' of an output. Each entry has its own slice, tile after tile.
    pub(super) fn spread(side: &Side, plane: &[f32], origins: &[usize], entries: &mut [&mut [f32]]) {
        match (side.form, side.is_input) {
            (Form::HalveTwo, true) => side.spread(TwoByTwo::spread_input, plane, origins, entries),
            (Form::HalveTwo, false) => side.spread(TwoByTwo::spread_output, plane, origins, entries),
            (Form::HalveFour, true) => side.spread(FourByTwo::spread_input, plane, origins, entries),
            (Form::HalveFour, false) => side.spread(FourByTwo::spread_output, plane, origins, entries),
            (Form::SameFour, true) => side.spread(FourByThree::spread_input, plane, origins, entries),
            (Form::SameFour, false) => side.spread(FourByThree::spread_output, plane, origins, entries),
        }
    }

    /// The transpose of [`spread`]: adds tiles up where they would have come from, B m B' to an input, A' m A to an output.
    pub(super) fn collect(side: &Side, tiles: &[f32], origins: &[usize], plane: &mut [f32]) {
        match (side.form, side.is_input) {
            (Form::HalveTwo, true) => side.collect(TwoByTwo::collect_input, tiles, origins, plane),
            (Form::HalveTwo, false) => side.collect(TwoByTwo::collect_output, tiles, origins, plane),
            (Form::HalveFour, true) => side.collect(FourByTwo::collect_input, tiles, origins, plane),
            (Form::HalveFour, false) => side.collect(FourByTwo::collect_output, tiles, origins, plane),
            (Form::SameFour, true) => side.collect(FourByThree::collect_input, tiles, origins, plane),
            (Form::SameFour, false) => side.collect(FourByThree::collect_output, tiles, origins, plane),
        }
    }
}

impl Side {
    #[inline(always)]
    fn spread<const P: usize, const N: usize>(
        &self,
        transform: impl Fn([f32; P]) -> [f32; N] + Copy,
        plane: &[f32],
        origins: &[usize],
        entries: &mut [&mut [f32]],
    ) {
        for (tile, origins) in origins.chunks_exact(self.phases).enumerate() {
            for (phase, origin) in origins.iter().enumerate() {
                for channel in (0..self.channels).step_by(LANES) {
                    let plane = &plane[origin + channel..];
                    let place = tile * self.entry() + phase * self.channels + channel;
                    match self.channels - channel {
                        LANES.. => self.spread_vector(transform, plane, entries, place, LANES),
                        rest => self.spread_vector(transform, plane, entries, place, rest),
                    }
                }
            }
        }
    }

    /// The first `count` channels of a tile in one phase.
    #[inline(always)]
    fn spread_vector<const P: usize, const N: usize>(
        &self,
        transform: impl Fn([f32; P]) -> [f32; N] + Copy,
        plane: &[f32],
        entries: &mut [&mut [f32]],
        place: usize,
        count: usize,
    ) {
        let mut rows = [[[0.0; LANES]; P]; N];
        for across in 0..P {
            let mut column: [Vector; P] = [[0.0; LANES]; P];
            for down in 0..P {
                column[down] = load(&plane[self.place(down, across)..], count);
            }
            let column = in_lanes(transform, &column);
            for down in 0..N {
                rows[down][across] = column[down];
            }
        }
        for down in 0..N {
            let row = in_lanes(transform, &rows[down]);
            for across in 0..N {
                let entry = &mut entries[down * N + across];
                store(&row[across], &mut entry[place..], count);
            }
        }
    }

    #[inline(always)]
    fn collect<const N: usize, const P: usize>(
        &self,
        transform: impl Fn([f32; N]) -> [f32; P] + Copy,
        tiles: &[f32],
        origins: &[usize],
        plane: &mut [f32],
    ) {
        let tiles = tiles.chunks_exact(self.tile());
        for (origins, tile) in origins.chunks_exact(self.phases).zip(tiles) {
            for (phase, origin) in origins.iter().enumerate() {
                for channel in (0..self.channels).step_by(LANES) {
                    let plane = &mut plane[origin + channel..];
                    let tile = &tile[phase * self.channels + channel..];
                    match self.channels - channel {
                        LANES.. => self.collect_vector(transform, tile, plane, LANES),
                        rest => self.collect_vector(transform, tile, plane, rest),
                    }
                }
            }
        }
    }

    /// The first `count` channels of a tile in one phase.
    #[inline(always)]
    fn collect_vector<const N: usize, const P: usize>(
        &self,
        transform: impl Fn([f32; N]) -> [f32; P] + Copy,
        tile: &[f32],
        plane: &mut [f32],
        count: usize,
    ) {
        let mut columns = [[[0.0; LANES]; N]; P];
        for down in 0..N {
            let mut row: [Vector; N] = [[0.0; LANES]; N];
            for across in 0..N {
                row[across] = load(&tile[(down * N + across) * self.entry()..], count);
            }
            let row = in_lanes(transform, &row);
            for across in 0..P {
                columns[across][down] = row[across];
            }
        }
        for across in 0..P {
            let column = in_lanes(transform, &columns[across]);
            for down in 0..P {
                let sums = &mut plane[self.place(down, across)..];
                let mut sum = column[down];
                if self.is_input {
                    let before = load(sums, count);
                    for lane in 0..LANES {
                        sum[lane] += before[lane];
                    }
                }
                store(&sum, sums, count);
            }
        }
    }

    /// How far a place of a tile lies from its first.
    #[inline(always)]
    fn place(&self, down: usize, across: usize) -> usize {
        self.spacing * (down * self.width + across) * self.channels
    }
}
