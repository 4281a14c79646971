//! Images as tiles see them: planes with the channels of a place side by side, and zeros around the image.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

use std::array;
use std::ops::Range;

use super::TILES;
use super::form::Form;
use crate::kernels::conv::geometry::Geometry;
use crate::wide::LANES;
use crate::wide::wide;

/// Channels, and places of a row, in a piece at most: a line of the nearest cache each.
pub(super) const SQUARE: usize = 16;

/// The input or the output of a convolution.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) form: Form,
    /// Whether it is the input.
    pub(super) is_input: bool,
    pub(super) channels: usize,
    /// Numbers in an image, and in its plane.
    pub(super) image: usize,
    pub(super) plane: usize,
    /// Phases of a tile.
    pub(super) phases: usize,
    /// Where the tiles of each band begin in their plane, phase by phase.
    pub(super) origins: Vec<Vec<usize>>,
    /// An image in pieces, and what lies around it in its plane.
    pieces: Vec<Piece>,
    frame: Vec<Range<usize>>,
    /// Places in an image.
    pub(super) places: usize,
    /// Places in a row of the plane.
    pub(super) width: usize,
    /// Places between a tile's neighbours in one phase; as many phases there are along an axis.
    pub(super) spacing: usize,
}

/// Some channels of some places in a row.
#[derive(Debug)]
struct Piece {
    channels: usize,
    places: usize,
    /// Where it begins in an image, and in a plane.
    in_image: usize,
    in_plane: usize,
}

impl Side {
    /// The input or the output, or some `channels` of it.
    pub(super) fn new(form: Form, geometry: &Geometry, is_input: bool, channels: usize) -> Self {
        let (step, tiles) = (form.step(), form.tiles(geometry));
        let (image, plane, border, spacing) = if is_input {
            let plane = tiles.map(|count| form.stride() * (step * count + form.taps() - 1));
            let border = geometry.padding.unsigned_abs();
            (geometry.input, plane, border, form.stride())
        } else {
            (geometry.output, tiles.map(|count| step * count), 0, 1)
        };
        let places = image[0] * image[1];
        Self {
            form,
            is_input,
            channels,
            image: channels * places,
            plane: channels * plane[0] * plane[1],
            phases: spacing * spacing,
            origins: origins(tiles, step, spacing, plane[1] * channels, channels),
            pieces: pieces(image, border, plane[1], channels),
            frame: frame(image, border, plane, channels),
            places,
            width: plane[1],
            spacing,
        }
    }

    /// Numbers that each entry of a tile has: its phases and channels.
    pub(super) fn row(&self) -> usize {
        self.phases * self.channels
    }

    /// Clears planes that tiles will be collected in, where these overlap; elsewhere they are written once.
    pub(super) fn clear(&self, planes: &mut [f32]) {
        if self.is_input {
            planes.fill(0.0);
        }
    }

    /// Numbers from one entry of a tile, [phases, channels], to the next: not a power of two, whose entries would all fall on the same
    /// lines of the first cache.
    pub(super) fn entry(&self) -> usize {
        self.row() + LANES
    }

    /// Numbers of a tile.
    pub(super) fn tile(&self) -> usize {
        self.form.entries() * self.entry()
    }
}

/// [`Side::origins`], of planes whose rows have `row` numbers.
fn origins(
    [down, across]: [usize; 2],
    step: usize,
    spacing: usize,
    row: usize,
    channels: usize,
) -> Vec<Vec<usize>> {
    let mut bands = Vec::new();
    let rows: Vec<usize> = (0..down).collect();
    for rows in rows.chunks((TILES / across).max(1)) {
        let mut band = Vec::new();
        for (tile_row, column) in rows.iter().flat_map(|&y| (0..across).map(move |x| (y, x))) {
            let first = step * spacing * (tile_row * row + column * channels);
            for y in 0..spacing {
                band.extend((0..spacing).map(|x| first + y * row + x * channels));
            }
        }
        bands.push(band);
    }
    bands
}

