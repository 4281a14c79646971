//! Finding images by similarity: the images of a set most like a query (section 5.1.1 of arXiv 2409.20340), and the pairs of a
//! set most like each other, from which the birthday-paradox test (Arora and Zhang 2017, arXiv 1706.08224) tells how many
//! different images a generator makes.
//!
//! Images are compared by their features, those of an MFT-SNN ([`SnnExtractor`]) among them. Every search is exact.

mod duplicates;
mod search;
mod similarity;
mod snn;
mod support;

pub use duplicates::{Duplicates, find_duplicates};
pub use search::{Found, nearest};
pub use similarity::Similarity;
pub use snn::SnnExtractor;
pub use support::{Support, support_size};
