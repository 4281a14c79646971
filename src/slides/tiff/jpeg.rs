//! JPEG in TIFF: chunks that share their tables, and colours that the directory names, not the JPEG (Adobe Photoshop TIFF
//! Technical Note 2, 2002).

use anyhow::{Context, anyhow, ensure};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::Result;
use crate::slides::is_whole_jpeg;

/// What the three components of a JPEG are.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Colours {
    /// They become RGB.
    YCbCr,
    /// They stay: RGB, or one of grey.
    AsTheyAre,
}

/// Decodes the upper `rows` of a chunk of `width` pixels of `components` components, 8 bits each. The last strip may have been
/// written with as many rows as all others, `most`.
///
/// # Errors
/// If it is damaged, cut short, or of another size.
pub(super) fn decode(
    tables: Option<&[u8]>,
    chunk: &[u8],
    (width, rows, most): (u32, u32, u32),
    components: usize,
    colours: Colours,
) -> Result<Vec<u8>> {
    // The decoder fills what is missing with grey.
    ensure!(is_whole_jpeg(chunk), "its JPEG ends too early");
    // Tables come as a JPEG without an image: its end and the chunk's beginning are left out.
    let joined: Vec<u8>;
    let stream = match tables {
        Some([start @ .., 0xFF, 0xD9]) if chunk.starts_with(&[0xFF, 0xD8]) => {
            joined = [start, &chunk[2..]].concat();
            &joined
        }
        Some(_) => return Err(anyhow!("its JPEG has shared tables without an end")),
        None => chunk,
    };
    let damaged = |error| anyhow!("its JPEG is damaged: {error:?}");
    let options = DecoderOptions::new_fast()
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(stream), options);
    decoder.decode_headers().map_err(damaged)?;
    // Before anything of its size is allocated.
    let (found_width, found_rows) = decoder.dimensions().context("a JPEG without a size")?;
    let found = decoder
        .info()
        .map_or(0, |info| usize::from(info.components));
    ensure!(
        found_width == width as usize
            && (rows as usize..=most as usize).contains(&found_rows)
            && found == components,
        "its JPEG is {found_width} x {found_rows} of {found} components, {width} x {rows} of {components} is right"
    );
    let stored = decoder.input_colorspace().unwrap_or(ColorSpace::YCbCr);
    let converts = colours == Colours::YCbCr && stored == ColorSpace::YCbCr;
    let output = if converts { ColorSpace::RGB } else { stored };
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    let mut pixels = decoder.decode().map_err(damaged)?;
    let size = width as usize * components;
    ensure!(pixels.len() >= size * rows as usize, "its JPEG lacks rows");
    pixels.truncate(size * rows as usize);
    // The file says YCbCr where a marker in the JPEG says RGB: the file counts, as everywhere in libtiff.
    if colours == Colours::YCbCr && !converts {
        for pixel in pixels.as_chunks_mut::<3>().0 {
            *pixel = to_rgb(*pixel);
        }
    }
    Ok(pixels)
}

/// JFIF 1.02's conversion.
fn to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let rgb = [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ];
    rgb.map(|value| value.round().clamp(0.0, 255.0) as u8)
}
