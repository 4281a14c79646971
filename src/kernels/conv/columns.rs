//! An image as a matrix whose product with the weights is the convolution (im2col), and back (col2im).
//!
//! A matrix has a row per weight of an output channel, in the order (channel, row, column) of the weights, and a column
//! per output place. Rows are copied, or for stride 2 picked from pairs, in runs along an image's rows.

use std::ops::Range;

use super::geometry::Geometry;

/// Part of a convolution's matrix: some rows of the matrix at some rows of the output of some images.
#[derive(Clone)]
pub(super) struct Part {
    /// Which weights.
    pub(super) terms: Range<usize>,
    /// Which rows of the output.
    pub(super) band: Range<usize>,
    /// Distance between the rows of the matrix.
    pub(super) stride: usize,
}

/// Fills `columns`, [terms, images x places of the band], from the images in `input`.
pub(super) fn gather(geometry: &Geometry, part: &Part, input: &[f32], columns: &mut [f32]) {
    if geometry.is_whole() {
        return transpose_rows(geometry.terms(), part, input, columns);
    }
    let (kernel, area) = (geometry.kernel, geometry.area());
    let [height, width] = geometry.input;
    let out_width = geometry.output[1];
    let places = part.band.len() * out_width;
    let rows = part.terms.clone().zip(columns.chunks_mut(part.stride));
    for (term, row) in rows {
        let (channel, tap) = (term / area, term % area);
        let (down, right) = (tap / kernel, (tap % kernel).cast_signed());
        let (inside, start) = run(geometry, right);
        let maps = input.chunks_exact(geometry.inputs * height * width);
        for (image, target) in maps.zip(row.chunks_exact_mut(places)) {
            let map = &image[channel * height * width..][..height * width];
            for (place, target) in part.band.clone().zip(target.chunks_exact_mut(out_width)) {
                let y = (place * geometry.stride + down).cast_signed() - geometry.padding;
                let Some(y) = usize::try_from(y).ok().filter(|y| *y < height) else {
                    target.fill(0.0);
                    continue;
                };
                target[..inside.start].fill(0.0);
                target[inside.end..].fill(0.0);
                let source = &map[y * width..][..width];
                let target = &mut target[inside.clone()];
                pick(source, start, geometry.stride, target);
            }
        }
    }
}

/// The places of an output's row whose tap at `right` lies inside the image, and where the first of them reads.
fn run(geometry: &Geometry, right: isize) -> (Range<usize>, usize) {
    let (width, out_width) = (geometry.input[1].cast_signed(), geometry.output[1]);
    let stride = geometry.stride.cast_signed();
    let offset = right - geometry.padding;
    // Place x reads x * stride + offset, which must lie in 0..width.
    let first = ((-offset).max(0) + stride - 1) / stride;
    let end = ((width - offset).max(0) + stride - 1) / stride;
    let end = end.cast_unsigned().min(out_width);
    let first = first.cast_unsigned().min(end);
    if first == end {
        return (first..end, 0);
    }
    let start = first.cast_signed() * stride + offset;
    (first..end, start.cast_unsigned())
}

/// Every `stride`-th number of `source` from `start`.
fn pick(source: &[f32], start: usize, stride: usize, target: &mut [f32]) {
    if target.is_empty() {
        return;
    }
    let source = &source[start..];
    match stride {
        1 => target.copy_from_slice(&source[..target.len()]),
        2 => {
            let (last, most) = target.split_last_mut().expect("not empty");
            for (value, pair) in most.iter_mut().zip(source.chunks_exact(2)) {
                *value = pair[0];
            }
            *last = source[2 * most.len()];
        }
        _ => {
            for (value, source) in target.iter_mut().zip(source.iter().step_by(stride)) {
                *value = *source;
            }
        }
    }
}

/// The case of one place per image: the transpose of [images, all terms].
fn transpose_rows(all: usize, part: &Part, input: &[f32], columns: &mut [f32]) {
    const TILE: usize = 16;
    for start in part.terms.clone().step_by(TILE) {
        let tile = start..(start + TILE).min(part.terms.end);
        let columns = &mut columns[(start - part.terms.start) * part.stride..];
        for (place, image) in input.chunks_exact(all).enumerate() {
            let rows = columns.chunks_mut(part.stride);
            for (value, row) in image[tile.clone()].iter().zip(rows) {
                row[place] = *value;
            }
        }
    }
}

/// Adds up `columns`, [terms of the channel, places], where they came from: one channel of one image, from `start`.
///
/// `phases` is a buffer for one row of the image.
pub(super) fn scatter(
    geometry: &Geometry,
    columns: &[f32],
    stride: usize,
    start: f32,
    phases: &mut [f32],
    map: &mut [f32],
) {
    let [_, width] = geometry.input;
    let [out_height, out_width] = geometry.output;
    let (step, kernel) = (geometry.stride, geometry.kernel);
    let phase_width = width.div_ceil(step);
    let phases = &mut phases[..step * phase_width];
    for (y, row) in map.chunks_exact_mut(width).enumerate() {
        phases.fill(start);
        for down in 0..kernel {
            let Some(source) = source_place(geometry, y, down).filter(|at| *at < out_height) else {
                continue;
            };
            for right in 0..kernel {
                let phase = (right.cast_signed() - geometry.padding)
                    .rem_euclid(step.cast_signed())
                    .cast_unsigned();
                // Place t of this phase is column `phase` + t * `step`, which got place t + `shift` of the output.
                let shift = (phase.cast_signed() + geometry.padding - right.cast_signed())
                    / step.cast_signed();
                let count = (width + step - 1).saturating_sub(phase) / step;
                let first = (-shift).max(0).cast_unsigned();
                let end = (out_width.cast_signed() - shift).max(0).cast_unsigned();
                let end = end.min(count);
                if first >= end {
                    continue;
                }
                let from = first.cast_signed() + shift;
                let tap = &columns[(down * kernel + right) * stride + source * out_width..];
                let values = &tap[from.cast_unsigned()..][..end - first];
                let target = &mut phases[phase * phase_width..][first..end];
                for (sum, value) in target.iter_mut().zip(values) {
                    *sum += value;
                }
            }
        }
        interleave(phases, phase_width, step, row);
    }
}

/// The row of the output that row `y` of the input is read by at row `down` of the kernel, if any.
fn source_place(geometry: &Geometry, y: usize, down: usize) -> Option<usize> {
    let shifted = y.cast_signed() + geometry.padding - down.cast_signed();
    let shifted = usize::try_from(shifted).ok()?;
    shifted
        .is_multiple_of(geometry.stride)
        .then(|| shifted / geometry.stride)
}

/// Column x of `row` is number x / `step` of part x mod `step`.
fn interleave(phases: &[f32], phase_width: usize, step: usize, row: &mut [f32]) {
    if step == 2 && row.len() == 2 * phase_width {
        let (even, odd) = phases.split_at(phase_width);
        for (pair, (even, odd)) in row.chunks_exact_mut(2).zip(even.iter().zip(odd)) {
            pair[0] = *even;
            pair[1] = *odd;
        }
        return;
    }
    for (x, value) in row.iter_mut().enumerate() {
        *value = phases[(x % step) * phase_width + x / step];
    }
}
