//! Steps of many parameters by few kernels of a GPU.
//!
//! A step of one parameter is little work for a GPU and as much for the host as any other kernel; a network has up to hundreds.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(super) mod gpu;

/// Does `work`. The steps of parameters in it ([`adam`](super::adam::adam), [`moving_average`](super::moving_average)) are launched on a
/// GPU some at a time, the last at its end: nothing in `work` may read what they give. On the CPU it is `work` alone.
pub fn together<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    let _gathering = gpu::Gathering::begin();
    work()
}
