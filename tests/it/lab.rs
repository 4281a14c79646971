//! Runs the program in a folder of its own, as a user would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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

    /// Runs what must succeed, and returns the most memory that it had, in KiB, up to about a millisecond before its end.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self, arguments: &str) -> u64 {
        let mut child = self
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        loop {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
            peak = number.unwrap_or(peak);
            if let Some(ended) = child.try_wait().expect("it is ours") {
                assert!(ended.success(), "{arguments}");
                assert!(peak > 0, "{arguments}: no look at its memory");
                return peak;
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Starts the program and lets it run.
    pub(crate) fn start(&self, arguments: &str) -> Child {
        self.command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// Starts a training, and kills it with SIGKILL once its run, the folder `run`, has a checkpoint.
    pub(crate) fn kill_after_checkpoint(&self, arguments: &str, run: &str) {
        let mut child = self.start(arguments);
        let checkpoints = self.path(run).join("checkpoints");
        wait_for(|| {
            let entries = fs::read_dir(&checkpoints).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).any(|path| {
                path.join("manifest.toml").exists() && !path.to_string_lossy().contains("/.new")
            })
        });
        child.kill().expect("killed");
        child.wait().expect("ended");
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

/// Waits until something is so, for a minute at most.
pub(crate) fn wait_for(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited in vain");
        sleep(Duration::from_millis(2));
    }
}

/// Sends a signal, by its name without SIG.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {}", child.id())])
        .status()
        .expect("a shell");
    assert!(sent.success());
}

/// All that a training leaves: every file byte for byte, of the ledger what does not tell of a process, without the times. Two trainings of one
/// configuration are equal in it, however often they were interrupted.
pub(crate) fn trace(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut trace = BTreeMap::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(run).expect("inside").to_string_lossy();
            let mut bytes = fs::read(&path).expect("a file");
            if name == "ledger.jsonl" {
                let text = String::from_utf8(bytes).expect("text");
                let of_process = |line: &str| {
                    line.contains("\"event\":\"start\"") || line.contains("\"event\":\"end\"")
                };
                let lines = text.lines().filter(|line| !of_process(line));
                let lines = lines.map(without_time);
                bytes = lines.collect::<Vec<_>>().join("\n").into_bytes();
            }
            // Nor when it ran, what the machine did, and who was told of it.
            if !["lock", "system.jsonl"].contains(&&*name) && !name.starts_with("tracking/") {
                trace.insert(name.into_owned(), bytes);
            }
        }
    }
    trace
}

/// A line of a ledger without its time, which stands last.
pub(crate) fn without_time(line: &str) -> String {
    let (event, time) = line.rsplit_once(",\"time\":").expect("a time");
    let digits = time.strip_suffix('}').expect("the end of a line");
    assert!(digits.parse::<i64>().is_ok(), "{line}");
    format!("{event}}}")
}

/// Fails with the names of what differs.
pub(crate) fn assert_same_trace(found: &Path, expected: &Path, what: &str) {
    let (found, expected) = (trace(found), trace(expected));
    assert!(expected.len() > 3, "{what}: nothing was trained");
    let names: Vec<&String> = found
        .keys()
        .chain(expected.keys())
        .filter(|name| found.get(*name) != expected.get(*name))
        .collect();
    assert!(names.is_empty(), "{what}: {names:?} differ");
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
