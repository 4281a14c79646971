//! The part of an MLflow server that runs are uploaded to, in memory, and what may go wrong on the way to it.
//!
//! It stores equal points once, as MLflow does, and refuses what MLflow 3.17.2 refuses: too much at once, keys of other letters,
//! a parameter with another value.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};

/// What happens to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The server does not see it: an answer with this status and these headers.
    Status(u16, &'static str),
    /// The server does not see it: the connection closes.
    CutBefore,
    /// The server takes it, and the connection closes before the answer.
    CutAfter,
    /// An answer with this status, and the `Authorization` of the request in its message.
    Echo(u16),
}

/// A run at the server.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeRun {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Points in the order of their first arrival.
    pub(crate) points: Vec<(String, u64, f64, i64)>,
    known: HashSet<String>,
    /// How many points came, those included that were there.
    pub(crate) received: usize,
    pub(crate) artifacts: BTreeMap<String, Vec<u8>>,
}

#[derive(Default)]
struct State {
    experiments: Vec<String>,
    runs: Vec<FakeRun>,
    requests: Vec<String>,
    faults: VecDeque<Fault>,
}

/// The server. It answers until the test ends.
pub(crate) struct FakeServer {
    pub(crate) address: String,
    state: Arc<Mutex<State>>,
}

impl FakeServer {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        Self::on(listener)
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that hangs up is the test's business, not the server's.
                thread::spawn(move || drop(serve(stream, &shared)));
            }
        });
        Self { address, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panicked")
    }

    /// What happens to the next requests.
    pub(crate) fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults = faults.into_iter().collect();
    }

    /// The requests so far, as method and path.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// The runs.
    pub(crate) fn runs(&self) -> Vec<FakeRun> {
        self.state().runs.clone()
    }

    /// How many runs were created.
    pub(crate) fn created(&self) -> usize {
        self.state().runs.len()
    }

    /// The run whose folder has this name.
    pub(crate) fn run(&self, name: &str) -> FakeRun {
        let named = |run: &FakeRun| {
            run.tags
                .get("mlflow.runName")
                .is_some_and(|known| known == name)
        };
        let runs: Vec<FakeRun> = self.runs().into_iter().filter(named).collect();
        assert_eq!(runs.len(), 1, "one run `{name}`");
        runs[0].clone()
    }
}

struct Request {
    method: String,
    path: String,
    authorization: String,
    body: Vec<u8>,
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let request = read(&stream)?;
    let fault = {
        let mut state = state.lock().expect("no thread panicked");
        state
            .requests
            .push(format!("{} {}", request.method, request.path));
        state.faults.pop_front().unwrap_or(Fault::None)
    };
    let answer = || state.lock().expect("no thread panicked").answer(&request);
    let (status, headers, body) = match fault {
        Fault::None => {
            let (status, body) = answer();
            (status, "", body)
        }
        Fault::Status(status, headers) => (status, headers, json!({})),
        Fault::CutBefore => return Ok(()),
        Fault::CutAfter => {
            answer();
            return Ok(());
        }
        Fault::Echo(status) => {
            let message = format!("no entry with {}", request.authorization);
            (
                status,
                "",
                json!({"error_code": "PERMISSION_DENIED", "message": message}),
            )
        }
    };
    let body = body.to_string();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )?;
    stream.flush()
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(ToOwned::to_owned);
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default();
    let (mut length, mut authorization) = (0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.trim().parse().expect("a length"),
            "authorization" => value.trim().clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Request {
        method,
        path,
        authorization,
        body,
    })
}

