//! The native part of the Python module `histogen`: arrays, threads and errors on their way between Python and the library. What
//! users see, with its documentation, is in `histogen/__init__.py`.

mod bytes;
mod call;
mod images;
mod measure;
mod runs;
mod train;

use pyo3::pymodule;

/// Not for use by itself: `import histogen`.
#[pymodule]
mod _histogen {
    #[pymodule_export]
    use super::call::set_threads;
    #[pymodule_export]
    use super::measure::{compare, extract, write_statistics};
    #[pymodule_export]
    use super::runs::{events, run_folders, sample, state};
    #[pymodule_export]
    use super::train::train;
    /// The version of the program and of the module, which are built together.
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
