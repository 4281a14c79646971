//! The pages that are not files: the index, the live view of a run, refusals.

use std::path::Path;

use maud::{Markup, html};

use super::live::{CURVE, Curve, View};
use super::retrieve;
use crate::report::page::{address, document};

const SCRIPT: &str = include_str!("live.js");

/// What there is: reports, runs as they stand, and where the search is, if there is one.
pub(super) fn index(reports: &[String], runs: &[View], has_search: bool) -> String {
    let body = html! {
        header { p.kicker { "histogen" } h1 { "Reports and runs" } }
        main id="main" {
            @if has_search { p { a href=(retrieve::ADDRESS) { "Similar images" } } }
            section aria-labelledby="reports" {
                h2 id="reports" { "Reports" }
                @if reports.is_empty() { p { "There is none yet; " code { "histogen reproduce table1" } " makes one." } }
                ul { @for name in reports {
                    li { a href={ "/reports/" (address(Path::new(name))) "/" } { (name) } }
                } }
            }
            section aria-labelledby="runs" {
                h2 id="runs" { "Runs" }
                @if runs.is_empty() { p { "There is none yet." } }
                @else {
                    div.scroll tabindex="0" role="region" aria-labelledby="runs" {
                        table data-poll="/runs.json" {
                            thead { tr { th scope="col" { "Run" } th scope="col" { "State" } th scope="col" { "Losses" } } }
                            tbody { @for run in runs { (line(run)) } }
                        }
                    }
                }
            }
        }
    };
    document("Reports and runs", &body, SCRIPT)
}

fn line(run: &View) -> Markup {
    let losses = run
        .curves
        .iter()
        .filter(|curve| curve.name.ends_with("_loss"));
    html! {
        tr data-run=(run.name) {
            td { a href={ "/runs/" (address(Path::new(&run.name))) "/" } { (run.name) } }
            td data-show="state" { (run.state) }
            td data-show="losses" {
                @for curve in losses { (curve.name) " " (curve.last) " " }
            }
        }
    }
}

/// A run as it stands; it follows the ledger while it is open in a browser.
pub(super) fn run(run: &View) -> String {
    let body = html! {
        header { p.kicker { a href="/" { "Reports and runs" } } h1 { (run.name) } }
        main id="main" data-poll="state.json" {
            p.lead aria-live="polite" {
                span data-show="state" { (run.state) }
                @if let Some(steps) = run.steps { " of " (steps) " steps" }
                span data-show="left" { @if !run.left.is_empty() { ", " (run.left) " left" } }
            }
            @if let Some(steps) = run.steps {
                progress max=(steps) value=(run.step) aria-label="Steps" {}
            }
            h2 { "Numbers of its steps" }
            @if run.curves.is_empty() { p { "None yet." } }
            div.curves { @for curve in &run.curves { (chart(curve)) } }
            h2 { "Samples" }
            @match &run.samples {
                Some(file) => figure {
                    img.live data-show="samples" src=(address(Path::new(file))) alt="The newest grid of samples";
                    figcaption data-show="file" { (file) }
                },
                None => p { "None yet." },
            }
        }
    };
    document(&run.name, &body, SCRIPT)
}

fn chart(curve: &Curve) -> Markup {
    let (width, height) = CURVE;
    html! {
        figure data-curve=(curve.name) {
            svg viewBox={ "0 0 " (width) " " (height) } preserveAspectRatio="none" role="img" aria-label={ "Curve of " (curve.name) } {
                polyline points=(curve.points) {}
            }
            figcaption { (curve.name) " " strong { (curve.last) } }
        }
    }
}

/// What a request gets that gets nothing else.
pub(super) fn refusal(title: &str, sentence: &str) -> String {
    let body = html! {
        main id="main" { h1 { (title) } p { (sentence) } p { a href="/" { "Reports and runs" } } }
    };
    document(title, &body, "")
}
