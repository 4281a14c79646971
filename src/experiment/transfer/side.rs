//! The real images of home or of away.

use std::collections::BTreeMap;
use std::path::Path;

use crate::data::{self, Appearance, DataConfig, PatchStore, StainMethod};
use crate::error::{Result, refuse};
use crate::images::Pixels;
use crate::random::Random;
use crate::workspace::Workspace;

use super::Subject;

/// The real images of a side: two disjoint draws.
#[derive(Clone)]
pub(super) struct Side {
    /// What others are compared with.
    pub(super) reference: Pixels,
    /// What is measured as if it were generated.
    pub(super) floor: Pixels,
    /// The places of all of them in the store, those of the reference first.
    places: Vec<usize>,
}

impl Side {
    /// `count` images for either draw, from those of `store` at `members`.
    pub(super) fn draw(
        store: &PatchStore,
        members: &[usize],
        count: usize,
        seed: u64,
    ) -> Result<Self> {
        // As the floor of an experiment is drawn.
        let mut stream = Random::new(seed).stream("held-out halves");
        let places = stream.choose_from(members, 2 * count);
        Ok(Self {
            reference: store.read(&places[..count])?,
            floor: store.read(&places[count..])?,
            places,
        })
    }

    /// The same images with the stain of their slides brought to that of `home`, and what was left as it is.
    pub(super) fn normalised(
        &self,
        store: &PatchStore,
        method: StainMethod,
        home: &Self,
    ) -> Result<(Self, Vec<String>)> {
        let target = Appearance::fit(method, [&home.reference.bytes])?.ok_or_else(|| {
            refuse(
                "home shows no tissue that stain could be brought to",
                "look at its patches with `histogen data show STORE --grid FILE`",
            )
        })?;
        // What each slide looks like, by all its patches.
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, record) in store.records().iter().enumerate() {
            members.entry(&record.slide).or_default().push(place);
        }
        let (mut slides, mut remarks) = (BTreeMap::new(), Vec::new());
        for (slide, members) in members {
            let reason = match Appearance::fit(method, [store.read(&members)?.bytes]) {
                Ok(Some(found)) => {
                    slides.insert(slide, found);
                    continue;
                }
                Ok(None) => "it shows hardly any tissue".to_owned(),
                Err(error) => error.to_string(),
            };
            remarks.push(format!(
                "Slide {slide} is left as it is under {}: {reason}.",
                method.name()
            ));
        }
        let mut changed = self.clone();
        let count = changed.reference.count;
        let length = changed.reference.bytes.len() / count.max(1);
        let halves = [&mut changed.reference, &mut changed.floor];
        for (half, places) in halves.into_iter().zip(self.places.chunks(count.max(1))) {
            for (image, &place) in half.bytes.chunks_exact_mut(length).zip(places) {
                if let Some(found) = slides.get(store.records()[place].slide.as_str()) {
                    found.bring_to(&target, image);
                }
            }
        }
        Ok((changed, remarks))
    }
}

/// The patches of the slides at `path`, cut as those of `home` were; or the patch store that lies there.
pub(super) fn away_store(
    home: &PatchStore,
    path: &Path,
    workspace: &Workspace,
) -> Result<PatchStore> {
    match Subject::of(path)? {
        Subject::Store(path) => return PatchStore::open(path),
        Subject::Folder(_) => {}
        subject => {
            let path = subject.path();
            return Err(refuse(
                format!("`{}` has no slides to transfer to", path.display()),
                "give a folder of slides, or a patch store",
            ));
        }
    }
    let settings = home.settings();
    if !settings.stain_target.as_os_str().is_empty() {
        return Err(refuse(
            "the stain of home was brought to that of an image, which its store does not have",
            "import the other slides with the same `data.stain_target`, and give that store to `--transfer`",
        ));
    }
    let settings = DataConfig {
        source: path.to_string_lossy().into_owned(),
        // What patches are like is as at home; who the slides are of and how many are drawn is not.
        classes: Vec::new(),
        maximum_patches: 0,
        patches_per_class: 0,
        whole_slides: 0,
        labels: String::new(),
        groups: String::new(),
        annotations: false,
        region_overlap: 0.0,
        ..settings.clone()
    };
    data::prepare(&settings, &workspace.patches(), &mut |_, _, _| {})
}
