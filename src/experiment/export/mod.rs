//! What others read: statistics of a set of images, and generators.

mod card;
mod generator;
mod module;
mod onnx;
mod statistics;

pub use generator::{GeneratorFormat, export_generator};
pub use statistics::{StatisticsFormat, StatisticsPlan, export_statistics};
