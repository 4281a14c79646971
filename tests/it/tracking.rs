//! Delivery to a tracking server that fails in every way a server can: each value once, in order, and no training the worse.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use histogen::images::Pixels;
use histogen::metrics::Protocol;
use histogen::tracker::mlflow::{Client, Failure, Server};
use histogen::tracker::{
    Balance, Cursor, Delivery, Environment, Evaluation, Event, Identity, Ledger, ScoreRecord,
    record_once,
};
use tempfile::TempDir;

use crate::fake_mlflow::{FakeRun, FakeServer, Fault};
use crate::lab::Lab;
use crate::ledgers::{pictures, points, same_points, system_points};

/// Longest wait for an answer in these tests.
const TIMEOUT: Duration = Duration::from_millis(300);

/// A run's folder with a ledger that nobody trained.
struct Trained {
    root: TempDir,
    ledger: Ledger,
}

impl Trained {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("dcgan-s0-abc");
        fs::create_dir_all(folder.join("samples")).expect("a folder");
        let config = "model = \"dcgan\"\nseed = 0\n[backbone]\nlatent = 8\n";
        fs::write(folder.join("config.toml"), config).expect("a file");
        let mut trained = Self {
            ledger: Ledger::open(&folder.join("ledger.jsonl")).expect("a ledger"),
            root,
        };
        trained.start(0);
        trained
    }

    fn folder(&self) -> PathBuf {
        self.root.path().join("dcgan-s0-abc")
    }

    fn start(&mut self, step: u64) {
        let environment = Environment {
            histogen: "1".into(),
            commit: "abc+".into(),
            platform: "x".into(),
            threads: 2,
        };
        self.append(Event::Start { step, environment });
    }

    fn append(&mut self, event: Event) {
        self.ledger.append(event).expect("the ledger is written");
    }

    /// Trains the steps in `range`, with a grid after every 200th.
    fn steps(&mut self, range: std::ops::RangeInclusive<u64>) {
        for step in range {
            let scalars = BTreeMap::from([
                ("critic_loss".to_owned(), 1.0 / step as f64),
                ("generator_loss".to_owned(), (step as f64).sqrt()),
            ]);
            self.append(Event::Step { step, scalars });
            if step % 200 == 0 {
                let file = format!("samples/step-{step:06}.png");
                let bytes = vec![step as u8; 8 * 8 * 3];
                let picture = Pixels::new(1, 8, 3, bytes).grid(1, 1);
                picture.save(self.folder().join(&file)).expect("a picture");
                self.append(Event::Samples { step, file });
            }
        }
        record_once(&self.folder()).expect("a mark");
    }

    fn end(&mut self, step: u64, status: &str) {
        let (reason, seconds) = (String::new(), 1.0);
        let status = status.to_owned();
        self.append(Event::End {
            step,
            status,
            reason,
            seconds,
        });
    }

    /// Measures the run after `step`: a number with a spread, and one that could not be had.
    fn measure(&mut self, step: u64, fid: f64, with_kid: bool) {
        let protocol = |metric: &str| Protocol {
            images: 10,
            reference: "test".into(),
            reference_images: 10,
            reference_hash: "abc".into(),
            image_size: 8,
            resize: "none".into(),
            quantise: "round".into(),
            extractor: "pixels".into(),
            extractor_hash: "def".into(),
            metric: metric.into(),
            settings: BTreeMap::new(),
            sampler: String::new(),
        };
        let mut found = ScoreRecord::new("fid", protocol("fid"));
        (found.value, found.spread) = (Some(fid), Some(0.25));
        let mut scores = vec![found];
        if with_kid {
            let mut failed = ScoreRecord::new("kid", protocol("kid"));
            failed.failure = "too few images".into();
            scores.push(failed);
        }
        let seed = 0;
        self.append(Event::Evaluation(Evaluation { step, seed, scores }));
    }

    fn identify(&self, server: &FakeServer) {
        let wanted = Identity {
            experiment: "table1".into(),
            server: server.address.clone(),
            ..Identity::default()
        };
        Identity::establish(&self.folder(), &wanted).expect("an identity");
    }

    /// Delivers all, as processes would that each die at their first failure. Returns how many died.
    fn deliver(&self, server: &FakeServer) -> usize {
        self.identify(server);
        let client = client(server);
        for died in 0..20 {
            let mut delivery = self.delivery(server);
            loop {
                match delivery.advance(&client, false) {
                    Ok(true) => {}
                    Ok(false) => return died,
                    Err(Failure::Passing { .. }) => break,
                    Err(refused) => panic!("{refused}"),
                }
            }
        }
        panic!("twenty deliveries failed");
    }

    /// The only delivery to `server`.
    fn delivery(&self, server: &FakeServer) -> Delivery {
        let opened = Delivery::open(&self.folder(), client(server).server());
        opened.expect("it opens").expect("nobody else delivers")
    }

    fn balance(&self, server: &FakeServer) -> Balance {
        let client = client(server);
        Balance::of(&self.folder(), client.server(), false).expect("a balance")
    }

    fn is_all_at(&self, server: &FakeServer) {
        let run = server.run("dcgan-s0-abc");
        is_all(&self.folder(), &run);
        let balance = self.balance(server);
        assert!(balance.is_delivered(), "{balance:?}");
    }
}

