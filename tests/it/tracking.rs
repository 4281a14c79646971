//! Uploads to a tracking server that fails in every way a server can: each value once, in order, and no training the worse.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use histogen::images::Pixels;
use histogen::metrics::Protocol;
use histogen::tracker::mlflow::{Client, Failure, Server};
use histogen::tracker::{
    Destination, Ending, Environment, Evaluation, Event, InFlight, Ledger, ScoreRecord, Upload,
    UploadProgress,
};
use tempfile::TempDir;

use crate::fake_mlflow::{FakeRun, FakeServer, Fault};
use crate::lab::{Lab, without_time};
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
    }

    fn end(&mut self, step: u64, ending: Ending) {
        let (reason, seconds) = (String::new(), 1.0);
        self.append(Event::End {
            step,
            ending,
            reason,
            seconds,
            peak_megabytes: None,
            gigaflop: None,
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
        self.append(Event::Evaluation(Evaluation {
            step,
            seed,
            images_hash: String::new(),
            drawing_seconds: None,
            drawing_gigaflop: None,
            scores,
        }));
    }

    fn identify(&self, server: &FakeServer) {
        let wanted = Destination {
            experiment: "table1".into(),
            server: server.address.clone(),
            ..Destination::default()
        };
        Destination::establish(&self.folder(), &wanted).expect("a destination");
    }

    /// Uploads all, as processes would that each die at their first failure. Returns how many died.
    fn upload_all(&self, server: &FakeServer) -> usize {
        self.identify(server);
        let client = client(server);
        for died in 0..20 {
            let mut upload = self.upload(server);
            loop {
                match upload.advance(&client, false) {
                    Ok(true) => {}
                    Ok(false) => return died,
                    Err(Failure::Transient { .. }) => break,
                    Err(refused) => panic!("{refused}"),
                }
            }
        }
        panic!("twenty uploads failed");
    }

    /// The only upload to `server`.
    fn upload(&self, server: &FakeServer) -> Upload {
        let opened = Upload::open(&self.folder(), client(server).server());
        opened.expect("it opens").expect("nobody else uploads")
    }

    fn progress(&self, server: &FakeServer) -> UploadProgress {
        UploadProgress::load(&self.folder(), client(server).server()).expect("the progress")
    }

    fn is_all_at(&self, server: &FakeServer) {
        let run = server.run("dcgan-s0-abc");
        is_all(&self.folder(), &run);
        let status = Upload::status(&self.folder(), client(server).server(), false);
        let status = status.expect("the run is readable");
        assert!(status.is_complete, "{status:?}");
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
    trained.end(2500, Ending::Finished);
    trained.measure(2500, 12.5, false);
    assert_eq!(trained.upload_all(&server), 0);
    trained.is_all_at(&server);
    // Measured again, with the same number and one that failed; nothing is sent twice.
    trained.measure(2500, 12.5, true);
    assert_eq!(trained.upload_all(&server), 0);
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
    assert_eq!(trained.upload_all(&server), 0);
    assert_eq!(server.requests().len(), before);
}

#[test]
fn a_failure_at_any_request_loses_and_doubles_nothing() {
    let mut trained = Trained::new();
    trained.steps(1..=600);
    trained.end(600, Ending::Finished);
    let smooth = FakeServer::new();
    trained.upload_all(&smooth);
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
            assert_eq!(
                trained.upload_all(&server),
                1,
                "{fault:?} at request {place}"
            );
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
fn more_than_one_request_takes_arrives_though_every_other_request_fails() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    let path = trained.folder().join("config.toml");
    let mut config = String::new();
    for number in 0..250 {
        config += "many.";
        config += &number.to_string();
        config += " = 1\n";
    }
    config += &fs::read_to_string(&path).expect("the configuration");
    fs::write(&path, config).expect("it is written");
    trained.steps(1..=100);
    trained.end(100, Ending::Finished);
    // Once the run is found: parameters take seven requests, tags and points one each.
    let faults = [Fault::None, Fault::Status(500, "")];
    let faults = std::iter::repeat_n(faults, 7).flatten();
    server.faults(std::iter::repeat_n(Fault::None, 4).chain(faults));
    assert_eq!(trained.upload_all(&server), 7);
    let requests = server.requests();
    let batches = requests.iter().filter(|path| path.ends_with("/log-batch"));
    assert_eq!(
        batches.count(),
        9 + 7 + 1,
        "what was taken is not sent again"
    );
    trained.is_all_at(&server);
    let run = server.run("dcgan-s0-abc");
    assert_eq!(run.parameters["many.249"], "1");
    assert_eq!(run.received, run.points.len(), "nothing is sent twice");
}

#[test]
fn progress_that_is_lost_doubles_nothing() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    trained.steps(1..=700);
    trained.upload_all(&server);
    let progress = UploadProgress::path(&trained.folder(), client(&server).server());
    fs::write(&progress, "{\"server\": \"").expect("half of it");
    trained.steps(701..=900);
    trained.end(900, Ending::Finished);
    trained.upload_all(&server);
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
    let mut upload = trained.upload(&server);
    let finish = |upload: &mut Upload| {
        while upload.advance(&client, true).expect("the server answers") {}
    };
    finish(&mut upload);
    // One process sees the ledger rewound and growing beyond its old end.
    trained.ledger.rewind(400).expect("it is rewound");
    trained.start(400);
    trained.steps(401..=430);
    finish(&mut upload);
    assert_eq!(server.run("dcgan-s0-abc").status, "RUNNING");
    trained.end(430, Ending::Killed);
    drop(upload);
    trained.upload_all(&server);
    assert_eq!(server.run("dcgan-s0-abc").status, "KILLED");
    // And so does the next process.
    trained.ledger.rewind(300).expect("it is rewound");
    trained.start(300);
    trained.steps(301..=1000);
    trained.end(1000, Ending::Finished);
    trained.upload_all(&server);
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

/// Uploads until a request fails, and returns what is then in flight.
fn upload_until_lost(trained: &Trained, server: &FakeServer) -> InFlight {
    let (mut upload, client) = (trained.upload(server), client(server));
    let lost = loop {
        match upload.advance(&client, true) {
            Ok(true) => {}
            other => break other,
        }
    };
    assert!(matches!(lost, Err(Failure::Transient { .. })), "{lost:?}");
    trained.progress(server).in_flight.expect("it is on disk")
}

#[test]
fn what_was_taken_without_an_answer_is_there_once_though_the_training_wrote_it_again() {
    // Four requests find or create the experiment and the run, three send parameters, tags and points; then the grid's tag and
    // the grid. Lost is the answer to the points, or to the grid.
    for (on_time, is_grid) in [(6, false), (8, true)] {
        let server = FakeServer::new();
        let mut trained = Trained::new();
        trained.steps(1..=150);
        trained.identify(&server);
        server.faults(std::iter::repeat_n(Fault::None, on_time).chain([Fault::CutAfter]));
        if is_grid {
            trained.steps(151..=250);
        }
        let in_flight = upload_until_lost(&trained, &server);
        assert_eq!(
            matches!(in_flight, InFlight::Grid { .. }),
            is_grid,
            "{in_flight:?}"
        );
        // The process is gone; the next one trains the last steps again, later.
        let again = trained.ledger.events().len();
        trained.ledger.rewind(90).expect("it is rewound");
        assert!(trained.ledger.events().len() < again);
        std::thread::sleep(Duration::from_millis(5));
        trained.start(90);
        trained.steps(91..=250);
        trained.end(250, Ending::Finished);
        assert_eq!(trained.upload_all(&server), 0);
        trained.is_all_at(&server);
        assert_eq!(server.created(), 1);
    }
}

#[test]
fn a_run_of_a_ledger_without_times_goes_on_in_the_same_run() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    trained.steps(1..=300);
    let path = trained.folder().join("ledger.jsonl");
    let text = fs::read_to_string(&path).expect("the ledger");
    let old: Vec<String> = text.lines().map(without_time).collect();
    fs::write(&path, old.join("\n") + "\n").expect("it is written");
    trained.upload_all(&server);
    // As the version before kept it.
    let progress = UploadProgress::path(&trained.folder(), client(&server).server());
    let text = fs::read_to_string(&progress).expect("the progress");
    let text = text.replace("\"grid\"", "\"doubt\": null, \"picture\"");
    let text = text.replace("\"has_grids\"", "\"has_pictures\"");
    fs::write(&progress, text).expect("it is written");
    trained.ledger = Ledger::open(&path).expect("the ledger");
    trained.start(300);
    trained.steps(301..=500);
    trained.end(500, Ending::Finished);
    trained.upload_all(&server);
    trained.is_all_at(&server);
    let run = server.run("dcgan-s0-abc");
    assert_eq!(run.received, run.points.len(), "nothing is sent twice");
    assert_eq!(server.created(), 1);
}

#[test]
fn what_the_server_refuses_is_said_once_and_tried_by_the_next_process() {
    let server = FakeServer::new();
    let mut trained = Trained::new();
    trained.steps(1..=10);
    trained.identify(&server);
    let client = client(&server);
    server.faults([Fault::Echo(403)]);
    let mut upload = trained.upload(&server);
    let refused = upload.advance(&client, false).expect_err("a refusal");
    assert!(refused.is("PERMISSION_DENIED"), "{refused:?}");
    assert!(
        refused.to_string().contains("MLFLOW_TRACKING_TOKEN"),
        "{refused}"
    );
    drop(upload);
    assert_eq!(trained.progress(&server).error, refused.to_string());
    trained.end(10, Ending::Finished);
    trained.upload_all(&server);
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
fn a_training_uploads_to_the_server_of_the_environment() {
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
    assert!(errors.contains("tracking: all is uploaded to"), "{errors}");
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
        said.errors
            .contains("`histogen track sync` uploads the rest"),
        "{}",
        said.errors
    );
    let folder = folder(&lab, &said.output);
    let status = lab.succeed("track status");
    assert!(
        status.contains("not all uploaded: 0 parameters, steps to 0, "),
        "{status}"
    );
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
        let upload = &run["upload"];
        assert_eq!(upload["is_complete"], true, "{run}");
        assert_eq!(upload["error"], "", "{run}");
        assert_eq!(upload["status"], "FINISHED", "{run}");
    }
    assert!(!lab.succeed("track status").contains("not all"));
}

#[test]
fn a_training_that_is_killed_while_it_uploads_goes_on_in_the_same_run() {
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
    assert!(killed > 0, "it was killed while it uploaded");
    server.faults([]);
    let output = lab.succeed(&arguments);
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
    trained.upload_all(&server);
    assert_eq!(server.run("dcgan-s0-abc").status, "KILLED");
}

#[test]
fn secrets_are_in_no_file_no_line_and_nothing_that_is_uploaded() {
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
        "something was uploaded"
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
