//! Progress with the time left: a bar on a terminal, a plain line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::duration;

/// Seconds between plain lines.
const INTERVAL: Duration = Duration::from_secs(15);

/// One piece of work with a known number of units.
pub(super) struct Progress {
    name: String,
    total: usize,
    bar: Option<ProgressBar>,
    start: Instant,
    /// Since when units are counted for the time left, and how many were done by then: a resumed run.
    counted_from: Instant,
    before: Option<usize>,
    /// Whether the first unit is yet to come, and takes longer than the others.
    warms_up: bool,
    last_line: Instant,
}

impl Progress {
    /// Work called `name` of `total` units.
    pub(super) fn new(name: impl Into<String>, total: usize) -> Self {
        Self::styled(name.into(), total, "{pos}/{len}")
    }

    /// A download called `name` of `total` bytes.
    pub(super) fn of_bytes(name: impl Into<String>, total: usize) -> Self {
        Self::styled(name.into(), total, "{bytes}/{total_bytes}, {bytes_per_sec}")
    }

    fn styled(name: String, total: usize, count: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = &format!(
                "{{prefix:32}} {{wide_bar}} {count}  {{elapsed}} gone, {{eta}} left  {{msg}}"
            );
            let style = ProgressStyle::with_template(style).expect("the template is valid");
            ProgressBar::new(total as u64)
                .with_style(style)
                .with_prefix(name.clone())
        });
        Self {
            name,
            total,
            bar,
            start: Instant::now(),
            counted_from: Instant::now(),
            before: None,
            warms_up: false,
            last_line: Instant::now(),
        }
    }

    /// Says `what` makes the first unit take longer than the others: the time left is counted from then on.
    pub(super) fn warm_up(&mut self, what: &str) {
        self.warms_up = true;
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => eprintln!("{}: {what}", self.name),
        }
    }

    /// Says that `done` units are done.
    pub(super) fn update(&mut self, done: usize, message: &str) {
        if std::mem::take(&mut self.warms_up) {
            self.before = Some(done);
            self.counted_from = Instant::now();
            self.last_line = Instant::now();
        }
        let before = *self.before.get_or_insert(done.saturating_sub(1));
        if let Some(bar) = &self.bar {
            if bar.position() == 0 && before > 0 {
                bar.set_position(before as u64);
                bar.reset_eta();
            }
            bar.set_position(done as u64);
            bar.set_message(message.to_owned());
        } else if self.last_line.elapsed() >= INTERVAL {
            self.last_line = Instant::now();
            let fraction = (done - before).max(1) as f64 / (self.total - before).max(1) as f64;
            let left = self.counted_from.elapsed().as_secs_f64() * (1.0 - fraction) / fraction;
            let left = duration(Duration::from_secs_f64(left.max(0.0)));
            eprintln!(
                "{}: {done} of {}, {left} left  {message}",
                self.name, self.total
            );
        }
    }

    /// Takes the bar away and leaves a line with what came out.
    pub(super) fn finish(self, result: &str) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        eprintln!(
            "{}: {result} ({})",
            self.name,
            duration(self.start.elapsed())
        );
    }
}
