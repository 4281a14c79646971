//! What is in a store, for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::{PatchRecord, PatchStore};
use crate::data::Split;
use crate::images::GREY;

impl PatchStore {
    /// What is in the store, in lines to show; the last is not ended.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let longest = self
            .classes
            .iter()
            .map(|class| class.chars().count())
            .max()
            .unwrap_or(0);
        let width = longest.max("patches".len()) + 2;
        let mut line = |name: &str, value: &str| {
            writeln!(text, "{name:<width$}{value}").expect("a string takes any text");
        };
        line("store", &self.path.display().to_string());
        line("source", self.name());
        line(
            "patches",
            &format!(
                "{} of {size} x {size} pixels{grey}",
                self.len(),
                size = self.patch_size(),
                grey = if self.channels() == GREY {
                    ", grey"
                } else {
                    ""
                },
            ),
        );
        for class in &*self.classes {
            let counts: Vec<String> = Split::ALL
                .map(|split| {
                    let of =
                        |record: &&PatchRecord| record.split == split && record.class == *class;
                    let members: Vec<&PatchRecord> = self.records.iter().filter(of).collect();
                    let slides: BTreeSet<&str> =
                        members.iter().map(|record| record.slide.as_str()).collect();
                    let (name, patches, slides) = (split.name(), members.len(), slides.len());
                    format!("{name} {patches} patches of {slides} slides")
                })
                .to_vec();
            line(class, &counts.join(", "));
        }
        if !self.skipped().is_empty() {
            line("skipped", &self.skipped().join(", "));
        }
        line("sha256", self.content_hash());
        text.truncate(text.trim_end().len());
        text
    }
}
