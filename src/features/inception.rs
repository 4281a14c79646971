//! The FID network as a feature extractor: 2048 numbers an image, prepared as one of three tools prepares it.

use burn::tensor::{Device, Tensor, TensorData};

use super::batches::in_batches;
use super::resize::Resize;
use super::{Extractor, ExtractorEntry, FeatureConfig, Features};
use crate::device;
use crate::error::Result;
use crate::images::Pixels;
use crate::nn::inception::{FEATURES, InceptionV3, SIZE};
use crate::weights::{INCEPTION_V3, locate};

/// Images of a pass on the CPU: the fastest, changes no number.
const BATCH: usize = 6;

/// The registry's entry of the network as torch-fidelity and TTUR use it.
pub(super) const INCEPTION: ExtractorEntry = ExtractorEntry {
    name: TORCH_FIDELITY.name,
    about: "the FID network, bilinear resize of TensorFlow 1 (2048 numbers): the FID of TTUR and torch-fidelity",
    load: |config, device| load(TORCH_FIDELITY, config, device),
};

/// The registry's entry of the network as pytorch-fid uses it.
pub(super) const PYTORCH: ExtractorEntry = ExtractorEntry {
    name: PYTORCH_FID.name,
    about: "the FID network, bilinear resize between pixel centres (2048 numbers): the FID of pytorch-fid",
    load: |config, device| load(PYTORCH_FID, config, device),
};

/// The registry's entry of the network as clean-fid uses it.
pub(super) const CLEAN: ExtractorEntry = ExtractorEntry {
    name: CLEAN_FID.name,
    about: "the FID network, antialiased bicubic resize (2048 numbers): the FID of clean-fid",
    load: |config, device| load(CLEAN_FID, config, device),
};

/// The registry's entry of the network's maps with their places, of which sFID is the Fréchet distance.
pub(super) const SPATIAL: ExtractorEntry = ExtractorEntry {
    name: INCEPTION_SPATIAL.name,
    about: "the FID network's first 7 maps of 17 x 17 (2023 numbers), prepared as for inception-v3: the sFID of ADM (Nash et al. 2021)",
    load: |config, device| load(INCEPTION_SPATIAL, config, device),
};

/// How a resized value from 0 to 255 becomes what the network sees.
#[derive(Clone, Copy)]
struct Scale {
    formula: &'static str,
    apply: fn(f32) -> f32,
}

/// TensorFlow's graph, which the network was trained as: [-1, 0.992].
const BY_128: Scale = Scale {
    formula: "(x - 128) / 128",
    apply: |value| (value - 128.0) / 128.0,
};

/// pytorch-fid: [-1, 1].
const BY_255: Scale = Scale {
    formula: "2 x / 255 - 1",
    apply: |value| 2.0 * (value / 255.0) - 1.0,
};

/// What a tool does to an image before the network.
struct Input {
    name: &'static str,
    resize: Resize,
    scale: Scale,
    output: Output,
}

/// Where features are read from the network.
#[derive(Clone, Copy, PartialEq)]
enum Output {
    /// After the last stage, the mean over places.
    Pool3,
    /// The first channels of a stage, place by place, as ADM's evaluator reads `mixed_6/conv:0` of TensorFlow's graph: its first
    /// branch is what the stage begins with.
    Spatial,
}

/// The stage of [`Output::Spatial`], and how many of its channels are read.
const SPATIAL_STAGE: &str = "Mixed_6d";
const SPATIAL_CHANNELS: usize = 7;
/// Their places, 17 x 17, times channels.
const SPATIAL_FEATURES: usize = 17 * 17 * SPATIAL_CHANNELS;

const TORCH_FIDELITY: Input = Input {
    name: "inception-v3",
    resize: Resize::BilinearTensorFlow,
    scale: BY_128,
    output: Output::Pool3,
};

const INCEPTION_SPATIAL: Input = Input {
    name: "inception-v3-spatial",
    output: Output::Spatial,
    ..TORCH_FIDELITY
};

const PYTORCH_FID: Input = Input {
    name: "inception-v3-pytorch",
    resize: Resize::BilinearHalfPixel,
    scale: BY_255,
    output: Output::Pool3,
};

const CLEAN_FID: Input = Input {
    name: "inception-v3-clean",
    resize: Resize::BicubicAntialiased,
    scale: BY_128,
    output: Output::Pool3,
};

struct InceptionExtractor {
    input: Input,
    network: InceptionV3,
    device: Device,
    hash: String,
}

fn load(input: Input, config: &FeatureConfig, device: &Device) -> Result<Box<dyn Extractor>> {
    let what = format!("the extractor `{}`", input.name);
    let file = locate(&config.weights, INCEPTION_V3, &what)?;
    let device = device.clone().without_autodiff();
    let (network, hash) = file.load(|path| InceptionV3::from_file(path, &device))?;
    Ok(Box::new(InceptionExtractor {
        input,
        network,
        device,
        hash,
    }))
}

impl Extractor for InceptionExtractor {
    fn describe(&self) -> String {
        let Input { name, scale, .. } = &self.input;
        let output = match self.input.output {
            Output::Pool3 => "pool3",
            Output::Spatial => "first 7 maps of mixed_6",
        };
        format!(
            "{name} (2015-12-05, {output}, {SIZE} x {SIZE}, {})",
            scale.formula
        )
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn resize(&self) -> &'static str {
        self.input.resize.describe()
    }

    fn extract(&self, images: &Pixels) -> Result<Features> {
        let columns = match self.input.output {
            Output::Pool3 => FEATURES,
            Output::Spatial => SPATIAL_FEATURES,
        };
        in_batches(&images.to_rgb(), columns, BATCH, &self.device, |batch| {
            let mut planes = self.input.resize.apply(batch, SIZE);
            for value in &mut planes {
                *value = (self.input.scale.apply)(*value);
            }
            let shape = [batch.count, 3, SIZE, SIZE];
            let tensor = Tensor::from_data(TensorData::new(planes, shape), &self.device);
            device::values(match self.input.output {
                Output::Pool3 => self.network.features(tensor),
                Output::Spatial => {
                    let maps = self.network.maps_after(SPATIAL_STAGE, tensor);
                    let maps = maps.narrow(1, 0, SPATIAL_CHANNELS);
                    maps.permute([0, 2, 3, 1]).flatten(1, 3)
                }
            })
        })
    }
}