/// Lets the time pass in which a request without an answer may be taken: of every delivery of the runs below `root`.
fn pass_time(root: &Path) {
    for entry in walkdir::WalkDir::new(root) {
        let path = entry.expect("an entry").into_path();
        let is_cursor = path
            .parent()
            .is_some_and(|parent| parent.ends_with("tracking"))
            && path.extension().is_some_and(|end| end == "json");
        let text = if is_cursor {
            fs::read(&path).expect("a file")
        } else {
            continue;
        };
        let mut cursor: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        if cursor.get("doubt").is_some_and(serde_json::Value::is_i64) {
            cursor["doubt"] = 1.into();
            fs::write(&path, cursor.to_string()).expect("it is written");
        }
    }
}

fn client(server: &FakeServer) -> Client {
    let found = Server::find(&server.address, |_| None).expect("an address");
    Client::new(found.expect("a server"), TIMEOUT).expect("a client")
}

/// Asserts that `run` has all that `folder` has, once and in order.
fn is_all(folder: &Path, run: &FakeRun) {
    let is_system = |point: &&(String, u64, f64, i64)| point.0.starts_with("system/");
    let plain = |points: Vec<&(String, u64, f64, i64)>| -> Vec<(String, u64, f64)> {
        let points = points.into_iter();
        points
            .map(|(key, step, value, _)| (key.clone(), *step, *value))
            .collect()
    };
    let ledger = run
        .points
        .iter()
        .filter(|point| !is_system(point))
        .collect();
    let wanted = points(folder);
    assert!(!wanted.is_empty(), "the ledger has points");
    let found = plain(ledger);
    same_points(&found, &wanted);
    assert!(found == wanted, "the order is the ledger's");
    let system = run.points.iter().filter(is_system).collect();
    same_points(&plain(system), &system_points(folder));
    // Times do not run backwards.
    let mut steps: Vec<(u64, i64)> = run
        .points
        .iter()
        .filter(|point| !is_system(point))
        .map(|point| (point.1, point.3))
        .collect();
    steps.sort_unstable();
    assert!(
        steps.is_sorted_by_key(|(_, time)| *time),
        "times run with steps"
    );
    let grids = pictures(folder);
    for (step, bytes) in &grids {
        let start = format!("images/samples+step+{step}+timestamp+");
        let named: Vec<_> = run
            .artifacts
            .iter()
            .filter(|(path, _)| path.starts_with(&start))
            .collect();
        assert_eq!(named.len(), 2, "a grid of step {step} and its small copy");
        assert!(
            named.iter().any(|(_, found)| *found == bytes),
            "the grid of step {step}"
        );
    }
    let images = run
        .artifacts
        .keys()
        .filter(|path| path.starts_with("images/"));
    assert_eq!(images.count(), 2 * grids.len());
    assert_eq!(
        run.tags.contains_key("mlflow.loggedImages"),
        !grids.is_empty()
    );
    let config = fs::read(folder.join("config.toml")).expect("the configuration");
    assert_eq!(run.artifacts.get("config.toml"), Some(&config));
}

