//! The page of a report and `histogen serve`, as a reader has them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use histogen::metrics::Protocol;
use histogen::report::{Record, RowRecord};
use histogen::tracker::{Ending, Environment, Evaluation, Event, Ledger, ScoreRecord};

use crate::lab::Lab;

/// A label that would be a script, an attribute and a character reference if it were not text.
const HOSTILE: &str = "<script>window.pwned = 1</script> \"x\" onload='pwned=1' &amp; </table>";

/// Writes a run that finished with an FID.
fn run(lab: &Lab, name: &str, seed: u64, fid: f64) -> String {
    let folder = lab.path("runs").join(name);
    let mut ledger = Ledger::open(&folder.join("ledger.jsonl")).expect("it is there");
    fs::write(
        folder.join("config.toml"),
        format!("model = \"dcgan\"\nseed = {seed}\nsteps = 2\n"),
    )
    .expect("it is there");
    let environment = Environment::capture();
    ledger
        .append(Event::Start {
            step: 0,
            environment,
        })
        .expect("it is there");
    for step in 1..=2 {
        let scalars = [("critic_loss".to_owned(), 1.0 / step as f64)].into();
        ledger
            .append(Event::Step { step, scalars })
            .expect("it is there");
    }
    let protocol = Protocol {
        images: 4,
        reference: "<i>test</i>".to_owned(),
        reference_images: 4,
        reference_hash: "01234567".to_owned(),
        image_size: 64,
        resize: "none".to_owned(),
        quantise: "none".to_owned(),
        extractor: "pixels".to_owned(),
        extractor_hash: "01234567".to_owned(),
        metric: "fid".to_owned(),
        settings: [].into(),
        sampler: String::new(),
    };
    let score = ScoreRecord {
        value: Some(fid),
        ..ScoreRecord::new("fid", protocol)
    };
    let end = Event::End {
        step: 2,
        ending: Ending::Finished,
        reason: String::new(),
        seconds: 1.0,
        peak_megabytes: None,
        gigaflop: None,
    };
    ledger.append(end).expect("it is there");
    ledger
        .append(Event::Evaluation(Evaluation {
            step: 2,
            seed: 0,
            images_hash: String::new(),
            drawing_seconds: None,
            drawing_gigaflop: None,
            scores: vec![score],
        }))
        .expect("it is there");
    format!("runs/{name}/ledger.jsonl")
}

/// The report of an experiment whose names mean harm, and its page.
fn hostile(lab: &Lab) -> String {
    let row = |name: &str, ledgers: &[String]| RowRecord {
        name: name.to_owned(),
        reference: false,
        ledgers: ledgers.iter().map(Into::into).collect(),
    };
    let rows = [
        ("dcgan", 5.0),
        (HOSTILE, 3.0),
        (
            "a-long-name-of-a-system-with-no-place-to-break-it-in-two",
            40.0,
        ),
    ];
    let mut record = Record {
        name: "hostile".to_owned(),
        question: format!("Which? {HOSTILE}"),
        profile: HOSTILE.to_owned(),
        facts: vec![HOSTILE.to_owned(); 4],
        notes: Vec::new(),
        rows: Vec::new(),
    };
    for (place, (name, fid)) in rows.into_iter().enumerate() {
        let ledgers = [0, 1].map(|seed| {
            run(
                lab,
                &format!("run{place}-s{seed}-1"),
                seed,
                fid + seed as f64,
            )
        });
        record.rows.push(row(name, &ledgers));
        for seed in [0, 1] {
            let label = name.split(|letter: char| !letter.is_alphanumeric());
            let label: Vec<&str> = label.filter(|part| !part.is_empty()).collect();
            let path = format!("reports/hostile/samples/{}-s{seed}.png", label.join("-"));
            fs::create_dir_all(lab.path(&path).parent().expect("it is there"))
                .expect("it is there");
            image::RgbImage::new(130, 130)
                .save(lab.path(&path))
                .expect("it is there");
        }
    }
    record.save(&lab.path("")).expect("it is there");
    let said = lab.run("report hostile");
    assert_eq!(said.code, 0, "{}", said.errors);
    lab.read("reports/hostile/index.html")
}

/// The values of an attribute, in their order; no text of a page has `name="`, as quotes in it are escaped.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    let parts = page.split(start.as_str()).skip(1);
    parts
        .map(|part| part.split('"').next().expect("it is there"))
        .collect()
}

#[test]
fn a_page_is_whole_and_names_in_it_are_text() {
    let lab = Lab::new();
    let page = hostile(&lab);
    assert_eq!(
        page.matches("<script>").count(),
        1,
        "that of the page alone"
    );
    assert!(!page.contains("<i>test"));
    // Ids are unique, and every link leads to one or to a file.
    let ids = attributes(&page, "id");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    let (hrefs, sources) = (attributes(&page, "href"), attributes(&page, "src"));
    assert!(
        hrefs.len() > 20 && sources.len() >= 6,
        "{hrefs:?} {sources:?}"
    );
    for link in hrefs.into_iter().chain(sources) {
        match link.strip_prefix('#') {
            _ if link == "data:," => {}
            Some(id) => assert!(unique.contains(id), "no {link}"),
            None => {
                assert!(!link.contains(':') && !link.starts_with('/'), "{link}");
                assert!(lab.path("reports/hostile").join(link).exists(), "no {link}");
            }
        }
    }
    // Headings go down one level at a time.
    let levels: Vec<u32> = page
        .split("<h")
        .skip(1)
        .filter_map(|part| part.chars().next()?.to_digit(10))
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert_eq!(levels[0], 1);
    assert!(
        levels.windows(2).all(|two| two[1] <= two[0] + 1),
        "{levels:?}"
    );
    // A number leads to its runs, its runs to the protocol.
    assert!(page.contains("<a href=\"#row-1\">"), "{page}");
    assert!(page.contains("runs/run0-s1-1") && page.contains("href=\"#protocol-1\""));
    // The same twice.
    lab.succeed("report hostile");
    assert_eq!(lab.read("reports/hostile/index.html"), page);
}

