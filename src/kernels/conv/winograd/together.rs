//! Passes of few and small images: the tiles of all lie in one product for each entry, and the work is cut into entries and
//! runs of the product's columns, where [`Winograd::pass`] cuts it into images. The same bits.

use rayon::prelude::*;

use super::side::{self, Side};
use super::{TILES, Winograd, enter_all, multiply_tiles};
use crate::kernels::scratch::{Loan, borrow, take, with_scratch, zeros};

/// Columns of a product that one thread computes at a time.
const COLUMNS: usize = 256;

impl Winograd<'_> {
    /// [`Self::pass`] for images of so few tiles that all lie in one band.
    pub(super) fn pass_together(
        &self,
        [from, to]: [&Side; 2],
        images: &[f32],
        kernels: &[f32],
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        let most = TILES / self.tiles;
        let mut results = zeros(self.geometry.images * to.image);
        let blocks = images.chunks(most * from.image);
        for (images, results) in blocks.zip(results.chunks_mut(most * to.image)) {
            let products = self.products([from, to], images, kernels);
            self.leave_products(to, &products, bias, results);
        }
        results
    }

    /// For each entry, run after run of columns, the product [tiles of all images, columns of the run].
    fn products(&self, [from, to]: [&Side; 2], images: &[f32], kernels: &[f32]) -> Loan {
        let count = images.len() / from.image;
        let mut planes = borrow(count * from.plane);
        enter_all(from, images, &mut planes);
        let tiles = count * self.tiles;
        let widths = [from, to].map(|side| side.rows * side.channels);
        let mut products = borrow(self.form.entries() * tiles * widths[1]);
        let mut tasks = Vec::new();
        let of_entries = products.chunks_exact_mut(tiles * widths[1]);
        let kernels = kernels.chunks_exact(widths[0] * widths[1]);
        for (entry, (kernels, products)) in kernels.zip(of_entries).enumerate() {
            for (run, product) in products.chunks_mut(tiles * COLUMNS).enumerate() {
                tasks.push((self.form.place(entry), &kernels[run * COLUMNS..], product));
            }
        }
        tasks.into_par_iter().for_each(|(entry, kernels, product)| {
            with_scratch(|scratch| {
                let spread = take(&mut scratch.columns, tiles * widths[0]);
                let channels = 0..from.channels;
                side::spread(from, entry, &planes, &from.origins[0], &channels, spread);
                multiply_tiles(tiles, spread, kernels, widths[1], product);
            });
        });
        products
    }

    /// The images that [`Self::products`] are the tiles of, plus a bias per channel.
    fn leave_products(
        &self,
        to: &Side,
        products: &[f32],
        bias: Option<&[f32]>,
        results: &mut [f32],
    ) {
        let tiles = results.len() / to.image * self.tiles;
        let width = to.rows * to.channels;
        let images = results.par_chunks_exact_mut(to.image).enumerate();
        images.for_each(|(image, result)| {
            with_scratch(|scratch| {
                let sums = take(&mut scratch.planes, to.plane);
                sums.fill(0.0);
                let joined = take(&mut scratch.joined, self.tiles * width);
                for (entry, products) in products.chunks_exact(tiles * width).enumerate() {
                    // The image's tiles, with the runs of columns side by side.
                    for (run, product) in products.chunks(tiles * COLUMNS).enumerate() {
                        let columns = product.len() / tiles;
                        let rows = product.chunks_exact(columns).skip(image * self.tiles);
                        for (row, joined) in rows.zip(joined.chunks_exact_mut(width)) {
                            joined[run * COLUMNS..][..columns].copy_from_slice(row);
                        }
                    }
                    side::collect(to, self.form.place(entry), joined, &to.origins[0], sums);
                }
                side::leave(to, sums, bias, result);
            });
        });
    }
}
