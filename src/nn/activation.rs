//! Activation functions, as layers take them; what they compute is in [`crate::kernels`].

pub use crate::kernels::Activation;
