use std::collections::BTreeMap;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use tempfile::TempDir;

use super::canvas::Picture;
use super::*;
use crate::metrics::Protocol;
use crate::report::{RowRecord, RunOutcome, TABLES, render};
use crate::tracker::{Ending, Environment, Evaluation, Event, Ledger, ScoreRecord};

/// A workspace with the ledgers of one experiment.
struct Lab {
    folder: TempDir,
    record: Record,
}

impl Lab {
    fn new() -> Self {
        let record = Record {
            name: "table1".to_owned(),
            question: String::new(),
            profile: String::new(),
            facts: Vec::new(),
            notes: Vec::new(),
            rows: Vec::new(),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            record,
        }
    }

    /// Adds a row with a training of `steps` steps for each ending; a training without an ending has not come to its end.
    fn row(&mut self, name: &str, steps: u64, endings: &[Option<Ending>]) {
        let ledgers: Vec<PathBuf> = (0..endings.len())
            .map(|seed| PathBuf::from(format!("runs/{name}-s{seed}-0/ledger.jsonl")))
            .collect();
        for (seed, (path, ending)) in ledgers.iter().zip(endings).enumerate() {
            let steps = if *ending == Some(Ending::Finished) {
                steps
            } else {
                steps / 2
            };
            let path = self.folder.path().join(path);
            let mut ledger = Ledger::open(&path).unwrap();
            let config = format!("seed = {seed}\nbatch = 8\nimage_size = 4\n");
            fs::write(path.with_file_name("config.toml"), config).unwrap();
            training(&mut ledger, seed as f64, steps);
            if let Some(ending) = ending {
                end(&mut ledger, *ending, steps);
            }
        }
        self.record.rows.push(RowRecord {
            name: name.to_owned(),
            reference: false,
            ledgers,
        });
    }

    fn draw(&self) -> Drawn {
        let workspace = Workspace::new(self.folder.path());
        let outcomes = RunOutcome::of_rows(&self.record, self.folder.path()).unwrap();
        let table = render(&TABLES[0], &self.record, &outcomes).unwrap();
        draw(&self.record, &[(&TABLES[0], &table)], &workspace).unwrap()
    }

    /// Every file of the figures by its name.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let folder = self.folder.path().join("reports/table1/figures");
        let files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }

    fn svg(&self, name: &str) -> String {
        let path = format!("reports/table1/figures/{name}.svg");
        fs::read_to_string(self.folder.path().join(path)).unwrap()
    }
}

/// Losses and similarities of every step, and FID after every tenth.
fn training(ledger: &mut Ledger, seed: f64, steps: u64) {
    let environment = Environment {
        histogen: String::new(),
        commit: String::new(),
        platform: String::new(),
        threads: 1,
    };
    let start = Event::Start {
        step: 0,
        environment,
    };
    ledger.append(start).unwrap();
    for step in 1..=steps {
        let value = 1.0 / step as f64 + seed / 10.0;
        let numbers = [
            ("generator_loss", value),
            ("critic_loss", 1.0 - value),
            ("similarity", 0.5 - value / 4.0),
            ("similarity.benign", 0.4),
            ("similarity.invasive", 0.6),
        ];
        let scalars = numbers.map(|(name, value)| (name.to_owned(), value));
        let scalars = BTreeMap::from(scalars);
        ledger.append(Event::Step { step, scalars }).unwrap();
        if step % 10 == 0 {
            evaluate(ledger, step, 100.0 * value);
        }
    }
}

fn evaluate(ledger: &mut Ledger, step: u64, fid: f64) {
    let protocol = Protocol {
        images: 10,
        reference: "test split".to_owned(),
        reference_images: 10,
        reference_hash: "0".to_owned(),
        image_size: 4,
        resize: "none".to_owned(),
        quantise: "none".to_owned(),
        extractor: "pixels".to_owned(),
        extractor_hash: "0".to_owned(),
        metric: "fid".to_owned(),
        settings: BTreeMap::new(),
        sampler: String::new(),
    };
    let score = ScoreRecord {
        value: Some(fid),
        ..ScoreRecord::new("fid", protocol)
    };
    let evaluation = Evaluation {
        step,
        seed: 0,
        images_hash: String::new(),
        drawing_seconds: None,
        drawing_gigaflop: None,
        scores: vec![score],
    };
    ledger.append(Event::Evaluation(evaluation)).unwrap();
}

fn end(ledger: &mut Ledger, ending: Ending, step: u64) {
    let reason = if ending == Ending::Finished {
        ""
    } else {
        "the loss is NaN"
    };
    let event = Event::End {
        step,
        ending,
        reason: reason.to_owned(),
        seconds: 1.0,
        peak_megabytes: None,
        gigaflop: None,
    };
    ledger.append(event).unwrap();
}

fn names(drawn: &Drawn) -> Vec<&str> {
    drawn
        .figures
        .iter()
        .map(|figure| figure.name.as_str())
        .collect()
}

