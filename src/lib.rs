//! A research harness for generative models of histopathology patches: seven systems behind one trait, trained under one
//! configuration, sampled, scored, and tabulated beside the numbers of arXiv 2409.20340.
//!
//! The modules stand in the order data flows through them. A module imports only what stands above it; a test checks that.

pub mod error;
pub mod registry;
pub mod shutdown;
pub mod digest;
pub mod files;
pub mod workspace;
pub mod http;
pub mod random;
pub mod images;
pub mod numpy;
mod wide;
pub mod linalg;
pub mod device;
pub mod slides;
pub mod data;
pub mod kernels;
pub mod nn;
pub mod weights;
pub mod reward;
pub mod features;
pub mod metrics;
pub mod retrieval;
pub mod classifier;
pub mod translation;
pub mod config;
pub mod models;
pub mod samplers;
pub mod tracker;
pub mod run;
pub mod samples;
pub mod train;
pub mod report;
pub mod study;
pub mod experiment;
pub mod submission;
pub mod site;
pub mod cli;
pub mod commands;