#[test]
fn everything_arrives_once_and_in_order() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    trained.steps(1..=2500);
    trained.end(2500, "finished");
    trained.measure(2500, 12.5, false);
    assert_eq!(trained.deliver(&server), 0);
    trained.is_all_at(&server);
    // Measured again, with the same number and one that failed; nothing is sent twice.
    trained.measure(2500, 12.5, true);
    assert_eq!(trained.deliver(&server), 0);
    trained.is_all_at(&server);
    let run = server.run("dcgan-s0-abc");
    assert_eq!(run.received, run.points.len(), "nothing is sent twice");
    assert_eq!(run.status, "FINISHED");
    assert_eq!(run.parameters["backbone.latent"], "8");
    assert_eq!(run.parameters["model"], "dcgan");
    assert_eq!(run.tags["mlflow.source.git.commit"], "abc");
    assert_eq!(run.tags["histogen.end"], "finished after step 2500");
    let is_score = |point: &&(String, u64, f64, i64)| point.0.starts_with("fid.");
    let scores: Vec<_> = run.points.iter().filter(is_score).collect();
    let id = scores[0].0.trim_start_matches("fid.");
    assert_eq!(id.len(), 8);
    assert_eq!((scores.len(), scores[0].2, scores[1].2), (2, 12.5, 0.25));
    assert_eq!(scores[1].0, format!("fid.{id}.spread"));
    assert!(run.tags[&format!("protocol.{id}")].starts_with(&format!("Protocol {id}: fid of 10")));
    let failed = run
        .tags
        .iter()
        .find(|(key, _)| key.starts_with("failure.kid."));
    assert_eq!(failed.expect("a tag").1, "too few images");
    // Once more: one look at what is there, and not a request.
    let before = server.requests().len();
    assert_eq!(trained.deliver(&server), 0);
    assert_eq!(server.requests().len(), before);
}

#[test]
fn a_failure_at_any_request_loses_and_doubles_nothing() {
    let mut trained = Trained::new();
    trained.steps(1..=600);
    trained.end(600, "finished");
    let smooth = FakeServer::new();
    trained.deliver(&smooth);
    let requests = smooth.requests().len();
    assert!(requests > 12, "{requests}");
    let wanted = smooth.run("dcgan-s0-abc");
    for place in 0..requests {
        for fault in [
            Fault::Status(500, ""),
            Fault::Status(429, "Retry-After: 0\r\n"),
            Fault::CutBefore,
            Fault::CutAfter,
        ] {
            let server = FakeServer::new();
            let smooth = std::iter::repeat_n(Fault::None, place);
            server.faults(smooth.chain([fault.clone()]));
            assert_eq!(trained.deliver(&server), 1, "{fault:?} at request {place}");
            assert_eq!(server.created(), 1, "{fault:?} at request {place}");
            let found = server.run("dcgan-s0-abc");
            assert!(
                found.points == wanted.points,
                "{fault:?} at request {place}"
            );
            assert_eq!(
                found.artifacts, wanted.artifacts,
                "{fault:?} at request {place}"
            );
            assert_eq!(found.parameters, wanted.parameters);
            assert_eq!(found.tags, wanted.tags);
            assert_eq!(found.status, wanted.status);
        }
    }
}

