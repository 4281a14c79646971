//! Fetching weights from servers that misbehave, and the `weights` commands.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use histogen::digest::sha256;
use histogen::error::Refusal;
use histogen::weights::download::Download;
use histogen::weights::{Cache, FileState, KNOWN, KnownFile, OWN};
use tempfile::TempDir;

use crate::lab::Lab;

/// What a server does with one request.
#[derive(Clone)]
enum Answer {
    /// Sends what was asked for.
    Asked,
    /// Sends so many bytes of it and closes.
    Cut(usize),
    /// Sends so many bytes of it and then nothing, without closing.
    Stalled(usize),
    /// Sends the whole file, whatever was asked for.
    WithoutRange,
    /// Sends another file.
    Other(Vec<u8>),
    /// Sends a status and no file.
    Status(&'static str),
}

/// A server on this machine that gives one answer after the other, and the last one for ever.
struct Server {
    address: String,
    /// The byte that each request asked to begin at.
    asked: Arc<Mutex<Vec<u64>>>,
}

impl Server {
    fn new(content: &[u8], answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let (content, mut answers) = (content.to_vec(), VecDeque::from(answers.to_vec()));
        thread::spawn(move || {
            let mut stalled = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let start = requested(&stream);
                seen.lock().expect("no thread panicked").push(start);
                let answer = match answers.len() {
                    1 => answers[0].clone(),
                    _ => answers.pop_front().expect("there is an answer"),
                };
                // A client that hangs up is the test's business, not the server's.
                let _ = respond(&mut stream, &content, start as usize, &answer);
                if matches!(answer, Answer::Stalled(_)) {
                    stalled.push(stream);
                }
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<u64> {
        self.asked.lock().expect("no thread panicked").clone()
    }
}

/// Reads a request and returns where it asks the file to begin.
fn requested(stream: &TcpStream) -> u64 {
    let mut start = 0;
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap_or_default().to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.trim_end_matches('-').parse().expect("a number");
        }
        if line.is_empty() {
            break;
        }
    }
    start
}

fn respond(
    stream: &mut TcpStream,
    content: &[u8],
    start: usize,
    answer: &Answer,
) -> std::io::Result<()> {
    let whole = |body: &[u8]| format!("200 OK\r\nContent-Length: {}", body.len());
    let (head, body) = match answer {
        Answer::Status(status) => (format!("{status}\r\nContent-Length: 0"), &[][..]),
        Answer::Other(other) => (whole(other), &other[..]),
        Answer::WithoutRange => (whole(content), content),
        Answer::Asked | Answer::Cut(_) | Answer::Stalled(_) => {
            let body = &content[start..];
            let head = if start == 0 {
                whole(content)
            } else {
                let (last, total) = (content.len() - 1, content.len());
                let length = body.len();
                format!(
                    "206 Partial Content\r\nContent-Range: bytes {start}-{last}/{total}\r\nContent-Length: {length}"
                )
            };
            let count = match answer {
                Answer::Cut(count) | Answer::Stalled(count) => *count,
                _ => body.len(),
            };
            (head, &body[..count.min(body.len())])
        }
    };
    write!(stream, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n")?;
    stream.write_all(body)?;
    stream.flush()
}

const LENGTH: usize = 300_000;

fn content() -> Vec<u8> {
    (0..LENGTH).map(|i| (i * i % 251) as u8).collect()
}

/// A published file with this content.
fn known(content: &[u8]) -> KnownFile {
    KnownFile {
        name: "network",
        file: "network.pth",
        address: "http://127.0.0.1:1/network.pth",
        bytes: Some(content.len() as u64),
        sha256: Box::leak(sha256(content).into_boxed_str()),
        used_by: "tests",
    }
}

/// A cache and a way to fetch into it that does not wait long.
struct Setting {
    folder: TempDir,
    download: Download,
}

impl Setting {
    fn new(address: &str) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            download: Download {
                mirror: Some(address.to_owned()),
                connect: Duration::from_secs(2),
                stall: Duration::from_millis(300),
                attempts: 3,
                pause: Duration::from_millis(5),
            },
        }
    }

