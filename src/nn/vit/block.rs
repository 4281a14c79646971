//! A block of a vision transformer, and the layers that it is made of.

use burn::tensor::{Device, Tensor, TensorData};

use super::names::Tensors;
use super::{Follow, VitConfig};
use crate::error::Result;
use crate::kernels::transformer::{attention, layer_norm, linear, linear_onto};

/// x + attention(norm(x)), and of that x + mlp(norm(x)).
#[derive(Debug)]
pub(super) struct Block {
    attention_norm: Norm,
    /// To query, key and value.
    packed: Linear,
    project: Linear,
    norm: Norm,
    widen: Linear,
    narrow: Linear,
}

/// x W + b.
#[derive(Debug)]
pub(super) struct Linear {
    /// [inputs, outputs]
    weight: Tensor<2>,
    /// `[outputs]`
    bias: Tensor<1>,
}

/// Scale and shift of a layer normalisation, `[width]`.
#[derive(Debug)]
pub(super) struct Norm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
}

impl Block {
    pub(super) fn take(
        tensors: &mut Tensors,
        config: &VitConfig,
        number: usize,
        device: &Device,
    ) -> Result<Self> {
        let (width, hidden) = (config.width, config.hidden);
        let naming = tensors.naming();
        let within = |part: &str| format!("{}.{number}.{part}", naming.blocks);
        let scale = |tensors: &mut Tensors, part: &str| {
            let scale = config
                .scaled
                .then(|| tensors.values(&within(part), &[width]));
            scale.transpose()
        };
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        let outputs = 3 * width / naming.packed.len();
        for part in naming.packed {
            let name = within(part);
            weight.extend(tensors.values(&format!("{name}.weight"), &[outputs, width])?);
            bias.extend(tensors.values(&format!("{name}.bias"), &[outputs])?);
        }
        let packed = Linear::of(&weight, bias, None, width, device);
        let scales = [
            scale(tensors, naming.scales[0])?,
            scale(tensors, naming.scales[1])?,
        ];
        let [of_attention, of_mlp] = &scales;
        let (widen, narrow) = if config.follow == Follow::SwiGlu {
            (naming.gated, 2 * hidden)
        } else {
            (naming.mlp, hidden)
        };
        let mut linear = |part: &str, shape: [usize; 2], scale: Option<&[f32]>| {
            Linear::take(tensors, &within(part), shape, scale, device)
        };
        let project = linear(naming.project, [width, width], of_attention.as_deref())?;
        let [first, second] = widen;
        let widen = linear(first, [narrow, width], None)?;
        let narrow = linear(second, [width, hidden], of_mlp.as_deref())?;
        let [attention_norm, norm] = naming.norms;
        Ok(Self {
            attention_norm: Norm::take(tensors, &within(attention_norm), width, device)?,
            packed,
            project,
            norm: Norm::take(tensors, &within(norm), width, device)?,
            widen,
            narrow,
        })
    }

    /// [n, tokens, width] -> the same, or of the first `kept` tokens alone.
    pub(super) fn forward(
        &self,
        tokens: Tensor<3>,
        config: &VitConfig,
        kept: Option<usize>,
    ) -> Tensor<3> {
        let normalised = self.attention_norm.forward(tokens.clone(), config);
        let packed = self.packed.forward(normalised, Follow::Nothing);
        let mixed = attention(packed, config.heads);
        let kept = kept.unwrap_or(tokens.dims()[1]);
        let [tokens, mixed] = [tokens, mixed].map(|tokens| tokens.narrow(1, 0, kept));
        let tokens = self.project.forward_onto(tokens, mixed);
        let normalised = self.norm.forward(tokens.clone(), config);
        let hidden = self.widen.forward(normalised, config.follow);
        self.narrow.forward_onto(tokens, hidden)
    }
}

impl Linear {
    /// The linear map called `name`, whose weight is `[outputs, inputs]` in the file; its outputs times `scale`.
    pub(super) fn take(
        tensors: &mut Tensors,
        name: &str,
        [outputs, inputs]: [usize; 2],
        scale: Option<&[f32]>,
        device: &Device,
    ) -> Result<Self> {
        let weight = tensors.values(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = tensors.values(&format!("{name}.bias"), &[outputs])?;
        Ok(Self::of(&weight, bias, scale, inputs, device))
    }

    /// From the weight [outputs, inputs].
    pub(super) fn of(
        weight: &[f32],
        mut bias: Vec<f32>,
        scale: Option<&[f32]>,
        inputs: usize,
        device: &Device,
    ) -> Self {
        let outputs = bias.len();
        let scaled = |value: f32, scale: f32| (f64::from(value) * f64::from(scale)) as f32;
        let mut turned = vec![0.0; weight.len()];
        for (output, row) in weight.chunks_exact(inputs).enumerate() {
            let scale = scale.map_or(1.0, |scale| scale[output]);
            for (input, &value) in row.iter().enumerate() {
                turned[input * outputs + output] = scaled(value, scale);
            }
            bias[output] = scaled(bias[output], scale);
        }
        Self {
            weight: Tensor::from_data(TensorData::new(turned, [inputs, outputs]), device),
            bias: Tensor::from_data(TensorData::new(bias, [outputs]), device),
        }
    }

    pub(super) fn forward(&self, input: Tensor<3>, follow: Follow) -> Tensor<3> {
        linear(input, self.weight.clone(), self.bias.clone(), follow)
    }

    /// y + x W + b.
    pub(super) fn forward_onto(&self, onto: Tensor<3>, input: Tensor<3>) -> Tensor<3> {
        linear_onto(onto, input, self.weight.clone(), self.bias.clone())
    }
}

impl Norm {
    pub(super) fn take(
        tensors: &mut Tensors,
        name: &str,
        width: usize,
        device: &Device,
    ) -> Result<Self> {
        let mut vector = |part: &str| -> Result<Tensor<1>> {
            let values = tensors.values(&format!("{name}.{part}"), &[width])?;
            Ok(Tensor::from_data(TensorData::new(values, [width]), device))
        };
        Ok(Self {
            gamma: vector("weight")?,
            beta: vector("bias")?,
        })
    }

    pub(super) fn forward(&self, tokens: Tensor<3>, config: &VitConfig) -> Tensor<3> {
        let (gamma, beta) = (self.gamma.clone(), self.beta.clone());
        layer_norm(tokens, gamma, beta, config.epsilon)
    }
}
