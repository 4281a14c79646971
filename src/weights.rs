//! Pretrained weights: which files are known, where they are kept, and whether they are what they should be.
//!
//! A known file has an official address and a published SHA-256. It is kept in a cache folder, where `histogen weights
//! fetch` puts it ([`download`]), and looked for there when a command names no file. A file that is not the published one
//! is never used by that name.

pub mod dinov2;
pub mod download;
pub mod own;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::digest::Sha256Writer;
use crate::error::{Result, refuse, unknown_name};
use crate::files::{cache_folder, cannot_write};

pub use own::{OWN, OwnFile, locate_own};

/// The environment variable that names the cache folder.
pub const FOLDER_VARIABLE: &str = "HISTOGEN_WEIGHTS";

/// A file of weights that others published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KnownFile {
    /// What commands call it.
    pub name: &'static str,
    /// Its file name, in the cache too.
    pub file: &'static str,
    /// The official address.
    pub address: &'static str,
    /// Its length in bytes; none where nobody publishes it, and what the server says is taken.
    pub bytes: Option<u64>,
    /// Its SHA-256, in hexadecimal. The names of the first two files carry its first eight digits.
    pub sha256: &'static str,
    /// What needs it.
    pub used_by: &'static str,
}

/// The FID network (TensorFlow, 2015-12-05), as pytorch-fid publishes it; torch-fidelity's file is the same.
pub const INCEPTION_V3: KnownFile = KnownFile {
    name: "inception-v3",
    file: "pt_inception-2015-12-05-6726825d.pth",
    address: "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    bytes: Some(95_628_359),
    sha256: "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    used_by: "features inception-v3, inception-v3-pytorch, inception-v3-clean",
};

/// VGG-16, trained on ImageNet by torchvision.
pub const VGG16: KnownFile = KnownFile {
    name: "vgg16",
    file: "vgg16-397923af.pth",
    address: "https://download.pytorch.org/models/vgg16-397923af.pth",
    bytes: Some(553_433_881),
    sha256: "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    used_by: "features vgg16, perceptual path length",
};

/// The linear heads of LPIPS v0.1 on VGG-16 (Zhang et al. 2018).
pub const LPIPS_VGG: KnownFile = KnownFile {
    name: "lpips-vgg",
    file: "lpips-v0.1-vgg.pth",
    address: "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth",
    bytes: Some(7_289),
    sha256: "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    used_by: "perceptual path length",
};

/// ResNet-18, trained on ImageNet by torchvision (`IMAGENET1K_V1`).
pub const RESNET18: KnownFile = KnownFile {
    name: "resnet18",
    file: "resnet18-f37072fd.pth",
    address: "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    bytes: Some(46_830_571),
    sha256: "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    used_by: "classifier resnet-18",
};

/// ResNet-50, trained on ImageNet by torchvision (`IMAGENET1K_V1`).
pub const RESNET50: KnownFile = KnownFile {
    name: "resnet50",
    file: "resnet50-0676ba61.pth",
    address: "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    bytes: Some(102_530_333),
    sha256: "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
    used_by: "classifier resnet-50",
};

/// ResNet-152, trained on ImageNet by torchvision (`IMAGENET1K_V1`).
pub const RESNET152: KnownFile = KnownFile {
    name: "resnet152",
    file: "resnet152-394f9c45.pth",
    address: "https://download.pytorch.org/models/resnet152-394f9c45.pth",
    bytes: None,
    sha256: "394f9c45966e3651a89bbb78a48410a6755854ce4a5ab64927cf1c7247f85e58",
    used_by: "classifier resnet-152",
};

/// All known files.
pub const KNOWN: [KnownFile; 13] = [
    INCEPTION_V3,
    VGG16,
    LPIPS_VGG,
    RESNET18,
    RESNET50,
    RESNET152,
    dinov2::VITS14,
    dinov2::VITB14,
    dinov2::VITL14,
    dinov2::VITG14,
    dinov2::VITB14_REG,
    dinov2::VITL14_REG,
    dinov2::VITG14_REG,
];

impl KnownFile {
    /// The known file called `name`, or named like its file.
    pub fn named(name: &str) -> Result<Self> {
        KNOWN
            .into_iter()
            .find(|known| known.name == name || known.file == name)
            .ok_or_else(|| unknown_name("weights file", name, KNOWN.iter().map(|known| known.name)))
    }

    /// Refuses the file at `path` if `hash` is not the published one.
    pub fn check(&self, path: &Path, hash: &str) -> Result<()> {
        if hash == self.sha256 {
            return Ok(());
        }
        Err(refuse(
            format!(
                "`{}` is not `{}`: its SHA-256 begins with {}, the published one with {}",
                path.display(),
                self.file,
                short(hash),
                short(self.sha256)
            ),
            format!("get it again with `histogen weights fetch {}`", self.name),
        ))
    }
}

/// The first eight digits of a hash, as the names of files have them.
pub fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

