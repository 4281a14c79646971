//! The image itself as its features, averaged down to 16 x 16: colour and coarse layout, no network.

use super::{Extractor, ExtractorEntry, Features};
use crate::error::{Result, refuse};
use crate::images::Pixels;

/// Height and width that images are averaged down to.
const SIZE: usize = 16;

/// The registry's entry.
pub(super) const PIXELS: ExtractorEntry = ExtractorEntry {
    name: "pixels",
    about: "RGB in [0, 1], averaged down to 16 x 16 (768 numbers); no network",
    load: |_, _| Ok(Box::new(PixelExtractor)),
};

struct PixelExtractor;

impl Extractor for PixelExtractor {
    fn describe(&self) -> String {
        format!("pixels ({SIZE} x {SIZE} x 3)")
    }

    fn hash(&self) -> String {
        "none".into()
    }

    fn resize(&self) -> &'static str {
        "box average to 16 x 16"
    }

    fn extract(&self, images: &Pixels) -> Result<Features> {
        if !images.size.is_multiple_of(SIZE) {
            return Err(refuse(
                format!(
                    "`pixels` cannot average images of {0} x {0} down to {SIZE} x {SIZE}",
                    images.size
                ),
                format!("take images whose size is a multiple of {SIZE}, or another extractor"),
            ));
        }
        let images = images.to_rgb();
        let block = images.size / SIZE;
        let columns = 3 * SIZE * SIZE;
        let mut values = vec![0.0f32; images.count * columns];
        let scale = 1.0 / (255 * block * block) as f32;
        for (index, row) in values.chunks_exact_mut(columns).enumerate() {
            for (place, pixel) in images.image(index).chunks_exact(3).enumerate() {
                let (y, x) = (place / images.size / block, place % images.size / block);
                let cell = &mut row[(y * SIZE + x) * 3..][..3];
                for (sum, &value) in cell.iter_mut().zip(pixel) {
                    *sum += f32::from(value);
                }
            }
            for value in row {
                *value *= scale;
            }
        }
        Ok(Features::new(images.count, columns, values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_the_mean_of_their_pixels() {
        let bytes =
            (0..32 * 32).flat_map(|place| if place % 2 == 0 { [255, 0, 51] } else { [0; 3] });
        let images = Pixels::new(1, 32, 3, bytes.collect());
        let features = PixelExtractor.extract(&images).unwrap();
        assert_eq!(features.columns, 768);
        for cell in features.values.chunks_exact(3) {
            assert!((cell[0] - 0.5).abs() < 1e-6 && cell[1] == 0.0 && (cell[2] - 0.1).abs() < 1e-6);
        }
    }
}
