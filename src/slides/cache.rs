//! A slide's decoded chunks, so that patches which share one decode it once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Result;

/// Decoded chunks of one slide are kept up to so many bytes, and at least one.
const MOST_BYTES: usize = 64 << 20;
/// And up to so many of them, however small.
const MOST_CHUNKS: usize = 1024;

/// The level of a chunk and its place there.
pub(super) type Key = (usize, u64);
type Chunk = Arc<Vec<u8>>;

/// The chunks that were used last.
#[derive(Default)]
pub(super) struct Cache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    chunks: HashMap<Key, Slot>,
    bytes: usize,
    /// Uses so far.
    time: u64,
}

#[derive(Default)]
struct Slot {
    /// None until it is decoded. Who holds the lock decodes it; others wait for this chunk alone.
    chunk: Arc<Mutex<Option<Chunk>>>,
    bytes: usize,
    used: u64,
}

impl Cache {
    /// Chunk `key`; `decode` makes it where it is not kept.
    pub(super) fn get(&self, key: Key, decode: impl FnOnce() -> Result<Vec<u8>>) -> Result<Chunk> {
        let slot = {
            let mut kept = lock(&self.kept);
            kept.time += 1;
            let now = kept.time;
            let slot = kept.chunks.entry(key).or_default();
            slot.used = now;
            Arc::clone(&slot.chunk)
        };
        let mut place = lock(&slot);
        if let Some(chunk) = &*place {
            return Ok(Arc::clone(chunk));
        }
        let chunk = Arc::new(decode()?);
        *place = Some(Arc::clone(&chunk));
        drop(place);
        lock(&self.kept).hold(key, chunk.len());
        Ok(chunk)
    }
}

impl Kept {
    /// Counts a chunk that was decoded, and lets those go that were not used for longest.
    fn hold(&mut self, key: Key, bytes: usize) {
        if let Some(slot) = self.chunks.get_mut(&key) {
            self.bytes = self.bytes - slot.bytes + bytes;
            slot.bytes = bytes;
        }
        while self.chunks.len() > 1 && (self.bytes > MOST_BYTES || self.chunks.len() > MOST_CHUNKS)
        {
            let oldest = self.chunks.iter().min_by_key(|(_, slot)| slot.used);
            let Some((&oldest, _)) = oldest else { return };
            let slot = self.chunks.remove(&oldest);
            self.bytes -= slot.map_or(0, |slot| slot.bytes);
        }
    }
}

/// What is locked is whole at every moment, so a thread that panicked has spoilt nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn threads_that_share_a_chunk_decode_it_once() {
        let (cache, decoded) = (Cache::default(), AtomicUsize::new(0));
        let found: Vec<u8> = (0..400u64)
            .into_par_iter()
            .map(|place| {
                let key = (0, place % 4);
                let chunk = cache.get(key, || {
                    decoded.fetch_add(1, Ordering::Relaxed);
                    Ok(vec![key.1 as u8; 10])
                });
                chunk.unwrap()[9]
            })
            .collect();
        let expected: Vec<u8> = (0..400).map(|place| (place % 4) as u8).collect();
        assert_eq!((found, decoded.into_inner()), (expected, 4));
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first_and_the_last_one_stays() {
        let cache = Cache::default();
        let half = MOST_BYTES / 2;
        let is_kept = |place| lock(&cache.kept).chunks.contains_key(&(0, place));
        for place in [0, 1, 0, 2] {
            cache.get((0, place), || Ok(vec![0; half])).unwrap();
        }
        assert_eq!([0, 1, 2].map(is_kept), [true, false, true]);
        cache.get((0, 3), || Ok(vec![0; MOST_BYTES + 1])).unwrap();
        assert_eq!([0, 1, 2, 3].map(is_kept), [false, false, false, true]);
        assert_eq!(lock(&cache.kept).bytes, MOST_BYTES + 1);
        for place in 0..2 * MOST_CHUNKS as u64 {
            cache.get((1, place), || Ok(vec![0])).unwrap();
        }
        assert_eq!(lock(&cache.kept).chunks.len(), MOST_CHUNKS);
    }

    #[test]
    fn a_chunk_that_does_not_decode_is_tried_again() {
        let cache = Cache::default();
        let failed = cache.get((0, 0), || anyhow::bail!("damaged"));
        assert_eq!(failed.unwrap_err().to_string(), "damaged");
        assert_eq!(*cache.get((0, 0), || Ok(vec![7])).unwrap(), [7]);
    }
}