/// What is in the cache in the place of a known file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Nothing.
    Missing,
    /// The file as it was published.
    Whole,
    /// Another file, with this SHA-256.
    Damaged(String),
}

/// The folder that known files are kept in.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The folder that `HISTOGEN_WEIGHTS` names, or `histogen/weights` in the user's cache folder.
    ///
    /// # Errors
    /// Fails if the variable is not set and the user has no home folder.
    pub fn open() -> Result<Self> {
        let folder = cache_folder(FOLDER_VARIABLE, "weights")?;
        Ok(Self::at(folder))
    }

    /// The folder `folder`, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where `known` is, or would be.
    pub fn path(&self, known: &KnownFile) -> PathBuf {
        self.folder.join(known.file)
    }

    /// What is there in the place of `known`, by its content.
    pub fn verify(&self, known: &KnownFile) -> Result<FileState> {
        let path = self.path(known);
        if !path.exists() {
            return Ok(FileState::Missing);
        }
        let hash = hash_file(&path)?;
        Ok(if hash == known.sha256 {
            FileState::Whole
        } else {
            FileState::Damaged(hash)
        })
    }

    /// Copies the file at `path` into the cache, if it is one of `known`. Its content says which, not its name.
    pub fn add(&self, path: &Path, known: &[KnownFile]) -> Result<KnownFile> {
        let copy = self.copied(path)?;
        let hash = hash_file(copy.path())?;
        let found = known.iter().find(|known| known.sha256 == hash);
        let found = *found.ok_or_else(|| {
            let names: Vec<String> = known
                .iter()
                .map(|known| format!("{} ({})", known.file, short(known.sha256)))
                .collect();
            refuse(
                format!(
                    "`{}` is none of the known files: its SHA-256 begins with {}",
                    path.display(),
                    short(&hash)
                ),
                format!(
                    "known: {}; any other file of weights can be given with `--weights`",
                    names.join(", ")
                ),
            )
        })?;
        copy.persist(self.path(&found))
            .map_err(|error| cannot_write(&self.folder, &error.error))?;
        Ok(found)
    }

    /// A copy of the file at `path` in the folder, under a name that goes with it.
    fn copied(&self, path: &Path) -> Result<tempfile::NamedTempFile> {
        let mut source = File::open(path).map_err(|error| {
            refuse(
                format!("cannot read `{}`: {error}", path.display()),
                "give the path of a file that was published",
            )
        })?;
        let failed = |error: io::Error| cannot_write(&self.folder, &error);
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let mut copy = tempfile::NamedTempFile::new_in(&self.folder).map_err(failed)?;
        io::copy(&mut source, &mut copy)
            .and_then(|_| copy.flush())
            .map_err(failed)?;
        Ok(copy)
    }
}

/// The SHA-256 of the file at `path`.
fn hash_file(path: &Path) -> Result<String> {
    let mut digest = Sha256Writer::default();
    File::open(path)
        .and_then(|mut file| io::copy(&mut file, &mut digest))
        .map_err(|error| {
            refuse(
                format!("cannot read `{}`: {error}", path.display()),
                "look at the rights and the disk",
            )
        })?;
    Ok(digest.finish())
}

/// The file that a network is to be read from.
#[derive(Clone, Debug)]
pub struct Located {
    /// Where it is.
    pub path: PathBuf,
    /// Which file it must be; none if the user named it.
    known: Option<KnownFile>,
}

impl Located {
    /// The file at `path`, whatever it is.
    pub fn given(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            known: None,
        }
    }

    /// What `load` makes of the file, and its SHA-256.
    ///
    /// # Errors
    /// Refuses a file of the cache that is not the published one.
    pub fn load<T>(&self, load: impl FnOnce(&Path) -> Result<(T, String)>) -> Result<(T, String)> {
        let loaded = load(&self.path);
        if let Some(known) = &self.known {
            match &loaded {
                Ok((_, hash)) => known.check(&self.path, hash)?,
                // Damage explains whatever went wrong better than its consequences.
                Err(_) => known.check(&self.path, &hash_file(&self.path)?)?,
            }
        }
        loaded
    }
}

/// The file `given`, or if that is empty `known` from the cache. `what` needs it.
///
/// # Errors
/// Fails if there is none, and says how to get it.
pub fn locate(given: &Path, known: KnownFile, what: &str) -> Result<Located> {
    if !given.as_os_str().is_empty() {
        return Ok(Located::given(given));
    }
    let cache = Cache::open()?;
    let path = cache.path(&known);
    if path.exists() {
        return Ok(Located {
            path,
            known: Some(known),
        });
    }
    Err(refuse(
        format!(
            "{what} needs the weights file `{}`, which is not in `{}`",
            known.file,
            cache.folder().display()
        ),
        format!(
            "get it with `histogen weights fetch {}`, or give a file with `--weights FILE`",
            known.name
        ),
    ))
}
