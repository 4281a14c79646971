//! What is said while the dashboard has the terminal, panics included: lines of their own would vanish with the alternate screen.

use std::panic::{set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// What is said while the dashboard has the terminal; `None` while it does not.
static KEPT: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// How many panics there were.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn kept() -> MutexGuard<'static, Option<Vec<String>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a line until the dashboard is closed, if it is open; returns whether it is.
pub(super) fn keep(line: &str) -> bool {
    let mut kept = kept();
    if let Some(lines) = kept.as_mut() {
        lines.push(line.to_owned());
    }
    kept.is_some()
}

/// Keeps lines from now on.
pub(super) fn begin() {
    keep_panics();
    *kept() = Some(Vec::new());
}

/// Keeps no more; what was kept.
pub(super) fn end() -> Vec<String> {
    kept().take().unwrap_or_default()
}

/// How many panics there were.
pub(super) fn panics() -> usize {
    PANICS.load(Ordering::SeqCst)
}

/// Keeps the words of panics with the other lines, so that they do not vanish with the alternate screen.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            let kept = KEPT.try_lock().ok();
            match kept.and_then(|mut kept| kept.as_mut().map(|lines| lines.push(panic.to_string())))
            {
                Some(()) => {}
                None => before(panic),
            }
        }));
    });
}
