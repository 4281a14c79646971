//! Passes of few and small images: the tiles of all lie in one product for each entry, and the work is cut into runs of the
//! result's channels, where [`Winograd::pass`] cuts it into images. Kernels are then transformed where they are multiplied, entry by
//! entry, and never leave the caches. The same bits.

use std::ops::Range;

use rayon::prelude::*;

use super::kernels::Kernels;
use super::side::{self, Side};
use super::{Winograd, multiply_tiles, spread_all, tiles};
use crate::kernels::product::width_of_runs;
use crate::kernels::scratch::{Scratch, borrow, take, with_scratch, zeros};

/// Tiles that a product should have.
const TILES: usize = 256;
/// Channels of the result that a thread computes at a time: of an output, and of an input in four phases.
const CHANNELS: [usize; 2] = [64, 32];

impl Winograd<'_> {
    /// [`Self::pass`] for images of so few tiles that all lie in one band.
    pub(super) fn pass_together(
        &self,
        [from, to]: [&Side; 2],
        images: &[f32],
        kernels: &Kernels<'_>,
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        let most = TILES / self.tiles;
        let mut results = zeros(self.geometry.images * to.image);
        let blocks = images.chunks(most * from.image);
        let width = width_of_runs(to.channels, CHANNELS[usize::from(to.phases > 1)]);
        for (images, results) in blocks.zip(results.chunks_mut(most * to.image)) {
            let mut spread = borrow(images.len() / from.image * self.tiles * from.tile());
            spread_all(from, images, &mut spread);
            // Every run of channels of all images.
            let mut runs: Vec<Vec<&mut [f32]>> = Vec::new();
            runs.resize_with(to.channels.div_ceil(width), Vec::new);
            for image in results.chunks_exact_mut(to.image) {
                let places = to.image / to.channels;
                for (run, maps) in runs.iter_mut().zip(image.chunks_mut(width * places)) {
                    run.push(maps);
                }
            }
            runs.into_par_iter().enumerate().for_each(|(run, results)| {
                let channels = run * width..((run + 1) * width).min(to.channels);
                let to = Side::new(self.form, self.geometry, to.is_input, channels.len());
                let bias = bias.map(|bias| &bias[channels.clone()]);
                with_scratch(|scratch| {
                    self.run(
                        [from, &to],
                        &spread,
                        (kernels, channels),
                        bias,
                        results,
                        scratch,
                    );
                });
            });
        }
        results
    }

    /// Some channels of all images.
    fn run(
        &self,
        [from, to]: [&Side; 2],
        spread: &[f32],
        (kernels, channels): (&Kernels<'_>, Range<usize>),
        bias: Option<&[f32]>,
        results: Vec<&mut [f32]>,
        scratch: &mut Scratch,
    ) {
        let tiles = results.len() * self.tiles;
        let rows = [from, to].map(Side::row);
        let turned = take(&mut scratch.columns, kernels.count_taps(channels.len()));
        let matrix = take(&mut scratch.phases, rows[0] * rows[1]);
        let products = take(&mut scratch.joined, tiles * to.tile());
        let sums = take(&mut scratch.planes, to.plane);
        kernels.turn_all(&channels, turned);
        for entry in 0..self.form.entries() {
            kernels.entry(entry, turned, channels.len(), matrix);
            multiply_tiles(
                [tiles, rows[1], rows[0]],
                &spread[entry * from.entry()..],
                matrix,
                &mut products[entry * to.entry()..],
                [from.tile(), rows[1], to.tile()],
            );
        }
        let products = products.chunks_exact(self.tiles * to.tile());
        for (products, result) in products.zip(results) {
            to.clear(sums);
            tiles::collect(to, products, &to.origins[0], sums);
            side::leave(to, sums, bias, result);
        }
    }
}
