//! What publishers call the tensors of a vision transformer: a table of names each.

use std::path::Path;

use super::{Follow, VitConfig};
use crate::error::{Result, refuse};
use crate::nn::weights::Weights;

/// The names of tensors in files of one origin. Parts of a block come after the block's own name and number.
#[derive(Clone, Copy, Debug)]
pub struct Naming {
    /// Whether the class token and the positions have no dimensions of 1 before those that are told here.
    pub flat: bool,
    /// The class token, [1, 1, width].
    pub class: &'static str,
    /// The register tokens, [1, registers, width].
    pub registers: &'static str,
    /// The position embeddings, [1, positioned + grid^2, width].
    pub positions: &'static str,
    /// How many tokens before the patches have a position.
    pub positioned: usize,
    /// The convolution that makes tokens of patches.
    pub embed: &'static str,
    /// Whether that has a bias.
    pub bias: bool,
    /// The normalisation before the first block.
    pub pre_norm: &'static str,
    /// The blocks.
    pub blocks: &'static str,
    /// The normalisations before attention and before the linear maps.
    pub norms: [&'static str; 2],
    /// The linear maps to queries, keys and values: one to all, or one to each.
    pub packed: &'static [&'static str],
    /// The linear map after attention.
    pub project: &'static str,
    /// The scales of what attention and of what the linear maps add.
    pub scales: [&'static str; 2],
    /// The two linear maps around a GELU.
    pub mlp: [&'static str; 2],
    /// The same around a gate.
    pub gated: [&'static str; 2],
    /// The last normalisation.
    pub norm: &'static str,
    /// The linear map after it, without a bias.
    pub projection: &'static str,
    /// What the names of tensors begin with that are there for something else.
    pub unused: &'static [&'static str],
}

/// The files of DINOv2's own hub.
pub const DINOV2: Naming = Naming {
    flat: false,
    class: "cls_token",
    registers: "register_tokens",
    positions: "pos_embed",
    positioned: 1,
    embed: "patch_embed.proj",
    bias: true,
    pre_norm: "norm_pre",
    blocks: "blocks",
    norms: ["norm1", "norm2"],
    packed: &["attn.qkv"],
    project: "attn.proj",
    scales: ["ls1.gamma", "ls2.gamma"],
    mlp: ["mlp.fc1", "mlp.fc2"],
    gated: ["mlp.w12", "mlp.w3"],
    norm: "norm",
    projection: "head",
    unused: &["mask_token"],
};

/// timm's files; whether the tokens before the patches have positions depends on the network.
pub const TIMM: Naming = Naming {
    registers: "reg_token",
    gated: ["mlp.fc1", "mlp.fc2"],
    unused: &[],
    ..DINOV2
};

/// Hugging Face transformers' files of the class `ViTModel`.
pub const TRANSFORMERS_VIT: Naming = Naming {
    flat: false,
    class: "embeddings.cls_token",
    registers: "embeddings.register_tokens",
    positions: "embeddings.position_embeddings",
    positioned: 1,
    embed: "embeddings.patch_embeddings.projection",
    bias: true,
    pre_norm: "pre_layernorm",
    blocks: "encoder.layer",
    norms: ["layernorm_before", "layernorm_after"],
    packed: &[
        "attention.attention.query",
        "attention.attention.key",
        "attention.attention.value",
    ],
    project: "attention.output.dense",
    scales: ["layer_scale1.lambda1", "layer_scale2.lambda1"],
    mlp: ["intermediate.dense", "output.dense"],
    gated: ["mlp.weights_in", "mlp.weights_out"],
    norm: "layernorm",
    projection: "projection",
    unused: &["pooler."],
};

/// Hugging Face transformers' files of the class `Dinov2Model`, with registers or without.
pub const TRANSFORMERS_DINOV2: Naming = Naming {
    norms: ["norm1", "norm2"],
    mlp: ["mlp.fc1", "mlp.fc2"],
    unused: &["embeddings.mask_token"],
    ..TRANSFORMERS_VIT
};

/// Hugging Face transformers' files of the class `CLIPModel`; the text's half is passed over.
pub const CLIP: Naming = Naming {
    flat: true,
    class: "vision_model.embeddings.class_embedding",
    positions: "vision_model.embeddings.position_embedding.weight",
    embed: "vision_model.embeddings.patch_embedding",
    bias: false,
    pre_norm: "vision_model.pre_layrnorm",
    blocks: "vision_model.encoder.layers",
    norms: ["layer_norm1", "layer_norm2"],
    packed: &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    project: "self_attn.out_proj",
    mlp: ["mlp.fc1", "mlp.fc2"],
    norm: "vision_model.post_layernorm",
    projection: "visual_projection",
    unused: &[
        "text_model.",
        "text_projection.",
        "logit_scale",
        "vision_model.embeddings.position_ids",
    ],
    ..TRANSFORMERS_VIT
};

impl Naming {
    /// The shape in the file of a tensor whose leading dimensions of 1 may not be there.
    pub(super) fn shape(&self, shape: &[usize]) -> Vec<usize> {
        let ones = shape.iter().take_while(|&&length| length == 1).count();
        shape[if self.flat { ones } else { 0 }..].to_vec()
    }
}

/// The tensors of a file, by the names of one origin.
pub(super) struct Tensors {
    weights: Weights,
    naming: Naming,
    /// The one that told the origin, until it is taken.
    telling: Option<(String, Vec<f32>)>,
}

impl Tensors {
    /// Finds out which of `namings` those of the file at `path` are called by.
    pub(super) fn find(
        mut weights: Weights,
        path: &Path,
        config: &VitConfig,
        namings: &[Naming],
    ) -> Result<Self> {
        let (mut tried, mut reasons) = (Vec::new(), Vec::new());
        for naming in namings {
            let telling = telling(naming, config);
            if tried.contains(&telling) {
                continue;
            }
            let (name, shape) = &telling;
            match weights.values(name, shape) {
                Ok(values) => {
                    return Ok(Self {
                        weights,
                        naming: *naming,
                        telling: Some((telling.0, values)),
                    });
                }
                Err(error) => reasons.push(error.to_string()),
            }
            tried.push(telling);
        }
        let shown = path.display();
        Err(refuse(
            format!(
                "`{shown}` holds no weights of this network: {}",
                reasons.join("; ")
            ),
            "give the weights of this network as they were published, in numbers of type F32",
        ))
    }

    pub(super) fn naming(&self) -> Naming {
        self.naming
    }

    /// The numbers of a tensor, as [`Weights::values`] gives them.
    pub(super) fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.telling.take_if(|(telling, _)| telling == name) {
            Some((_, values)) => Ok(values),
            None => self.weights.values(name, shape),
        }
    }

    /// Says that the network needs no more.
    pub(super) fn finish(self) -> Result<()> {
        let unused = self.naming.unused;
        self.weights
            .finish(|name| unused.iter().any(|start| name.starts_with(start)))
    }
}

/// A tensor that every network of this kind has and that origins call differently, where there is one.
fn telling(naming: &Naming, config: &VitConfig) -> (String, Vec<usize>) {
    let width = config.width;
    if config.follow == Follow::SwiGlu {
        let name = format!("{}.0.{}.weight", naming.blocks, naming.gated[0]);
        (name, vec![2 * config.hidden, width])
    } else if config.registers > 0 {
        let shape = vec![1, config.registers, width];
        (naming.registers.to_owned(), shape)
    } else {
        (naming.class.to_owned(), naming.shape(&[1, 1, width]))
    }
}
