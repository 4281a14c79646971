//! Images that are read a block at a time, as often as wanted, so that nobody holds them all.

use std::io::Write;
use std::ops::Range;

use super::Pixels;
use crate::digest::Sha256Writer;
use crate::error::Result;

/// Images of a block: a multiple of every extractor's batch, and enough to share out among threads.
const BLOCK: usize = 256;

/// A set of images of one size and number of channels, in memory or not.
pub trait ImageSource {
    /// How many images.
    fn count(&self) -> usize;

    /// Height and width in pixels.
    fn size(&self) -> usize;

    /// 3 for RGB, 1 for grey.
    fn channels(&self) -> usize;

    /// The images at `range`, which ends at [`Self::count`] at most.
    fn read(&self, range: Range<usize>) -> Result<Pixels>;

    /// The name of the class of each image, where they have classes.
    fn classes(&self) -> Option<Vec<String>> {
        None
    }
}

impl dyn ImageSource + '_ {
    /// All images in their order, some hundred at a time; a block without images where there are none.
    pub fn blocks(&self) -> impl Iterator<Item = Result<Pixels>> {
        let count = self.count();
        let firsts = (0..count.max(1)).step_by(BLOCK);
        firsts.map(move |first| self.read(first..count.min(first + BLOCK)))
    }

    /// The SHA-256 of the bytes of all images.
    pub fn hash(&self) -> Result<String> {
        let mut digest = Sha256Writer::default();
        for block in self.blocks() {
            digest.write_all(&block?.bytes)?;
        }
        Ok(digest.finish())
    }
}

impl ImageSource for Pixels {
    fn count(&self) -> usize {
        self.count
    }

    fn size(&self) -> usize {
        self.size
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn read(&self, range: Range<usize>) -> Result<Pixels> {
        let length = self.size * self.size * self.channels;
        let bytes = self.bytes[range.start * length..range.end * length].to_vec();
        Ok(Self::new(range.len(), self.size, self.channels, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn blocks_are_all_images_in_their_order() {
        for count in [0, 1, BLOCK, 2 * BLOCK + 3] {
            let bytes: Vec<u8> = (0..count * 12).map(|place| (place % 251) as u8).collect();
            let pixels = Pixels::new(count, 2, 3, bytes);
            let source: &dyn ImageSource = &pixels;
            let blocks: Vec<Pixels> = source.blocks().map(Result::unwrap).collect();
            assert_eq!(blocks.len(), count.div_ceil(BLOCK).max(1));
            assert!(blocks.iter().all(|block| block.count <= BLOCK));
            let bytes: Vec<u8> = blocks.into_iter().flat_map(|block| block.bytes).collect();
            assert_eq!(bytes, pixels.bytes);
            assert_eq!(source.hash().unwrap(), sha256(&pixels.bytes));
        }
    }
}
