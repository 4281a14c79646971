//! A network that starts from another's weights: by name and shape, all but the last layer.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::device::values;
use crate::error::{Result, refuse};

/// A tensor of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Its path in the network: `down.0.first.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its entries.
    pub values: Vec<f32>,
}

/// What a network took over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartReport {
    /// Names of the tensors that were copied.
    pub copied: Vec<String>,
    /// Names of those that kept their random values.
    pub fresh: Vec<String>,
}

impl StartReport {
    /// It in a few words.
    pub fn sentence(&self, run: &str) -> String {
        let fresh = match self.fresh.as_slice() {
            [] => "none is fresh".to_owned(),
            names => format!("fresh: {}", names.join(", ")),
        };
        format!(
            "start: {} tensors of `{run}` copied, {fresh}",
            self.copied.len()
        )
    }
}

/// All tensors of a network, in module order.
///
/// # Errors
/// The device lost one.
pub(super) fn tensors<M: Module>(network: &M) -> Result<Vec<NamedTensor>> {
    let mut collected = Collected::default();
    network.visit(&mut collected);
    collected.found.into_iter().collect()
}

#[derive(Default)]
struct Collected {
    path: Vec<String>,
    found: Vec<Result<NamedTensor>>,
}

impl ModuleVisitor for Collected {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let name = self.path.join(".");
        let shape = parameter.dims().to_vec();
        let found = values(parameter.val()).map(|values| NamedTensor {
            name,
            shape,
            values,
        });
        self.found.push(found);
    }
}

/// `network` with the tensors of `source`. Those whose names begin with `head` stay as they are where `source` has them in another
/// shape, or `fresh_head` says so.
///
/// # Errors
/// Refuses a source that lacks another tensor, or has it in another shape.
pub(super) fn started<M: Module>(
    network: M,
    source: &[NamedTensor],
    head: &str,
    fresh_head: bool,
) -> Result<(M, StartReport)> {
    let mut copier = Copier {
        path: Vec::new(),
        source,
        head,
        fresh_head,
        report: StartReport::default(),
        misfits: Vec::new(),
    };
    let network = network.map(&mut copier);
    if let Some(misfit) = copier.misfits.first() {
        return Err(refuse(
            format!(
                "the start does not fit: {misfit} ({} tensors of {} do not)",
                copier.misfits.len(),
                source.len()
            ),
            "start from a run of the same backbone, with the same widths and levels and images of the same size and channels",
        ));
    }
    Ok((network, copier.report))
}

struct Copier<'a> {
    path: Vec<String>,
    source: &'a [NamedTensor],
    head: &'a str,
    fresh_head: bool,
    report: StartReport,
    misfits: Vec<String>,
}

impl ModuleMapper for Copier<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        let is_head = name.starts_with(self.head);
        let found = self.source.iter().find(|tensor| tensor.name == name);
        let fits = found.filter(|tensor| tensor.shape == parameter.dims());
        match (fits, found) {
            (Some(tensor), _) if !(is_head && self.fresh_head) => {
                self.report.copied.push(name);
                let trained = parameter.is_require_grad();
                let device = parameter.val().device();
                let data = TensorData::new(tensor.values.clone(), parameter.dims());
                parameter
                    .map(|_| Tensor::from_data(data, &device))
                    .set_require_grad(trained)
            }
            _ if is_head => {
                self.report.fresh.push(name);
                parameter
            }
            (_, Some(tensor)) => {
                let shape = parameter.dims();
                self.misfits.push(format!(
                    "`{name}` has shape {:?} there and {shape:?} here",
                    tensor.shape
                ));
                parameter
            }
            (_, None) => {
                self.misfits.push(format!("it has no `{name}`"));
                parameter
            }
        }
    }
}
