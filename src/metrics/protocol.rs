//! What a number was measured under: everything that has to be equal for two numbers to compare.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::sha256;

/// The setting that has the SHA-256 of the file of statistics (mean and covariance) that was measured in place of images.
pub const GENERATED_STATISTICS: &str = "generated statistics";

/// How a number came about: which images, prepared how, seen through which network, compared by which metric.
///
/// Two numbers compare only if their protocols are equal, field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// How many generated images; 0 where a classifier is tested on real ones, and where that is not known, of statistics.
    pub images: usize,
    /// Which real images: the split. Empty for a path length, which knows none.
    pub reference: String,
    /// How many real images; 0 for a path length, and where that is not known, of statistics made elsewhere.
    pub reference_images: usize,
    /// The SHA-256 of the real images, or of the file with their features or their statistics.
    pub reference_hash: String,
    /// Height and width of generated and real images, in pixels; 0 where their features came from files.
    pub image_size: usize,
    /// How images were brought to the size the extractor takes.
    pub resize: String,
    /// How generated values became bytes.
    pub quantise: String,
    /// The network whose features were compared, or the perceptual distance.
    pub extractor: String,
    /// The SHA-256 of its weights.
    pub extractor_hash: String,
    /// The metric, by the name of its family, or the path length.
    pub metric: String,
    /// What the metric depends on besides, by name: k, subsets, seed.
    pub settings: BTreeMap<String, String>,
    /// The samplers of generated images other than the models' own, with their settings; each draws from the models that it
    /// fits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sampler: String,
}

impl Protocol {
    /// The first 8 digits of the SHA-256 of the protocol as JSON without spaces, fields in the order they are declared
    /// in and settings by name.
    pub fn id(&self) -> String {
        let json = serde_json::to_string(self).expect("text and numbers are always JSON");
        sha256(json)[..8].to_owned()
    }

    /// The protocol in one sentence, for captions.
    pub fn describe(&self) -> String {
        let settings: Vec<String> = self
            .settings
            .iter()
            .filter(|(name, _)| *name != GENERATED_STATISTICS)
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        let settings = if settings.is_empty() {
            String::new()
        } else {
            format!(" ({})", settings.join(", "))
        };
        let what = format!("Protocol {}: {}{settings} of", self.id(), self.metric);
        // In the words of captions: those that are hashed are older.
        let network = self
            .extractor
            .replace("mean over places", "global average pooling");
        let size = self.image_size;
        let network_hash = short(&self.extractor_hash);
        if self.reference_images == 0 && self.reference_hash.is_empty() {
            return format!(
                "{what} {} latent paths, {size} x {size} pixels, not quantised, perceptual distance {network} \
                 ({network_hash}).",
                self.images
            );
        }
        let statistics = self.settings.get(GENERATED_STATISTICS);
        if self.images == 0 && statistics.is_none() {
            let weights = match short(&self.extractor_hash).as_str() {
                "" => String::new(),
                hash => format!(", {hash}"),
            };
            return format!(
                "{what} {} patches of `{}` ({}), {size} x {size} pixels, by {network}{weights}.",
                self.reference_images,
                self.reference,
                short(&self.reference_hash)
            );
        }
        let of = format!("`{}` ({})", self.reference, short(&self.reference_hash));
        let (against, elsewhere) = match self.reference_images {
            0 => (format!("the statistics {of}"), " made elsewhere"),
            images => (format!("{images} of {of}"), ""),
        };
        if let Some(hash) = statistics {
            let hash = short(hash);
            return format!(
                "{what} statistics ({hash}) made elsewhere against {against}{elsewhere}."
            );
        }
        if size == 0 {
            return format!(
                "{what} {} rows of features against {against}, made elsewhere.",
                self.images
            );
        }
        let drawn = match self.sampler.as_str() {
            "" => String::new(),
            sampler => format!(" (drawn by {sampler} where that fits the model)"),
        };
        format!(
            "{what} {} generated images{drawn} against {against}{elsewhere}, {size} x {size} pixels, quantised by {}, resized by {}, \
             features of {network} ({network_hash}).",
            self.images, self.quantise, self.resize,
        )
    }
}

