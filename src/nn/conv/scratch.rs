//! Buffers that a thread keeps between convolutions, so that no block pays for fresh memory.

use std::cell::RefCell;

/// The buffers of one thread; each user takes what it needs and finds any old numbers in them.
#[derive(Default)]
pub(super) struct Scratch {
    /// The input in the shape of a matrix.
    pub(super) columns: Vec<f32>,
    /// The images of a block side by side.
    pub(super) joined: Vec<f32>,
    /// A row of an image, one part per residue of its columns.
    pub(super) phases: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs `work` with this thread's buffers. `work` must not start parallel work: a thread that waits for it may be given
/// another block, which would ask for the same buffers.
pub(super) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
}

/// The first `length` numbers of a buffer, which grows if need be.
pub(super) fn take(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}
