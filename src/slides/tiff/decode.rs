//! From the bytes of a chunk to its pixels.

use std::io::Read;

use anyhow::{Context, bail, ensure};
use flate2::read::ZlibDecoder;
use ruzstd::decoding::StreamingDecoder;
use weezl::decode::Configuration;
use weezl::{BitOrder, LzwStatus};

use super::directory::Bytes;
use super::jpeg;
use super::page::{Compression, Page};
use crate::error::Result;
use crate::images::RGB;

/// The pixels of chunk `index` of `page`: `page.chunk.0` x `page.rows(index)` x 3 bytes.
///
/// # Errors
/// If the chunk is damaged or ends too early.
pub(super) fn chunk(bytes: &Bytes, page: &Page, index: u64) -> Result<Vec<u8>> {
    let (width, rows) = (page.chunk.0, page.rows(index));
    let row = page.samples.row_bytes(width) as usize;
    // A tile that is not there shows what was not scanned: glass.
    if page.tiled && page.place(0, index).1 == 0 {
        return Ok(vec![255; width as usize * rows as usize * RGB]);
    }
    let mut planes = Vec::new();
    for plane in page.samples.needed_planes() {
        let (offset, length) = page.place(plane, index);
        let packed = bytes.read(offset, length)?;
        let mut raw = if let Compression::Jpeg(tables) = &page.compression {
            let colours = if page.is_ycbcr() {
                jpeg::Colours::YCbCr
            } else {
                jpeg::Colours::AsTheyAre
            };
            jpeg::decode(
                tables.as_deref(),
                &packed,
                (width, rows, page.chunk.1),
                page.samples.together(),
                colours,
            )?
        } else {
            unpack(&page.compression, packed, row * rows as usize)?
        };
        if page.differences {
            raw.chunks_exact_mut(row)
                .for_each(|row| page.samples.add_up(row));
        }
        planes.push(page.samples.to_bytes(raw, width));
    }
    Ok(page.samples.to_rgb(planes))
}

/// Unpacks `length` bytes; what stands behind them is of no concern.
fn unpack(compression: &Compression, packed: Vec<u8>, length: usize) -> Result<Vec<u8>> {
    let mut found = vec![0; length];
    match compression {
        Compression::None => {
            ensure!(
                packed.len() >= length,
                "it has {} bytes of {length}",
                packed.len()
            );
            found = packed;
            found.truncate(length);
        }
        Compression::Lzw => {
            let (mut packed, mut rest) = (&packed[..], &mut found[..]);
            let configuration = Configuration::with_tiff_size_switch(BitOrder::Msb, 8);
            let mut decoder = configuration.with_yield_on_full_buffer(true).build();
            while !rest.is_empty() {
                let step = decoder.decode_bytes(packed, rest);
                let status = step.status.context("its LZW is damaged")?;
                packed = &packed[step.consumed_in..];
                rest = &mut rest[step.consumed_out..];
                let goes_on = matches!(status, LzwStatus::Ok) || rest.is_empty();
                ensure!(goes_on, "its LZW ends too early");
            }
        }
        Compression::Deflate => ZlibDecoder::new(&packed[..])
            .read_exact(&mut found)
            .context("its Deflate is damaged")?,
        Compression::Zstandard => {
            let decoder = StreamingDecoder::new(&packed[..]);
            let mut decoder = decoder.context("its ZSTD is damaged")?;
            decoder
                .read_exact(&mut found)
                .context("its ZSTD is damaged")?;
        }
        Compression::PackBits => unpack_bits(&packed, &mut found)?,
        Compression::Jpeg(_) => bail!("JPEG has pixels, not bytes"),
    }
    Ok(found)
}

/// Unpacks runs and literals (TIFF 6.0, section 9).
fn unpack_bits(mut packed: &[u8], mut found: &mut [u8]) -> Result<()> {
    while !found.is_empty() {
        let [code, rest @ ..] = packed else {
            bail!("its PackBits end too early");
        };
        packed = rest;
        let count = match *code {
            0..128 => usize::from(*code) + 1,
            128 => continue,
            129.. => 257 - usize::from(*code),
        };
        let is_run = *code > 128;
        let taken = if is_run { 1 } else { count };
        let values = packed.get(..taken).context("its PackBits end too early")?;
        packed = &packed[taken..];
        let count = count.min(found.len());
        let (now, later) = found.split_at_mut(count);
        if is_run {
            now.fill(values[0]);
        } else {
            now.copy_from_slice(&values[..count]);
        }
        found = later;
    }
    Ok(())
}
