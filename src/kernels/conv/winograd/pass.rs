//! Images of one side times the kernels: images of the other side.
//!
//! The result's channels are cut into runs, whose products and sums stay in the second cache until their maps are written. Where
//! images have many tiles, threads share the images, and each goes through all runs. Of few and small images the tiles of all lie in
//! one product for each entry, and threads share the runs: kernels are then transformed where they are multiplied, entry by entry,
//! and never leave the caches. The same bits.

use std::ops::Range;

use rayon::prelude::*;

use super::kernels::Kernels;
use super::side::{self, Side};
use super::{TILES, Winograd, cut, spread_all, tiles};
use crate::kernels::conv::geometry::BLOCKS;
use crate::kernels::product::{multiply, pieces, width_of_runs};
use crate::kernels::scratch::{Scratch, borrow, in_blocks, take, with_scratch, zeros};
use crate::linalg::{Matrix, UNCOPIED};

/// Channels of a run, about: of an output, and of an input in four phases.
const CHANNELS: [usize; 2] = [64, 32];
/// Tiles below which a product takes longer to read the kernels than to compute.
const FEW_TILES: usize = 64;
/// Tiles of all images together that a product should have.
const TOGETHER: usize = 256;

/// A pass through a convolution, in either direction.
struct Pass<'a> {
    winograd: &'a Winograd<'a>,
    kernels: Kernels<'a>,
    bias: Option<&'a [f32]>,
    from: &'a Side,
    to: &'a Side,
    runs: Vec<Run>,
}

/// Some channels of the result.
struct Run {
    channels: Range<usize>,
    side: Side,
}

impl Winograd<'_> {
    /// Images of one side times the kernels: images of the other side.
    pub(super) fn pass(
        &self,
        [from, to]: [&Side; 2],
        images: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        let width = width_of_runs(to.channels, CHANNELS[usize::from(to.phases > 1)]);
        let runs = (0..to.channels).step_by(width).map(|first| {
            let channels = first..to.channels.min(first + width);
            let side = Side::new(self.form, self.geometry, to.is_input, channels.len());
            Run { channels, side }
        });
        let pass = Pass {
            winograd: self,
            kernels: Kernels::new(self.form, self.geometry, weight, to.is_input),
            bias,
            from,
            to,
            runs: runs.collect(),
        };
        let most = self.geometry.images.div_ceil(BLOCKS).max(1);
        let group = (TILES / self.tiles).clamp(1, most);
        if group * self.tiles < FEW_TILES {
            return pass.together(images);
        }
        let runs = pass.runs.iter().map(|run| &run.channels);
        let kernels = pass.kernels.all(runs);
        in_blocks(
            images,
            self.geometry.images * to.image,
            [group * from.image, group * to.image],
            |images, results, scratch| pass.block(images, &kernels, results, scratch),
        )
    }
}

