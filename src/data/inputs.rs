//! Inputs of a store: an image beside each patch, for models that turn one into the other.

use std::io::BufWriter;

use super::PatchStore;
use super::npy::{ImageFile, ImagesWriter};
use super::store::{INPUTS, content_hash, describe_inputs};
use crate::error::{Result, refuse};
use crate::files::{UNFINISHED, cannot_write, sync_folder};
use crate::images::Pixels;

/// Patches handed out at a time: bounds memory.
const BLOCK: usize = 256;

/// Gives every patch of `store` an input of its size with `channels` channels, and returns the store with them.
///
/// `make` is handed the patches some hundred at a time, in their order, with the index of the first, and returns an input
/// for each. The file is written under another name, seen onto the disk and renamed, and only then named in `store.toml`:
/// a store has all its inputs or none. Patches and content hash stay as they are.
///
/// # Errors
/// If the store has inputs already, cannot be read or written, or `make` fails or returns other than it was asked for.
pub fn add_inputs(
    store: &PatchStore,
    channels: usize,
    make: &mut dyn FnMut(usize, &Pixels) -> Result<Pixels>,
) -> Result<PatchStore> {
    let folder = store.path();
    if store.input().is_some() {
        return Err(refuse(
            format!("the patch store `{}` has inputs already", folder.display()),
            "take a copy of it without `inputs.npy` and without the line `inputs` of its `store.toml`",
        ));
    }
    let (count, size) = (store.len(), store.patch_size());
    let path = folder.join(INPUTS);
    let failed = |error: std::io::Error| cannot_write(&path, &error);
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{INPUTS}."))
        .suffix(UNFINISHED)
        .tempfile_in(folder)
        .map_err(failed)?;
    let target = BufWriter::new(file.as_file_mut());
    let mut writer = ImagesWriter::new(target, count, size, channels).map_err(failed)?;
    for first in (0..count).step_by(BLOCK) {
        let indices: Vec<usize> = (first..count.min(first + BLOCK)).collect();
        let patches = store.read(&indices)?;
        let inputs = make(first, &patches)?;
        let found = (inputs.count, inputs.size, inputs.channels);
        let wanted = (indices.len(), size, channels);
        anyhow::ensure!(found == wanted, "inputs {found:?}, expected {wanted:?}");
        writer.push(&inputs.bytes).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let written = ImageFile::open(file.path()).map_err(anyhow::Error::msg)?;
    let hash = content_hash(&written, &[])?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)?;
    describe_inputs(store, hash)?;
    PatchStore::open(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;
    use crate::data::tests::{config, lab, quietly};
    use crate::data::{Batches, Loader, Split, Task};
    use crate::random::Random;

    /// The patches upside down, in `channels` channels.
    fn upside_down(patches: &Pixels, channels: usize) -> Pixels {
        let pixels = patches.bytes.chunks_exact(patches.channels).rev();
        let bytes = pixels
            .flat_map(|pixel| pixel[..channels].to_vec())
            .collect();
        let order: Vec<usize> = (0..patches.count).rev().collect();
        Pixels::new(patches.count, patches.size, channels, bytes).select(&order)
    }

    #[test]
    fn inputs_lie_beside_their_patches_and_come_with_the_batches() {
        for channels in [1, 3] {
            let (folder, cache) = lab(80);
            let plain = quietly(&config(&folder), &cache).unwrap();
            assert!(plain.inputs(&[0]).unwrap().is_none() && plain.input().is_none());
            let mut firsts = Vec::new();
            let store = add_inputs(&plain, channels, &mut |first, patches| {
                firsts.push((first, patches.count));
                Ok(upside_down(patches, channels))
            })
            .unwrap();
            assert_eq!(firsts, [(0, 256), (256, 64)]);
            assert_eq!(store.content_hash(), plain.content_hash());
            let input = Task::of(&store).input.unwrap();
            assert_eq!((input.channels, input.hash.len()), (channels, 64));
            let expected = upside_down(&store.read(&[300, 7]).unwrap(), channels);
            assert_eq!(store.inputs(&[300, 7]).unwrap().unwrap(), expected);

            let batches = Batches::new(store.indices(Split::Train), 3, Random::new(5)).unwrap();
            thread::scope(|scope| {
                let batch = Loader::start(scope, &store, batches, 1).at(0).unwrap();
                let expected = store.inputs(&batch.patches).unwrap().unwrap();
                assert_eq!(batch.inputs.unwrap(), expected.to_images());
            });
            let entries = fs::read_dir(store.path()).unwrap().count();
            assert_eq!(
                entries, 5,
                "with the folder of masks, nothing unfinished is left"
            );
            let error = add_inputs(&store, 3, &mut |_, patches| Ok(patches.clone())).unwrap_err();
            assert!(error.to_string().ends_with("has inputs already"), "{error}");
        }
    }

    #[test]
    fn a_store_whose_inputs_are_not_its_own_is_refused() {
        let (folder, cache) = lab(4);
        let store = quietly(&config(&folder), &cache).unwrap();
        let store = add_inputs(&store, 3, &mut |_, patches| Ok(patches.clone())).unwrap();
        let path = store.path().join(INPUTS);
        let whole = fs::read(&path).unwrap();
        let refusal = || {
            let error = PatchStore::open(store.path()).unwrap_err().to_string();
            let start = format!("the patch store `{}` is damaged: ", store.path().display());
            error.strip_prefix(&start).expect("damaged").to_owned()
        };
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(
            refusal(),
            "`inputs.npy` is cut short or too long: 3071 bytes of pixels for shape [16, 8, 8, 3]"
        );
        let mut altered = whole.clone();
        altered[300] ^= 1;
        fs::write(&path, &altered).unwrap();
        assert_eq!(
            refusal(),
            "`inputs.npy` is not what `store.toml` was written for"
        );
        let mut few = Vec::new();
        let writer = ImagesWriter::new(&mut few, 2, 16, 3).unwrap();
        writer.finish().unwrap();
        few.extend([0; 2 * 16 * 16 * 3]);
        fs::write(&path, &few).unwrap();
        assert_eq!(
            refusal(),
            "`inputs.npy` has 2 images of 16 x 16, `patches.npy` 16 of 8 x 8"
        );
        fs::remove_file(&path).unwrap();
        assert!(refusal().starts_with("`inputs.npy` cannot be read: "));
        fs::write(&path, &whole).unwrap();
        PatchStore::open(store.path()).unwrap();
    }

    #[test]
    fn inputs_of_another_shape_or_that_fail_leave_the_store_as_it_was() {
        let (folder, cache) = lab(4);
        let store = quietly(&config(&folder), &cache).unwrap();
        let error = add_inputs(&store, 1, &mut |_, patches| Ok(patches.clone())).unwrap_err();
        assert_eq!(error.to_string(), "inputs (16, 8, 3), expected (16, 8, 1)");
        add_inputs(&store, 3, &mut |_, _| anyhow::bail!("no")).unwrap_err();
        assert_eq!(fs::read_dir(store.path()).unwrap().count(), 4);
        assert!(PatchStore::open(store.path()).unwrap().input().is_none());
    }
}
