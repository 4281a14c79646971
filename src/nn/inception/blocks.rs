//! The blocks of the network, read from its weights. Their letters and the names of their branches are torchvision's.

use burn::tensor::Device;

use super::convolution::{Convolution, Step};
use super::layer::{Branches, Layer};
use crate::error::Result;
use crate::nn::weights::Weights;

/// A convolution of a chain: name, outputs, height and width of the kernel, step.
type Part = (&'static str, usize, [usize; 2], Step);

/// Builds one part of the network after the other.
pub(super) struct Builder<'a> {
    weights: &'a mut Weights,
    device: &'a Device,
    /// What the names of this part's weights begin with.
    path: String,
}

impl<'a> Builder<'a> {
    pub(super) fn new(weights: &'a mut Weights, device: &'a Device) -> Self {
        Self {
            weights,
            device,
            path: String::new(),
        }
    }

    /// The convolution `name` of this part.
    fn convolution(&mut self, name: &str, shape: [usize; 4], step: Step) -> Result<Convolution> {
        let name = format!("{}{name}", self.path);
        Convolution::take(self.weights, &name, shape, step, self.device)
    }

    /// A convolution before the blocks.
    pub(super) fn stem(
        &mut self,
        name: &'static str,
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        step: Step,
    ) -> Result<(&'static str, Layer)> {
        let convolution = self.convolution(name, [outputs, inputs, kernel, kernel], step)?;
        Ok((name, Layer::Convolution(convolution)))
    }

    /// A block of branches.
    pub(super) fn block(
        &mut self,
        name: &'static str,
        branches: impl FnOnce(&mut Self) -> Result<Vec<Vec<Layer>>>,
    ) -> Result<(&'static str, Layer)> {
        self.path = format!("{name}.");
        Ok((name, Layer::Branches(Branches::new(branches(self)?))))
    }

    /// Convolutions one after the other.
    fn chain(&mut self, mut inputs: usize, parts: &[Part]) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        for &(name, outputs, [height, width], step) in parts {
            let convolution = self.convolution(name, [outputs, inputs, height, width], step)?;
            layers.push(Layer::Convolution(convolution));
            inputs = outputs;
        }
        Ok(layers)
    }

    /// A pool that keeps the size of the maps, and a 1 x 1 convolution of its output to `outputs` channels.
    fn pooled(&mut self, inputs: usize, pool: Pool, outputs: usize) -> Result<Vec<Layer>> {
        let convolution = self.convolution("branch_pool", [outputs, inputs, 1, 1], Step::Same)?;
        Ok(match pool {
            // Average pooling and the sum over channels commute: in this order there are fewer maps to average.
            Pool::Mean => vec![
                Layer::Convolution(convolution.linear()),
                Layer::RectifiedMean,
            ],
            Pool::Largest => vec![Layer::MaxPool(Step::Same), Layer::Convolution(convolution)],
        })
    }
}

/// What the last branch of a block makes of 3 x 3 places.
#[derive(Clone, Copy)]
pub(super) enum Pool {
    Mean,
    Largest,
}

fn point(name: &'static str, outputs: usize) -> Part {
    same(name, outputs, [1, 1])
}

fn same(name: &'static str, outputs: usize, kernel: [usize; 2]) -> Part {
    (name, outputs, kernel, Step::Same)
}

fn halve(name: &'static str, outputs: usize) -> Part {
    (name, outputs, [3, 3], Step::Halve)
}

pub(super) fn block_a(
    builder: &mut Builder<'_>,
    inputs: usize,
    pooled: usize,
) -> Result<Vec<Vec<Layer>>> {
    Ok(vec![
        builder.chain(inputs, &[point("branch1x1", 64)])?,
        builder.chain(
            inputs,
            &[point("branch5x5_1", 48), same("branch5x5_2", 64, [5, 5])],
        )?,
        builder.chain(
            inputs,
            &[
                point("branch3x3dbl_1", 64),
                same("branch3x3dbl_2", 96, [3, 3]),
                same("branch3x3dbl_3", 96, [3, 3]),
            ],
        )?,
        builder.pooled(inputs, Pool::Mean, pooled)?,
    ])
}

/// From 35 x 35 to 17 x 17 places.
pub(super) fn block_b(builder: &mut Builder<'_>) -> Result<Vec<Vec<Layer>>> {
    Ok(vec![
        builder.chain(288, &[halve("branch3x3", 384)])?,
        builder.chain(
            288,
            &[
                point("branch3x3dbl_1", 64),
                same("branch3x3dbl_2", 96, [3, 3]),
                halve("branch3x3dbl_3", 96),
            ],
        )?,
        vec![Layer::MaxPool(Step::Halve)],
    ])
}

/// `inner` is the width of the 7 x 7 branches.
pub(super) fn block_c(builder: &mut Builder<'_>, inner: usize) -> Result<Vec<Vec<Layer>>> {
    Ok(vec![
        builder.chain(768, &[point("branch1x1", 192)])?,
        builder.chain(
            768,
            &[
                point("branch7x7_1", inner),
                same("branch7x7_2", inner, [1, 7]),
                same("branch7x7_3", 192, [7, 1]),
            ],
        )?,
        builder.chain(
            768,
            &[
                point("branch7x7dbl_1", inner),
                same("branch7x7dbl_2", inner, [7, 1]),
                same("branch7x7dbl_3", inner, [1, 7]),
                same("branch7x7dbl_4", inner, [7, 1]),
                same("branch7x7dbl_5", 192, [1, 7]),
            ],
        )?,
        builder.pooled(768, Pool::Mean, 192)?,
    ])
}

/// From 17 x 17 to 8 x 8 places.
pub(super) fn block_d(builder: &mut Builder<'_>) -> Result<Vec<Vec<Layer>>> {
    Ok(vec![
        builder.chain(768, &[point("branch3x3_1", 192), halve("branch3x3_2", 320)])?,
        builder.chain(
            768,
            &[
                point("branch7x7x3_1", 192),
                same("branch7x7x3_2", 192, [1, 7]),
                same("branch7x7x3_3", 192, [7, 1]),
                halve("branch7x7x3_4", 192),
            ],
        )?,
        vec![Layer::MaxPool(Step::Halve)],
    ])
}

/// The pool tells the two blocks of this kind apart: a mean in the first, a maximum in the second.
pub(super) fn block_e(
    builder: &mut Builder<'_>,
    inputs: usize,
    pool: Pool,
) -> Result<Vec<Vec<Layer>>> {
    let mut fan = |names: [&'static str; 2]| {
        Ok::<_, anyhow::Error>(Layer::Branches(Branches::new(vec![
            builder.chain(384, &[same(names[0], 384, [1, 3])])?,
            builder.chain(384, &[same(names[1], 384, [3, 1])])?,
        ])))
    };
    let single = fan(["branch3x3_2a", "branch3x3_2b"])?;
    let double = fan(["branch3x3dbl_3a", "branch3x3dbl_3b"])?;
    let mut branches = vec![
        builder.chain(inputs, &[point("branch1x1", 320)])?,
        builder.chain(inputs, &[point("branch3x3_1", 384)])?,
        builder.chain(
            inputs,
            &[
                point("branch3x3dbl_1", 448),
                same("branch3x3dbl_2", 384, [3, 3]),
            ],
        )?,
        builder.pooled(inputs, pool, 192)?,
    ];
    branches[1].push(single);
    branches[2].push(double);
    Ok(branches)
}
