//! The known files of DINOv2 (Oquab et al. 2024, arXiv 2304.07193; with registers Darcet et al. 2024, arXiv 2309.16588):
//! backbones of its hub, Apache 2.0. Their publisher names no SHA-256; those here are what several others found.

use super::KnownFile;

/// ViT-S/14.
pub const VITS14: KnownFile = KnownFile {
    name: "dinov2-vits14",
    file: "dinov2_vits14_pretrain.pth",
    address: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    bytes: Some(88_283_115),
    sha256: "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    used_by: "features dinov2-vits14",
};

/// ViT-B/14.
pub const VITB14: KnownFile = KnownFile {
    name: "dinov2-vitb14",
    file: "dinov2_vitb14_pretrain.pth",
    address: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_pretrain.pth",
    bytes: Some(346_378_731),
    sha256: "0b8b82f85de91b424aded121c7e1dcc2b7bc6d0adeea651bf73a13307fad8c73",
    used_by: "features dinov2-vitb14",
};

/// ViT-L/14.
pub const VITL14: KnownFile = KnownFile {
    name: "dinov2-vitl14",
    file: "dinov2_vitl14_pretrain.pth",
    address: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
    bytes: Some(1_217_586_395),
    sha256: "d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
    used_by: "features dinov2-vitl14",
};

/// ViT-g/14.
pub const VITG14: KnownFile = KnownFile {
    name: "dinov2-vitg14",
    file: "dinov2_vitg14_pretrain.pth",
    address: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitg14/dinov2_vitg14_pretrain.pth",
    bytes: Some(4_546_108_579),
    sha256: "baf8467e50af277596bbbafa06887c177ee899ab46033649c383577d7e9309d3",
    used_by: "features dinov2-vitg14",
};

/// ViT-B/14 with registers.
pub const VITB14_REG: KnownFile = KnownFile {
    name: "dinov2-vitb14-reg",
    file: "dinov2_vitb14_reg4_pretrain.pth",
    address: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth",
    bytes: Some(346_393_545),
    sha256: "73182a088cf94833c94b1666d1c99e02fe87e2007bff57b564fb6206e25dba71",
    used_by: "features dinov2-vitb14-reg",
};

/// ViT-L/14 with registers.
pub const VITL14_REG: KnownFile = KnownFile {
    name: "dinov2-vitl14-reg",
    file: "dinov2_vitl14_reg4_pretrain.pth",
    address: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_reg4_pretrain.pth",
    bytes: Some(1_217_607_321),
    sha256: "36e4deffbaef061a2576705b0c36f93621e2ae20bf6274694821b0b492551b51",
    used_by: "features dinov2-vitl14-reg",
};

/// ViT-g/14 with registers.
pub const VITG14_REG: KnownFile = KnownFile {
    name: "dinov2-vitg14-reg",
    file: "dinov2_vitg14_reg4_pretrain.pth",
    address: "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitg14/dinov2_vitg14_reg4_pretrain.pth",
    bytes: Some(4_546_140_349),
    sha256: "746ecb8c6301c645c5c855be91687d274587d6e48fdaec4a729753160b34a283",
    used_by: "features dinov2-vitg14-reg",
};
