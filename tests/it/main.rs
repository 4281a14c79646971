//! The one integration binary: the registry's contract, the mathematics, the command line, the layout of the code.

mod ablate;
mod cli;
mod contract;
mod differences;
mod download;
mod evaluate;
mod golden;
mod golden_metrics;
mod images;
mod inception;
mod lab;
mod ladders;
mod layout;
mod lpips;
mod mathematics;
mod noise;
mod reproduce;
mod resize;
mod reward;
mod shared;
mod siamese;
mod toy;
mod weights;
