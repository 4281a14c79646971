//! Images as tiles see them: planes with the channels of a place side by side, and zeros around the image.
//!
//! A matrix holds one entry of every tile: a row per tile and phase, a column per channel.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "the iterator that takes its place is not turned into vectors"
)]

use std::array;
use std::ops::Range;

use crate::kernels::scratch::LANES;
use crate::kernels::wide::wide;

/// Channels that the compiler's own loops are fast for, four of the widest vectors; the rest go by one vector.
const WIDE: usize = 4 * LANES;
/// Channels, and places of a row, in a piece at most: a line of the nearest cache each.
pub(super) const SQUARE: usize = 16;

/// What an entry of a tile is made of along an axis: places and their factors.
pub(super) type Row = &'static [(usize, f32)];

/// The input or the output of a convolution.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) channels: usize,
    /// Numbers in an image, and in its plane.
    pub(super) image: usize,
    pub(super) plane: usize,
    /// Rows of a matrix for each tile: its phases.
    pub(super) rows: usize,
    /// Where the tiles of each band begin in their plane, phase by phase.
    pub(super) origins: Vec<Vec<usize>>,
    /// An image in pieces.
    pieces: Vec<Piece>,
    /// Places in an image.
    places: usize,
    /// Places in a row of the plane.
    width: usize,
    /// Places between a tile's neighbours in one phase; as many phases there are along an axis.
    spacing: usize,
    /// The entries of a tile along an axis.
    entries: &'static [Row],
}

/// Where tiles lie.
pub(super) struct Tiling {
    /// Height and width of the image.
    pub(super) image: [usize; 2],
    /// Height and width of its plane, in which it lies `border` places from the top and from the left.
    pub(super) plane: [usize; 2],
    pub(super) border: usize,
    /// Phases along an axis.
    pub(super) phases: usize,
    /// Rows of tiles, and tiles in a row.
    pub(super) tiles: [usize; 2],
    /// Rows of tiles in a band.
    pub(super) band: usize,
}

/// The parts of an entry: how far they lie from a tile's first number, and their factors.
struct Parts<const N: usize> {
    offsets: [usize; N],
    factors: [f32; N],
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
    /// The side of `channels` channels that lies like that.
    pub(super) fn new(channels: usize, entries: &'static [Row], tiling: &Tiling) -> Self {
        let ([height, width], plane) = (tiling.image, tiling.plane);
        Self {
            channels,
            image: channels * height * width,
            plane: channels * plane[0] * plane[1],
            rows: tiling.phases * tiling.phases,
            origins: tiling.origins(channels),
            pieces: tiling.pieces(channels),
            places: height * width,
            width: plane[1],
            spacing: tiling.phases,
            entries,
        }
    }

    fn count_parts(&self, [row, column]: [usize; 2]) -> usize {
        self.entries[row].len() * self.entries[column].len()
    }

    fn parts<const N: usize>(&self, [row, column]: [usize; 2]) -> Parts<N> {
        let rows = self.entries[row].iter();
        let mut parts = rows.flat_map(|&(down, factor)| {
            let columns = self.entries[column].iter();
            columns.map(move |&(right, other)| {
                let places = self.spacing * (down * self.width + right);
                (places * self.channels, factor * other)
            })
        });
        let parts: [(usize, f32); N] =
            array::from_fn(|_| parts.next().expect("the entry has N parts"));
        Parts {
            offsets: parts.map(|(offset, _)| offset),
            factors: parts.map(|(_, factor)| factor),
        }
    }

    #[inline(always)]
    fn spread_parts<const N: usize>(
        &self,
        parts: &Parts<N>,
        planes: &[f32],
        origins: &[usize],
        channels: &Range<usize>,
        matrix: &mut [f32],
    ) {
        let length = channels.len();
        let planes = planes.chunks_exact(self.plane);
        for (plane, matrix) in planes.zip(matrix.chunks_exact_mut(origins.len() * length)) {
            for (origin, target) in origins.iter().zip(matrix.chunks_exact_mut(length)) {
                let first = origin + channels.start;
                let sources: [&[f32]; N] = parts.offsets.map(|at| &plane[first + at..][..length]);
                let wide = length - length % WIDE;
                let (most, rest) = target.split_at_mut(wide);
                for (channel, value) in most.iter_mut().enumerate() {
                    let mut sum = parts.factors[0] * sources[0][channel];
                    for part in 1..N {
                        sum += parts.factors[part] * sources[part][channel];
                    }
                    *value = sum;
                }
                let (blocks, rest) = rest.as_chunks_mut::<LANES>();
                for (block, target) in blocks.iter_mut().enumerate() {
                    let first = wide + block * LANES;
                    let mut sums = [0.0; LANES];
                    for part in 0..N {
                        let source = &sources[part][first..first + LANES];
                        for lane in 0..LANES {
                            sums[lane] += parts.factors[part] * source[lane];
                        }
                    }
                    *target = sums;
                }
                let first = length - rest.len();
                for (place, value) in rest.iter_mut().enumerate() {
                    *value = (0..N)
                        .map(|part| parts.factors[part] * sources[part][first + place])
                        .sum();
                }
            }
        }
    }