#[test]
fn a_cursor_that_is_lost_doubles_nothing() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    trained.steps(1..=700);
    trained.deliver(&server);
    let server_name = client(&server).server().short_name();
    let cursor = trained
        .folder()
        .join(format!("tracking/{server_name}.json"));
    fs::write(&cursor, "{\"server\": \"").expect("half a cursor");
    trained.steps(701..=900);
    trained.end(900, "finished");
    trained.deliver(&server);
    trained.is_all_at(&server);
    assert_eq!(server.created(), 1);
    let run = server.run("dcgan-s0-abc");
    assert!(run.received > run.points.len(), "some were sent twice");
}

#[test]
fn a_rewound_ledger_adds_what_is_new_in_the_same_run() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    trained.steps(1..=450);
    trained.identify(&server);
    let client = client(&server);
    let mut delivery = trained.delivery(&server);
    let finish = |delivery: &mut Delivery| {
        while delivery.advance(&client, true).expect("the server answers") {}
    };
    finish(&mut delivery);
    // One process sees the ledger rewound and growing beyond its old end.
    trained.ledger.rewind(400).expect("it is rewound");
    trained.start(400);
    trained.steps(401..=430);
    finish(&mut delivery);
    assert_eq!(server.run("dcgan-s0-abc").status, "RUNNING");
    trained.end(430, "killed");
    drop(delivery);
    trained.deliver(&server);
    assert_eq!(server.run("dcgan-s0-abc").status, "KILLED");
    // And so does the next process.
    trained.ledger.rewind(300).expect("it is rewound");
    trained.start(300);
    trained.steps(301..=1000);
    trained.end(1000, "finished");
    trained.deliver(&server);
    trained.is_all_at(&server);
    let run = server.run("dcgan-s0-abc");
    assert_eq!(run.received, run.points.len(), "nothing is sent twice");
    assert_eq!(
        run.tags["resume.2"],
        "after step 300; histogen 1, commit abc+, x, 2 threads"
    );
    assert_eq!(run.status, "FINISHED");
    assert_eq!(server.created(), 1);
}

/// A request that nobody waits for any more.
fn late(milliseconds: u64) -> Fault {
    Fault::Late(TIMEOUT + Duration::from_millis(milliseconds))
}