/// [`Side::pieces`], of an image that lies `border` places from the top and from the left of a plane whose rows have `plane` places.
fn pieces([height, width]: [usize; 2], border: usize, plane: usize, channels: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for channel in (0..channels).step_by(SQUARE) {
        for y in 0..height {
            for x in (0..width).step_by(SQUARE) {
                let place = (y + border) * plane + x + border;
                pieces.push(Piece {
                    channels: SQUARE.min(channels - channel),
                    places: SQUARE.min(width - x),
                    in_image: (channel * height + y) * width + x,
                    in_plane: place * channels + channel,
                });
            }
        }
    }
    pieces
}

/// Where a plane has places that an image, which lies `border` places from its top and its left, has not.
fn frame(
    [height, width]: [usize; 2],
    border: usize,
    [plane_height, plane_width]: [usize; 2],
    channels: usize,
) -> Vec<Range<usize>> {
    let mut frame = Vec::new();
    let mut end = 0;
    for y in border..border + height {
        let start = y * plane_width + border;
        frame.push(end * channels..start * channels);
        end = start + width;
    }
    frame.push(end * channels..plane_height * plane_width * channels);
    frame.retain(|places| !places.is_empty());
    frame
}

wide! {
    /// Writes an image, [channels, places], into its plane.
    pub(super) fn enter(side: &Side, image: &[f32], plane: &mut [f32]) {
        for places in &side.frame {
            plane[places.clone()].fill(0.0);
        }
        for piece in &side.pieces {
            let (maps, places) = (&image[piece.in_image..], &mut plane[piece.in_plane..]);
            let strides = [side.places, side.channels];
            match [piece.channels, piece.places] {
                [16, 16] => turn::<16, 16>(maps, strides, places),
                [16, 8] => turn::<16, 8>(maps, strides, places),
                [16, 4] => turn::<16, 4>(maps, strides, places),
                size => turn_any(size, maps, strides, places),
            }
        }
    }

    /// Writes the image, [channels, places], that lies in a plane, plus a bias per channel.
    pub(super) fn leave(side: &Side, plane: &[f32], bias: Option<&[f32]>, image: &mut [f32]) {
        for piece in &side.pieces {
            let (places, maps) = (&plane[piece.in_plane..], &mut image[piece.in_image..]);
            let strides = [side.channels, side.places];
            match [piece.places, piece.channels] {
                [16, 16] => turn::<16, 16>(places, strides, maps),
                [8, 16] => turn::<8, 16>(places, strides, maps),
                [4, 16] => turn::<4, 16>(places, strides, maps),
                size => turn_any(size, places, strides, maps),
            }
        }
        if let Some(bias) = bias {
            for (map, bias) in image.chunks_exact_mut(side.places).zip(bias) {
                for value in map {
                    *value += bias;
                }
            }
        }
    }
}

/// Transposes a matrix of `ROWS` x `COLUMNS` whose rows lie `from` apart; those of the result lie `to` apart.
#[inline(always)]
pub(super) fn turn<const ROWS: usize, const COLUMNS: usize>(
    source: &[f32],
    [from, to]: [usize; 2],
    target: &mut [f32],
) {
    let mut square = [[0.0; COLUMNS]; ROWS];
    for (row, values) in square.iter_mut().enumerate() {
        values.copy_from_slice(&source[row * from..][..COLUMNS]);
    }
    for column in 0..COLUMNS {
        let values: [f32; ROWS] = array::from_fn(|row| square[row][column]);
        target[column * to..][..ROWS].copy_from_slice(&values);
    }
}

/// The same of any size.
#[inline(always)]
pub(super) fn turn_any(
    [rows, columns]: [usize; 2],
    source: &[f32],
    [from, to]: [usize; 2],
    target: &mut [f32],
) {
    for column in 0..columns {
        for row in 0..rows {
            target[column * to + row] = source[row * from + column];
        }
    }
}
