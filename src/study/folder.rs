//! The folder for the readers of a test: patches under names that say nothing, and a page that asks.

use std::fs;
use std::path::Path;

use ::png::{BitDepth, ColorType, Compression, Encoder, Filter};
use maud::{PreEscaped, html};

use super::{Item, Key, PatchKind};
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::files::cannot_write;
use crate::images::Pixels;
use crate::random::Random;
use crate::report::page::document;

const STYLE: &str = include_str!("study.css");
const SCRIPT: &str = include_str!("study.js");

/// The images of one kind.
pub struct Images<'a> {
    /// What they are called in the key.
    pub name: String,
    /// The images.
    pub pixels: &'a Pixels,
    /// Of each its class, where that is known, and where it comes from.
    pub from: &'a [(Option<String>, String)],
}

/// A patch for a test: its place among the images of its kind says which one it is.
struct Patch<'a> {
    pixels: &'a [u8],
    item: Item,
}

/// Writes a folder for readers with the images of `generated` and `real`, shuffled by `seed`, and returns the key.
///
/// All patches are written by one encoder without compression, so that the files are equal in all but their pixels.
///
/// # Errors
/// Refuses a folder that is there already, sets without images, and images of different sizes or channels.
pub fn write(folder: &Path, generated: &Images<'_>, real: &Images<'_>, seed: u64) -> Result<Key> {
    if folder.exists() {
        return Err(refuse(
            format!("`{}` is there already", folder.display()),
            "name a new folder: what readers were given is not overwritten",
        ));
    }
    let form = |pixels: &Pixels| (pixels.size, pixels.channels);
    if form(generated.pixels) != form(real.pixels) {
        let [(size, channels), (real_size, real_channels)] =
            [generated.pixels, real.pixels].map(form);
        return Err(refuse(
            format!(
                "generated images are {size} x {size} x {channels}, real ones {real_size} x {real_size} x {real_channels}"
            ),
            "bring both to one form first: otherwise it gives them away",
        ));
    }
    let mut patches = Vec::new();
    for (kind, Images { pixels, from, .. }) in
        [(PatchKind::Generated, generated), (PatchKind::Real, real)]
    {
        if pixels.count == 0 {
            return Err(refuse(
                "a reading test of no images",
                "ask for at least one with `--n`",
            ));
        }
        for (index, (class, source)) in from.iter().enumerate() {
            let pixels = pixels.image(index);
            patches.push(Patch {
                pixels,
                item: Item {
                    item: String::new(),
                    kind,
                    class: class.clone(),
                    source: source.clone(),
                    sha256: sha256(pixels),
                },
            });
        }
    }
    Random::new(seed)
        .stream("reading test")
        .shuffle(&mut patches);
    // Files that others may read, unlike the key.
    let failed = |error: std::io::Error| cannot_write(folder, &error);
    fs::create_dir_all(folder).map_err(failed)?;
    let digits = patches.len().to_string().len().max(3);
    for (number, patch) in (1..).zip(&mut patches) {
        patch.item.item = format!("{number:0digits$}");
        let file = folder.join(format!("{}.png", patch.item.item));
        fs::write(&file, encode(patch.pixels, form(real.pixels))?).map_err(failed)?;
    }
    let items: Vec<Item> = patches.into_iter().map(|patch| patch.item).collect();
    let key = Key {
        study: Key::name(&items),
        generated: generated.name.clone(),
        real: real.name.clone(),
        seed,
        items,
    };
    fs::write(folder.join("index.html"), page(&key, real.pixels.size)).map_err(failed)?;
    Ok(key)
}

/// The bytes of a PNG file without compression: as many for every image of one form.
fn encode(pixels: &[u8], (size, channels): (usize, usize)) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, size as u32, size as u32);
    encoder.set_color(match channels {
        1 => ColorType::Grayscale,
        _ => ColorType::Rgb,
    });
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::NoCompression);
    encoder.set_filter(Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// The page. Nothing in it depends on which patches are real.
fn page(key: &Key, size: usize) -> String {
    let choices = [
        ("real", "true", "Surely real"),
        ("real", "false", "Probably real"),
        ("generated", "false", "Probably generated"),
        ("generated", "true", "Surely generated"),
    ];
    let count = key.items.len();
    let digits = key.items.first().map_or(3, |item| item.item.len());
    let body = html! {
        style { (PreEscaped(STYLE)) }
        header { p.kicker { "Reading test " (key.study) } h1 { "Real or generated?" } }
        main id="main" data-study=(key.study) data-count=(count) data-digits=(digits) {
            noscript { p { "This page needs JavaScript: it works without a network, and nothing leaves this computer." } }
            section id="begin" {
                p.lead {
                    "You will see " (count) " patches of stained tissue, one at a time. Some are real; some were made by a program. \
                     Say of each what you take it for."
                }
                p {
                    "Choose with the buttons or the keys 1 to 4. The key Backspace takes you back one patch. Your answers are kept in \
                     this browser, so you may pause; at the end you save them as a file and send that back."
                }
                button.choice type="button" id="start" { "Begin" }
            }
            section id="ask" hidden {
                p id="count" aria-live="polite" {}
                progress id="progress" max=(count) value="0" aria-label="Patches answered" {}
                img id="patch" width=(size) height=(size) alt="The patch to judge";
                div.choices role="group" aria-label="What is it?" {
                    @for (place, (answer, sure, label)) in choices.iter().enumerate() {
                        button.choice type="button" data-answer=(answer) data-sure=(sure) {
                            (label) " " kbd { (place + 1) }
                        }
                    }
                }
                p.aside {
                    button type="button" id="back" { "Back " kbd { "Backspace" } } " "
                    button type="button" id="stop" { "Stop here" }
                }
            }
            section id="end" hidden {
                h2 id="done" {}
                form id="save" {
                    label for="reader" { "Your name or initials" }
                    input id="reader" required maxlength="60" autocomplete="off";
                    button.choice type="submit" { "Save the answers" }
                }
                p id="saved" role="status" {}
                p.aside { button type="button" id="resume" { "Back to the patches" } }
            }
        }
    };
    document("Real or generated?", &body, SCRIPT)
}