impl State {
    fn answer(&mut self, request: &Request) -> (u16, Value) {
        let method = request.path.trim_start_matches("/api/2.0/");
        if let Some(path) = method.strip_prefix("mlflow-artifacts/artifacts/0/") {
            let (id, path) = path.split_once("/artifacts/").expect("a run's artifacts");
            let path = path.replace("%2B", "+").replace("%20", " ");
            let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else {
                return refused("RESOURCE_DOES_NOT_EXIST", "no such run");
            };
            run.artifacts.insert(path, request.body.clone());
            return (200, json!({}));
        }
        let method = method.trim_start_matches("mlflow/");
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        if let Some((_, name)) = method.split_once("experiment_name=") {
            return if self.experiments.iter().any(|known| known == name) {
                (200, json!({"experiment": {"experiment_id": "0"}}))
            } else {
                refused("RESOURCE_DOES_NOT_EXIST", "no such experiment")
            };
        }
        match method {
            "experiments/create" => {
                if !self.experiments.is_empty() {
                    return refused("RESOURCE_ALREADY_EXISTS", "it exists");
                }
                self.experiments.push(text("name"));
                (200, json!({"experiment_id": "0"}))
            }
            "runs/search" => {
                let filter = text("filter");
                let wanted = filter.split('\'').nth(1).expect("a value").to_owned();
                let has = |run: &&FakeRun| run.tags.get("histogen.id") == Some(&wanted);
                let runs: Vec<Value> = self.runs.iter().filter(has).map(info).collect();
                (200, json!({ "runs": runs }))
            }
            "runs/create" => {
                let mut run = FakeRun {
                    id: format!("r{}", self.runs.len()),
                    status: "RUNNING".into(),
                    ..FakeRun::default()
                };
                run.tags.insert("mlflow.runName".into(), text("run_name"));
                if let Err(message) = log(&mut run, &body) {
                    return refused("INVALID_PARAMETER_VALUE", &message);
                }
                let created = info(&run);
                self.runs.push(run);
                (200, json!({ "run": created }))
            }
            method => {
                let id = text("run_id");
                let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else {
                    return refused("RESOURCE_DOES_NOT_EXIST", "no such run");
                };
                match method {
                    "runs/update" => run.status = text("status"),
                    "runs/log-batch" => {
                        assert!(request.body.len() < 1_000_000, "too long");
                        if let Err(message) = log(run, &body) {
                            return refused("INVALID_PARAMETER_VALUE", &message);
                        }
                    }
                    other => return refused("ENDPOINT_NOT_FOUND", other),
                }
                (200, json!({}))
            }
        }
    }
}

fn info(run: &FakeRun) -> Value {
    let place = format!("mlflow-artifacts:/0/{}/artifacts", run.id);
    let tags = run.tags.iter();
    let tags: Vec<Value> = tags
        .map(|(key, value)| json!({"key": key, "value": value}))
        .collect();
    json!({
        "info": {"run_id": run.id, "artifact_uri": place, "status": run.status},
        "data": {"tags": tags},
    })
}

fn refused(code: &str, message: &str) -> (u16, Value) {
    let status = if code == "RESOURCE_DOES_NOT_EXIST" {
        404
    } else {
        400
    };
    (status, json!({"error_code": code, "message": message}))
}

fn log(run: &mut FakeRun, body: &Value) -> Result<(), String> {
    let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let (parameters, tags, points) = (list("params"), list("tags"), list("metrics"));
    let whole = parameters.len() + tags.len() + points.len();
    if parameters.len() > 100 || tags.len() > 100 || whole > 1000 {
        return Err("too much at once".into());
    }
    let text = |entry: &Value, name: &str| entry[name].as_str().expect("text").to_owned();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-. /".contains(letter);
    for entry in parameters.iter().chain(&tags).chain(&points) {
        let key = text(entry, "key");
        if !key.chars().all(plain) || key.len() > 250 || key.is_empty() {
            return Err(format!("the key {key}"));
        }
    }
    for entry in &parameters {
        let (key, value) = (text(entry, "key"), text(entry, "value"));
        if run
            .parameters
            .get(&key)
            .is_some_and(|known| *known != value)
        {
            return Err(format!("another value of {key}"));
        }
        run.parameters.insert(key, value);
    }
    for entry in &tags {
        run.tags.insert(text(entry, "key"), text(entry, "value"));
    }
    for entry in &points {
        let point = (
            text(entry, "key"),
            entry["step"].as_u64().expect("a step"),
            entry["value"].as_f64().expect("a number"),
            entry["timestamp"].as_i64().expect("a time"),
        );
        run.received += 1;
        if run.known.insert(format!("{point:?}")) {
            run.points.push(point);
        }
    }
    Ok(())
}