    fn cache(&self) -> Cache {
        Cache::at(self.folder.path())
    }

    fn fetch(&self) -> histogen::error::Result<()> {
        let path = self
            .download
            .fetch(&known(&content()), &self.cache(), &mut |_, _| {})?;
        assert_eq!(path, self.folder.path().join("network.pth"));
        Ok(())
    }

    fn refused(&self) -> (String, String) {
        let error = self.fetch().expect_err("a refusal");
        let Refusal { message, hint } = error.downcast().expect("a refusal");
        (message, hint)
    }

    /// The names of the files in the cache.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("the cache");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let names = names.map(|name| name.to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// Asserts that the file is there, whole, and nothing else.
    fn is_whole(&self) {
        assert_eq!(self.files(), ["network.pth"]);
        let found = fs::read(self.folder.path().join("network.pth")).expect("the file");
        assert!(found == content(), "the file is as it was published");
    }
}

#[test]
fn a_file_of_unknown_length_is_as_long_as_the_server_says() {
    let file = KnownFile {
        bytes: None,
        ..known(&content())
    };
    // Cut short twice, and whole in the end.
    let answers = [Answer::Cut(100_000), Answer::Cut(50_000), Answer::Asked];
    let server = Server::new(&content(), &answers);
    let setting = Setting::new(&server.address);
    let cache = setting.cache();
    setting
        .download
        .fetch(&file, &cache, &mut |_, _| {})
        .unwrap();
    setting.is_whole();
    assert_eq!(server.asked(), [0, 100_000, 150_000]);
    // Another file is told by its SHA-256.
    let server = Server::new(&content(), &[Answer::Other(vec![7; LENGTH])]);
    let setting = Setting::new(&server.address);
    let fetched = setting
        .download
        .fetch(&file, &setting.cache(), &mut |_, _| {});
    assert!(
        fetched
            .unwrap_err()
            .to_string()
            .contains("its SHA-256 begins with")
    );
    assert_eq!(setting.files(), Vec::<String>::new());
}

#[test]
fn a_file_is_fetched_once() {
    let server = Server::new(&content(), &[Answer::Asked]);
    let setting = Setting::new(&server.address);
    let mut seen = Vec::new();
    let cache = setting.cache();
    let file = known(&content());
    let mut watch = |bytes, _: &str| seen.push(bytes);
    setting.download.fetch(&file, &cache, &mut watch).unwrap();
    setting.is_whole();
    assert_eq!(cache.verify(&file).unwrap(), FileState::Whole);
    assert_eq!((seen[0], *seen.last().unwrap()), (0, LENGTH as u64));
    assert!(seen.is_sorted());
    setting.fetch().unwrap();
    assert_eq!(server.asked(), [0], "what is there is not fetched again");
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let cut = [Answer::Cut(100_000), Answer::Cut(50_000), Answer::Asked];
    let server = Server::new(&content(), &cut);
    let setting = Setting::new(&server.address);
    setting.fetch().unwrap();
    setting.is_whole();
    assert_eq!(server.asked(), [0, 100_000, 150_000]);
}

#[test]
fn a_later_call_goes_on_too() {
    let server = Server::new(&content(), &[Answer::Cut(100_000), Answer::Cut(0)]);
    let setting = Setting::new(&server.address);
    let (message, hint) = setting.refused();
    assert!(
        message.starts_with("cannot fetch `http://127.0.0.1:"),
        "{message}"
    );
    assert_eq!(
        hint,
        "try again, it goes on from 100000 of 300000 bytes; or get it another way and `histogen weights add FILE`"
    );
    assert_eq!(setting.files(), ["network.pth.part"]);
    assert_eq!(server.asked(), [0, 100_000, 100_000]);

    let server = Server::new(&content(), &[Answer::Asked]);
    let again = Setting {
        download: Setting::new(&server.address).download,
        ..setting
    };
    again.fetch().unwrap();
    again.is_whole();
    assert_eq!(server.asked(), [100_000]);
}

#[test]
fn a_server_that_stalls_is_left_and_asked_again() {
    let server = Server::new(&content(), &[Answer::Stalled(120_000), Answer::Asked]);
    let setting = Setting::new(&server.address);
    let start = Instant::now();
    setting.fetch().unwrap();
    setting.is_whole();
    assert_eq!(server.asked(), [0, 120_000]);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_server_that_knows_no_ranges_sends_all_of_it_again() {
    let answers = [Answer::Cut(100_000), Answer::WithoutRange];
    let server = Server::new(&content(), &answers);
    let setting = Setting::new(&server.address);
    setting.fetch().unwrap();
    setting.is_whole();
    assert_eq!(server.asked(), [0, 100_000]);
}

#[test]
fn a_failing_server_is_asked_again_but_not_for_ever() {
    let failing = Answer::Status("500 Internal Server Error");
    let server = Server::new(
        &content(),
        &[failing.clone(), failing.clone(), Answer::Asked],
    );
    let setting = Setting::new(&server.address);
    setting.fetch().unwrap();
    setting.is_whole();

    let server = Server::new(&content(), &[failing]);
    let setting = Setting::new(&server.address);
    let (message, _) = setting.refused();
    assert_eq!(
        message,
        format!(
            "cannot fetch `{}/network.pth`: the server answers 500 Internal Server Error",
            server.address
        )
    );
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_missing_file_is_an_error_at_once() {
    let server = Server::new(&content(), &[Answer::Status("404 Not Found")]);
    let setting = Setting::new(&server.address);
    let (message, hint) = setting.refused();
    assert_eq!(
        message,
        format!(
            "cannot fetch `{}/network.pth`: the server answers 404 Not Found",
            server.address
        )
    );
    assert_eq!(
        hint,
        "the file may have moved: get it another way and `histogen weights add FILE`"
    );
    assert_eq!(server.asked(), [0]);
    assert!(setting.files().is_empty());
}

#[test]
fn a_wrong_file_is_refused_and_deleted() {
    let mut other = content();
    other[LENGTH / 2] ^= 1;
    let hash = sha256(&other);
    for (answer, how) in [
        (
            Answer::Other(other),
            format!(
                "its SHA-256 begins with {}, the published one with {}",
                &hash[..8],
                &known(&content()).sha256[..8]
            ),
        ),
        (
            Answer::Other(b"<html>log in first</html>".to_vec()),
            "it has 25 bytes instead of 300000".to_owned(),
        ),
    ] {
        let server = Server::new(&content(), &[answer]);
        let setting = Setting::new(&server.address);
        let (message, hint) = setting.refused();
        assert_eq!(
            message,
            format!(
                "`{}/network.pth` is not `network.pth`: {how}",
                server.address
            )
        );
        assert!(hint.starts_with("what came was deleted"), "{hint}");
        assert!(setting.files().is_empty(), "{:?}", setting.files());
        assert_eq!(server.asked(), [0]);
    }
}

#[test]
fn what_another_download_left_behind_is_not_trusted() {
    let server = Server::new(&content(), &[Answer::Asked]);
    for left in [vec![7; 100_000], vec![7; LENGTH], vec![7; 2 * LENGTH]] {
        let setting = Setting::new(&server.address);
        fs::write(setting.folder.path().join("network.pth.part"), left).unwrap();
        setting.fetch().unwrap();
        setting.is_whole();
    }
    let setting = Setting::new(&server.address);
    fs::write(setting.folder.path().join("network.pth"), b"damaged").unwrap();
    let state = setting.cache().verify(&known(&content())).unwrap();
    assert_eq!(state, FileState::Damaged(sha256(b"damaged")));
    setting.fetch().unwrap();
    setting.is_whole();
}

#[test]
fn two_processes_do_not_write_one_file() {
    let server = Server::new(&content(), &[Answer::Asked]);
    let setting = Setting::new(&server.address);
    let part = fs::File::create(setting.folder.path().join("network.pth.part")).unwrap();
    part.try_lock().unwrap();
    let (message, _) = setting.refused();
    assert_eq!(message, "`network.pth` is being fetched by another process");
    drop(part);
    setting.fetch().unwrap();
}

#[test]
fn no_server_is_an_error_that_says_so() {
    let setting = Setting::new("http://127.0.0.1:1");
    let (message, _) = setting.refused();
    assert!(message.contains("refused"), "{message}");
    assert!(setting.files().is_empty());
}

#[test]
fn a_file_got_another_way_is_added_by_its_content() {
    let setting = Setting::new("");
    let file = known(&content());
    let downloads = tempfile::tempdir().unwrap();
    let path = downloads.path().join("renamed");
    fs::write(&path, content()).unwrap();
    assert_eq!(setting.cache().add(&path, &[file]).unwrap(), file);
    setting.is_whole();
    fs::write(&path, b"other").unwrap();
    let error = setting.cache().add(&path, &[file]).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("is none of the known files"), "{said}");
    setting.is_whole();
}

#[test]
fn the_weights_commands_speak_clearly() {
    let lab = Lab::new();
    let listed = lab.succeed("weights list");
    assert_eq!(listed.lines().count(), KNOWN.len() + OWN.len());
    assert!(
        listed.contains("missing") && !listed.contains("present"),
        "{listed}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&lab.succeed("weights list --json")).expect("JSON");
    assert_eq!(json[0]["present"], false);
    for known in KNOWN {
        assert!(listed.contains(known.name) && listed.contains(&known.sha256[..8]));
        assert_eq!(known.sha256.len(), 64);
        // Names that carry digits of the hash carry the right ones.
        if let Some(digits) = Path::new(known.file).file_stem().and_then(|stem| {
            let digits = stem.to_str()?.rsplit('-').next()?;
            (digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .then(|| digits.to_owned())
        }) {
            assert!(known.sha256.starts_with(&digits), "{}", known.file);
        }
    }
    assert_eq!(
        lab.refused("weights fetch inception"),
        "error: unknown weights file `inception`\n\nhint: did you mean `inception-v3`?"
    );

    // A copy of weights that are not given to everybody goes by their name.
    lab.slide("images/0.png", 64, 64);
    let said = lab.refused("evaluate images images --features uni");
    assert!(said.contains("histogen weights add uni FILE"), "{said}");
    assert_eq!(
        lab.refused("weights add unn images/0.png"),
        "error: unknown weights of your own `unn`\n\nhint: did you mean `uni`?"
    );
    lab.succeed("weights add uni images/0.png");
    assert!(lab.succeed("weights list").contains("present"));
    let said = lab.refused("evaluate images images --features uni");
    assert!(
        said.contains("uni.weights` is neither a safetensors nor a PyTorch file"),
        "{said}"
    );
    fs::remove_file(lab.path("weights").join("uni.weights")).unwrap();

    let server = Server::new(&content(), &[Answer::Status("404 Not Found")]);
    let output = lab
        .command("weights fetch lpips-vgg")
        .env("HISTOGEN_WEIGHTS_MIRROR", &server.address)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = format!(
        "cannot fetch `{}/lpips-v0.1-vgg.pth`: the server answers 404 Not Found",
        server.address
    );
    assert!(said.contains(&expected), "{said}");

    // A damaged file is seen by `verify`, and no number is made with it.
    let cached = lab.path("weights").join(KNOWN[0].file);
    fs::create_dir_all(lab.path("weights")).unwrap();
    fs::write(&cached, b"damaged").unwrap();
    let verified = lab.run("weights verify");
    assert_eq!(verified.code, 1);
    assert!(verified.output.contains("DAMAGED"), "{}", verified.output);
    assert!(lab.succeed("weights list").contains("present"));
    lab.slide("images/0.png", 64, 64);
    let said = lab.refused("evaluate images images --features inception-v3");
    assert!(
        said.contains("histogen weights fetch inception-v3"),
        "{said}"
    );

    fs::remove_file(&cached).unwrap();
    assert_eq!(lab.run("weights verify").code, 0);
    let said = lab.refused("evaluate images images --features inception-v3");
    let expected = format!(
        "error: the extractor `inception-v3` needs the weights file `{}`, which is not in `{}`\n\nhint: get it with \
         `histogen weights fetch inception-v3`, or give a file with `--weights FILE`",
        KNOWN[0].file,
        lab.path("weights").display()
    );
    assert_eq!(said, expected);
}
