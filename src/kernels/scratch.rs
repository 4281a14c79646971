//! Buffers that a thread keeps between convolutions, so that no block pays for fresh memory.

use std::cell::RefCell;
use std::mem::{self, MaybeUninit};
use std::ops::{Deref, DerefMut};

use rayon::prelude::*;

use crate::wide::LANES;

/// Numbers that a thread clears at a time.
const CLEARED: usize = 32 * 1024;
/// Buffers that a thread keeps for [`borrow`].
const MOST_KEPT: usize = 4;

/// The buffers of one thread; each user takes what it needs and finds any old numbers in them.
#[derive(Default)]
pub(in crate::kernels) struct Scratch {
    /// The input in the shape of a matrix.
    pub(in crate::kernels) columns: Vec<f32>,
    /// The images of a block side by side.
    pub(in crate::kernels) joined: Vec<f32>,
    /// Images with their channels side by side.
    pub(in crate::kernels) planes: Vec<f32>,
    /// A row of an image, one part per residue of its columns.
    pub(in crate::kernels) phases: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    static KEPT: RefCell<Vec<Vec<f32>>> = RefCell::default();
}

/// Numbers that whoever borrowed them writes before reading: any old ones are in them. Unlike [`Scratch`] they may be held
/// while other threads work.
pub(in crate::kernels) struct Loan {
    numbers: Vec<f32>,
    length: usize,
}

/// `length` numbers that this thread keeps for the next who asks. Clearing fresh ones took a twelfth of a step.
pub(in crate::kernels) fn borrow(length: usize) -> Loan {
    let numbers = KEPT.with_borrow_mut(|kept| {
        let enough = (0..kept.len()).filter(|&place| kept[place].len() >= length);
        let place = enough.min_by_key(|&place| kept[place].len());
        place.map(|place| kept.swap_remove(place))
    });
    Loan {
        numbers: numbers.unwrap_or_else(|| vec![0.0; length]),
        length,
    }
}

impl Deref for Loan {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[..self.length]
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[..self.length]
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let numbers = mem::take(&mut self.numbers);
        KEPT.with_borrow_mut(|kept| {
            // Of many sizes the largest are worth keeping.
            if kept.len() == MOST_KEPT {
                let least = (0..kept.len()).min_by_key(|&place| kept[place].len());
                kept.swap_remove(least.expect("some are kept"));
            }
            kept.push(numbers);
        });
    }
}

/// Runs `work` with this thread's buffers. `work` must not start parallel work: a thread that waits for it may be given
/// another block, which would ask for the same buffers.
pub(in crate::kernels) fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
}

/// Computes an output of `length` numbers in blocks of images, on all cores. A block has so many numbers of input and of
/// output; `work` gets those of one block and its thread's buffers, and must not start parallel work.
pub(super) fn in_blocks(
    input: &[f32],
    length: usize,
    [input_block, output_block]: [usize; 2],
    work: impl Fn(&[f32], &mut [f32], &mut Scratch) + Sync,
) -> Vec<f32> {
    let mut output = zeros(length);
    output
        .par_chunks_mut(output_block)
        .zip(input.par_chunks(input_block))
        .for_each(|(output, input)| with_scratch(|scratch| work(input, output, scratch)));
    output
}

/// `length` zeros, written by all cores: an operation's output, which whoever asked for it keeps. One thread that clears what all
/// then write took a twentieth of a step.
pub(in crate::kernels) fn zeros(length: usize) -> Vec<f32> {
    if length < 2 * CLEARED {
        return vec![0.0; length];
    }
    let mut numbers = Vec::with_capacity(length);
    let room = &mut numbers.spare_capacity_mut()[..length];
    room.par_chunks_mut(CLEARED)
        .for_each(|room| room.fill(MaybeUninit::new(0.0)));
    #[expect(
        unsafe_code,
        reason = "no safe function gives zeros that several threads wrote"
    )]
    // SAFETY: there is room for `length` numbers, and each was written above.
    unsafe {
        numbers.set_len(length);
    }
    numbers
}

/// The first `length` numbers of a buffer, which grows if need be.
pub(in crate::kernels) fn take(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}

/// `count` made a multiple of the vector's length.
pub(in crate::kernels) fn padded(count: usize) -> usize {
    count.next_multiple_of(LANES)
}

/// Distance between rows of a buffer of `count` columns: padded, and not a multiple of a page, whose rows would all
/// fall on the same lines of the first cache.
pub(in crate::kernels) fn row_stride(count: usize) -> usize {
    padded(count) + LANES
}
