//! The model card of an exported generator: `README.md` with the header in YAML that model hubs read.

use std::fmt::Write;

use super::generator::GeneratorFormat;
use crate::config::{RunConfig, TruncationLaw};
use crate::metrics;
use crate::models::MODELS;
use crate::models::prior::{Noise, Prior};
use crate::nn::plain_generator::PlainGenerator;
use crate::tracker::ScoreRecord;

/// What a card is made from.
pub(super) struct Card<'a> {
    /// The run's name.
    pub(super) name: &'a str,
    pub(super) run: &'a RunConfig,
    pub(super) generator: &'a PlainGenerator,
    pub(super) prior: &'a Prior,
    pub(super) format: GeneratorFormat,
    /// What was measured of it; empty if nothing.
    pub(super) scores: &'a [ScoreRecord],
}

/// The text of the card.
pub(super) fn card(card: &Card<'_>) -> String {
    let Card {
        name,
        run,
        generator,
        prior,
        ..
    } = card;
    let measured: Vec<&ScoreRecord> = card
        .scores
        .iter()
        .filter(|score| score.value.is_some())
        .collect();
    let mut text = header(card, &measured);

    // What it is.
    let RunConfig {
        model,
        image_size: size,
        ..
    } = run;
    let paper = MODELS.find(model).map_or("", |model| model.paper);
    let kind = if run.channels == 1 { "grey" } else { "RGB" };
    let _ = write!(
        text,
        "\n# {name}\n\nA generator of histopathology patches, {size} x {size} pixels, {kind}: `{model}` ({paper}), trained with \
         histogen {} for {} steps of {} images, seed {}. Data: the patch store with the SHA-256 `{}`.\n\n",
        env!("CARGO_PKG_VERSION"),
        run.steps,
        run.batch,
        run.seed,
        run.data_hash,
    );
    if run.backbone.ema_decay > 0.0 {
        text += "Its weights are the moving average that images were drawn from.\n\n";
    }
    let _ = writeln!(text, "Input: {}", input(generator, prior));
    for (class, name) in run.classes.iter().take(generator.classes).enumerate() {
        let _ = writeln!(text, "- class {class}: {name}");
    }
    text += "\nOutput: images in [-1, 1], channels first; bytes are floor(127.5 x + 128), clipped to 0 .. 255.\n\n";
    text += match card.format {
        GeneratorFormat::Safetensors => {
            "```python\nfrom generator import load\n\ngenerator = load(\".\")  # generator.safetensors\n"
        }
        GeneratorFormat::Onnx => {
            "```python\nimport numpy, onnxruntime\n\ncheck = numpy.load(\"check.npz\")\nsession = \
             onnxruntime.InferenceSession(\"generator.onnx\")\n"
        }
    };
    let with_class = generator.classes > 0;
    match card.format {
        GeneratorFormat::Safetensors => {
            let class = if with_class { ", classes" } else { "" };
            let _ = write!(
                text,
                "images = generator(z{class})\n```\n\n`python generator.py` makes the images in `check.npz` again and prints the \
                 largest difference.\n"
            );
        }
        GeneratorFormat::Onnx => {
            let class = if with_class {
                ", \"class\": check[\"classes\"]"
            } else {
                ""
            };
            let _ = write!(
                text,
                "images, = session.run(None, {{\"z\": check[\"z\"]{class}}})\nprint(abs(images - check[\"images\"]).max())\n```\n"
            );
        }
    }

    // What was measured.
    text += "\n## Scores\n\n";
    if measured.is_empty() {
        text += "Nothing was measured of this checkpoint.\n";
    }
    for score in &measured {
        let title =
            metrics::definition(&score.name).map_or(score.name.as_str(), |known| known.title);
        let value = score.value.unwrap_or_default();
        let _ = writeln!(text, "- {title}: {value:.6}. {}", score.protocol.describe());
    }
    text += "\n## Licence\n\nTo be chosen by whoever publishes this, as far as the licence of the training images allows.\n";
    text
}

/// The header in YAML.
fn header(card: &Card<'_>, measured: &[&ScoreRecord]) -> String {
    let Card { name, run, .. } = card;
    let library = match card.format {
        GeneratorFormat::Safetensors => "pytorch",
        GeneratorFormat::Onnx => "onnx",
    };
    let mut text = format!(
        "---\nlibrary_name: {library}\nlicense: other\nlicense_name: to-be-chosen\npipeline_tag: unconditional-image-generation\n\
         tags:\n- histopathology\n- gan\n- histogen\n- {}\ndatasets:\n- {}\n",
        run.model,
        quoted(&run.data_hash)
    );
    if measured.is_empty() {
        return text + "---\n";
    }
    text += "metrics:\n";
    for score in measured {
        let _ = writeln!(text, "- {}", score.name);
    }
    let _ = write!(
        text,
        "model-index:\n- name: {}\n  results:\n  - task:\n      type: unconditional-image-generation\n    dataset:\n      \
         name: {}\n      type: {}\n    metrics:\n",
        quoted(name),
        quoted(&measured[0].protocol.reference),
        quoted(&run.data_hash)
    );
    for score in measured {
        let _ = write!(
            text,
            "    - type: {}\n      value: {}\n      name: {}\n",
            score.name,
            score.value.unwrap_or_default(),
            quoted(&format!("{} (protocol {})", score.name, score.protocol_id))
        );
    }
    text + "---\n"
}

/// Text as a scalar of YAML in double quotes, which is as JSON writes it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What the generator is given, in words.
fn input(generator: &PlainGenerator, prior: &Prior) -> String {
    let noise = match prior.noise() {
        Noise::Normal => "N(0, 1) in each entry".to_owned(),
        Noise::Truncated { law, tau } => match law {
            TruncationLaw::Clip => format!("N(0, 1) in each entry, clipped to [-{tau}, {tau}]"),
            TruncationLaw::Resample => {
                format!("N(0, 1) in each entry, drawn again where it is beyond {tau}")
            }
            TruncationLaw::Scaled => {
                format!("{tau} times N(0, 1) in each entry, drawn again where that is beyond 2")
            }
            TruncationLaw::Variance => format!("N(0, {tau}) in each entry"),
        },
    };
    let mixture = match prior.mixture() {
        None => String::new(),
        Some(mixture) => format!(
            ", laid about the means of a mixture of {} components, all as likely (`latents(noise, component)`)",
            mixture.means.len() / generator.latent
        ),
    };
    let class = match generator.classes {
        0 => "",
        _ => ", and a class",
    };
    format!(
        "latent vectors z [n, {}], {noise}{mixture}{class}.",
        generator.latent
    )
}
