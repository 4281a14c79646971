//! Images through a network, a batch at a time.

use std::sync::{Mutex, PoisonError};

use burn::tensor::Device;
use rayon::prelude::*;

use super::Features;
use crate::device::DeviceKind;
use crate::error::Result;
use crate::images::Pixels;
use crate::shutdown;

/// Images of a pass on a GPU: bounds memory, changes no number.
const ON_GPU: usize = 32;

/// The features of `images`, `columns` numbers an image, as `forward` makes them of some images at once; given up where a signal
/// waits.
///
/// On the CPU these are at most `batch` images, and every core has a batch of its own: it waits for no other core after each layer,
/// and finds most of a layer's maps in its cache.
pub(super) fn in_batches(
    images: &Pixels,
    columns: usize,
    batch: usize,
    device: &Device,
    forward: impl Fn(&Pixels) -> Result<Vec<f32>> + Sync,
) -> Result<Features> {
    let (workers, batch) = match DeviceKind::of(device) {
        DeviceKind::Cpu => (rayon::current_num_threads(), batch),
        _ => (1, ON_GPU),
    };
    // Of few images every core gets some.
    let batch = batch.min(images.count.div_ceil(workers)).max(1);
    let places: Vec<usize> = (0..images.count).collect();
    let mut values = vec![0.0; images.count * columns];
    let batches = Mutex::new(values.chunks_mut(batch * columns).zip(places.chunks(batch)));
    let next = || {
        let mut batches = batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.next()
    };
    let workers = (0..workers).into_par_iter().with_max_len(1);
    workers.try_for_each(|_| {
        while let Some((target, places)) = next() {
            shutdown::check()?;
            target.copy_from_slice(&forward(&images.select(places))?);
        }
        Ok::<_, anyhow::Error>(())
    })?;
    Ok(Features::new(images.count, columns, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;
    use crate::error::refuse;

    /// Images of one pixel, number i of value i.
    fn images(count: usize) -> Pixels {
        let bytes = (0..count).map(|value| value as u8);
        Pixels::new(count, 1, 1, bytes.collect())
    }

    #[test]
    fn rows_come_in_the_order_of_the_images() {
        let both = |batch: &Pixels| {
            let bytes = (0..batch.count).map(|index| f32::from(batch.image(index)[0]));
            Ok(bytes.flat_map(|value| [value, -value]).collect())
        };
        for (count, batch) in [(0, 2), (1, 8), (13, 1), (13, 2), (13, 100)] {
            let found = in_batches(&images(count), 2, batch, &device::cpu(), both).unwrap();
            let expected = (0..count).flat_map(|value| [value as f32, -(value as f32)]);
            assert_eq!(
                found.values,
                expected.collect::<Vec<_>>(),
                "{count}, {batch}"
            );
            assert_eq!((found.rows, found.columns), (count, 2));
        }
    }

    #[test]
    fn what_one_batch_refuses_is_refused() {
        let refusal = |batch: &Pixels| match batch.image(0)[0] {
            7 => Err(refuse("seven", "another")),
            value => Ok(vec![f32::from(value)]),
        };
        let found = in_batches(&images(13), 1, 1, &device::cpu(), refusal);
        assert_eq!(found.unwrap_err().to_string(), "seven");
    }
}
