//! Each metric goes the right way on images that get worse step by step: noise, blur, JPEG, fewer and fewer of them.

use std::collections::BTreeMap;

use histogen::data::{self, DataConfig, PhantomConfig};
use histogen::device;
use histogen::features::{self, FeatureConfig, Features};
use histogen::images::Pixels;
use histogen::metrics::{self, MetricSettings, STANDARD};
use histogen::random::Random;
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};

/// Images of each side.
const COUNT: usize = 300;
/// Height and width: what the extractor `pixels` sees whole.
const SIZE: usize = 16;

/// Twice [`COUNT`] phantom patches in random order.
fn patches() -> Pixels {
    let folder = tempfile::tempdir().expect("a folder");
    let config = DataConfig {
        patch_size: SIZE,
        stride: SIZE,
        phantom: PhantomConfig {
            slides_per_class: 4,
            slide_size: 256,
        },
        ..DataConfig::default()
    };
    let store = data::prepare(&config, folder.path(), &mut |_, _, _| {}).expect("a store");
    let drawn = Random::new(0)
        .stream("ladder")
        .choose(store.len(), 2 * COUNT);
    store.read(&drawn).expect("patches")
}

fn seen(images: &Pixels) -> Features {
    let pixels = FeatureConfig {
        extractor: "pixels".into(),
        ..FeatureConfig::default()
    };
    let extractor = features::load(&pixels, &device::cpu()).expect("pixels need no file");
    extractor.extract(images).expect("features")
}

/// Every image changed by itself.
fn each(images: &Pixels, change: impl Fn(usize, &[u8]) -> Vec<u8>) -> Pixels {
    let bytes = (0..images.count).flat_map(|index| change(index, images.image(index)));
    Pixels::new(images.count, images.size, 3, bytes.collect())
}

fn noise(images: &Pixels, deviation: f64) -> Pixels {
    each(images, |index, image| {
        let mut stream = Random::new(1).at(index as u64).stream("noise");
        let noisy = |&byte: &u8| f64::from(byte) + deviation * stream.normal();
        image
            .iter()
            .map(noisy)
            .map(|value| value.clamp(0.0, 255.0) as u8)
            .collect()
    })
}

fn blur(images: &Pixels, passes: usize) -> Pixels {
    each(images, |_, image| {
        let mut image = image.to_vec();
        for _ in 0..passes {
            let before = image.clone();
            let at = |x: usize, y: usize, channel: usize| {
                u32::from(before[(y.min(SIZE - 1) * SIZE + x.min(SIZE - 1)) * 3 + channel])
            };
            for (place, byte) in image.iter_mut().enumerate() {
                let (x, y, channel) = (place / 3 % SIZE, place / 3 / SIZE, place % 3);
                let around = [
                    at(x.saturating_sub(1), y, channel),
                    at(x + 1, y, channel),
                    at(x, y.saturating_sub(1), channel),
                    at(x, y + 1, channel),
                ];
                *byte = ((around.iter().sum::<u32>() + 4 * at(x, y, channel)) / 8) as u8;
            }
        }
        image
    })
}

fn jpeg(images: &Pixels, quality: u8) -> Pixels {
    let size = SIZE as u32;
    each(images, |_, image| {
        let mut file = Vec::new();
        JpegEncoder::new_with_quality(&mut file, quality)
            .encode(image, size, size, ExtendedColorType::Rgb8)
            .expect("encoded");
        let image = image::load_from_memory_with_format(&file, ImageFormat::Jpeg);
        image.expect("decoded").to_rgb8().into_raw()
    })
}

/// As many images, but only the first `modes` of them, over and over.
fn fewer(images: &Pixels, modes: usize) -> Pixels {
    let places: Vec<usize> = (0..images.count).map(|place| place % modes).collect();
    images.select(&places)
}

/// Images, changed more and more, and which scores rise and fall as they are.
struct Ladder {
    name: &'static str,
    steps: [fn(&Pixels) -> Pixels; 3],
    rising: &'static [&'static str],
    falling: &'static [&'static str],
}

#[test]
fn every_corruption_moves_every_metric_the_right_way() {
    let all = patches();
    let real = all.select(&(0..COUNT).collect::<Vec<_>>());
    let clean = all.select(&(COUNT..2 * COUNT).collect::<Vec<_>>());
    let real = seen(&real);
    let settings = MetricSettings {
        kid_subset_size: COUNT,
        ..MetricSettings::default()
    };
    let scores = |images: &Pixels| -> BTreeMap<&str, f64> {
        let outcomes = metrics::evaluate(STANDARD, &seen(images), &real, &settings).expect("sound");
        let score = |outcome: metrics::ScoreOutcome| outcome.score.expect("a number");
        outcomes
            .into_iter()
            .map(score)
            .map(|score| (score.name, score.value))
            .collect()
    };
    let start = scores(&clean);
    let ladders = [
        Ladder {
            name: "noise",
            steps: [
                |images| noise(images, 10.0),
                |images| noise(images, 25.0),
                |images| noise(images, 60.0),
            ],
            // Weak noise moves KID by less than its own.
            rising: &["fid"],
            falling: &["precision", "density"],
        },
        Ladder {
            name: "blur",
            steps: [
                |images| blur(images, 1),
                |images| blur(images, 4),
                |images| blur(images, 16),
            ],
            rising: &["fid"],
            falling: &["recall"],
        },
        Ladder {
            name: "jpeg",
            steps: [
                |images| jpeg(images, 60),
                |images| jpeg(images, 20),
                |images| jpeg(images, 3),
            ],
            rising: &["fid"],
            falling: &[],
        },
        Ladder {
            name: "fewer",
            steps: [
                |images| fewer(images, 100),
                |images| fewer(images, 30),
                |images| fewer(images, 5),
            ],
            rising: &["fid", "kid"],
            falling: &["recall", "coverage"],
        },
    ];
    for Ladder {
        name,
        steps,
        rising,
        falling,
    } in ladders
    {
        let ladder: Vec<BTreeMap<&str, f64>> = std::iter::once(start.clone())
            .chain(steps.iter().map(|step| scores(&step(&clean))))
            .collect();
        for score in rising.iter().chain(falling) {
            let values: Vec<f64> = ladder.iter().map(|scores| scores[score]).collect();
            // A weak corruption moves a score by less than the score's own noise; the strong ones do not.
            let sign = if rising.contains(score) { 1.0 } else { -1.0 };
            let [clean, _, strong, strongest] = values[..] else {
                panic!("three corruptions")
            };
            let right = sign * (strongest - clean) > 0.0 && sign * (strongest - strong) >= 0.0;
            assert!(right, "{name}: {score} goes {values:?}");
        }
    }
}
