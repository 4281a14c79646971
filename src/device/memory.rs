//! Memory that tensors leave is kept for the next ones.

use std::sync::Once;

/// Tells the C library's allocator not to give large blocks back to the system. A step frees and asks again for the same
/// blocks, and fresh pages cost a DCGAN step 8 to 15 % of its processor time. The peak stays what it is. Elsewhere than on
/// Linux with glibc nothing is done.
pub(super) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        {
            #[expect(unsafe_code, reason = "a setting of the C library")]
            // SAFETY: mallopt may be called at any time with any numbers; what it does not know it refuses.
            unsafe {
                libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_KEPT);
                libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
            }
        }
    });
}

/// Bytes from which a block has pages of its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_KEPT: libc::c_int = 1 << 30;
