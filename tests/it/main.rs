//! The one integration binary: the registry's contract, the mathematics, the command line, the layout of the code.

mod ablate;
mod cli;
mod contract;
mod download;
mod golden;
mod images;
mod inception;
mod lab;
mod layout;
mod mathematics;
mod reproduce;
mod resize;
mod reward;
mod shared;
mod siamese;
mod toy;
mod weights;
