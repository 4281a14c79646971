//! A generator as a small PyTorch module, and its numbers under the names that the module gives them.

use std::fmt::Write;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::error::Result;
use crate::models::prior::{Factors, Mixture, Prior};
use crate::nn::activation::Activation;
use crate::nn::plain_generator::PlainGenerator;

/// The file with the module.
pub(super) const MODULE: &str = "generator.py";
/// The file with its numbers.
pub(super) const TENSORS: &str = "generator.safetensors";

/// The module's text.
pub(super) fn module(
    generator: &PlainGenerator,
    prior: &Prior,
    name: &str,
    shape: [usize; 3],
) -> String {
    let PlainGenerator {
        latent,
        classes,
        layers,
    } = generator;
    let [channels, size, _] = shape;
    let with_class = if *classes > 0 { " and classes [n]" } else { "" };
    let mut text = format!(
        "\"\"\"The generator of `{name}`, written by histogen {}: needs torch, numpy and safetensors.\"\"\"\n\
         import sys\n\nimport numpy\nimport torch\nfrom safetensors.torch import load_file\nfrom torch import nn\n\n\n\
         class Generator(nn.Module):\n    \
         \"\"\"Latent vectors [n, {latent}]{with_class} to images [n, {channels}, {size}, {size}] in [-1, 1].\"\"\"\n\n    \
         def __init__(self):\n        super().__init__()\n        self.layers = nn.Sequential(\n",
        env!("CARGO_PKG_VERSION"),
    );
    for layer in layers {
        let [inputs, outputs, kernel, _] = layer.shape;
        let (stride, padding) = (layer.stride, layer.padding);
        let mut line = |line: String| {
            let _ = writeln!(text, "            {line},");
        };
        line(format!(
            "nn.ConvTranspose2d({inputs}, {outputs}, {kernel}, {stride}, {padding}, bias=False)"
        ));
        if layer.norm.is_some() {
            line(format!("nn.BatchNorm2d({outputs})"));
        }
        match layer.activation {
            Activation::Relu => line("nn.ReLU()".to_owned()),
            Activation::LeakyRelu(slope) => line(format!("nn.LeakyReLU({slope})")),
            Activation::Silu => line("nn.SiLU()".to_owned()),
            Activation::Softplus => line("nn.Softplus()".to_owned()),
            Activation::Tanh => line("nn.Tanh()".to_owned()),
            Activation::Identity => {}
        }
    }
    text += "        )\n";
    if let Some(mixture) = prior.mixture() {
        text += &buffers(mixture, *latent);
    }
    text += match classes {
        0 => "\n    def forward(self, z):\n",
        _ => "\n    def forward(self, z, classes):\n",
    };
    if *classes > 0 {
        let _ = writeln!(
            text,
            "        one_hot = nn.functional.one_hot(classes, {classes}).to(z.dtype)"
        );
        text += "        z = torch.cat([z, one_hot], 1)\n";
    }
    text += "        return self.layers(z[:, :, None, None])\n";
    let arguments = if *classes > 0 {
        r#""z", "classes""#
    } else {
        r#""z""#
    };
    let tuple = if *classes > 0 { "" } else { "," };
    let _ = write!(
        text,
        r#"

def load(folder="."):
    generator = Generator()
    generator.load_state_dict(load_file(f"{{folder}}/{TENSORS}"))
    return generator.eval()


if __name__ == "__main__":  # python generator.py [FOLDER]: the images of histogen again
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    check = numpy.load(f"{{folder}}/check.npz")
    with torch.no_grad():
        images = load(folder)(*(torch.from_numpy(check[name]) for name in ({arguments}{tuple})))
    print("largest difference:", numpy.abs(images.numpy() - check["images"]).max())
"#
    );
    text
}

/// The prior as buffers of the module, and how latent vectors are made with them.
fn buffers(mixture: &Mixture, latent: usize) -> String {
    let components = mixture.means.len() / latent;
    let means =
        format!("        self.register_buffer(\"means\", torch.zeros({components}, {latent}))\n");
    match &mixture.factors {
        Factors::Deviation(deviation) => format!(
            "{means}\n    def latents(self, noise, component):\n        \
             return self.means[component] + {deviation} * noise\n"
        ),
        Factors::Matrices(_) => format!(
            "{means}        self.register_buffer(\"factors\", torch.zeros({components}, {latent}, {latent}))\n\n    \
             def latents(self, noise, component):\n        \
             return self.means[component] + (self.factors[component] @ noise[:, :, None])[:, :, 0]\n"
        ),
    }
}

/// The bytes of the safetensors file with the module's state dict.
pub(super) fn tensors(generator: &PlainGenerator, prior: &Prior) -> Result<Vec<u8>> {
    let mut all: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
    let bytes = |values: &[f32]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let mut place = 0;
    for layer in &generator.layers {
        let name = format!("layers.{place}.weight");
        all.push((name, Dtype::F32, layer.shape.to_vec(), bytes(&layer.weight)));
        place += 1;
        if let Some(norm) = &layer.norm {
            let names = ["weight", "bias", "running_mean", "running_var"];
            for (name, values) in names.into_iter().zip(norm) {
                let name = format!("layers.{place}.{name}");
                all.push((name, Dtype::F32, vec![values.len()], bytes(values)));
            }
            // PyTorch counts batches beside the statistics, and asks for the count.
            let name = format!("layers.{place}.num_batches_tracked");
            all.push((name, Dtype::I64, Vec::new(), vec![0; 8]));
            place += 1;
        }
        place += usize::from(!matches!(layer.activation, Activation::Identity));
    }
    if let Some(mixture) = prior.mixture() {
        let latent = generator.latent;
        let components = mixture.means.len() / latent;
        let shape = vec![components, latent];
        all.push(("means".to_owned(), Dtype::F32, shape, bytes(&mixture.means)));
        if let Factors::Matrices(matrices) = &mixture.factors {
            let shape = vec![components, latent, latent];
            all.push(("factors".to_owned(), Dtype::F32, shape, bytes(matrices)));
        }
    }
    let views = all.iter().map(|(name, kind, shape, bytes)| {
        Ok((name.as_str(), TensorView::new(*kind, shape.clone(), bytes)?))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    Ok(safetensors::serialize(views, None)?)
}