#[test]
fn a_run_that_is_created_late_is_taken_away_whenever_it_comes() {
    // While the run is delivered, and after all of it was.
    for delay in [300, 1500] {
        let server = FakeServer::new();
        let mut trained = Trained::new();
        trained.steps(1..=50);
        trained.end(50, "finished");
        // The search and the creation of the experiment, then the search for the run and its creation.
        server.faults([Fault::None, Fault::None, Fault::None, late(delay)]);
        assert_eq!(trained.deliver(&server), 1);
        let balance = trained.balance(&server);
        assert_eq!(balance.left(), 0, "{balance:?}");
        assert!(!balance.is_delivered(), "{balance:?}");
        let left = balance.doubt_left().expect("a doubt").as_secs_f64();
        assert!(15.0 < left && left < 22.0, "{left} s");
        while server.created() < 2 {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Not before its time; then by whoever delivers next.
        let before = server.requests().len();
        assert_eq!(trained.deliver(&server), 0);
        assert_eq!(server.requests().len(), before);
        pass_time(trained.root.path());
        assert_eq!(trained.deliver(&server), 0);
        assert_eq!(server.runs().len(), 1);
        trained.is_all_at(&server);
        let before = server.requests().len();
        assert_eq!(trained.deliver(&server), 0);
        assert_eq!(server.requests().len(), before, "nothing is left to do");
    }
}

#[test]
fn a_state_that_is_told_late_is_told_again() {
    let goes_on = |server: &FakeServer| {
        let mut trained = Trained::new();
        trained.steps(1..=50);
        trained.identify(server);
        let (mut delivery, client) = (trained.delivery(server), client(server));
        while !matches!(delivery.advance(&client, true), Ok(false)) {}
        trained
    };
    let smooth = FakeServer::new();
    goes_on(&smooth);
    let requests = smooth.requests();
    assert!(
        requests
            .last()
            .is_some_and(|last| last.ends_with("runs/update"))
    );
    // That it goes on arrives when it has ended.
    let server = FakeServer::new();
    let on_time = std::iter::repeat_n(Fault::None, requests.len() - 1);
    server.faults(on_time.chain([late(1500)]));
    let mut trained = goes_on(&server);
    trained.end(50, "finished");
    assert_eq!(trained.deliver(&server), 0);
    assert_eq!(server.run("dcgan-s0-abc").status, "FINISHED");
    let start = Instant::now();
    while server.run("dcgan-s0-abc").status != "RUNNING" {
        assert!(start.elapsed() < Duration::from_secs(10), "it never came");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!trained.balance(&server).is_delivered());
    pass_time(trained.root.path());
    assert_eq!(trained.deliver(&server), 0);
    assert_eq!(server.run("dcgan-s0-abc").status, "FINISHED");
    trained.is_all_at(&server);
}

#[test]
fn a_doubt_is_shown_and_a_request_that_never_left_is_none() {
    let lab = Lab::new();
    // Nobody listens: nothing was asked.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let said = lab.run(&format!(
        "{TRAIN} --set training.steps=20 --set tracking.uri={address} --set tracking.wait_seconds=0"
    ));
    assert_eq!(said.code, 0, "{}", said.errors);
    let status = lab.succeed("track status");
    assert!(!status.contains("no answer"), "{status}");
    let folder = folder(&lab, &said.output);
    let server = Server::find(&address, |_| None).expect("an address");
    let server = server.expect("a server");
    let in_an_hour = SystemTime::now() + Duration::from_hours(1);
    let in_an_hour = in_an_hour.duration_since(UNIX_EPOCH).expect("after 1970");
    let whole = Cursor {
        doubt: Some(in_an_hour.as_millis() as i64),
        ..Cursor::load(&folder, &server).expect("a cursor")
    };
    let place = folder.join(format!("tracking/{}.json", server.short_name()));
    fs::write(place, serde_json::to_vec(&whole).expect("JSON")).expect("a cursor");
    let status = lab.succeed("track status");
    assert!(
        status.contains("  a request that had no answer may be taken for another ")
            && status.contains(" s: `histogen track sync` waits, and looks\n"),
        "{status}"
    );
    pass_time(&lab.path("runs"));
    let status = lab.succeed("track status");
    assert!(
        status.contains(
            "a request that had no answer may have been taken: `histogen track sync` looks\n"
        ),
        "{status}"
    );
}

#[test]
fn what_the_server_refuses_is_said_once_and_tried_by_the_next_process() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    trained.steps(1..=10);
    trained.identify(&server);
    let client = client(&server);
    server.faults([Fault::Echo(403)]);
    let mut delivery = trained.delivery(&server);
    let refused = delivery.advance(&client, false).expect_err("a refusal");
    assert!(
        matches!(refused, Failure::Refused { status: 403, .. }),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains("MLFLOW_TRACKING_TOKEN"),
        "{refused}"
    );
    drop(delivery);
    let cursor = Cursor::load(&trained.folder(), client.server()).expect("a cursor");
    assert_eq!(cursor.error, refused.to_string());
    trained.end(10, "finished");
    trained.deliver(&server);
    trained.is_all_at(&server);
}

/// A short training of one model, with grids, checkpoints and samples of the system.
const TRAIN: &str = "train table1 --model lsgan --profile smoke --set logging.samples_every=100 --set \
                     logging.checkpoint_every=50 --set tracking.timeout_seconds=1";

/// The folder that a training printed.
fn folder(lab: &Lab, output: &str) -> PathBuf {
    lab.path(output.trim())
}

