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

/// The tensors of parameters, and the numbers of a step that waits for them.
pub(in crate::kernels) type Waiting<S, const N: usize> = RefCell<Vec<(S, [CubeTensor; N])>>;

/// What a kernel takes of many parameters.
pub(in crate::kernels) type Tensors = SequenceArg<OwnedTensor<f32>>;

/// What launches steps that wait.
type Launch = fn();

thread_local! {
    /// The kinds of steps that wait; none where none may wait.
    static GATHERED: RefCell<Option<Vec<Launch>>> = const { RefCell::new(None) };
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

/// The numbers of a step, which parameters of `N` tensors of one shape share.
pub(in crate::kernels) trait Step<const N: usize>:
    Copy + PartialEq + 'static
{
    /// Where such steps wait.
    fn waiting() -> &'static LocalKey<Waiting<Self, N>>;

    /// Launches one kernel, which takes the tensors of all parameters.
    fn launch(self, client: &Client, cubes: (CubeCount, CubeDim), tensors: [Tensors; N]);
}

/// Launches the step of a parameter, with those that wait, if it has not to wait itself.
pub(in crate::kernels) fn enter<S: Step<N>, const N: usize>(step: S, tensors: [CubeTensor; N]) {
    let goes_along = S::waiting().with_borrow(|waiting| {
        let first = waiting.first();
        first.is_none_or(|(first, others)| *first == step && others[0].device == tensors[0].device)
    });
    if !goes_along {
        launch_waiting::<S, N>();
    }
    let bound = tensors[0].client.properties().hardware.max_bindings as usize;
    let most = AT_MOST.min(bound.saturating_sub(OTHERS) / N);
    let count = S::waiting().with_borrow_mut(|waiting| {
        waiting.push((step, tensors));
        waiting.len()
    });
    let waits = count < most
        && GATHERED.with_borrow_mut(|gathered| {
            let Some(kinds) = gathered else {
                return false;
            };
            if count == 1 {
                kinds.push(launch_waiting::<S, N>);
            }
            true
        });
    if !waits {
        launch_waiting::<S, N>();
    }
}

fn launch_waiting<S: Step<N>, const N: usize>() {
    let parameters = S::waiting().with_borrow_mut(mem::take);
    let Some((step, tensors)) = parameters.first() else {
        return;
    };
    let (step, client) = (*step, tensors[0].client.clone());
    let mut cubes = 0;
    let mut arguments = [(); N].map(|()| SequenceArg::new());
    for (_, tensors) in parameters {
        cubes += tensors[0].meta.num_elements().div_ceil(UNITS);
        for (argument, tensor) in arguments.iter_mut().zip(tensors) {
            argument.push(tensor.into_tensor_arg());
        }
    }
    step.launch(&client, of_sums(cubes), arguments);
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
