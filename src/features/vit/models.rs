//! The published networks, a line of differences each.

use super::{Source, VitModel, load};
use crate::features::ExtractorEntry;
use crate::features::resize::Resize;
use crate::nn::vit::{
    CLIP, DINOV2, Follow, Naming, Output, Resampling, TIMM, TRANSFORMERS_DINOV2, TRANSFORMERS_VIT,
    VitConfig,
};
use crate::weights::{dinov2, own};

/// The features that CMMD is defined on.
pub(crate) const CLIP_NAME: &str = "clip-vitl14-336";

/// Mean and deviation of ImageNet.
const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];
const HIBOU: [[f32; 3]; 2] = [[0.7068, 0.5755, 0.722], [0.195, 0.2316, 0.1816]];
const H_OPTIMUS: [[f32; 3]; 2] = [
    [0.707_223, 0.578_729, 0.703_617],
    [0.211_883, 0.230_117, 0.177_517],
];

const OF_CLIP: [[f32; 3]; 2] = [
    [0.481_454_67, 0.457_827_5, 0.408_210_72],
    [0.268_629_55, 0.261_302_6, 0.275_777_1],
];

/// ViT-B/16 on images of 224 x 224: what the others differ from.
const BASE: VitConfig = VitConfig {
    size: 224,
    patch: 16,
    width: 768,
    depth: 12,
    heads: 12,
    hidden: 3072,
    follow: Follow::Gelu,
    registers: 0,
    scaled: true,
    epsilon: 1e-6,
    grid: 14,
    resampling: Resampling::Antialiased,
    pre_norm: false,
    output: Output::Class,
};
const LARGE: VitConfig = VitConfig {
    width: 1024,
    depth: 24,
    heads: 16,
    hidden: 4096,
    ..BASE
};
/// DINOv2 was trained last on images of 518 x 518.
const DINOV2_BASE: VitConfig = VitConfig {
    patch: 14,
    grid: 37,
    resampling: Resampling::Offset,
    ..BASE
};
const DINOV2_SMALL: VitConfig = VitConfig {
    width: 384,
    heads: 6,
    hidden: 1536,
    ..DINOV2_BASE
};
const DINOV2_LARGE: VitConfig = VitConfig {
    patch: 14,
    grid: 37,
    resampling: Resampling::Offset,
    ..LARGE
};
const DINOV2_GIANT: VitConfig = VitConfig {
    width: 1536,
    depth: 40,
    heads: 24,
    hidden: 4096,
    follow: Follow::SwiGlu,
    ..DINOV2_BASE
};

/// The same with registers.
const fn with_registers(config: VitConfig) -> VitConfig {
    VitConfig {
        registers: 4,
        resampling: Resampling::Antialiased,
        ..config
    }
}

/// timm's files, with positions of so many tokens before the patches.
const fn timm(positioned: usize) -> Naming {
    Naming { positioned, ..TIMM }
}

const DINOV2_FILES: &[Naming] = &[DINOV2, timm(1), TRANSFORMERS_DINOV2];
const REGISTER_FILES: &[Naming] = &[DINOV2, timm(0), TRANSFORMERS_DINOV2];

/// A network of DINOv2's.
const fn dinov2(
    name: &'static str,
    about: &'static str,
    config: VitConfig,
    file: Source,
) -> VitModel {
    let namings = if config.registers > 0 {
        REGISTER_FILES
    } else {
        DINOV2_FILES
    };
    model(
        [name, about],
        config,
        namings,
        Resize::BicubicPillow,
        IMAGENET,
        file,
    )
}

