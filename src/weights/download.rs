//! Fetching a known file: it goes on where it broke off, is checked, and appears in the cache whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::redirect::Policy;

use super::{Cache, FileState, KnownFile, hash_file, short};
use crate::error::{Result, refuse};
use crate::files::cannot_write;
use crate::http::{self, causes, is_transient};

/// The environment variable that names a mirror: the address before the names of the files.
pub const MIRROR_VARIABLE: &str = "HISTOGEN_WEIGHTS_MIRROR";

/// How files are fetched.
#[derive(Clone, Debug)]
pub struct Download {
    /// Address before the names of the files, in place of the official addresses.
    pub mirror: Option<String>,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for the next bytes.
    pub stall: Duration,
    /// Tries in a row that may bring nothing new.
    pub attempts: u32,
    /// Wait before the second of them; doubled before each further one.
    pub pause: Duration,
}

impl Default for Download {
    fn default() -> Self {
        Self {
            mirror: None,
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            attempts: 5,
            pause: Duration::from_secs(1),
        }
    }
}

/// Why a try brought no file.
enum Failure {
    /// Another try may do better.
    Passing(String),
    /// No try can.
    Final(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Final(error)
    }
}

impl Download {
    /// The defaults, with the mirror that `HISTOGEN_WEIGHTS_MIRROR` names.
    pub fn from_environment() -> Self {
        Self {
            mirror: std::env::var(MIRROR_VARIABLE)
                .ok()
                .filter(|mirror| !mirror.is_empty()),
            ..Self::default()
        }
    }

    /// Where `known` is fetched from.
    pub fn address(&self, known: &KnownFile) -> String {
        match &self.mirror {
            Some(mirror) => format!("{}/{}", mirror.trim_end_matches('/'), known.file),
            None => known.address.to_owned(),
        }
    }

    /// Fetches `known` into `cache`, unless it is there. `progress` sees how many bytes there are, and why a try ended.
    ///
    /// What came before a connection broke is kept, for the next try or the next call; a server that cannot go on from
    /// there sends all of it again.
    ///
    /// # Errors
    /// Fails if the server has no such file or another one, which is deleted, if nothing new came in [`Self::attempts`]
    /// tries, if another process fetches the same file, and if the disk does not take it.
    pub fn fetch(
        &self,
        known: &KnownFile,
        cache: &Cache,
        progress: &mut dyn FnMut(u64, &str),
    ) -> Result<PathBuf> {
        let path = cache.path(known);
        if cache.verify(known)? == FileState::Whole {
            return Ok(path);
        }
        let mut part = Part::open(known, cache)?;
        let (address, redirects) = (self.address(known), Policy::default());
        let client = http::client(&address, self.connect, self.stall, redirects)?;
        // A part that was left by an earlier call may be of anything: it has one chance.
        let mut left_over = part.length > 0;
        let (mut furthest, mut tries, mut pause) = (part.length, 0, self.pause);
        loop {
            let reason = match self.attempt(&client, known, &mut part, progress) {
                Ok(()) => match part.check(known, &self.address(known)) {
                    Ok(()) => {
                        part.persist(&path)?;
                        return Ok(path);
                    }
                    Err(_) if left_over => {
                        left_over = false;
                        furthest = 0;
                        part.restart()?;
                        continue;
                    }
                    Err(error) => {
                        part.delete()?;
                        return Err(error);
                    }
                },
                Err(Failure::Final(error)) => {
                    if part.length == 0 {
                        part.delete()?;
                    }
                    return Err(error);
                }
                Err(Failure::Passing(reason)) => reason,
            };
            if part.length > furthest {
                (furthest, tries, pause) = (part.length, 0, self.pause);
            }
            tries += 1;
            progress(part.length, &reason);
            if tries >= self.attempts {
                if part.length == 0 {
                    part.delete()?;
                }
                return Err(refuse(
                    format!("cannot fetch `{}`: {reason}", self.address(known)),
                    format!(
                        "try again, it goes on from {}{} bytes; or get it another way and `histogen weights add FILE`",
                        part.length,
                        known
                            .bytes
                            .map(|all| format!(" of {all}"))
                            .unwrap_or_default()
                    ),
                ));
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
    }

    /// Asks for what `part` lacks and appends what comes.
    fn attempt(
        &self,
        client: &Client,
        known: &KnownFile,
        part: &mut Part,
        progress: &mut dyn FnMut(u64, &str),
    ) -> std::result::Result<(), Failure> {
        if known.bytes == Some(part.length) {
            return Ok(());
        }
        // Asks for what is missing.
        let address = self.address(known);
        let mut request = client.get(&address);
        if part.length > 0 {
            request = request.header(RANGE, format!("bytes={}-", part.length));
        }
        let mut response = request
            .send()
            .map_err(|error| Failure::Passing(causes(&error)))?;
        // What the server is willing to send.
        let total = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let (start, total) = range(&response).unwrap_or_default();
                if start != part.length {
                    part.restart()?;
                    return Err(Failure::Passing("the server sent another part".into()));
                }
                Some(total)
            }
            StatusCode::OK => {
                part.restart()?;
                response.content_length()
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                part.restart()?;
                return Err(Failure::Passing("the server has less than came".into()));
            }
            status if is_transient(status) => {
                return Err(Failure::Passing(format!("the server answers {status}")));
            }
            status => {
                return Err(Failure::Final(refuse(
                    format!("cannot fetch `{address}`: the server answers {status}"),
                    "the file may have moved: get it another way and `histogen weights add FILE`",
                )));
            }
        };
        if let (Some(total), Some(bytes)) = (total, known.bytes)
            && total != bytes
        {
            part.restart()?;
            return Err(Failure::Final(wrong(
                known,
                &address,
                &format!("it has {total} bytes instead of {bytes}"),
            )));
        }
        // Without either, the file ends where the connection does.
        let whole = known.bytes.or(total);
        // Takes it in, as it comes.
        let mut buffer = vec![0; 1 << 16];
        loop {
            progress(part.length, "");
            let count = match response.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::Passing(causes(&error))),
            };
            part.append(&buffer[..count])?;
            if let Some(whole) = whole.filter(|whole| part.length > *whole) {
                let more = format!("it has more than {whole} bytes");
                part.restart()?;
                return Err(Failure::Final(wrong(known, &address, &more)));
            }
        }
        if whole.is_some_and(|whole| part.length < whole) {
            return Err(Failure::Passing("the connection closed too early".into()));
        }
        Ok(())
    }
}

