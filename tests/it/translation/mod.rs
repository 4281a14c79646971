//! Paired models: networks, data, training, experiments.

mod networks;
