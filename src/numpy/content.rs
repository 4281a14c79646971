//! What a file of arrays is taken for: features, images, or the mean and covariance of features.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{Archive, Array, Member};
use crate::error::{Result, refuse};
use crate::files::split_entry;

/// Names under which archives hold features: ours, dgm-eval's, clean-fid's, and that of an array without a name.
const FEATURES: [&str; 4] = ["features", "reps", "feats", "arr_0"];
/// The name of images in the archives of ADM's evaluator (Dhariwal and Nichol 2021): that of an array without a name.
const IMAGES: &str = "arr_0";
/// The mean of features, and their covariance (pytorch-fid, clean-fid, ADM's evaluator).
pub const STATISTICS: [&str; 2] = ["mu", "sigma"];

/// What an array is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// n x features: one row an image.
    Features,
    /// n x height x width, or n x height x width x channels.
    Images,
    /// Mean and covariance of features: `mu`, `sigma`.
    Statistics,
}

impl Content {
    /// What it is called in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::Images => "images",
            Self::Statistics => "a mean and a covariance of features",
        }
    }
}

/// Arrays in a file.
#[derive(Clone, Debug)]
pub struct Found {
    /// What they are.
    pub content: Content,
    /// The file.
    pub path: PathBuf,
    /// Which array of an archive; none for a `.npy` file, and for mean and covariance.
    pub member: Option<String>,
}

/// Whether `path` is a file of arrays: by its ending, `.npy` or `.npz`.
pub fn is_array_file(path: &Path) -> bool {
    let (file, _) = split_entry(path);
    ends_with(&file, "npy") || ends_with(&file, "npz")
}

fn ends_with(path: &Path, ending: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// What the `.npy` or `.npz` file at `path` holds. `FILE.npz:NAME` names one of the arrays of an archive, or with `mu` its
/// mean and covariance.
///
/// # Errors
/// It cannot be read, holds nothing of the three, or several that could be meant.
pub fn look(path: &Path) -> Result<Found> {
    let (path, name) = split_entry(path);
    if ends_with(&path, "npz") {
        return look_into(&path, name.as_deref());
    }
    File::open(&path).map_err(|error| {
        let message = format!("cannot read `{}`: {error}", path.display());
        refuse(message, "give the path of an `.npy` or `.npz` file")
    })?;
    let array = Array::open(&path).map_err(|what| no_content(&path, &what))?;
    let content = content_of(&array.header.shape).map_err(|what| no_content(&path, &what))?;
    Ok(Found {
        content,
        path,
        member: None,
    })
}

/// The same for an archive.
fn look_into(path: &Path, name: Option<&str>) -> Result<Found> {
    let archive = Archive::open(path)?;
    let member = |name: &str| {
        let mut members = archive.members().iter();
        members.find(|member| member.name == name)
    };
    let found = |content: Content, member: Option<&str>| Found {
        content,
        path: path.to_owned(),
        member: member.map(str::to_owned),
    };
    let has_statistics = STATISTICS.iter().all(|name| member(name).is_some());
    if let Some(name) = name {
        if has_statistics && STATISTICS.contains(&name) {
            return Ok(found(Content::Statistics, None));
        }
        let Some(member) = member(name) else {
            let message = format!("`{}` has no array `{name}`", path.display());
            return Err(refuse(message, format!("it has: {}", listed(&archive))));
        };
        let content = content_of_member(member);
        let content = content.map_err(|what| no_content(path, &format!("`{name}`: {what}")))?;
        return Ok(found(content, Some(name)));
    }
    // Images before statistics of them, statistics before features.
    let is = |member: &Member, wanted| content_of_member(member) == Ok(wanted);
    if member(IMAGES).is_some_and(|member| is(member, Content::Images)) {
        return Ok(found(Content::Images, Some(IMAGES)));
    }
    if has_statistics {
        return Ok(found(Content::Statistics, None));
    }
    let usual = FEATURES.into_iter().filter_map(member);
    if let Some(member) = usual
        .into_iter()
        .find(|member| is(member, Content::Features))
    {
        return Ok(found(Content::Features, Some(&member.name)));
    }
    let members = archive.members().iter();
    let candidates = members.filter_map(|member| Some((member, content_of_member(member).ok()?)));
    match candidates.collect::<Vec<_>>().as_slice() {
        [(only, content)] => Ok(found(*content, Some(&only.name))),
        [] => Err(refuse(
            format!(
                "`{}` holds no features (n x features), no images and no `mu` and `sigma`: {}",
                path.display(),
                listed(&archive)
            ),
            "write features with `numpy.savez(path, features=features)`",
        )),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|(member, _)| format!("`{}`", member.name))
                .collect();
            let several = names.join(", ");
            Err(refuse(
                format!(
                    "`{}` has several arrays that could be meant: {several}",
                    path.display()
                ),
                format!("name one: `{}:NAME`", path.display()),
            ))
        }
    }
}

/// The arrays of an archive, each with its shape or what is wrong with it.
fn listed(archive: &Archive) -> String {
    let members = archive.members().iter().map(|member| match &member.header {
        Ok(header) => format!("`{}` ({} {:?})", member.name, header.kind, header.shape),
        Err(what) => format!("`{}` ({what})", member.name),
    });
    let members: Vec<String> = members.collect();
    match members.as_slice() {
        [] => "no arrays".to_owned(),
        members => members.join(", "),
    }
}

fn content_of_member(member: &Member) -> std::result::Result<Content, String> {
    member
        .header
        .clone()
        .and_then(|header| content_of(&header.shape))
}

fn content_of(shape: &[usize]) -> std::result::Result<Content, String> {
    match shape.len() {
        2 => Ok(Content::Features),
        3 | 4 => Ok(Content::Images),
        count => Err(format!(
            "it has {count} dimensions, {shape:?}, neither two (features) nor four (images)"
        )),
    }
}

fn no_content(path: &Path, what: &str) -> anyhow::Error {
    refuse(
        format!(
            "`{}` holds neither features nor images: {what}",
            path.display()
        ),
        "give one row of numbers an image, as `numpy.save(path, features)` writes them, or images as bytes, n x height x \
         width x 3",
    )
}

impl Found {
    /// The array of features or images.
    ///
    /// # Errors
    /// It cannot be read, or is cut short.
    pub fn array(&self) -> Result<Array> {
        match &self.member {
            Some(name) => Archive::open(&self.path)?.array(name),
            None => Array::open(&self.path).map_err(|what| no_content(&self.path, &what)),
        }
    }
}
