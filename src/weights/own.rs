//! Weights of which each user has a copy of their own: their publisher gives them to those who agree to a licence, or no
//! SHA-256 of them is known here. `histogen weights add NAME FILE` puts a copy where `--features NAME` finds it; whichever
//! file it is, its SHA-256 is in the protocol of every number.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Cache, Located};
use crate::error::{Result, refuse, unknown_name};
use crate::files::cannot_write;

/// Weights by the name of what needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OwnFile {
    /// What commands call it, and what needs it.
    pub name: &'static str,
    /// Where its publisher gives it to whom.
    pub from: &'static str,
}

/// DINOv2's ViT-S/14 with registers, whose length nobody publishes.
pub const DINOV2_VITS14_REG: OwnFile = OwnFile {
    name: "dinov2-vits14-reg",
    from: "DINOv2's hub, `dinov2_vits14_reg4_pretrain.pth`, Apache 2.0",
};
/// Filiot et al. 2023 (medRxiv 2023.07.21.23292757).
pub const PHIKON: OwnFile = OwnFile {
    name: "phikon",
    from: "the model hub, `owkin/phikon`, Owkin's licence",
};
/// Filiot et al. 2024 (arXiv 2409.09173).
pub const PHIKON_V2: OwnFile = OwnFile {
    name: "phikon-v2",
    from: "the model hub, `owkin/phikon-v2`, Owkin's licence",
};
/// Chen et al. 2024 (Nature Medicine 30, 850).
pub const UNI: OwnFile = OwnFile {
    name: "uni",
    from: "the model hub, `MahmoodLab/UNI`, on request, CC BY-NC-ND 4.0",
};
/// Nechaev et al. 2024 (arXiv 2406.05074).
pub const HIBOU_B: OwnFile = OwnFile {
    name: "hibou-b",
    from: "the model hub, `histai/hibou-b`, on request, Apache 2.0",
};
/// Saillard et al. 2024 (H-optimus-0, Bioptimus).
pub const H_OPTIMUS_0: OwnFile = OwnFile {
    name: "h-optimus-0",
    from: "the model hub, `bioptimus/H-optimus-0`, on request, Apache 2.0",
};
/// Zimmermann et al. 2024 (arXiv 2408.00738).
pub const VIRCHOW2: OwnFile = OwnFile {
    name: "virchow2",
    from: "the model hub, `paige-ai/Virchow2`, on request, CC BY-NC-ND 4.0",
};

/// Radford et al. 2021 (arXiv 2103.00020).
pub const CLIP_VITL14_336: OwnFile = OwnFile {
    name: "clip-vitl14-336",
    from: "the model hub, `openai/clip-vit-large-patch14-336`, MIT",
};

/// All of them.
pub const OWN: [OwnFile; 8] = [
    DINOV2_VITS14_REG,
    PHIKON,
    PHIKON_V2,
    UNI,
    HIBOU_B,
    H_OPTIMUS_0,
    VIRCHOW2,
    CLIP_VITL14_336,
];

impl OwnFile {
    /// The one called `name`.
    ///
    /// # Errors
    /// There is none; the error names the nearest one.
    pub fn named(name: &str) -> Result<Self> {
        let found = OWN.into_iter().find(|own| own.name == name);
        found.ok_or_else(|| {
            let names = OWN.iter().map(|own| own.name);
            unknown_name("weights of your own", name, names)
        })
    }
}

impl Cache {
    /// Where the user's copy of `own` is, or would be.
    pub fn own_path(&self, own: &OwnFile) -> PathBuf {
        self.folder().join(format!("{}.weights", own.name))
    }

    /// Copies the file at `path` into the cache as the user's copy of `own`, in the place of one that was there.
    ///
    /// # Errors
    /// Fails if the file cannot be read, and if the disk does not take it.
    pub fn add_own(&self, path: &Path, own: &OwnFile) -> Result<PathBuf> {
        let target = self.own_path(own);
        self.copied(path)?
            .persist(&target)
            .map_err(|error| cannot_write(self.folder(), &error.error))?;
        Ok(target)
    }
}

/// The file `given`, or if that is empty the user's copy of `own` from the cache. `what` needs it.
///
/// # Errors
/// Fails if there is none, and says how to get it.
pub fn locate_own(given: &Path, own: OwnFile, what: &str) -> Result<Located> {
    if !given.as_os_str().is_empty() {
        return Ok(Located::given(given));
    }
    let path = Cache::open()?.own_path(&own);
    if path.exists() {
        return Ok(Located::given(&path));
    }
    Err(refuse(
        format!(
            "{what} needs its weights, which are not in `{}`",
            path.display()
        ),
        format!(
            "get them from {}, and give them with `histogen weights add {} FILE` or `--weights FILE`",
            own.from, own.name
        ),
    ))
}