/// The first byte of a partial answer, and the length of the whole.
fn range(response: &Response) -> Option<(u64, u64)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.parse().ok()?, total.parse().ok()?))
}

/// The error of a file that is not the one that was published.
fn wrong(known: &KnownFile, address: &str, how: &str) -> anyhow::Error {
    refuse(
        format!("`{address}` is not `{}`: {how}", known.file),
        "what came was deleted; get the file another way and `histogen weights add FILE`",
    )
}

/// What has come of a file, in the cache under another name. One process at a time holds it.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Part {
    fn open(known: &KnownFile, cache: &Cache) -> Result<Self> {
        let path = cache.folder().join(format!("{}.part", known.file));
        let failed = |error: io::Error| cannot_write(&path, &error);
        fs::create_dir_all(cache.folder()).map_err(failed)?;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed)?;
        file.try_lock().map_err(|_| {
            refuse(
                format!("`{}` is being fetched by another process", known.file),
                "wait for that one",
            )
        })?;
        let length = file.seek(io::SeekFrom::End(0)).map_err(failed)?;
        let mut part = Self { path, file, length };
        if known.bytes.is_some_and(|bytes| length > bytes) {
            part.restart()?;
        }
        Ok(part)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|error| cannot_write(&self.path, &error))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.length = 0;
        self.file
            .set_len(0)
            .map_err(|error| cannot_write(&self.path, &error))
    }

    /// Refuses a part that is not the whole of `known`.
    fn check(&self, known: &KnownFile, address: &str) -> Result<()> {
        let hash = hash_file(&self.path)?;
        if hash == known.sha256 {
            return Ok(());
        }
        let how = format!(
            "its SHA-256 begins with {}, the published one with {}",
            short(&hash),
            short(known.sha256)
        );
        Err(wrong(known, address, &how))
    }

    fn delete(&self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| cannot_write(&self.path, &error))
    }

    fn persist(&self, path: &std::path::Path) -> Result<()> {
        self.file
            .sync_all()
            .and_then(|()| fs::rename(&self.path, path))
            .map_err(|error| cannot_write(path, &error))
    }
}
