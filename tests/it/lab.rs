//! Runs the program in a folder of its own, as a user would.

use std::path::{Path, PathBuf};
use std::process::Command;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

/// A folder to run the program in.
pub(crate) struct Lab {
    folder: TempDir,
}

/// What the program said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    /// A path inside the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Command of the program in the folder, its arguments separated by spaces.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_histogen"));
        command
            .args(arguments.split_whitespace())
            .env("HISTOGEN_WEIGHTS", self.path("weights"))
            .current_dir(self.folder.path());
        command
    }

    pub(crate) fn run(&self, arguments: &str) -> Said {
        let output = self
            .command(arguments)
            .output()
            .expect("the program starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().unwrap_or(-1),
            output: text(&output.stdout),
            errors: text(&output.stderr),
        }
    }

    /// Runs what must succeed, and returns what it printed.
    pub(crate) fn succeed(&self, arguments: &str) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments}: {}", said.errors);
        said.output
    }

    /// Runs what must be refused, and returns the error message from `error:` on.
    pub(crate) fn refused(&self, arguments: &str) -> String {
        let said = self.run(arguments);
        assert_eq!(
            said.code, 2,
            "{arguments}: {}\n{}",
            said.output, said.errors
        );
        let start = said
            .errors
            .find("error: ")
            .unwrap_or_else(|| panic!("no error: {}", said.errors));
        said.errors[start..].trim_end().to_owned()
    }

    /// Writes an image of tissue-like colour.
    pub(crate) fn slide(&self, name: &str, width: u32, height: u32) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        tissue(width, height).save(path).expect("an image");
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.folder.path().join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// Pink with purple spots.
fn tissue(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let spot = (x / 7 + y / 5) % 3 == 0;
        if spot {
            Rgb([110, 70, 150])
        } else {
            Rgb([225, 150, (180 + (x * 3 + y) % 20) as u8])
        }
    })
}
