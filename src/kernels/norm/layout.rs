//! Which entries of a tensor share a mean and a variance.

/// A tensor [images, channels, places] and how its entries are grouped. A *row* is a channel of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) images: usize,
    pub(super) channels: usize,
    pub(super) places: usize,
    pub(super) sharing: Sharing,
}

/// Over what a mean is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// A channel of all images: batch normalisation.
    Batch,
    /// A run of channels of one image, so many runs an image: group normalisation.
    Groups(usize),
}

impl Layout {
    /// Of a tensor of four dimensions.
    pub(super) fn new([images, channels, height, width]: [usize; 4], sharing: Sharing) -> Self {
        let places = height * width;
        Self {
            images,
            channels,
            places,
            sharing,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.images * self.channels
    }

    /// How many means there are.
    pub(super) fn groups(&self) -> usize {
        match self.sharing {
            Sharing::Batch => self.channels,
            Sharing::Groups(groups) => self.images * groups,
        }
    }

    /// Entries per mean.
    pub(super) fn group_size(&self) -> usize {
        self.rows() * self.places / self.groups()
    }

    /// The group that a row belongs to.
    pub(super) fn group_of(&self, row: usize) -> usize {
        match self.sharing {
            Sharing::Batch => row % self.channels,
            Sharing::Groups(groups) => row / (self.channels / groups),
        }
    }

    /// The rows of a group, in ascending order.
    pub(super) fn rows_of(&self, group: usize) -> impl Iterator<Item = usize> + use<> {
        let (first, step, count) = match self.sharing {
            Sharing::Batch => (group, self.channels, self.images),
            Sharing::Groups(groups) => {
                let run = self.channels / groups;
                (group * run, 1, run)
            }
        };
        (0..count).map(move |place| first + place * step)
    }
}
