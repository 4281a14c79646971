//! What a process that computes asks of its threads and its memory.

use crate::error::Result;

/// Readies the process for computing with `threads` threads; 0 stands for `RAYON_NUM_THREADS` or, without it, the number of
/// cores. A program calls it first, in the thread that will train and measure.
///
/// Results do not depend on it, times do: the calling thread computes as well, and memory that is freed is kept.
///
/// # Errors
/// Fails if the process computes already.
pub fn prepare(threads: usize) -> Result<()> {
    keep_memory();
    compute_here(threads)
}

/// Makes the calling thread one of those that compute. Else it would hand every operation to another one and sleep until
/// that is done, which costs a short step (DCGAN of width 16, batch 8) a fifth of its time. Since it computes nothing while it
/// waits for something else, no other thread may start parallel work: with one thread nobody would do it.
fn compute_here(threads: usize) -> Result<()> {
    Ok(rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()?)
}

/// Tells the C library's allocator not to give large blocks back to the system. A step frees and asks again for the same
/// blocks, and fresh pages cost a DCGAN step 8 to 15 % of its processor time. The peak stays what it is. Elsewhere than on
/// Linux with glibc nothing is done.
fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(unsafe_code, reason = "a setting of the C library")]
        // SAFETY: mallopt may be called at any time with any numbers; what it does not know it refuses.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_KEPT);
            libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        }
    }
}

/// Bytes from which a block has pages of its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_KEPT: libc::c_int = 1 << 30;
