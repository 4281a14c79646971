//! What is in a store, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

use super::{PatchRecord, PatchStore};
use crate::data::Split;
use crate::error::Result;
use crate::images::GREY;

/// Patches that are read at once.
const BLOCK: usize = 1024;
/// Slides in the table of slides.
const SLIDES: usize = 60;

impl PatchStore {
    /// The patches of each slide, with the slide's class and split, in lines to show; the first slides of many. The last line is
    /// not ended.
    pub fn slides_table(&self) -> String {
        let mut slides: BTreeMap<(&str, &str), (Split, usize)> = BTreeMap::new();
        for record in &self.records {
            let key = (record.slide.as_str(), record.class.as_str());
            slides.entry(key).or_insert((record.split, 0)).1 += 1;
        }
        let mut table =
            Builder::from_iter([["slide", "class", "split", "patches"].map(str::to_owned)]);
        for ((slide, class), (split, patches)) in slides.iter().take(SLIDES) {
            let group = self.group(slide).map(|group| format!(" (group {group})"));
            let slide = format!("{slide}{}", group.unwrap_or_default());
            table.push_record([
                slide,
                (*class).into(),
                split.name().into(),
                patches.to_string(),
            ]);
        }
        let mut text = lines(table);
        if slides.len() > SLIDES {
            let more = slides.len() - SLIDES;
            write!(text, "\nand {more} more: all stand in `patches.csv`")
                .expect("a string takes any text");
        }
        text
    }

    /// Mean and standard deviation of each channel over all pixels of each class, in bytes, in lines to show; the last is not ended.
    ///
    /// # Errors
    /// If the patches cannot be read any more.
    pub fn colours_table(&self) -> Result<String> {
        let channels: &[&str] = match self.channels() {
            GREY => &["grey"],
            _ => &["red", "green", "blue"],
        };
        let header = ["class".to_owned()].into_iter().chain(
            channels
                .iter()
                .map(|channel| format!("{channel} mean (std)")),
        );
        let mut table = Builder::from_iter([header.collect::<Vec<_>>()]);
        for (class, moments) in self.classes.iter().zip(self.colours()?) {
            let cells = moments
                .iter()
                .map(|(mean, deviation)| format!("{mean:.1} ({deviation:.1})"));
            table.push_record([class.clone()].into_iter().chain(cells));
        }
        Ok(lines(table))
    }

    /// Mean and standard deviation of each channel over all pixels of each class, in bytes.
    ///
    /// # Errors
    /// If the patches cannot be read any more.
    pub fn colours(&self) -> Result<Vec<Vec<(f64, f64)>>> {
        // How often each value stands in each channel of each class: exact, whatever the order.
        let channels = self.channels();
        let mut counts = vec![vec![[0u64; 256]; channels]; self.classes.len()];
        let indices: Vec<usize> = (0..self.len()).collect();
        for block in indices.chunks(BLOCK) {
            let pixels = self.read(block)?;
            for (place, &index) in block.iter().enumerate() {
                let counts = &mut counts[self.class_indices[index]];
                for pixel in pixels.image(place).chunks_exact(channels) {
                    for (count, &value) in counts.iter_mut().zip(pixel) {
                        count[usize::from(value)] += 1;
                    }
                }
            }
        }
        let moments = |counts: &[u64; 256]| {
            let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
                let values = counts.iter().enumerate();
                values
                    .map(|(value, &count)| of(value as f64) * count as f64)
                    .sum()
            };
            let count = sum(&|_| 1.0);
            let mean = sum(&|value| value) / count;
            (mean, (sum(&|value| (value - mean).powi(2)) / count).sqrt())
        };
        Ok(counts
            .iter()
            .map(|class| class.iter().map(moments).collect())
            .collect())
    }

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
        for name in self.skipped() {
            let reason = self.reason(name).map(|reason| format!(": {reason}"));
            line("skipped", &format!("{name}{}", reason.unwrap_or_default()));
        }
        line("sha256", self.content_hash());
        text.truncate(text.trim_end().len());
        text
    }
}

/// A table without rules, its columns two spaces apart.
fn lines(table: Builder) -> String {
    let mut table = table.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}
