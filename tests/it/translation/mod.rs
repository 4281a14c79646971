//! Paired models: networks, data, training, experiments.

mod data;
mod experiment;
mod networks;