const fn model(
    [name, about]: [&'static str; 2],
    config: VitConfig,
    namings: &'static [Naming],
    resize: Resize,
    [mean, deviation]: [[f32; 3]; 2],
    file: Source,
) -> VitModel {
    VitModel {
        entry: ExtractorEntry { name, about, load },
        config,
        namings,
        resize,
        mean,
        deviation,
        file,
    }
}

/// The published architecture of the extractor called `name`, and what its files may call their tensors.
pub fn architecture(name: &str) -> Option<(VitConfig, &'static [Naming])> {
    let model = MODELS.iter().find(|model| model.entry.name == name);
    model.map(|model| (model.config, model.namings))
}

/// All of them.
pub(in crate::features) static MODELS: [&VitModel; 15] = [
    &DINOV2_VITS14,
    &DINOV2_VITB14,
    &DINOV2_VITL14,
    &DINOV2_VITG14,
    &DINOV2_VITS14_REG,
    &DINOV2_VITB14_REG,
    &DINOV2_VITL14_REG,
    &DINOV2_VITG14_REG,
    &PHIKON,
    &PHIKON_V2,
    &UNI,
    &HIBOU_B,
    &H_OPTIMUS_0,
    &VIRCHOW2,
    &CLIP_VITL14_336,
];

pub(in crate::features) static DINOV2_VITS14: VitModel = dinov2(
    "dinov2-vits14",
    "DINOv2 ViT-S/14 (384 numbers), Apache 2.0",
    DINOV2_SMALL,
    Source::Known(dinov2::VITS14),
);
pub(in crate::features) static DINOV2_VITB14: VitModel = dinov2(
    "dinov2-vitb14",
    "DINOv2 ViT-B/14 (768 numbers), Apache 2.0",
    DINOV2_BASE,
    Source::Known(dinov2::VITB14),
);
pub(in crate::features) static DINOV2_VITL14: VitModel = dinov2(
    "dinov2-vitl14",
    "DINOv2 ViT-L/14 (1024 numbers), Apache 2.0: the FD-DINOv2 of dgm-eval",
    DINOV2_LARGE,
    Source::Known(dinov2::VITL14),
);
pub(in crate::features) static DINOV2_VITG14: VitModel = dinov2(
    "dinov2-vitg14",
    "DINOv2 ViT-g/14 (1536 numbers), Apache 2.0",
    DINOV2_GIANT,
    Source::Known(dinov2::VITG14),
);
pub(in crate::features) static DINOV2_VITS14_REG: VitModel = dinov2(
    "dinov2-vits14-reg",
    "the same as dinov2-vits14 with 4 registers (384 numbers), Apache 2.0; `weights add` your copy",
    with_registers(DINOV2_SMALL),
    Source::Own(own::DINOV2_VITS14_REG),
);
pub(in crate::features) static DINOV2_VITB14_REG: VitModel = dinov2(
    "dinov2-vitb14-reg",
    "the same as dinov2-vitb14 with 4 registers (768 numbers), Apache 2.0",
    with_registers(DINOV2_BASE),
    Source::Known(dinov2::VITB14_REG),
);
pub(in crate::features) static DINOV2_VITL14_REG: VitModel = dinov2(
    "dinov2-vitl14-reg",
    "the same as dinov2-vitl14 with 4 registers (1024 numbers), Apache 2.0",
    with_registers(DINOV2_LARGE),
    Source::Known(dinov2::VITL14_REG),
);
pub(in crate::features) static DINOV2_VITG14_REG: VitModel = dinov2(
    "dinov2-vitg14-reg",
    "the same as dinov2-vitg14 with 4 registers (1536 numbers), Apache 2.0",
    with_registers(DINOV2_GIANT),
    Source::Known(dinov2::VITG14_REG),
);
pub(in crate::features) static PHIKON: VitModel = model(
    [
        "phikon",
        "Phikon, ViT-B/16 of pathology (768 numbers), Owkin's licence; `weights add` your copy",
    ],
    VitConfig {
        scaled: false,
        epsilon: 1e-12,
        ..BASE
    },
    &[TRANSFORMERS_VIT],
    Resize::BilinearPillow,
    IMAGENET,
    Source::Own(own::PHIKON),
);
pub(in crate::features) static PHIKON_V2: VitModel = model(
    [
        "phikon-v2",
        "Phikon-v2, ViT-L/16 of pathology (1024 numbers), Owkin's licence; `weights add` your copy",
    ],
    LARGE,
    &[TRANSFORMERS_DINOV2],
    Resize::BicubicPillow,
    IMAGENET,
    Source::Own(own::PHIKON_V2),
);
pub(in crate::features) static UNI: VitModel = model(
    [
        "uni",
        "UNI, ViT-L/16 of pathology (1024 numbers), gated, CC BY-NC-ND 4.0; `weights add` your copy",
    ],
    LARGE,
    &[timm(1)],
    Resize::BilinearPillow,
    IMAGENET,
    Source::Own(own::UNI),
);
pub(in crate::features) static HIBOU_B: VitModel = model(
    [
        "hibou-b",
        "Hibou-B, ViT-B/14 of pathology (768 numbers), gated, Apache 2.0; `weights add` your copy",
    ],
    VitConfig {
        patch: 14,
        grid: 16,
        hidden: 2048,
        follow: Follow::SwiGlu,
        registers: 4,
        ..BASE
    },
    &[DINOV2, TRANSFORMERS_DINOV2],
    Resize::BicubicPillow,
    HIBOU,
    Source::Own(own::HIBOU_B),
);
pub(in crate::features) static H_OPTIMUS_0: VitModel = model(
    [
        "h-optimus-0",
        "H-optimus-0, ViT-g/14 of pathology (1536 numbers), gated, Apache 2.0; `weights add` your copy",
    ],
    VitConfig {
        grid: 16,
        ..with_registers(DINOV2_GIANT)
    },
    &[timm(0)],
    Resize::BicubicPillow,
    H_OPTIMUS,
    Source::Own(own::H_OPTIMUS_0),
);
pub(in crate::features) static VIRCHOW2: VitModel = model(
    [
        "virchow2",
        "Virchow2, ViT-H/14 of pathology (2560 numbers), gated, CC BY-NC-ND 4.0; `weights add` your copy",
    ],
    VitConfig {
        patch: 14,
        width: 1280,
        depth: 32,
        heads: 16,
        hidden: 3416,
        follow: Follow::SwiGlu,
        registers: 4,
        grid: 16,
        output: Output::ClassAndMean,
        ..BASE
    },
    // Class token and registers have positions.
    &[timm(5)],
    Resize::BicubicPillow,
    IMAGENET,
    Source::Own(own::VIRCHOW2),
);
pub(in crate::features) static CLIP_VITL14_336: VitModel = model(
    [
        CLIP_NAME,
        "CLIP ViT-L/14 at 336 pixels (768 numbers), MIT: the features of CMMD; `weights add` your copy",
    ],
    VitConfig {
        size: 336,
        patch: 14,
        grid: 24,
        follow: Follow::QuickGelu,
        scaled: false,
        epsilon: 1e-5,
        pre_norm: true,
        output: Output::Projected(768),
        ..LARGE
    },
    &[CLIP],
    Resize::BicubicHalfPixel,
    OF_CLIP,
    Source::Own(own::CLIP_VITL14_336),
);
