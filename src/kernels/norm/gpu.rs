//! Normalisation on a GPU, with the activation function that follows: three kernels forward, three backward.
//!
//! Maps have their channels last in memory, as Burn's convolutions leave and take them: a matrix with a row for each place of each
//! image and a column for each channel ([`Cut`]).

mod cut;
mod kernels;

use burn::backend::Cube;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

use self::cut::Cut;
use super::EPSILON;
use super::extension::{Normalise, Plan, PullBack};
use super::layout::Layout;
use crate::kernels::gpu::{channels_last, empty, empty_like, of_each, of_sums};

impl Normalise for Cube {
    fn moments(input: CubeTensor, layout: Layout) -> CubeTensor {
        let input = channels_last(input);
        let (cut, groups) = (Cut::of(&layout), layout.groups());
        let client = input.client.clone();
        let of_slices = empty(&input, [2, cut.slices, cut.channels]);
        let of_groups = empty(&input, [2, groups]);
        let (cubes, dimension) = of_sums(cut.cubes());
        kernels::slice_moments::launch(
            &client,
            cubes,
            dimension,
            input.into_tensor_arg(),
            of_slices.clone().into_tensor_arg(),
            cut.argument(),
        );
        let (cubes, dimension) = of_sums(groups);
        kernels::group_moments::launch(
            &client,
            cubes,
            dimension,
            of_slices.into_tensor_arg(),
            of_groups.clone().into_tensor_arg(),
            groups,
            cut.argument(),
        );
        of_groups
    }

    fn normalise(
        input: CubeTensor,
        moments: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        plan: Plan,
    ) -> CubeTensor {
        let input = channels_last(input);
        let [moments, gamma, beta] = [moments, gamma, beta].map(into_contiguous);
        let output = empty_like(&input);
        let (cubes, dimension) = of_each(&input, input.meta.num_elements());
        let client = input.client.clone();
        let (function, leak) = plan.activation.on_gpu();
        let to = output.clone().into_tensor_arg();
        let [input, moments, gamma, beta] =
            [input, moments, gamma, beta].map(CubeTensor::into_tensor_arg);
        kernels::normalise::launch(
            &client,
            cubes,
            dimension,
            input,
            moments,
            gamma,
            beta,
            to,
            plan.layout.groups(),
            EPSILON as f32,
            Cut::of(&plan.layout).argument(),
            leak,
            function,
        );
        output
    }
}

impl PullBack for Cube {
    fn pull_back(
        [input, moments, gamma, beta]: [CubeTensor; 4],
        gradient: CubeTensor,
        plan: Plan,
    ) -> [CubeTensor; 3] {
        let [input, gradient] = [input, gradient].map(channels_last);
        let [moments, gamma, beta] = [moments, gamma, beta].map(into_contiguous);
        let (function, leak) = plan.activation.on_gpu();
        let (cut, groups) = (Cut::of(&plan.layout), plan.layout.groups());
        let epsilon = EPSILON as f32;
        let client = input.client.clone();
        let shared = || {
            let inputs = [&input, &moments, &gamma, &beta, &gradient];
            inputs.map(|tensor| tensor.clone().into_tensor_arg())
        };

        // The gradient before the activation, added up over slices.
        let sums = empty(&input, [2, cut.slices, cut.channels]);
        let (cubes, dimension) = of_sums(cut.cubes());
        let [x, of_groups, scale, shift, g] = shared();
        kernels::slice_sums::launch(
            &client,
            cubes,
            dimension,
            x,
            of_groups,
            scale,
            shift,
            g,
            sums.clone().into_tensor_arg(),
            groups,
            epsilon,
            cut.argument(),
            leak,
            function,
        );

        // Those of channels are the gradients of scale and shift; those of groups, with the scale, move with the moments.
        let [of_gamma, of_beta] = [(); 2].map(|()| empty(&input, [cut.channels]));
        let means = empty(&input, [2, groups]);
        let (cubes, dimension) = of_sums(cut.channels.max(groups));
        let size = plan.layout.group_size() as f32;
        let weight = if plan.of_input { 1.0 / size } else { 0.0 };
        kernels::fold::launch(
            &client,
            cubes,
            dimension,
            sums.into_tensor_arg(),
            gamma.clone().into_tensor_arg(),
            of_gamma.clone().into_tensor_arg(),
            of_beta.clone().into_tensor_arg(),
            means.clone().into_tensor_arg(),
            groups,
            weight,
            cut.argument(),
        );

        // The gradient of the input.
        let of_input = empty_like(&input);
        let (cubes, dimension) = of_each(&input, input.meta.num_elements());
        let [x, of_groups, scale, shift, g] = shared();
        kernels::input_gradient::launch(
            &client,
            cubes,
            dimension,
            x,
            of_groups,
            scale,
            shift,
            g,
            means.into_tensor_arg(),
            of_input.clone().into_tensor_arg(),
            groups,
            epsilon,
            cut.argument(),
            leak,
            function,
        );
        [of_input, of_gamma, of_beta]
    }
}