impl Pass<'_> {
    /// Some images, run by run. `kernels` are [`Kernels::all`].
    fn block(&self, images: &[f32], kernels: &[f32], results: &mut [f32], scratch: &mut Scratch) {
        let (from, to) = (self.from, self.to);
        let bands = from.origins.len();
        // An image of several bands is alone in its block, and keeps the sums of all runs until the last band.
        let kept = if bands > 1 { self.runs.len() } else { 1 };
        let room = self.runs[0].side.plane;
        let Scratch {
            planes,
            columns,
            joined,
            ..
        } = scratch;
        let (plane, sums) = take(planes, from.plane + kept * room).split_at_mut(from.plane);
        for (band, origins) in from.origins.iter().enumerate() {
            let tiles = origins.len() / from.phases;
            let count = images.len() / from.image;
            let spread = take(columns, count * tiles * from.tile());
            let entries = spread.chunks_exact_mut(count * tiles * from.entry());
            let entries = cut(entries, tiles * from.entry());
            for (image, mut entries) in images.chunks_exact(from.image).zip(entries) {
                if band == 0 {
                    side::enter(from, image, plane);
                }
                tiles::spread(from, plane, origins, &mut entries);
            }
            let mut kernels = kernels;
            for (place, run) in self.runs.iter().enumerate() {
                let products = take(joined, count * tiles * run.side.tile());
                for (entry, spread) in self.entries(spread).enumerate() {
                    let (matrix, others) = kernels.split_at(from.row() * run.side.row());
                    self.multiply(run, entry, spread, matrix, products);
                    kernels = others;
                }
                let sums = &mut sums[place % kept * room..][..run.side.plane];
                let products = products.chunks_exact(tiles * run.side.tile());
                for (products, result) in products.zip(results.chunks_exact_mut(to.image)) {
                    if band == 0 {
                        run.side.clear(sums);
                    }
                    tiles::collect(&run.side, products, &run.side.origins[band], sums);
                    if band + 1 == bands {
                        let maps = &mut result[run.channels.start * to.places..];
                        self.leave(run, sums, &mut maps[..run.side.image]);
                    }
                }
            }
        }
    }

    /// All images, of which each has one band of few tiles.
    fn together(&self, images: &[f32]) -> Vec<f32> {
        let (from, to) = (self.from, self.to);
        let tiles = self.winograd.tiles;
        let most = TOGETHER / tiles;
        let mut results = zeros(images.len() / from.image * to.image);
        let blocks = images.chunks(most * from.image);
        for (images, results) in blocks.zip(results.chunks_mut(most * to.image)) {
            let mut spread = borrow(images.len() / from.image * tiles * from.tile());
            spread_all(from, images, &mut spread);
            // The maps of every run, image by image.
            let maps = cut(results.chunks_exact_mut(to.image), self.runs[0].side.image);
            let runs = self.runs.par_iter().zip(maps);
            runs.for_each(|(run, maps)| {
                with_scratch(|scratch| self.run(run, &spread, maps, scratch));
            });
        }
        results
    }

    /// A run of all images that are `spread`.
    fn run(&self, run: &Run, spread: &[f32], maps: Vec<&mut [f32]>, scratch: &mut Scratch) {
        let tiles = self.winograd.tiles;
        let Scratch {
            phases,
            columns,
            joined,
            planes,
        } = scratch;
        let turned = take(columns, self.kernels.count_taps(run.channels.len()));
        let matrix = take(phases, self.from.row() * run.side.row());
        let products = take(joined, maps.len() * tiles * run.side.tile());
        self.kernels.turn_all(&run.channels, turned);
        for (entry, spread) in self.entries(spread).enumerate() {
            self.kernels
                .entry(entry, turned, run.channels.len(), matrix);
            self.multiply(run, entry, spread, matrix, products);
        }
        let sums = take(planes, run.side.plane);
        let products = products.chunks_exact(tiles * run.side.tile());
        for (products, maps) in products.zip(maps) {
            run.side.clear(sums);
            tiles::collect(&run.side, products, &run.side.origins[0], sums);
            self.leave(run, sums, maps);
        }
    }

    /// Tiles that are spread, entry by entry.
    fn entries<'s>(&self, spread: &'s [f32]) -> impl Iterator<Item = &'s [f32]> {
        spread.chunks_exact(spread.len() / self.winograd.form.entries())
    }

    /// One entry of tiles times the kernels of a run, [row of a tile here, row there].
    fn multiply(
        &self,
        run: &Run,
        entry: usize,
        spread: &[f32],
        kernels: &[f32],
        products: &mut [f32],
    ) {
        let (from, to) = (self.from, &run.side);
        let tiles = spread.len() / from.entry();
        let step = width_of_runs(tiles, UNCOPIED);
        for first in (0..tiles).step_by(step) {
            for piece in pieces(from.row()) {
                multiply(
                    [step.min(tiles - first), to.row(), piece.len()],
                    &mut products[first * to.tile() + entry * to.entry()..],
                    to.tile(),
                    Matrix::rows(&spread[first * from.entry() + piece.start..], from.entry()),
                    Matrix::rows(&kernels[piece.start * to.row()..], to.row()),
                    piece.start > 0,
                );
            }
        }
    }

    /// Writes the maps of a run in one image, from the sums of its tiles.
    fn leave(&self, run: &Run, sums: &[f32], maps: &mut [f32]) {
        let bias = self.bias.map(|bias| &bias[run.channels.clone()]);
        side::leave(&run.side, sums, bias, maps);
    }
}
