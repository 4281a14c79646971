//! The networks of paired models against PyTorch: `tests/golden/translation/make.py`.

use burn::module::Module;
use burn::tensor::Tensor;
use histogen::nn::hrnet::{HrNet, HrNetShape};
use histogen::nn::patch_gan::PatchGan;
use histogen::nn::pix2pix_unet::Pix2PixUnet;
use histogen::nn::residual_unet::ResidualUnet;

use crate::golden::{Golden, fill, input, parameters};

/// Instance normalisation after instance normalisation, in f32.
const TOLERANCE: f64 = 1e-4;

fn check<M: Module>(
    case: &str,
    network: M,
    shape: [usize; 4],
    forward: impl Fn(&M, Tensor<4>) -> Tensor<4>,
) {
    let mut golden = Golden::of("translation", case).within(TOLERANCE);
    let (network, images) = (fill(network, 0.15), input(shape));
    golden.check_backward(&images, forward(&network, images.clone()));
    golden.finish();
}

#[test]
fn patch_gan_and_the_generator_of_pix2pix_are_those_of_pytorch() {
    let network = PatchGan::new(&parameters(), 6, 4, 2);
    check("patch-gan", network, [2, 6, 32, 32], PatchGan::forward);
    let network = Pix2PixUnet::new(&parameters(), [3, 2], 4, 4);
    check(
        "pix2pix-unet",
        network,
        [2, 3, 32, 32],
        |network, images| network.forward(images, None),
    );
}

#[test]
fn u_nets_of_two_to_four_levels_are_those_of_pytorch() {
    for levels in [2, 3, 4] {
        let network = ResidualUnet::new(&parameters(), [3, 2], 4, levels);
        let case = format!("unet {levels}");
        check(&case, network, [2, 3, 24, 24], ResidualUnet::forward);
    }
}

#[test]
fn hrnets_of_both_strides_are_those_of_pytorch() {
    let shape = HrNetShape {
        channels: 3,
        outputs: 3,
        width: 3,
        modules: vec![1, 2, 1],
        blocks: 2,
        stem: 4,
        stem_stride: 1,
    };
    let network = HrNet::new(&parameters(), &shape);
    check("hrnet", network, [2, 3, 32, 32], HrNet::forward);
    let shape = HrNetShape {
        outputs: 2,
        modules: vec![1, 1],
        blocks: 1,
        stem_stride: 2,
        ..shape
    };
    let network = HrNet::new(&parameters(), &shape);
    check("hrnet stride 2", network, [1, 3, 64, 64], HrNet::forward);
}
