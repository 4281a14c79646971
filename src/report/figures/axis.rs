//! Axes: ranges of numbers, round ticks (steps of 1, 2 or 5) and how they are labelled.

/// How numbers lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether equal distances are equal ratios.
    pub(super) logarithmic: bool,
    /// Whether numbers between whole ones mean nothing: steps.
    pub(super) whole: bool,
}

impl Axis {
    /// From the least to the largest of `values` that are finite, and `margin` of that distance more on both sides. None
    /// where there are no values.
    pub(super) fn over(values: impl IntoIterator<Item = f64>, margin: f64) -> Option<Self> {
        let (low, high) = extent(values)?;
        let room = match high - low {
            0.0 => 0.5 * high.abs().max(1.0),
            distance => margin * distance,
        };
        Some(Self {
            low: low - room,
            high: high + room,
            logarithmic: false,
            whole: false,
        })
    }

    /// The same, logarithmic where the values are positive and span more than two decades.
    pub(super) fn by_ratio(values: impl IntoIterator<Item = f64>, margin: f64) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let (low, high) = extent(values.iter().copied())?;
        if low > 0.0 && high / low > 100.0 {
            let room = (high / low).powf(margin);
            return Some(Self {
                low: low / room,
                high: high * room,
                logarithmic: true,
                whole: false,
            });
        }
        Self::over(values, margin)
    }

    /// From 0 to the largest of `values`, which are counts of something: its ticks are whole numbers.
    pub(super) fn counts(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let (_, high) = extent(values)?;
        Some(Self {
            low: 0.0,
            high: high.max(1.0),
            logarithmic: false,
            whole: true,
        })
    }

    /// Of numbers of images: logarithmic where they span a decade.
    pub(super) fn sizes(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let axis = Self::over(values.iter().copied(), 0.04)?;
        let (low, high) = extent(values)?;
        if high < 10.0 * low {
            return Some(Self {
                whole: true,
                ..axis
            });
        }
        Some(Self {
            low: low / 1.15,
            high: high * 1.15,
            logarithmic: true,
            whole: false,
        })
    }

    /// The same axis, from 0 where that is near.
    pub(super) fn with_zero(self) -> Self {
        let is_near = self.low > 0.0 && self.low < 0.5 * self.high && !self.logarithmic;
        Self {
            low: if is_near { 0.0 } else { self.low },
            ..self
        }
    }

    /// Where `value` lies, from 0 at the low end to 1 at the high end.
    pub(super) fn fraction(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    /// Ticks and their labels, about `count` of them.
    pub(super) fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.logarithmic {
            return self.decades();
        }
        let step = round_step((self.high - self.low) / count.max(1) as f64);
        let step = if self.whole { step.max(1.0) } else { step };
        let (first, last) = (
            (self.low / step - 1e-9).ceil() as i64,
            (self.high / step + 1e-9).floor() as i64,
        );
        let places: Vec<f64> = (first..=last).map(|place| place as f64 * step).collect();
        let digits = (-step.log10().floor()).max(0.0) as usize;
        // All labels of an axis are of one kind: thousands are shortened where every tick is whole thousands.
        let largest = places
            .iter()
            .fold(0.0f64, |most, place| most.max(place.abs()));
        let thousands = largest >= 10_000.0 && step >= 1000.0;
        let label = |place: f64| {
            if thousands && place != 0.0 {
                return thousand(place);
            }
            grouped(place, digits)
        };
        places
            .into_iter()
            .map(|place| (place, label(place)))
            .collect()
    }

    fn decades(&self) -> Vec<(f64, String)> {
        let (first, last) = (
            self.low.log10().ceil() as i32,
            self.high.log10().floor() as i32,
        );
        if self.high / self.low < 100.0 {
            // Two decades at most are too few ticks.
            let within = (first - 1..=last)
                .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)));
            let ticks = within.filter(|place| (self.low..=self.high).contains(place));
            let digits = (-self.low.log10().floor()).max(0.0) as usize;
            return ticks.map(|place| (place, grouped(place, digits))).collect();
        }
        let skip = ((last - first) / 6 + 1).max(1) as usize;
        let decades: Vec<i32> = (first..=last).step_by(skip).collect();
        let in_powers = decades.iter().any(|decade| !(-3..7).contains(decade));
        let label = |decade: i32| match decade {
            _ if in_powers => format!("10{}", raised(decade)),
            4.. => thousand(10f64.powi(decade)),
            0..4 => grouped(10f64.powi(decade), 0),
            _ => format!("{:.*}", -decade as usize, 10f64.powi(decade)),
        };
        let place = |decade: i32| (10f64.powi(decade), label(decade));
        decades.into_iter().map(place).collect()
    }
}

