//! The networks that a paired model can have.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::learner::Learner;
use super::{Translator, TranslatorRunConfig};
use crate::error::{Result, refuse};
use crate::nn::dropout::Dropout;
use crate::nn::hrnet::{HrNet, HrNetShape};
use crate::nn::parameters::Parameters;
use crate::nn::pix2pix_unet::Pix2PixUnet;
use crate::nn::residual_unet::ResidualUnet;
use crate::random::Random;

/// Largest number of feature maps.
const WIDTH: usize = 1024;

/// A network by name, with its sizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "network", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Backbone {
    /// The generator of Pix2Pix: as many halvings as divide the image.
    Pix2pixUnet {
        /// Feature maps of the first layer; 64 in the paper.
        width: usize,
    },
    /// A U-Net of residual blocks.
    Unet {
        /// Feature maps of the first level.
        width: usize,
        /// Levels, each of half the size of the one above: 2 to 5.
        levels: usize,
    },
    /// HRNetV2.
    Hrnet {
        /// Feature maps of the finest branch; 18, 32 or 48 as published.
        width: usize,
        /// Modules of each stage after the first, which also sets the number of branches; `[1, 4, 3]` as published.
        modules: Vec<usize>,
        /// Residual blocks of a branch in a module; 4 as published.
        blocks: usize,
        /// Feature maps of the stem; 64 as published.
        stem: usize,
        /// Stride of the stem's two convolutions, 1 or 2; 2 as published.
        stem_stride: usize,
    },
}

impl Backbone {
    /// A short name for rows of tables: `unet-2 (width 8)`.
    pub fn label(&self) -> String {
        match self {
            Self::Pix2pixUnet { width } => format!("pix2pix-unet (width {width})"),
            Self::Unet { width, levels } => format!("unet-{levels} (width {width})"),
            Self::Hrnet { width, modules, .. } => {
                format!("hrnet-{} (width {width})", modules.len() + 1)
            }
        }
    }

    /// Refuses sizes out of range, and images that it cannot halve as often as it has to.
    ///
    /// # Errors
    /// As said.
    pub fn check(&self, size: usize) -> Result<()> {
        let label = self.label();
        let within = |name: &str, value: usize, least: usize, most: usize| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(refuse(
                format!("`translation.backbones` has `{label}` with `{name} = {value}`"),
                format!("set it from {least} to {most}"),
            ))
        };
        let divided = |by: usize, hint: &str| {
            if size.is_multiple_of(by) && size >= 2 * by {
                return Ok(());
            }
            Err(refuse(
                format!(
                    "the network `{label}` makes images {by} times smaller, and these have {size} x {size} pixels"
                ),
                format!(
                    "set `data.patch_size` to a multiple of {by}, at least {}{hint}",
                    2 * by
                ),
            ))
        };
        match self {
            Self::Pix2pixUnet { width } => {
                within("width", *width, 1, WIDTH)?;
                divided(8, "")
            }
            Self::Unet { width, levels } => {
                within("width", *width, 1, WIDTH)?;
                within("levels", *levels, 2, 5)?;
                divided(1 << (levels - 1), ", or take fewer levels")
            }
            Self::Hrnet {
                width,
                modules,
                blocks,
                stem,
                stem_stride,
            } => {
                within("width", *width, 1, WIDTH)?;
                within("blocks", *blocks, 1, 16)?;
                within("stem", *stem, 1, WIDTH)?;
                within("stem_stride", *stem_stride, 1, 2)?;
                within("modules", modules.len(), 1, 3)?;
                for count in modules {
                    within("modules", *count, 1, 16)?;
                }
                divided(
                    (stem_stride * stem_stride) << modules.len(),
                    ", take fewer stages in `modules`, or set `stem_stride = 1`",
                )
            }
        }
    }

    /// The untrained model of `run`.
    pub(super) fn build(run: &TranslatorRunConfig, device: &Device) -> Box<dyn Translator> {
        let parameters = &Parameters::new("translator", Random::new(run.seed), device)
            .with_precision(run.precision);
        let ends = [run.channels, run.outputs()];
        match &run.backbone {
            Self::Pix2pixUnet { width } => {
                let levels = Pix2PixUnet::levels(run.image_size);
                let network = Pix2PixUnet::new(parameters, ends, *width, levels);
                Box::new(Learner::new(network, run, device))
            }
            Self::Unet { width, levels } => {
                let network = ResidualUnet::new(parameters, ends, *width, *levels);
                Box::new(Learner::new(network, run, device))
            }
            Self::Hrnet {
                width,
                modules,
                blocks,
                stem,
                stem_stride,
            } => {
                let shape = HrNetShape {
                    channels: run.channels,
                    outputs: run.outputs(),
                    width: *width,
                    modules: modules.clone(),
                    blocks: *blocks,
                    stem: *stem,
                    stem_stride: *stem_stride,
                };
                Box::new(Learner::new(HrNet::new(parameters, &shape), run, device))
            }
        }
    }
}

/// A network from an image to a map of its size: what a backbone is built of.
pub(super) trait Body: Module + Send + 'static {
    /// [n, channels, h, w] -> [n, outputs, h, w], before the last activation function.
    fn forward(&self, images: Tensor<4>, dropout: Option<Dropout>) -> Tensor<4>;

    /// What the names of the last layer's parameters begin with.
    fn head(&self) -> String;
}

impl Body for Pix2PixUnet {
    fn forward(&self, images: Tensor<4>, dropout: Option<Dropout>) -> Tensor<4> {
        self.forward(images, dropout)
    }

    fn head(&self) -> String {
        format!("up.{}.", self.depth() - 1)
    }
}

impl Body for ResidualUnet {
    fn forward(&self, images: Tensor<4>, _: Option<Dropout>) -> Tensor<4> {
        self.forward(images)
    }

    fn head(&self) -> String {
        "head.".to_owned()
    }
}

impl Body for HrNet {
    fn forward(&self, images: Tensor<4>, _: Option<Dropout>) -> Tensor<4> {
        self.forward(images)
    }

    fn head(&self) -> String {
        "head.".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(backbone: &Backbone, size: usize) -> String {
        backbone.check(size).unwrap_err().to_string()
    }

    #[test]
    fn sizes_that_do_not_divide_are_refused() {
        let unet = Backbone::Unet {
            width: 8,
            levels: 4,
        };
        assert!(unet.check(64).is_ok());
        assert_eq!(
            refusal(&unet, 60),
            "the network `unet-4 (width 8)` makes images 8 times smaller, and these have 60 x 60 pixels"
        );
        let hrnet = |stem_stride| Backbone::Hrnet {
            width: 8,
            modules: vec![1, 1, 1],
            blocks: 1,
            stem: 8,
            stem_stride,
        };
        assert!(hrnet(1).check(48).is_ok());
        assert_eq!(
            refusal(&hrnet(2), 48),
            "the network `hrnet-4 (width 8)` makes images 32 times smaller, and these have 48 x 48 pixels"
        );
        assert!(refusal(&Backbone::Pix2pixUnet { width: 8 }, 28).contains("28 x 28"));
        let wide = Backbone::Unet {
            width: 0,
            levels: 2,
        };
        assert_eq!(
            refusal(&wide, 64),
            "`translation.backbones` has `unet-2 (width 0)` with `width = 0`"
        );
    }
}
