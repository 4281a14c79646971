//! Gradients beside central differences, in f64.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};
use burn_optim::GradientsParams;

/// Every parameter in f64, scaled so that a network is far from flat.
pub(crate) struct ToDouble;

impl ModuleMapper for ToDouble {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|tensor| {
            tensor
                .cast(DType::F64)
                .mul_scalar(5.0)
                .detach()
                .require_grad()
        })
    }
}

/// Adds `amount` to entry `entry` of parameter number `target`.
struct Nudge {
    target: usize,
    entry: usize,
    amount: f64,
    seen: usize,
}

impl ModuleMapper for Nudge {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let number = self.seen;
        self.seen += 1;
        if number != self.target {
            return parameter;
        }
        parameter.map(|tensor| {
            let (shape, device) = (tensor.dims(), tensor.device());
            let mut values = tensor.into_data().try_into_vec::<f64>().expect("f64");
            values[self.entry] += self.amount;
            let data = TensorData::new(values, shape);
            Tensor::from_data(data, (&device, DType::F64)).require_grad()
        })
    }
}

/// The gradient of every parameter, in module order.
struct Gradients<'a> {
    gradients: &'a GradientsParams,
    found: Vec<Vec<f64>>,
}

impl ModuleVisitor for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let values = match self.gradients.get::<D>(parameter.id) {
            Some(gradient) => gradient.into_data().try_into_vec::<f64>().expect("f64"),
            None => vec![0.0; parameter.val().shape().num_elements()],
        };
        self.found.push(values);
    }
}

/// The gradient of `value` by every parameter, in module order, and the largest entry of all.
pub(crate) fn gradients<M: Module>(module: &M, value: &Tensor<1>) -> (Vec<Vec<f64>>, f64) {
    let gradients = GradientsParams::from_grads(value.backward(), module);
    let mut visitor = Gradients {
        gradients: &gradients,
        found: Vec::new(),
    };
    module.visit(&mut visitor);
    let entries = visitor.found.iter().flatten();
    let largest = entries.fold(0.0f64, |largest, value| largest.max(value.abs()));
    (visitor.found, largest)
}

/// Asserts that the gradient of `value` by some entries of every parameter is that of central differences, up to
/// `tolerance` of the largest entry; how many were checked.
pub(crate) fn check_gradient<M: Module>(
    what: &str,
    module: &M,
    tolerance: f64,
    value: impl Fn(&M) -> Tensor<1>,
) -> usize {
    let (found, largest) = gradients(module, &value(module));
    assert!(
        largest > 1e-6,
        "{what}: the loss is flat here, nothing is tested"
    );
    let (step, mut checked) = (1e-6, 0);
    for (target, gradient) in found.iter().enumerate() {
        for entry in (0..gradient.len()).step_by((gradient.len() / 5).max(1)) {
            let nudged = |amount: f64| {
                let mut nudge = Nudge {
                    target,
                    entry,
                    amount,
                    seen: 0,
                };
                value(&module.clone().map(&mut nudge)).into_scalar::<f64>()
            };
            let difference = (nudged(step) - nudged(-step)) / (2.0 * step);
            let error = (difference - gradient[entry]).abs() / largest;
            assert!(
                error < tolerance,
                "{what}, parameter {target}, entry {entry}: {} by differentiation, {difference} by differences",
                gradient[entry]
            );
            checked += 1;
        }
    }
    checked
}