/// The least and the largest finite value.
fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|value| value.is_finite());
    finite.fold(None, |known, value| {
        let (low, high) = known.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

/// 1, 2 or 5 times a power of ten, the one whose ratio to `step` is nearest to 1.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    power
        * match step / power {
            ..1.415 => 1.0,
            ..3.163 => 2.0,
            ..7.072 => 5.0,
            _ => 10.0,
        }
}

/// An exponent.
fn raised(exponent: i32) -> String {
    let letter = |letter: char| match letter {
        '-' => '\u{207b}',
        digit => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize - '0' as usize],
    };
    exponent.to_string().chars().map(letter).collect()
}

/// Thousands with a k, millions with an M.
fn thousand(value: f64) -> String {
    let (value, unit) = if value.abs() >= 1e6 {
        (value / 1e6, "M")
    } else {
        (value / 1e3, "k")
    };
    let text = format!("{value:.2}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A number with a thin space before its last three whole digits, and a true minus.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let whole = if whole.len() > 3 {
        let (front, back) = whole.split_at(whole.len() - 3);
        format!("{front}\u{2009}{back}")
    } else {
        whole.to_owned()
    };
    let is_zero = text.chars().all(|letter| matches!(letter, '0' | '.'));
    let sign = if value < 0.0 && !is_zero {
        "\u{2212}"
    } else {
        ""
    };
    format!("{sign}{whole}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis, count: usize) -> Vec<String> {
        axis.ticks(count)
            .into_iter()
            .map(|(_, label)| label)
            .collect()
    }

    #[test]
    fn ticks_are_round_and_steps_are_whole() {
        let steps = |high| labels(Axis::counts([high]).unwrap(), 4);
        assert_eq!(steps(1700.0), ["0", "500", "1\u{2009}000", "1\u{2009}500"]);
        assert_eq!(steps(3.0), ["0", "1", "2", "3"], "no step 1.5");
        assert_eq!(steps(1.0), ["0", "1"]);
        assert_eq!(steps(100_000.0), ["0", "20k", "40k", "60k", "80k", "100k"]);
        let axis = Axis::over([-0.3, 0.4], 0.0).unwrap();
        assert_eq!(labels(axis, 4), ["\u{2212}0.2", "0.0", "0.2", "0.4"]);
    }

    #[test]
    fn an_axis_is_logarithmic_beyond_two_decades_of_positive_numbers() {
        let axis = Axis::by_ratio([0.6, 491.0], 0.0).unwrap();
        assert!(axis.logarithmic);
        assert_eq!(labels(axis, 4), ["1", "10", "100"]);
        let small = Axis::by_ratio([1e-5, 1.0], 0.0).unwrap();
        assert_eq!(labels(small, 4)[..2], ["10⁻⁵", "10⁻⁴"]);
        assert!((axis.fraction((0.6f64 * 491.0).sqrt()) - 0.5).abs() < 1e-12);
        assert!(!Axis::by_ratio([1.0, 99.0], 0.0).unwrap().logarithmic);
        assert!(!Axis::by_ratio([-1.0, 500.0], 0.0).unwrap().logarithmic);
    }

    #[test]
    fn an_axis_holds_its_values_even_if_they_are_one_and_is_none_without() {
        let axis = Axis::over([2.0], 0.5).unwrap();
        assert_eq!((axis.low, axis.high), (1.0, 3.0));
        assert_eq!(Axis::over([f64::NAN], 0.5), None);
    }
}
