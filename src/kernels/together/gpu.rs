//! Steps that wait until their kernel has parameters enough.

use std::cell::RefCell;
use std::mem;
use std::thread::LocalKey;

use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use crate::kernels::gpu::{UNITS, of_sums};

/// Parameters that a kernel takes at most. It is compiled with a branch for each.
const AT_MOST: usize = 16;
/// Buffers that a kernel has besides those of its parameters.
const OTHERS: usize = 2;

/// Steps of one kind whose kernel is not launched yet.
pub(in crate::kernels) type Waiting<S> = RefCell<Vec<S>>;

thread_local! {
    /// What launches the kinds of steps that wait; none where none may wait.
    static GATHERED: RefCell<Option<Vec<fn()>>> = const { RefCell::new(None) };
}

/// Until it is dropped, steps of this thread wait for others.
pub(super) struct Gathering {
    /// Whether the steps wait for this one, not for another around it.
    is_outermost: bool,
}

impl Gathering {
    pub(super) fn begin() -> Self {
        GATHERED.with_borrow_mut(|gathered| {
            let is_outermost = gathered.is_none();
            gathered.get_or_insert_default();
            Self { is_outermost }
        })
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        if self.is_outermost {
            for launch in GATHERED.take().into_iter().flatten() {
                launch();
            }
        }
    }
}

/// A step of one parameter.
pub(in crate::kernels) trait Step: Sized + 'static {
    /// Buffers of a parameter.
    const BUFFERS: usize;

    /// Where such steps wait.
    fn waiting() -> &'static LocalKey<Waiting<Self>>;

    /// The weights, or what takes their place.
    fn parameter(&self) -> &CubeTensor;

    /// Whether one kernel can do both.
    fn goes_with(&self, other: &Self) -> bool;

    /// Launches one kernel for all; there is one at least, and they go together.
    fn launch(steps: Vec<Self>, cubes: (CubeCount, CubeDim));
}

/// Launches the step, with those that wait, if it has not to wait itself.
pub(in crate::kernels) fn enter<S: Step>(step: S) {
    let goes = S::waiting().with_borrow(|waiting| {
        let first = waiting.first();
        first.is_none_or(|first| step.goes_with(first))
    });
    if !goes {
        launch_waiting::<S>();
    }
    let bound = step.parameter().client.properties().hardware.max_bindings as usize;
    let most = AT_MOST.min(bound.saturating_sub(OTHERS) / S::BUFFERS);
    let count = S::waiting().with_borrow_mut(|waiting| {
        waiting.push(step);
        waiting.len()
    });
    let waits = count < most
        && GATHERED.with_borrow_mut(|gathered| {
            let Some(kinds) = gathered else {
                return false;
            };
            if count == 1 {
                kinds.push(launch_waiting::<S>);
            }
            true
        });
    if !waits {
        launch_waiting::<S>();
    }
}

fn launch_waiting<S: Step>() {
    let steps = S::waiting().with_borrow_mut(mem::take);
    if steps.is_empty() {
        return;
    }
    let cubes = |step: &S| step.parameter().meta.num_elements().div_ceil(UNITS);
    let count = steps.iter().map(cubes).sum();
    S::launch(steps, of_sums(count));
}

/// Which number of a parameter of `length` numbers is this unit's, in a kernel of [`Step::launch`], if the parameter's cubes begin with
/// cube `first`; `length` or more if none is.
#[cube]
pub(in crate::kernels) fn place_in(first: usize, length: usize) -> usize {
    let mut place = length;
    if CUBE_POS >= first {
        place = (CUBE_POS - first) * UNITS + UNIT_POS as usize;
    }
    place
}
