//! How many operations were counted: the price of a model that depends on no machine.

use std::sync::atomic::{AtomicU64, Ordering};

static OPERATIONS: AtomicU64 = AtomicU64::new(0);

/// Floating-point operations of all convolutions of this process until now, forward and backward, on the CPU back end in f32: a
/// multiply-add is two. They are those of the definition of a convolution, products with padding included, whatever a kernel
/// saves. Nothing else is counted: convolutions are nearly all the work of the networks here.
pub fn operations() -> u64 {
    OPERATIONS.load(Ordering::Relaxed)
}

/// What was counted since `before`, in units of 10^9; none where nothing was.
pub fn gigaflop_since(before: u64) -> Option<f64> {
    let counted = operations() - before;
    (counted > 0).then_some(counted as f64 / 1e9)
}

/// Counts `multiply_adds` of them.
pub(super) fn count(multiply_adds: usize) {
    OPERATIONS.fetch_add(2 * multiply_adds as u64, Ordering::Relaxed);
}
