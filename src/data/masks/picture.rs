//! Masks as PNG files: indexed, grey or RGB.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use png::{ColorType, Decoder, Transformations};

use crate::error::{Result, refuse};

/// A pixel of a PNG.
#[derive(Clone, Copy)]
pub(super) struct Pixel {
    /// Its index of the palette, or its grey value.
    pub(super) index: Option<u8>,
    pub(super) colour: [u8; 3],
}

/// Width, height and pixels of a PNG, its indices as they are.
pub(super) fn read_png(path: &Path) -> Result<(usize, usize, Vec<Pixel>)> {
    let unreadable = |reason: String| {
        refuse(
            format!("cannot read the mask `{}`: {reason}", path.display()),
            "masks are PNG files: indexed, grey or RGB, at most 8 bits",
        )
    };
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut decoder = Decoder::new(BufReader::new(file));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder
        .read_info()
        .map_err(|error| unreadable(error.to_string()))?;
    let length = reader
        .output_buffer_size()
        .ok_or_else(|| unreadable("it is too large".to_owned()))?;
    let mut bytes = vec![0; length];
    let frame = reader
        .next_frame(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    let bits = frame.bit_depth as usize;
    if bits > 8 {
        return Err(unreadable(format!("it has {bits} bits")));
    }
    let palette = reader.info().palette.clone().unwrap_or_default();
    let (width, height) = (frame.width as usize, frame.height as usize);
    let mut pixels = Vec::with_capacity(width * height);
    for line in bytes.chunks_exact(frame.line_size).take(height) {
        for x in 0..width {
            // Samples of less than a byte lie from the highest bits on.
            let sample = |number: usize| {
                let bit = number * bits;
                let shift = 8 - bits - bit % 8;
                (line[bit / 8] >> shift) & (0xff >> (8 - bits))
            };
            pixels.push(match frame.color_type {
                ColorType::Grayscale | ColorType::GrayscaleAlpha => {
                    let step = if frame.color_type == ColorType::Grayscale {
                        1
                    } else {
                        2
                    };
                    let grey = sample(step * x);
                    Pixel {
                        index: Some(grey),
                        colour: [grey; 3],
                    }
                }
                ColorType::Indexed => {
                    let index = sample(x);
                    let at = 3 * usize::from(index);
                    let colour = palette.get(at..at + 3);
                    let colour = colour
                        .ok_or_else(|| unreadable(format!("its palette has no entry {index}")))?;
                    Pixel {
                        index: Some(index),
                        colour: [colour[0], colour[1], colour[2]],
                    }
                }
                ColorType::Rgb | ColorType::Rgba => {
                    let step = if frame.color_type == ColorType::Rgb {
                        3
                    } else {
                        4
                    };
                    Pixel {
                        index: None,
                        colour: [0, 1, 2].map(|channel| sample(step * x + channel)),
                    }
                }
            });
        }
    }
    Ok((width, height, pixels))
}