fn name(folder: &Path) -> String {
    folder
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

#[test]
fn a_training_delivers_to_the_server_of_the_environment() {
    let server = FakeServer::new();
    let lab = Lab::new();
    let output = lab
        .command(&format!(
            "{TRAIN} --set training.steps=120 --set tracking.system_seconds=0.3"
        ))
        .env("MLFLOW_TRACKING_URI", &server.address)
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("tracking: all is delivered to"), "{errors}");
    let folder = folder(&lab, &String::from_utf8_lossy(&output.stdout));
    let run = server.run(&name(&folder));
    is_all(&folder, &run);
    assert_eq!(run.status, "FINISHED");
    let parent = &run.tags["mlflow.parentRunId"];
    let runs = server.runs();
    let parent = runs
        .iter()
        .find(|run| run.id == *parent)
        .expect("the parent");
    assert_eq!(parent.parameters["training.steps"], "120");
    assert_eq!(parent.status, "FINISHED");
    assert!(
        lab.read("runs/".to_owned() + &name(&folder) + "/config.toml")
            .find("tracking")
            .is_none()
    );
}

#[test]
fn a_server_that_is_gone_costs_a_training_nothing_and_gets_all_of_it_later() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = format!("http://{}", listener.local_addr().expect("it is bound"));
    let lab = Lab::new();
    // It takes connections and answers none: the worst kind of gone.
    let start = Instant::now();
    let said = lab.run(&format!(
        "{TRAIN} --set training.steps=120 --set tracking.uri={address} --set tracking.wait_seconds=1"
    ));
    assert_eq!(said.code, 0, "{}", said.errors);
    assert!(
        start.elapsed() < Duration::from_mins(1),
        "{:?}",
        start.elapsed()
    );
    assert!(
        said.errors.contains("`histogen track sync` delivers them"),
        "{}",
        said.errors
    );
    let folder = folder(&lab, &said.output);
    let status = lab.succeed("track status");
    assert!(status.contains("not all delivered: 0 of "), "{status}");
    let gone = lab.run("track sync --timeout 0.05");
    assert_eq!(gone.code, 1, "{}", gone.errors);
    assert!(gone.output.contains("last error: "), "{}", gone.output);
    // The same address, alive.
    let server = FakeServer::on(listener);
    lab.succeed("track sync");
    is_all(&folder, &server.run(&name(&folder)));
    let status: serde_json::Value =
        serde_json::from_str(&lab.succeed("track status --json")).expect("JSON");
    for run in status.as_array().expect("runs") {
        let delivery = &run["delivery"];
        assert_eq!(
            delivery["points"]["delivered"], delivery["points"]["total"],
            "{run}"
        );
        assert_eq!(delivery["error"], "", "{run}");
        assert_eq!(delivery["status"], "FINISHED", "{run}");
    }
    assert!(!lab.succeed("track status").contains("not all"));
}

