//! Uploads to a real MLflow server, which is killed and started again, through a proxy that loses requests in every way.
//!
//! `HISTOGEN_MLFLOW` names the server's program: `.ci/mlflow` installs it and prints the name.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use histogen::http;
use reqwest::Url;
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::lab::Lab;
use crate::ledgers::{lines, pictures, points, same_points, system_points};

/// The server's program.
fn program() -> String {
    let program = std::env::var("HISTOGEN_MLFLOW");
    program.expect("HISTOGEN_MLFLOW names no MLflow: set it to what `.ci/mlflow` prints")
}

/// An MLflow server with SQLite on this machine.
struct RealServer {
    program: String,
    port: u16,
    folder: PathBuf,
    child: Option<Child>,
}

impl RealServer {
    fn new(program: String, folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        Self {
            program,
            port,
            folder,
            child: None,
        }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn start(&mut self) {
        std::fs::create_dir_all(&self.folder).expect("a folder");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"));
        let log = log.expect("a log");
        let child = Command::new(&self.program)
            .args(["server", "--host", "127.0.0.1", "--workers", "1", "--port"])
            .arg(self.port.to_string())
            .arg("--backend-store-uri")
            .arg(format!(
                "sqlite:///{}",
                self.folder.join("mlflow.db").display()
            ))
            .arg("--artifacts-destination")
            .arg(self.folder.join("artifacts"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("the server starts");
        self.child = Some(child);
    }

    fn wait(&self) {
        let start = Instant::now();
        let client = client();
        loop {
            let answer = client.get(format!("{}/health", self.address())).send();
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_mins(2),
                "MLflow does not start: {}",
                std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// SIGKILL, for its workers too.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let group = format!("-{}", child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
            let _ = child.wait();
        }
    }

    fn get(&self, method: &str, query: &[(&str, &str)]) -> Value {
        let address = format!("{}/api/2.0/mlflow/{method}", self.address());
        let address = Url::parse_with_params(&address, query).expect("an address");
        let answer = client().get(address).send().expect("an answer");
        answer.json().expect("JSON")
    }

    fn post(&self, method: &str, body: &Value) -> Value {
        let address = format!("{}/api/2.0/mlflow/{method}", self.address());
        let answer = client().post(address).json(body).send().expect("an answer");
        answer.json().expect("JSON")
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn client() -> Client {
    let wait = Duration::from_secs(20);
    http::client(
        "http://127.0.0.1",
        wait,
        wait,
        reqwest::redirect::Policy::none(),
    )
    .expect("a client")
}

/// A proxy in front of the server that spoils five requests of seventeen.
struct FaultyProxy {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl FaultyProxy {
    fn new(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                thread::spawn(move || drop(pass_on(stream, server, &counter)));
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn pass_on(mut stream: TcpStream, server: u16, counter: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if head.is_empty() {
            line += "Connection: close\r\n";
        }
        head += &line;
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let status = |status: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let fault = counter.fetch_add(1, Ordering::SeqCst) % 17;
    match fault {
        1 => return stream.write_all(status("429 Too Many Requests\r\nRetry-After: 0").as_bytes()),
        5 => return stream.write_all(status("500 Internal Server Error").as_bytes()),
        8 => return Ok(()),
        // Longer than the client waits; the server gets it all the same. Nothing is done against a run that is created or told
        // its status so late.
        15 if !["/runs/create", "/runs/update"]
            .iter()
            .any(|method| head.contains(method)) =>
        {
            thread::sleep(Duration::from_secs(10));
        }
        _ => {}
    }
    let mut there = TcpStream::connect(("127.0.0.1", server))?;
    there.write_all(head.as_bytes())?;
    there.write_all(&body)?;
    let mut answer = Vec::new();
    there.read_to_end(&mut answer)?;
    if fault == 11 {
        // Half an answer.
        answer.truncate(answer.len() / 2);
    }
    stream.write_all(&answer)
}

/// Everything the server has of a run.
struct Stored {
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    points: Vec<(String, u64, f64)>,
    artifacts: BTreeMap<String, Vec<u8>>,
    status: String,
}

/// A list of `key` and `value` as a map.
fn pairs(list: &Value) -> BTreeMap<String, String> {
    let entries = list.as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    entries
        .map(|entry| (text(&entry["key"]), text(&entry["value"])))
        .collect()
}

impl RealServer {
    /// The runs of an experiment by name. A second run of a name is empty: the server took so long to create it that it was
    /// created again.
    fn runs(&self, experiment: &str) -> BTreeMap<String, Value> {
        let found = self.get(
            "experiments/get-by-name",
            &[("experiment_name", experiment)],
        );
        let id = found["experiment"]["experiment_id"]
            .as_str()
            .expect("an experiment");
        let found = self.post(
            "runs/search",
            &json!({"experiment_ids": [id], "max_results": 1000}),
        );
        let mut runs = BTreeMap::new();
        for run in found["runs"].as_array().expect("runs") {
            let name = run["info"]["run_name"].as_str().expect("a name").to_owned();
            let is_empty = |run: &Value| run["data"]["params"].as_array().is_none();
            let other = runs.insert(name.clone(), run.clone());
            if let Some(other) = other.filter(|other| !is_empty(other)) {
                assert!(is_empty(run), "two runs `{name}`");
                runs.insert(name, other);
            }
        }
        runs
    }

    fn stored(&self, run: &Value) -> Stored {
        let id = run["info"]["run_id"].as_str().expect("an id");
        let (mut points, mut artifacts) = (Vec::new(), BTreeMap::new());
        for metric in run["data"]["metrics"].as_array().into_iter().flatten() {
            let key = metric["key"].as_str().expect("a key");
            let mut token = String::new();
            loop {
                let query = [
                    ("run_id", id),
                    ("metric_key", key),
                    ("max_results", "700"),
                    ("page_token", &token),
                ];
                let query = &query[..if token.is_empty() { 3 } else { 4 }];
                let page = self.get("metrics/get-history", query);
                for point in page["metrics"].as_array().into_iter().flatten() {
                    let step = point["step"].as_u64().expect("a step");
                    points.push((
                        key.to_owned(),
                        step,
                        point["value"].as_f64().expect("a number"),
                    ));
                }
                page["next_page_token"]
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut token);
                if token.is_empty() {
                    break;
                }
            }
        }
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let listed = self.get("artifacts/list", &[("run_id", id), ("path", &folder)]);
            for file in listed["files"].as_array().into_iter().flatten() {
                let path = file["path"].as_str().expect("a path").to_owned();
                if file["is_dir"] == true {
                    folders.push(path);
                    continue;
                }
                let address = format!("{}/get-artifact", self.address());
                let query = [("run_id", id), ("path", path.as_str())];
                let address = Url::parse_with_params(&address, query).expect("an address");
                let answer = client().get(address).send().expect("an answer");
                assert!(answer.status().is_success(), "{path}: {}", answer.status());
                artifacts.insert(path, answer.bytes().expect("the file").to_vec());
            }
        }
        Stored {
            parameters: pairs(&run["data"]["params"]),
            tags: pairs(&run["data"]["tags"]),
            points,
            artifacts,
            status: run["info"]["status"].as_str().expect("a state").to_owned(),
        }
    }
}

/// Asserts that the server has all that the run in `folder` has, exactly once.
fn is_all(stored: &Stored, folder: &Path) {
    let wanted = points(folder);
    assert!(wanted.len() > 1000, "{}", wanted.len());
    let mut all = wanted.clone();
    all.extend(system_points(folder));
    same_points(&stored.points, &all);
    let config = std::fs::read_to_string(folder.join("config.toml")).expect("the configuration");
    assert_eq!(stored.artifacts["config.toml"], config.as_bytes());
    let config: toml::Table = config.parse().expect("TOML");
    assert_eq!(stored.parameters, flat(&config));
    let grids = pictures(folder);
    assert!(grids.len() > 3, "{}", grids.len());
    let images = |end: &str| -> Vec<&String> {
        let paths = stored.artifacts.keys();
        paths
            .filter(|path| path.starts_with("images/") && path.ends_with(end))
            .collect()
    };
    assert_eq!(images("+compressed.png").len(), grids.len());
    assert_eq!(images(".png").len(), 2 * grids.len());
    for (step, bytes) in &grids {
        let start = format!("images/samples+step+{step}+timestamp+");
        let found = stored
            .artifacts
            .iter()
            .find(|(path, found)| path.starts_with(&start) && *found == bytes);
        assert!(found.is_some(), "the grid of step {step}");
    }
    let others = stored
        .artifacts
        .keys()
        .filter(|path| !path.starts_with("images/"));
    assert_eq!(others.collect::<Vec<_>>(), ["config.toml"]);
    let ids = lines(&folder.join("ledger.jsonl"));
    let scores = ids
        .iter()
        .filter_map(|event| event["scores"].as_array())
        .flatten();
    for score in scores {
        let id = score["protocol_id"].as_str().expect("an id");
        assert!(
            stored.tags.contains_key(&format!("protocol.{id}")),
            "protocol {id}"
        );
    }
    assert_eq!(stored.tags["mlflow.loggedImages"], "true");
    assert_eq!(stored.status, "FINISHED");
}

/// A configuration with dotted keys, values as text.
fn flat(table: &toml::Table) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => {
                let inner = flat(inner).into_iter();
                pairs.extend(inner.map(|(below, value)| (format!("{key}.{below}"), value)));
            }
            toml::Value::String(text) => drop(pairs.insert(key.clone(), text.clone())),
            other => drop(pairs.insert(key.clone(), other.to_string())),
        }
    }
    pairs
}

/// Runs a child until `is_time` and kills it; returns whether it was killed before it ended.
fn kill_when(mut child: Child, is_time: impl Fn() -> bool) -> bool {
    loop {
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        if is_time() {
            child.kill().expect("it is killed");
            child.wait().expect("it is gone");
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[ignore = "needs an MLflow server: set HISTOGEN_MLFLOW to what `.ci/mlflow` prints, and run with --include-ignored"]
fn a_real_server_has_everything_once_whatever_happened_on_the_way() {
    let program = program();
    let lab = Lab::new();
    let mut server = RealServer::new(program, lab.path("server"));
    let proxy = FaultyProxy::new(server.port);
    let common = "--profile smoke --set tracking.timeout_seconds=1 --set tracking.system_seconds=1 --set \
                  logging.samples_every=500 --set logging.checkpoint_every=100 --set tracking.experiment=real";
    let to = |address: &str| format!("{common} --set tracking.uri={address}");

    // Absent all the time.
    let absent = format!(
        "train table1 --model sngan --set training.steps=2000 {}",
        to(&proxy.address)
    );
    let said = lab.run(&absent);
    assert_eq!(said.code, 0, "{}", said.errors);
    assert!(
        said.errors
            .contains("`histogen track sync` uploads the rest"),
        "{}",
        said.errors
    );

    server.start();
    server.wait();
    // The trainer is killed while it uploads, and the server while the trainer goes on.
    let systems = "systems=[{name=\"dcgan\"},{name=\"lsgan\"}]";
    let both = format!(
        "reproduce table1 --set training.steps=6000 --set {systems} {}",
        to(&proxy.address)
    );
    let mut was_killed = false;
    for more in [6, 25] {
        let before = proxy.requests();
        let child = lab
            .command(&both)
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        was_killed |= kill_when(child.expect("it starts"), || {
            proxy.requests() >= before + more
        });
    }
    assert!(was_killed, "it was killed while it uploaded");
    let before = proxy.requests();
    let mut child = lab
        .command(&both)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    while proxy.requests() < before + 10 && child.try_wait().expect("a child").is_none() {
        thread::sleep(Duration::from_millis(5));
    }
    server.kill();
    server.start();
    assert!(
        child.wait().expect("a child").success(),
        "the training does not mind"
    );
    server.wait();

    let start = Instant::now();
    while lab.run("track sync --timeout 1").code != 0 {
        assert!(
            start.elapsed() < Duration::from_secs(90),
            "{}",
            lab.succeed("track status")
        );
    }
    compare(&lab, &server);
}

/// Asserts that the server has what the runs' folders have.
fn compare(lab: &Lab, server: &RealServer) {
    let runs = server.runs("real");
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(lab.path("runs")).expect("runs") {
        let path = entry.expect("an entry").path();
        if path.join("config.toml").exists() {
            folders.push(path);
        }
    }
    assert_eq!(folders.len(), 3, "three models");
    assert_eq!(runs.len(), 3 + 2, "and two executions");
    for folder in folders {
        let name = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let stored = server.stored(&runs[&name]);
        is_all(&stored, &folder);
        let parent = &stored.tags["mlflow.parentRunId"];
        let has_id = |run: &&Value| run["info"]["run_id"] == parent.as_str();
        let parent = runs.values().find(has_id).expect("the parent");
        let is_table = !name.starts_with("sngan");
        let parent = server.stored(parent);
        assert_eq!(parent.status, "FINISHED");
        for report in [
            "reports/table1.md",
            "reports/table1.csv",
            "reports/samples/real.png",
        ] {
            let file = lab.path(&report.replace("reports/", "reports/table1/"));
            // An execution gets the reports that were there when it ended, or was uploaded.
            if is_table {
                let bytes = std::fs::read(file).expect("a report");
                assert_eq!(parent.artifacts.get(report), Some(&bytes), "{report}");
            }
        }
    }
}
