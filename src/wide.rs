//! Loops compiled for the widest vectors of each kind of processor, of which the one at hand is chosen when they run.

/// The widest vectors of a processor hold this many f32.
pub(crate) const LANES: usize = 16;

/// Defines a function like that. Functions and closures that it calls in a loop must be marked `#[inline(always)]` or be
/// small: what is not inlined is compiled for the plainest processor. For the same reason this is no function that takes a
/// closure: nothing would make the compiler inline it.
macro_rules! wide {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $(<$($parameter:ident)+: $bound:path>)? ($($argument:ident: $kind:ty),* $(,)?) $(-> $output:ty)? $body:block
    )*) => {$(
        $(#[$attribute])*
        $visibility fn $name $(<$($parameter)+: $bound>)? ($($argument: $kind),*) $(-> $output)? {
            struct Work<T>(T);
            impl $(<$($parameter)+: $bound>)? pulp::NullaryFnOnce for Work<($($kind,)*)> {
                type Output = crate::wide::wide!(@output $($output)?);

                #[inline(always)]
                fn call(self) -> Self::Output {
                    let ($($argument,)*) = self.0;
                    $body
                }
            }
            pulp::Arch::new().dispatch(Work(($($argument,)*)))
        }
    )*};
    (@output) => { () };
    (@output $output:ty) => { $output };
}

pub(crate) use wide;

/// The larger of two numbers, in one instruction, which `f32::max` is not. A `value` that is no number stays one: it must not pass
/// for a bound.
#[expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]
#[inline(always)]
pub(crate) fn at_least(value: f32, least: f32) -> f32 {
    if value < least { least } else { value }
}

/// The larger of two numbers, or what is none.
#[expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

/// The sum of x (y - shift) over two rows, in a fixed number of running sums, whatever the processor.
#[expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]
#[inline(always)]
pub(crate) fn sum_of_products(left: &[f32], right: &[f32], shift: f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let (lefts, left_rest) = left.as_chunks::<LANES>();
    let (rights, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in lefts.iter().zip(rights) {
        for ((lane, x), y) in lanes.iter_mut().zip(left).zip(right) {
            *lane += x * (y - shift);
        }
    }
    let rest = left_rest.iter().zip(right_rest);
    let rest: f64 = rest.map(|(x, y)| f64::from(x * (y - shift))).sum();
    lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>() + rest
}