/// The first 8 characters of a hash: enough to tell a reader that two differ.
fn short(hash: &str) -> String {
    hash.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol() -> Protocol {
        Protocol {
            images: 2000,
            reference: "test".to_owned(),
            reference_images: 1500,
            reference_hash: "0123456789abcdef".to_owned(),
            image_size: 64,
            resize: "bilinear".to_owned(),
            quantise: "floor(127.5 x + 128)".to_owned(),
            extractor: "inception-v3".to_owned(),
            extractor_hash: "fedcba9876543210".to_owned(),
            metric: "kid".to_owned(),
            settings: BTreeMap::from([
                ("subsets".to_owned(), "100".to_owned()),
                ("seed".to_owned(), "2020".to_owned()),
            ]),
            sampler: String::new(),
        }
    }

    #[test]
    fn a_classifier_is_tested_on_real_patches_alone() {
        let tested = Protocol {
            images: 0,
            extractor: "small-cnn (random weights)".to_owned(),
            extractor_hash: String::new(),
            metric: "classification".to_owned(),
            settings: BTreeMap::new(),
            ..protocol()
        };
        assert_eq!(
            tested.describe(),
            format!(
                "Protocol {}: classification of 1500 patches of `test` (01234567), 64 x 64 pixels, by small-cnn (random weights).",
                tested.id()
            )
        );
    }

    #[test]
    fn a_sampler_makes_another_protocol_and_is_named() {
        let drawn = Protocol {
            sampler: "ddim (steps = 20)".to_owned(),
            ..protocol()
        };
        assert_ne!(drawn.id(), protocol().id());
        let sentence =
            "2000 generated images (drawn by ddim (steps = 20) where that fits the model) against";
        assert!(drawn.describe().contains(sentence), "{}", drawn.describe());
    }

    #[test]
    fn the_id_of_a_protocol_never_changes() {
        assert_eq!(protocol().id(), "3139ac61");
    }

    #[test]
    fn changing_any_field_changes_the_id() {
        let original = serde_json::to_value(protocol()).unwrap();
        for (field, value) in original.as_object().unwrap() {
            let mut changed = original.clone();
            changed[field] = match value {
                serde_json::Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
                serde_json::Value::String(text) => format!("{text}.").into(),
                _ => serde_json::json!({ "subsets": "100", "seed": "2021" }),
            };
            let changed: Protocol = serde_json::from_value(changed).unwrap();
            assert_ne!(changed.id(), protocol().id(), "{field}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let mut value = serde_json::to_value(protocol()).unwrap();
        value["resise"] = "bicubic".into();
        assert!(serde_json::from_value::<Protocol>(value).is_err());
    }

    #[test]
    fn path_lengths_and_files_say_what_they_know() {
        let path = Protocol {
            reference: String::new(),
            reference_images: 0,
            reference_hash: String::new(),
            metric: "ppl".to_owned(),
            extractor: "LPIPS v0.1 (VGG-16)".to_owned(),
            settings: BTreeMap::from([("epsilon".to_owned(), "0.0001".to_owned())]),
            ..protocol()
        };
        assert_eq!(
            path.describe(),
            format!(
                "Protocol {}: ppl (epsilon = 0.0001) of 2000 latent paths, 64 x 64 pixels, not quantised, perceptual \
                 distance LPIPS v0.1 (VGG-16) (fedcba98).",
                path.id()
            )
        );
        let files = Protocol {
            image_size: 0,
            ..protocol()
        };
        assert!(
            files.describe().ends_with(
                "of 2000 rows of features against 1500 of `test` (01234567), made elsewhere."
            ),
            "{}",
            files.describe()
        );
        let of_statistics = Protocol {
            reference_images: 0,
            ..files.clone()
        };
        assert!(
            of_statistics.describe().ends_with(
                "of 2000 rows of features against the statistics `test` (01234567), made elsewhere."
            ),
            "{}",
            of_statistics.describe()
        );
        let mut both = Protocol {
            images: 0,
            ..of_statistics
        };
        let hash = "89abcdef01234567".to_owned();
        both.settings.insert(GENERATED_STATISTICS.to_owned(), hash);
        assert!(
            both.describe().ends_with(
                "kid (seed = 2020, subsets = 100) of statistics (89abcdef) made elsewhere against the statistics `test` \
                 (01234567) made elsewhere."
            ),
            "{}",
            both.describe()
        );
    }

    #[test]
    fn a_protocol_describes_itself_in_one_sentence() {
        assert_eq!(
            protocol().describe(),
            "Protocol 3139ac61: kid (seed = 2020, subsets = 100) of 2000 generated images against 1500 of `test` \
             (01234567), 64 x 64 pixels, quantised by floor(127.5 x + 128), resized by bilinear, features of \
             inception-v3 (fedcba98)."
        );
    }
}
