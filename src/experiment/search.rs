//! A set of images with its features, ready to be searched: by an extractor or by a trained MFT-SNN.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::ImageSet;
use super::reward_models::trained_elsewhere;
use crate::config::Config;
use crate::data::ImageFolder;
use crate::error::{Result, explained, refuse};
use crate::features::{self, Extractor, FeatureFile, extract_cached};
use crate::images::{GREY, Pixels, RGB, luminance};
use crate::retrieval::{Duplicates, Found, Similarity, SnnExtractor, find_duplicates, nearest};
use crate::reward::ENCODER;
use crate::slides;
use crate::workspace::Workspace;

/// How images are compared.
#[derive(Clone, Copy, Debug)]
pub struct SearchedBy<'a> {
    /// The folder of a trained MFT-SNN; without it the extractor of the settings.
    pub snn: Option<&'a Path>,
    /// What is compared of the features.
    pub similarity: Similarity,
}

/// A set of images and their features.
pub struct Search {
    /// The images.
    pub set: ImageSet,
    /// What is compared of the features.
    pub similarity: Similarity,
    extractor: Box<dyn Extractor>,
    features: FeatureFile,
}

impl Search {
    /// Extracts the features of `set`, or finds them in the cache of `workspace`.
    ///
    /// # Errors
    /// Refuses weights that are not there or do not fit, and images that the extractor does not take.
    pub fn new(
        set: ImageSet,
        by: SearchedBy<'_>,
        config: &Config,
        workspace: &Workspace,
    ) -> Result<Self> {
        let device = config.compute.open()?;
        let extractor = extractor(by, config, &device)?;
        let hash = set.images.hash()?;
        let cache = workspace.features();
        let features = extract_cached(extractor.as_ref(), set.images.as_ref(), &hash, &cache)?;
        Ok(Self {
            set,
            similarity: by.similarity,
            extractor,
            features,
        })
    }

    /// How images are compared, in words.
    pub fn describe(&self) -> String {
        let channels = self.set.images.channels();
        format!(
            "{} of {}",
            self.similarity.name(),
            self.extractor.describe_for(channels)
        )
    }

    /// The `k` images of the set most like each of `queries`, which must have the size and channels of the set.
    ///
    /// # Errors
    /// As [`nearest`] does.
    pub fn nearest(&self, queries: &Pixels, k: usize) -> Result<Vec<Vec<Found>>> {
        let features = self.extractor.extract(queries)?;
        nearest(&features, &self.features, k, self.similarity)
    }

    /// The duplicates in the set.
    ///
    /// # Errors
    /// As [`find_duplicates`] does.
    pub fn duplicates(&self, threshold: Option<f64>, keep: usize) -> Result<Duplicates> {
        let images = self.set.images.as_ref();
        find_duplicates(images, &self.features, self.similarity, threshold, keep)
    }

    /// The image at `index` of the set.
    ///
    /// # Errors
    /// If it cannot be read any more.
    pub fn image(&self, index: usize) -> Result<Pixels> {
        self.set.images.read(index..index + 1)
    }

    /// `image`, which is called `name`, as a query: in the channels of the set.
    ///
    /// # Errors
    /// Refuses an image of another size: nothing is resized.
    pub fn query(&self, name: &str, image: &image::RgbImage) -> Result<Pixels> {
        let (size, (width, height)) = (self.set.images.size(), image.dimensions());
        if [width, height] != [size as u32; 2] {
            return Err(refuse(
                format!(
                    "`{name}` is {width} x {height}, the images of `{}` are {size} x {size}",
                    self.set.name
                ),
                format!(
                    "give a patch of {size} x {size} pixels at the same scale: nothing is resized"
                ),
            ));
        }
        let pixels = image.as_raw();
        // Grey patches are made of colour ones likewise when slides are cut.
        Ok(match self.set.images.channels() {
            GREY => {
                let pixels = pixels.as_chunks::<RGB>().0.iter();
                Pixels::new(1, size, GREY, pixels.copied().map(luminance).collect())
            }
            _ => Pixels::new(1, size, RGB, pixels.clone()),
        })
    }
}

/// The extractor that `by` asks for.
fn extractor(by: SearchedBy<'_>, config: &Config, device: &Device) -> Result<Box<dyn Extractor>> {
    let Some(folder) = by.snn else {
        return features::load(&config.evaluation.features, device);
    };
    if by.similarity != Similarity::Cosine {
        return Err(refuse(
            "the similarity of an MFT-SNN is the cosine of its embeddings",
            "leave `--similarity` out",
        ));
    }
    let (trained, checkpoint) = trained_elsewhere(folder)?;
    let file = checkpoint.join(ENCODER);
    Ok(Box::new(SnnExtractor::load(
        &trained.settings,
        &file,
        device,
    )?))
}

/// The images at `paths`, which are files or folders, each with its name.
///
/// # Errors
/// Refuses what is not there, and files that are no images.
pub fn read_queries(paths: &[PathBuf]) -> Result<Vec<(String, image::RgbImage)>> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend_from_slice(ImageFolder::open(path)?.paths());
        } else {
            files.push(path.clone());
        }
    }
    let read = |path: &PathBuf| {
        let image = slides::read(path).map_err(|error| {
            refuse(
                format!("cannot decode `{}`: {}", path.display(), explained(&error)),
                "give images (PNG, JPEG or TIFF), or folders of images",
            )
        })?;
        Ok((path.display().to_string(), image))
    };
    files.iter().map(read).collect()
}