#[test]
fn a_training_that_is_killed_while_it_delivers_goes_on_in_the_same_run() {
    let server = FakeServer::new();
    let lab = Lab::new();
    let arguments = format!(
        "{TRAIN} --set training.steps=6000 --set tracking.uri={}",
        server.address
    );
    let mut killed = 0;
    while killed < 3 {
        let before = server.requests().len();
        // Every third request is lost in one way or another.
        let faults = [
            Fault::CutAfter,
            Fault::None,
            Fault::Status(500, ""),
            Fault::None,
            Fault::None,
        ];
        server.faults(std::iter::repeat_n(faults, 40).flatten());
        let mut command = lab.command(&arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program starts");
        let ended = loop {
            if child.try_wait().expect("a child").is_some() {
                break true;
            }
            if server.requests().len() > before + 4 + 3 * killed {
                child.kill().expect("it is killed");
                child.wait().expect("it is gone");
                break false;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if ended {
            break;
        }
        killed += 1;
    }
    assert!(killed > 0, "it was killed while it delivered");
    server.faults([]);
    let output = lab.succeed(&arguments);
    pass_time(&lab.path("runs"));
    lab.succeed("track sync");
    let folder = folder(&lab, &output);
    is_all(&folder, &server.run(&name(&folder)));
    assert_eq!(server.run(&name(&folder)).status, "FINISHED");
}

#[test]
fn a_run_whose_process_is_gone_is_said_to_be_killed() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    trained.steps(1..=20);
    trained.deliver(&server);
    assert_eq!(server.run("dcgan-s0-abc").status, "KILLED");
}

#[test]
fn secrets_are_in_no_file_no_line_and_nothing_that_is_delivered() {
    const PASSWORD: &str = "hunter2-secret";
    // Of `ann:hunter2-secret`, as in a header.
    const ENCODED: &str = "YW5uOmh1bnRlcjItc2VjcmV0";
    const TOKEN: &str = "token-secret-77";
    let server = FakeServer::new();
    let lab = Lab::new();
    let with_password = server
        .address
        .replace("http://", &format!("http://ann:{PASSWORD}@"));
    let mut said = String::new();
    for (variables, status) in [
        (vec![("MLFLOW_TRACKING_URI", with_password.as_str())], 401),
        (
            vec![
                ("MLFLOW_TRACKING_URI", &server.address),
                ("MLFLOW_TRACKING_TOKEN", TOKEN),
            ],
            503,
        ),
        (
            vec![
                ("MLFLOW_TRACKING_URI", server.address.as_str()),
                ("MLFLOW_TRACKING_USERNAME", "ann"),
                ("MLFLOW_TRACKING_PASSWORD", PASSWORD),
            ],
            400,
        ),
    ] {
        let steps = 100 + status; // runs of their own
        for (number, arguments) in [
            format!("{TRAIN} --set training.steps={steps}"),
            "track sync".into(),
            "track status".into(),
        ]
        .into_iter()
        .enumerate()
        {
            // Refused at first, taken in the end.
            if number == 0 {
                server.faults(vec![Fault::Echo(status); 3]);
            }
            let mut command = lab.command(&arguments);
            command.envs(variables.iter().copied());
            let output = command.output().expect("the program starts");
            said += &String::from_utf8_lossy(&output.stdout);
            said += &String::from_utf8_lossy(&output.stderr);
        }
    }
    assert!(
        said.contains("***"),
        "the server repeated a secret:\n{said}"
    );
    for address in [&with_password, "ftp://ann:hunter2-secret@h"] {
        let refused = lab.refused(&format!("{TRAIN} --set tracking.uri={address}"));
        assert!(refused.contains("user or password"), "{refused}");
        said += &refused;
        let output = lab
            .command(&format!(
                "train table1 --model lsgan --dry-run --set tracking.uri={address}"
            ))
            .output();
        said += &String::from_utf8_lossy(&output.expect("the program starts").stdout);
    }
    let mut texts = vec![("what was said".to_owned(), said.into_bytes())];
    for entry in walkdir::WalkDir::new(lab.path("")) {
        let entry = entry.expect("an entry");
        if entry.file_type().is_file() {
            let bytes = fs::read(entry.path()).expect("a file");
            texts.push((entry.path().display().to_string(), bytes));
        }
    }
    for run in server.runs() {
        texts.push((
            run.id.clone(),
            format!("{:?} {:?}", run.tags, run.parameters).into_bytes(),
        ));
        texts.extend(run.artifacts);
    }
    assert!(
        server.runs().iter().any(|run| run.status == "FINISHED"),
        "something was delivered"
    );
    assert!(texts.len() > 50, "{}", texts.len());
    for secret in [PASSWORD, ENCODED, TOKEN] {
        for (place, bytes) in &texts {
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "`{secret}` is in {place}");
        }
    }
}
