//! Another try after a pause that grows.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::{Answered, Failure};

/// Pause after the first failure, doubled after each further one, and lengthened at random so that those who failed together do
/// not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause by itself (up to twice that at random), and longest that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_REQUEST: Duration = Duration::from_mins(10);

/// Makes a request until it is taken, refused, or `goes_on` says no to the failures in a row and the last one; `sleep` waits
/// between two tries.
///
/// # Errors
/// The last failure.
pub fn retry<T>(
    mut request: impl FnMut() -> Answered<T>,
    goes_on: impl Fn(u32, &Failure) -> bool,
    sleep: impl Fn(Duration),
) -> Answered<T> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times();
    // Not backon's own loop: the server may ask for a longer pause, and the end of a command ends one.
    let (mut pauses, mut failures) = (pauses.build(), 0);
    loop {
        let failure = match request() {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        failures += 1;
        let asked = match &failure {
            Failure::Transient { after, .. } if goes_on(failures, &failure) => *after,
            _ => return Err(failure),
        };
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
        sleep(pause.max(asked.unwrap_or_default().min(LONGEST_REQUEST)));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_are_as_long_as_the_server_asks() {
        let pauses = RefCell::new(Vec::new());
        let after = |seconds| Some(Duration::from_secs(seconds));
        let mut asked = [None; 10].into_iter().chain([after(100), after(1_000_000)]);
        let failed: Answered<()> = retry(
            || {
                Err(Failure::Transient {
                    reason: String::new(),
                    after: asked.next().flatten(),
                })
            },
            |failures, _| failures <= 12,
            |pause| pauses.borrow_mut().push(pause.as_secs_f64()),
        );
        assert!(failed.is_err());
        let least = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0];
        for (pause, least) in pauses.borrow().iter().zip(least) {
            assert!((least..=2.0 * least).contains(pause), "{pause} of {least}");
        }
        assert_eq!(pauses.borrow()[10..], [100.0, 600.0]);
    }

    #[test]
    fn what_is_refused_is_not_tried_again() {
        let tries = Cell::new(0);
        let refused: Answered<()> = retry(
            || {
                tries.set(tries.get() + 1);
                Err(Failure::here("no"))
            },
            |_, _| true,
            |_| {},
        );
        assert_eq!((refused, tries.get()), (Err(Failure::here("no")), 1));
    }
}
