//! Two sets of features under comparison, and what several metrics need of them, computed once.
//!
//! What is shared is exact or computed in a fixed order, so a metric gives the same number alone and among others.

use std::sync::OnceLock;

use crate::error::Result;
use crate::features::Features;
use crate::linalg::Rows;

use super::fid::DDOF;
use super::gaussian::Gaussian;
use super::kid;
use super::neighbours::{Balls, Boundary, Inside, Neighbours, Side, inside};
use super::pairs::Pairs;
use super::{GENERATED, MetricSettings, REAL};

/// As many products are kept at most: 1 GiB.
const KEPT: usize = 1 << 28;

/// What is known beside the features of generated and of real images.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The class of every generated image, in their order.
    pub generated_classes: Option<&'a [String]>,
    /// The class of every real image, in their order.
    pub real_classes: Option<&'a [String]>,
    /// The features of the images that the model was trained on.
    pub training: Option<&'a Features>,
}

/// The features of generated and of real images, to be compared under some settings.
pub struct Comparison<'a> {
    /// The features of generated images.
    pub generated: &'a Features,
    /// The features of real images.
    pub real: &'a Features,
    /// What the metrics depend on besides.
    pub settings: &'a MetricSettings,
    /// The features of the images that the model was trained on, where they are known.
    pub(super) training: Option<&'a Features>,
    /// The classes of generated and of real images, or whose are not known.
    pub(super) classes: std::result::Result<[&'a [String]; 2], &'static str>,
    /// Whether products of pairs are kept for the next metric.
    keeps: bool,
    pairs: OnceLock<AllPairs<'a>>,
    real_gaussian: OnceLock<Gaussian>,
    real_neighbours: OnceLock<Neighbours>,
    all_inside: OnceLock<AllInside>,
}

/// All pairs of images.
pub(super) struct AllPairs<'a> {
    pub(super) generated: Pairs<'a, f32>,
    pub(super) real: Pairs<'a, f32>,
    /// Real on the left, generated on the right.
    pub(super) both: Pairs<'a, f32>,
}

/// Answers to all that precision, recall, density and coverage ask.
struct AllInside {
    precision: Inside,
    recall: Inside,
    density: Option<Inside>,
}

impl<'a> Comparison<'a> {
    /// Two sets of as many features, of which nothing is computed yet, for one metric.
    pub fn new(generated: &'a Features, real: &'a Features, settings: &'a MetricSettings) -> Self {
        Self::shared(generated, real, settings, false)
    }

    /// The same for several metrics that go through pairs of images, if `keeps` holds: the products of these are then kept
    /// from one metric to the next, where KID looks at all pairs and they take no more than 1 GiB.
    pub(super) fn shared(
        generated: &'a Features,
        real: &'a Features,
        settings: &'a MetricSettings,
        keeps: bool,
    ) -> Self {
        Self {
            generated,
            real,
            settings,
            training: None,
            classes: Err(GENERATED),
            keeps: keeps
                && (generated.rows + real.rows).pow(2) / 2 <= KEPT
                && kid::takes_all_pairs(settings, generated.rows, real.rows),
            pairs: OnceLock::new(),
            real_gaussian: OnceLock::new(),
            real_neighbours: OnceLock::new(),
            all_inside: OnceLock::new(),
        }
    }

    /// With what is known beside the features.
    #[must_use]
    pub(super) fn with(self, beside: Beside<'a>) -> Self {
        let generated = beside.generated_classes.ok_or(GENERATED);
        let both = generated.and_then(|of| Ok([of, beside.real_classes.ok_or(REAL)?]));
        Self {
            training: beside.training,
            classes: both,
            ..self
        }
    }

    /// The features of generated and of real images, row by row.
    pub(super) fn rows(&self) -> [Rows<'a, f32>; 2] {
        [self.generated.into(), self.real.into()]
    }

    /// All pairs of images.
    pub(super) fn pairs(&self) -> &AllPairs<'a> {
        self.pairs.get_or_init(|| {
            let [generated, real] = self.rows();
            AllPairs {
                generated: Pairs::within(generated, self.keeps),
                real: Pairs::within(real, self.keeps),
                both: Pairs::between(real, generated, self.keeps),
            }
        })
    }

    /// The Gaussian fitted to the real features.
    pub(super) fn real_gaussian(&self) -> Result<&Gaussian> {
        if let Some(known) = self.real_gaussian.get() {
            return Ok(known);
        }
        let gaussian = Gaussian::of(Rows::from(self.real), DDOF)?;
        Ok(self.real_gaussian.get_or_init(|| gaussian))
    }

    /// The nearest real neighbours of every real image: as many as any metric looks at, or as there are.
    pub(super) fn real_neighbours(&self) -> &Neighbours {
        self.real_neighbours.get_or_init(|| {
            let settings = self.settings;
            let k = usize::max(settings.precision_neighbours, settings.density_neighbours);
            Neighbours::among(&self.pairs().real, k.min(self.real.rows - 1))
        })
    }

    /// Which generated images are in the balls of the real ones, and which real images in those of the generated ones,
    /// for precision and recall.
    pub(super) fn precision_and_recall(&self) -> (&Inside, &Inside) {
        let all = self.all_inside.get_or_init(|| {
            let (k, settings) = (self.settings.precision_neighbours, self.settings);
            let generated = Neighbours::among(&self.pairs().generated, k);
            let recall = balls(
                Side::Generated,
                generated.squared_radii(k),
                Boundary::Inside,
            );
            let real = self.real_neighbours().squared_radii(k);
            let precision = balls(Side::Real, real, Boundary::Inside);
            let density = (1..self.real.rows)
                .contains(&settings.density_neighbours)
                .then(|| self.density_balls());
            let questions: Vec<&Balls> =
                [&precision, &recall].into_iter().chain(&density).collect();
            let mut answers = self.answer(&questions).into_iter();
            let mut answer = || answers.next();
            AllInside {
                precision: answer().expect("the first question has an answer"),
                recall: answer().expect("the second question has an answer"),
                density: answer(),
            }
        });
        (&all.precision, &all.recall)
    }

    /// Which generated images are in the balls of the real ones, for density and coverage.
    pub(super) fn density(&self) -> Inside {
        let known = self.all_inside.get().and_then(|all| all.density.clone());
        known.unwrap_or_else(|| {
            let mut answers = self.answer(&[&self.density_balls()]);
            answers.pop().expect("one question has one answer")
        })
    }

    fn density_balls(&self) -> Balls {
        let k = self.settings.density_neighbours;
        let radii = self.real_neighbours().squared_radii(k);
        balls(Side::Real, radii, Boundary::Outside)
    }

    fn answer(&self, questions: &[&Balls]) -> Vec<Inside> {
        inside(&self.pairs().both, questions)
    }
}

fn balls(around: Side, radii: Vec<f64>, boundary: Boundary) -> Balls {
    Balls {
        around,
        radii,
        boundary,
    }
}

impl<'a> From<&'a Features> for Rows<'a, f32> {
    fn from(features: &'a Features) -> Self {
        Rows::new(features.rows, features.columns, &features.values)
    }
}
