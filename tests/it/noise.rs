//! Numbers that Python and Rust compute alike, bit for bit: the scripts under `tests/golden` call it `noise` too.

/// A hash of a row, a column and a place in 32 bits.
pub(crate) fn noise(row: usize, column: usize, place: u32) -> u32 {
    let word = |number: usize| u32::try_from(number).expect("indices have 32 bits");
    let mut hash = word(row).wrapping_mul(73_856_093)
        ^ word(column).wrapping_mul(19_349_663)
        ^ place.wrapping_mul(83_492_791);
    for _ in 0..2 {
        hash ^= hash >> 16;
        hash = hash.wrapping_mul(0x45D_9F3B);
    }
    hash ^ (hash >> 16)
}

/// `count` numbers in [-1, 1) with 24 bits each.
pub(crate) fn signed(count: usize, place: u32) -> impl Iterator<Item = f64> {
    (0..count).map(move |index| f64::from(noise(index, 0, place) >> 8) / f64::from(1 << 23) - 1.0)
}