    #[inline(always)]
    fn collect_parts<const N: usize>(
        &self,
        parts: &Parts<N>,
        matrix: &[f32],
        origins: &[usize],
        planes: &mut [f32],
    ) {
        let length = self.channels;
        let planes = planes.chunks_exact_mut(self.plane);
        for (plane, matrix) in planes.zip(matrix.chunks_exact(origins.len() * length)) {
            for (origin, source) in origins.iter().zip(matrix.chunks_exact(length)) {
                for part in 0..N {
                    let target = &mut plane[origin + parts.offsets[part]..][..length];
                    let wide = length - length % WIDE;
                    let (most, rest) = target.split_at_mut(wide);
                    for (sum, value) in most.iter_mut().zip(source) {
                        *sum += parts.factors[part] * value;
                    }
                    let (blocks, rest) = rest.as_chunks_mut::<LANES>();
                    let (values, others) = source[wide..].as_chunks::<LANES>();
                    for (sums, values) in blocks.iter_mut().zip(values) {
                        *sums =
                            array::from_fn(|lane| sums[lane] + parts.factors[part] * values[lane]);
                    }
                    for (sum, value) in rest.iter_mut().zip(others) {
                        *sum += parts.factors[part] * value;
                    }
                }
            }
        }
    }
}

impl Tiling {
    /// [`Side::origins`].
    fn origins(&self, channels: usize) -> Vec<Vec<usize>> {
        let ([down, across], step) = (self.tiles, 2 * self.phases);
        let origins_of_row = |row: usize| {
            let mut origins = Vec::new();
            for column in 0..across {
                for y in 0..self.phases {
                    for x in 0..self.phases {
                        let place = (step * row + y) * self.plane[1] + step * column + x;
                        origins.push(place * channels);
                    }
                }
            }
            origins
        };
        let rows: Vec<usize> = (0..down).collect();
        let bands = rows.chunks(self.band);
        bands
            .map(|rows| rows.iter().flat_map(|&row| origins_of_row(row)).collect())
            .collect()
    }

    /// [`Side::pieces`].
    fn pieces(&self, channels: usize) -> Vec<Piece> {
        let [height, width] = self.image;
        let mut pieces = Vec::new();
        for channel in (0..channels).step_by(SQUARE) {
            for y in 0..height {
                for x in (0..width).step_by(SQUARE) {
                    let place = (y + self.border) * self.plane[1] + x + self.border;
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
}

wide! {
    /// One entry (row, column) of the tiles of every plane, for some channels: [planes x tiles x phases, channels].
    pub(super) fn spread(
        side: &Side,
        entry: [usize; 2],
        planes: &[f32],
        origins: &[usize],
        channels: &Range<usize>,
        matrix: &mut [f32],
    ) {
        match side.count_parts(entry) {
            1 => side.spread_parts(&side.parts::<1>(entry), planes, origins, channels, matrix),
            2 => side.spread_parts(&side.parts::<2>(entry), planes, origins, channels, matrix),
            _ => side.spread_parts(&side.parts::<4>(entry), planes, origins, channels, matrix),
        }
    }

    /// The transpose of [`spread`]: adds a matrix up, for all channels, where it would have come from.
    pub(super) fn collect(
        side: &Side,
        entry: [usize; 2],
        matrix: &[f32],
        origins: &[usize],
        planes: &mut [f32],
    ) {
        match side.count_parts(entry) {
            1 => side.collect_parts(&side.parts::<1>(entry), matrix, origins, planes),
            2 => side.collect_parts(&side.parts::<2>(entry), matrix, origins, planes),
            _ => side.collect_parts(&side.parts::<4>(entry), matrix, origins, planes),
        }
    }

    /// Writes images, [channels, places], into their planes; what lies around them is left as it is.
    pub(super) fn enter(side: &Side, images: &[f32], planes: &mut [f32]) {
        let planes = planes.chunks_exact_mut(side.plane);
        for (image, plane) in images.chunks_exact(side.image).zip(planes) {
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
    }

    /// Writes the images, [channels, places], that lie in planes, plus a bias per channel.
    pub(super) fn leave(side: &Side, planes: &[f32], bias: Option<&[f32]>, images: &mut [f32]) {
        let planes = planes.chunks_exact(side.plane);
        for (plane, image) in planes.zip(images.chunks_exact_mut(side.image)) {
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
        }
        if let Some(bias) = bias {
            for (map, bias) in images.chunks_exact_mut(side.places).zip(bias.iter().cycle()) {
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
