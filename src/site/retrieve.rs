//! The page that finds the images of a set most like an uploaded one. Works without JavaScript; nothing is stored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use maud::{Markup, PreEscaped, html};

use super::responder::Page;
use super::upload::{FIELD, Refused, Uploaded};
use crate::error::{Refusal, Result};
use crate::experiment::Search;
use crate::images::{Pixels, encode_png};
use crate::report::page::{document, prose};

/// Where it is.
pub(super) const ADDRESS: &str = "/retrieve";
/// Images that are shown.
const SHOWN: usize = 12;
const STYLE: &str = include_str!("retrieve.css");

/// An image, and what is said of it.
struct Shown {
    image: Pixels,
    score: String,
    remarks: Vec<String>,
}

/// The page before anything was asked.
pub(super) fn form(search: &Search) -> Page {
    Page::html(200, page(search, &html! {}))
}

/// The page after an upload.
pub(super) fn answer(search: &Search, image: Uploaded) -> Page {
    let found = image.and_then(|image| {
        let found = look(search, &image);
        found.map_err(|error| match error.downcast_ref::<Refusal>() {
            Some(Refusal { message, hint }) => (400, format!("{message}: {hint}")),
            None => (500, format!("{error:#}")),
        })
    });
    match found {
        Ok((query, found)) => Page::html(200, page(search, &results(search, &query, &found))),
        Err((status, sentence)) => refused(search, (status, sentence)),
    }
}

fn refused(search: &Search, (status, sentence): Refused) -> Page {
    let body = html! { p.refused role="alert" { strong { "Nothing was looked for. " } (prose(&sentence)) } };
    Page::html(status, page(search, &body))
}

fn look(search: &Search, image: &RgbImage) -> Result<(Pixels, Vec<Shown>)> {
    let query = search.query("the image", image)?;
    let k = SHOWN.min(search.set.images.count());
    let found = search.nearest(&query, k)?.remove(0);
    let shown = found.into_iter().map(|found| {
        let from = search.set.place(found.index);
        Ok(Shown {
            image: search.image(found.index)?,
            score: format!("{:.4}", found.score),
            remarks: from.class.iter().chain([&from.name]).cloned().collect(),
        })
    });
    let shown = shown.collect::<Result<_>>()?;
    Ok((query, shown))
}

fn page(search: &Search, below: &Markup) -> String {
    let (size, count) = (search.set.images.size(), search.set.images.count());
    let body = html! {
        style { (PreEscaped(STYLE)) }
        header { p.kicker { a href="/" { "Reports and runs" } } h1 { "Similar images" } }
        main id="main" {
            p.lead {
                "The images of " strong { (search.set.name) } " that are most like yours, by " (search.describe()) "."
            }
            form.upload method="post" action=(ADDRESS) enctype="multipart/form-data" {
                label for="image" { "A patch of " (size) " × " (size) " pixels (PNG or JPEG)" }
                input id="image" type="file" name=(FIELD) accept="image/png,image/jpeg" required;
                button type="submit" { "Find similar images" }
            }
            p.hint { (count) " images are searched. Your image goes to this machine alone and is not stored." }
            (below)
        }
    };
    document("Similar images", &body, "")
}

fn results(search: &Search, query: &Pixels, found: &[Shown]) -> Markup {
    html! {
        h2 id="found" { "Most alike" }
        div.found {
            figure.query { (picture(query, "Your image")) figcaption { strong { "Your image" } } }
            @for shown in found {
                figure {
                    (picture(&shown.image, &shown.remarks.join(", ")))
                    figcaption {
                        strong { (shown.score) }
                        @for remark in &shown.remarks { span { (remark) } }
                    }
                }
            }
        }
        p.hint { "The number is the " (search.similarity.name()) "." }
    }
}

/// An image within the page itself.
fn picture(image: &Pixels, name: &str) -> Markup {
    match encode_png(&image.picture(0)) {
        Ok(bytes) => {
            let data = STANDARD.encode(bytes);
            html! { img src={ "data:image/png;base64," (data) } alt=(name); }
        }
        Err(error) => html! { p { (error) } },
    }
}
