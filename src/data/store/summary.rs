//! What is in a store, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
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

/// What is in a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// The store's folder.
    pub store: PathBuf,
    /// What it was cut from.
    pub source: String,
    /// How many patches.
    pub patches: usize,
    /// Height and width of a patch, in pixels.
    pub patch_size: usize,
    /// Channels of a patch: 3 (RGB) or 1 (grey).
    pub channels: usize,
    /// Its classes.
    pub classes: Vec<ClassOverview>,
    /// Images that were left out.
    pub skipped: Vec<Skipped>,
    /// The SHA-256 of its content.
    pub sha256: String,
}

/// A class of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassOverview {
    /// Its name.
    pub class: String,
    /// What each split has of it.
    pub splits: Vec<SplitOverview>,
}

/// What a split of a store has of a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SplitOverview {
    /// `train` or `test`.
    pub split: &'static str,
    /// How many patches.
    pub patches: usize,
    /// Of how many slides.
    pub slides: usize,
}

/// An image that was left out of a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why, where the store says it.
    pub reason: Option<String>,
}

/// The patches of a slide, of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlidePatches {
    /// The slide.
    pub slide: String,
    /// The group that the slide stays on one side of the split with, if it has one.
    pub group: Option<String>,
    /// The class.
    pub class: String,
    /// `train` or `test`.
    pub split: &'static str,
    /// How many patches.
    pub patches: usize,
}

impl PatchStore {
    /// What is in the store.
    pub fn overview(&self) -> Overview {
        let class = |class: &String| ClassOverview {
            class: class.clone(),
            splits: Split::ALL
                .map(|split| {
                    let of =
                        |record: &&PatchRecord| record.split == split && record.class == *class;
                    let members: Vec<&PatchRecord> = self.records.iter().filter(of).collect();
                    let slides: BTreeSet<&str> =
                        members.iter().map(|record| record.slide.as_str()).collect();
                    SplitOverview {
                        split: split.name(),
                        patches: members.len(),
                        slides: slides.len(),
                    }
                })
                .to_vec(),
        };
        let skipped = self.skipped().iter().map(|name| Skipped {
            name: name.clone(),
            reason: self.reason(name).map(str::to_owned),
        });
        Overview {
            store: self.path.clone(),
            source: self.name().to_owned(),
            patches: self.len(),
            patch_size: self.patch_size(),
            channels: self.channels(),
            classes: self.classes.iter().map(class).collect(),
            skipped: skipped.collect(),
            sha256: self.content_hash().to_owned(),
        }
    }

    /// The patches of each slide, by slide and class.
    pub fn patches_by_slide(&self) -> Vec<SlidePatches> {
        let mut slides: BTreeMap<(&str, &str), (Split, usize)> = BTreeMap::new();
        for record in &self.records {
            let key = (record.slide.as_str(), record.class.as_str());
            slides.entry(key).or_insert((record.split, 0)).1 += 1;
        }
        let slides = slides.into_iter();
        let slide =
            |((slide, class), (split, patches)): ((&str, &str), (Split, usize))| SlidePatches {
                slide: slide.to_owned(),
                group: self.group(slide).map(str::to_owned),
                class: class.to_owned(),
                split: split.name(),
                patches,
            };
        slides.map(slide).collect()
    }

    /// What [`Self::patches_by_slide`] found, in lines to show; the first slides of many. The last line is not ended.
    pub fn slides_table(slides: &[SlidePatches]) -> String {
        let mut table =
            Builder::from_iter([["slide", "class", "split", "patches"].map(str::to_owned)]);
        for slide in slides.iter().take(SLIDES) {
            let group = slide.group.as_ref();
            let group = group.map(|group| format!(" (group {group})"));
            table.push_record([
                format!("{}{}", slide.slide, group.unwrap_or_default()),
                slide.class.clone(),
                slide.split.to_owned(),
                slide.patches.to_string(),
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

    /// What [`Self::colours`] found, in lines to show; the last is not ended.
    pub fn colours_table(&self, colours: &[Vec<(f64, f64)>]) -> String {
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
        for (class, moments) in self.classes.iter().zip(colours) {
            let cells = moments
                .iter()
                .map(|(mean, deviation)| format!("{mean:.1} ({deviation:.1})"));
            table.push_record([class.clone()].into_iter().chain(cells));
        }
        lines(table)
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
}

impl fmt::Display for Overview {
    /// In lines to show; the last is not ended.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.classes.iter().map(|class| class.class.chars().count());
        let width = names.max().unwrap_or(0).max("patches".len()) + 2;
        writeln!(out, "{:<width$}{}", "store", self.store.display())?;
        writeln!(out, "{:<width$}{}", "source", self.source)?;
        let (patches, size) = (self.patches, self.patch_size);
        let grey = if self.channels == GREY { ", grey" } else { "" };
        writeln!(
            out,
            "{:<width$}{patches} of {size} x {size} pixels{grey}",
            "patches"
        )?;
        for ClassOverview { class, splits } in &self.classes {
            let counts = splits.iter().map(|of| {
                let (split, patches, slides) = (of.split, of.patches, of.slides);
                format!("{split} {patches} patches of {slides} slides")
            });
            let counts: Vec<String> = counts.collect();
            writeln!(out, "{class:<width$}{}", counts.join(", "))?;
        }
        for Skipped { name, reason } in &self.skipped {
            let reason = reason.as_ref().map(|reason| format!(": {reason}"));
            let reason = reason.unwrap_or_default();
            writeln!(out, "{:<width$}{name}{reason}", "skipped")?;
        }
        write!(out, "{:<width$}{}", "sha256", self.sha256)
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