fn reason<'a>(drawn: &'a Drawn, title: &str) -> &'a str {
    let found = drawn
        .absent
        .iter()
        .find(|(absent, _)| absent.starts_with(title));
    &found
        .unwrap_or_else(|| panic!("`{title}` is not missing"))
        .1
}

#[test]
fn a_picture_keeps_its_pixels_in_svg_and_png() {
    let mut picture = RgbImage::new(3, 2);
    picture.put_pixel(2, 1, image::Rgb([10, 200, 30]));
    let mut canvas = Canvas::new(10.0, 10.0);
    canvas.picture(Picture {
        at: [0.0, 0.0],
        scale: 2,
        pixels: picture.clone(),
    });
    let svg = svg::write(&canvas, "", "").unwrap();
    let data = svg.split("base64,").nth(1).unwrap();
    let data = STANDARD.decode(data.split('"').next().unwrap()).unwrap();
    assert_eq!(image::load_from_memory(&data).unwrap().into_rgb8(), picture);
    // Six pixels of 1/300 inch are 1.44 points.
    assert!(svg.contains("width=\"1.44\" height=\"0.96\""), "{svg}");
    let png = image::load_from_memory(&png::write(&canvas).unwrap()).unwrap();
    let png = png.into_rgb8();
    assert_eq!(png.get_pixel(5, 3), png.get_pixel(4, 2));
    assert_eq!(png.get_pixel(5, 3).0, [10, 200, 30]);
    assert_eq!(png.get_pixel(6, 3).0, [255; 3]);
}

#[test]
fn figures_are_drawn_as_svg_and_png_and_again_with_the_same_bytes() {
    let mut lab = Lab::new();
    lab.row("one", 40, &[Some(Ending::Finished); 3]);
    lab.row("two & more", 40, &[Some(Ending::Finished); 3]);
    let drawn = lab.draw();
    assert_eq!(
        names(&drawn),
        [
            "table1-dots",
            "losses",
            "scores",
            "cost",
            "rewards",
            "rewards-by-class"
        ]
    );
    let first = lab.files();
    assert_eq!(first.len(), 2 * drawn.figures.len());
    for figure in &drawn.figures {
        assert!(
            !figure.caption.is_empty() && figure.caption.ends_with('.'),
            "{figure:?}"
        );
        let svg = lab.svg(&figure.name);
        assert!(
            svg.contains("two &amp; more") && svg.ends_with("</svg>\n"),
            "{}",
            figure.name
        );
        // At the width of a column or a page, with 300 pixels to the inch.
        let widths = if svg.contains("width=\"85mm\"") {
            1004
        } else {
            2067
        };
        let path = lab
            .folder
            .path()
            .join("reports/table1")
            .join(&figure.files[1]);
        assert_eq!(
            image::open(path).unwrap().width(),
            widths,
            "{}",
            figure.name
        );
    }
    assert_eq!(lab.draw(), drawn);
    assert!(lab.files() == first, "the same bytes");
    assert_eq!(
        reason(&drawn, "t-SNE"),
        "it was measured before ledgers named the images that were measured"
    );
    assert_eq!(
        reason(&drawn, "Samples of all systems"),
        "no system has been sampled yet"
    );
}

#[test]
fn trainings_that_did_not_finish_are_said_to() {
    let mut lab = Lab::new();
    lab.row(
        "one",
        40,
        &[Some(Ending::Finished), Some(Ending::Diverged), None],
    );
    lab.draw();
    let losses = lab.svg("losses");
    for words in [
        "seed 1 diverged after step 20",
        "seed 2 stopped after step 20",
    ] {
        assert!(losses.contains(words), "{words}");
    }
    // No mean over seeds that reach different steps: a curve each.
    assert_eq!(losses.matches("<polygon").count(), 0);
    assert!(
        !lab.folder
            .path()
            .join("reports/table1/figures/table1-dots.svg")
            .exists()
    );
}

#[test]
fn what_is_not_there_is_said_in_words() {
    let lab = Lab::new();
    let drawn = lab.draw();
    assert_eq!(names(&drawn), [] as [&str; 0]);
    assert_eq!(reason(&drawn, "Losses"), "no training has begun");
    assert_eq!(reason(&drawn, "Table 1: FID"), "no system has a number yet");
    assert_eq!(reason(&drawn, "Rewards"), "no system was rewarded");
    assert!(reason(&drawn, "Scores").contains("logging.evaluate_every"));
}

#[test]
fn one_colour_is_one_system_in_all_figures() {
    let mut lab = Lab::new();
    lab.row("one", 40, &[Some(Ending::Finished)]);
    lab.row("two", 40, &[Some(Ending::Finished)]);
    lab.draw();
    for figure in ["table1-dots", "losses", "scores", "cost", "rewards"] {
        for colour in ["#0072b2", "#d55e00"] {
            assert!(lab.svg(figure).contains(colour), "{figure} {colour}");
        }
    }
}