/// A server that ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    fn start(lab: &Lab) -> Self {
        Self::start_with(lab, "serve --port 0")
    }

    pub(crate) fn start_with(lab: &Lab, arguments: &str) -> Self {
        let mut child = lab
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line
            .trim()
            .trim_start_matches("http://")
            .trim_end_matches('/');
        Self {
            child,
            address: address.to_owned(),
        }
    }

    /// The status line and the rest of the answer to a request as it is.
    fn ask(&self, request: &str, host: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(
            stream,
            "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )
        .expect("it is there");
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (status, rest) = text.split_once("\r\n").expect("a status line");
        (status.to_owned(), rest.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> (String, String) {
        self.ask(&format!("GET {path}"), &self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file below `folder` with its bytes.
pub(crate) fn everything(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("it is there").path();
        if path.is_dir() {
            found.extend(everything(&path));
        } else {
            found.push((
                path.display().to_string(),
                fs::read(&path).expect("it is there"),
            ));
        }
    }
    found.sort();
    found
}

#[test]
fn the_server_shows_reports_and_runs_and_nothing_else() {
    let lab = Lab::new();
    hostile(&lab);
    fs::write(lab.path("secret.md"), "secret").expect("it is there");
    let before = everything(&lab.path(""));
    let server = Server::start(&lab);
    let (status, index) = server.get("/");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(
        index.contains("/reports/hostile/") && index.contains("/runs/run0-s0-1/"),
        "{index}"
    );
    let (_, runs) = server.get("/runs.json");
    assert!(
        runs.contains("\"state\":\"finished after step 2\""),
        "{runs}"
    );
    let (_, state) = server.get("/runs/run0-s0-1/state.json");
    assert!(
        state.contains("\"name\":\"critic_loss\",\"last\":\"0.5000\""),
        "{state}"
    );
    for path in [
        "/reports/hostile/",
        "/reports/hostile/table1.csv",
        "/runs/run0-s0-1/",
    ] {
        assert_eq!(server.get(path).0, "HTTP/1.1 200 OK", "{path}");
    }
    for path in [
        "/none",
        "/reports/none/",
        "/runs/none/",
        "/runs/none/state.json",
        "/secret.md",
        "/reports/../secret.md",
        "/reports/%2e%2e/secret.md",
        "/reports/hostile/..%2f..%2fsecret.md",
        "/runs/run0-s0-1/ledger.jsonl",
        "/runs/run0-s0-1/samples/..%2fconfig.toml",
        "/reports//etc/passwd",
        "/reports",
    ] {
        let (status, page) = server.get(path);
        assert_eq!(status, "HTTP/1.1 404 Not Found", "{path}");
        assert!(!page.contains("secret"), "{path}");
    }
    let host = server.address.as_str();
    assert!(server.ask("POST /", host).0.contains("405"));
    assert!(
        server
            .ask("DELETE /reports/hostile/", host)
            .0
            .contains("405")
    );
    let (status, head) = server.ask("HEAD /", host);
    assert!(status.contains("200") && !head.contains("<html"), "{head}");
    assert!(server.ask("GET /", "elsewhere.example").0.contains("403"));
    drop(server);
    assert!(everything(&lab.path("")) == before, "nothing is written");
}

#[test]
#[ignore = "needs Chromium: set HISTOGEN_CHROMIUM to what `.ci/chromium` prints, and run with --include-ignored"]
fn a_browser_finds_nothing_wrong_with_a_page() {
    let chromium = std::env::var("HISTOGEN_CHROMIUM").expect("HISTOGEN_CHROMIUM is set");
    let lab = Lab::new();
    hostile(&lab);
    fs::create_dir_all(lab.path("reports/reader")).expect("it is there");
    fs::write(
        lab.path("reports/reader/index.html"),
        include_str!("page.html"),
    )
    .expect("it is there");
    let server = Server::start(&lab);
    // A page that polls never comes to rest: there the clock on the wall ends the look.
    let look = |path: &str, time: &str| {
        // A page that never comes is a failure, not a wait.
        let output = Command::new("timeout")
            .args([
                "180",
                chromium.as_str(),
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
            ])
            .args(["--window-size=1500,1000", time, "--dump-dom"])
            .arg(format!("--user-data-dir={}", lab.path("browser").display()))
            .arg(format!("http://{}{path}", server.address))
            .output()
            .expect("Chromium starts");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let console: Vec<&str> = errors
            .lines()
            .filter(|line| line.contains("CONSOLE"))
            .collect();
        assert!(console.is_empty(), "{path}: {console:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let found = look("/reports/reader/", "--virtual-time-budget=20000");
    assert!(found.contains("looked: nothing is wrong"), "{found}");
    assert!(look("/", "--timeout=3000").contains("Reports and runs"));
    assert!(look("/runs/run0-s0-1/", "--timeout=3000").contains("critic_loss"));
}
