//! The functions of the C library OpenSlide that are needed, by its own header (`openslide.h`, versions 3.4 and 4). A crate for
//! them exists, and needs Clang wherever it is built.
#![expect(unsafe_code, reason = "a C library is called")]

use std::ffi::{CStr, CString, c_char, c_double};
use std::path::Path;
use std::ptr::NonNull;

use anyhow::{Context, bail, ensure};

use crate::error::Result;

/// What the library keeps of a slide; only pointers to it are known.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

#[link(name = "openslide")]
unsafe extern "C" {
    fn openslide_open(path: *const c_char) -> *mut Opaque;
    fn openslide_close(slide: *mut Opaque);
    fn openslide_get_error(slide: *mut Opaque) -> *const c_char;
    fn openslide_get_property_value(slide: *mut Opaque, name: *const c_char) -> *const c_char;
    fn openslide_get_level_count(slide: *mut Opaque) -> i32;
    fn openslide_get_level_dimensions(slide: *mut Opaque, level: i32, w: *mut i64, h: *mut i64);
    fn openslide_get_level_downsample(slide: *mut Opaque, level: i32) -> c_double;
    fn openslide_read_region(
        slide: *mut Opaque,
        pixels: *mut u32,
        x: i64,
        y: i64,
        level: i32,
        width: i64,
        height: i64,
    );
}

/// A slide that the library has opened.
pub(super) struct OpenSlide(NonNull<Opaque>);

// SAFETY: "All functions except openslide_close are thread-safe" (openslide.h), and a value is dropped by one thread alone.
unsafe impl Send for OpenSlide {}
// SAFETY: as above.
unsafe impl Sync for OpenSlide {}

impl OpenSlide {
    /// Opens the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let path = path.to_str().context("its path is not UTF-8")?;
        let path = CString::new(path)?;
        // SAFETY: a text that ends with zero.
        let slide = NonNull::new(unsafe { openslide_open(path.as_ptr()) });
        let slide = Self(slide.context("OpenSlide does not know it")?);
        slide.check()?;
        Ok(slide)
    }

    /// What went wrong, if anything did; the library does nothing any more from then on.
    fn check(&self) -> Result<()> {
        // SAFETY: the slide is open; the text is the library's, and stays as long as the slide.
        let error = unsafe { text(openslide_get_error(self.0.as_ptr())) };
        match error {
            Some(error) => bail!("OpenSlide says: {error}"),
            None => Ok(()),
        }
    }

    /// The value of property `name`, if there is one.
    pub(super) fn property(&self, name: &str) -> Option<String> {
        let name = CString::new(name).ok()?;
        // SAFETY: the slide is open, the name ends with zero, and the text stays as long as the slide.
        unsafe { text(openslide_get_property_value(self.0.as_ptr(), name.as_ptr())) }
    }

    /// Width, height and downsample of each level.
    pub(super) fn levels(&self) -> Result<Vec<(u64, u64, f64)>> {
        // SAFETY: the slide is open.
        let count = unsafe { openslide_get_level_count(self.0.as_ptr()) };
        let level = |level: i32| {
            let (mut width, mut height) = (0, 0);
            // SAFETY: the slide is open, and has this level; the sides are written into the two numbers.
            let downsample = unsafe {
                openslide_get_level_dimensions(
                    self.0.as_ptr(),
                    level,
                    &raw mut width,
                    &raw mut height,
                );
                openslide_get_level_downsample(self.0.as_ptr(), level)
            };
            ensure!(
                width > 0 && height > 0,
                "OpenSlide finds no pixels in level {level}"
            );
            Ok((width as u64, height as u64, downsample))
        };
        let levels = (0..count).map(level).collect::<Result<Vec<_>>>()?;
        self.check()?;
        ensure!(!levels.is_empty(), "OpenSlide finds no levels");
        Ok(levels)
    }

    /// The pixels of a region of `level`, its corner in pixels of level 0: alpha, red, green and blue from the highest byte to the
    /// lowest, multiplied by alpha.
    pub(super) fn region(
        &self,
        level: usize,
        (x, y): (u64, u64),
        (width, height): (u32, u32),
    ) -> Result<Vec<u32>> {
        let mut pixels = vec![0; width as usize * height as usize];
        // SAFETY: the slide is open, and there is room for width x height pixels.
        unsafe {
            openslide_read_region(
                self.0.as_ptr(),
                pixels.as_mut_ptr(),
                x as i64,
                y as i64,
                level as i32,
                width.into(),
                height.into(),
            );
        }
        self.check()?;
        Ok(pixels)
    }
}

impl Drop for OpenSlide {
    fn drop(&mut self) {
        // SAFETY: it is open, and nobody else has it.
        unsafe { openslide_close(self.0.as_ptr()) }
    }
}

/// A copy of a text of the library's; none where there is none.
///
/// # Safety
/// It is null, or ends with zero.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: as promised.
    let text = (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) })?;
    Some(text.to_string_lossy().into_owned())
}
