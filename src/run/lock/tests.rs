//! Two owners of one folder, where locks keep nobody out.

use super::*;
use crate::run::Fenced;
use crate::tracker::{Ending, Event, Ledger};
use std::fs;
use std::thread;
use std::time::SystemTime;

/// A file system without locks.
fn none(_: &File) -> Locked {
    Locked::Never(io::Error::from(io::ErrorKind::Unsupported))
}

fn owner(host: &str, job: &str, restart: u64) -> Owner {
    Owner {
        host: host.to_owned(),
        boot: format!("the start of {host}"),
        process: 7,
        started: "1".to_owned(),
        job: job.to_owned(),
        restart,
        ..Owner::this()
    }
}

fn take(owner: &Owner, folder: &Path) -> std::result::Result<Lock, String> {
    match Lock::take_as(owner, folder, &none).unwrap() {
        Taken::Ours(lock) => Ok(lock),
        Taken::Held(by, hint) => Err(format!("{by}: {hint}")),
    }
}

/// Puts the last heartbeat back.
fn silent_for(folder: &Path, seconds: u64) {
    let file = File::options()
        .write(true)
        .open(folder.join("lock"))
        .unwrap();
    let time = SystemTime::now() - Duration::from_secs(seconds);
    file.set_modified(time).unwrap();
}

fn is_fenced(outcome: &Result<()>) -> bool {
    matches!(outcome, Err(error) if error.is::<Fenced>())
}

#[test]
fn another_machine_waits_for_ten_minutes_of_silence_and_fences() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (first, second) = (owner("a", "", 0), owner("b", "", 0));
    let mut held = take(&first, folder).unwrap();
    silent_for(folder, 9 * 60);
    let refused = take(&second, folder).unwrap_err();
    assert!(refused.contains("number 7 on `a`"), "{refused}");
    assert!(
        refused.contains("delete `") && refused.contains("10 min"),
        "{refused}"
    );
    held.sign().unwrap();
    silent_for(folder, 10 * 60 + 1);
    let mut taken = take(&second, folder).unwrap();
    assert!(
        taken.displaced
            && taken
                .notices
                .iter()
                .any(|notice| notice.contains("taken for gone"))
    );
    // Who was displaced gives no heartbeat, and does not give the folder back that is another's.
    let beat = fs::metadata(folder.join("lock"))
        .unwrap()
        .modified()
        .unwrap();
    assert!(is_fenced(&held.sign()));
    assert!(is_fenced(&held.guard()(true)));
    let error = held.fence().check().unwrap_err().to_string();
    assert_eq!(error, "it was taken over by process 7 on `b`");
    drop(held);
    assert_eq!(
        fs::metadata(folder.join("lock"))
            .unwrap()
            .modified()
            .unwrap(),
        beat
    );
    taken.sign().unwrap();
    drop(taken);
    assert!(!folder.join("owner").exists(), "given back");
    assert!(take(&first, folder).is_ok());
}

#[test]
fn a_fenced_process_adds_no_line_to_a_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let end = || Event::End {
        step: 1,
        ending: Ending::Finished,
        reason: String::new(),
        seconds: 0.0,
        peak_megabytes: None,
        gigaflop: None,
    };
    let step = |step| Event::Step {
        step,
        scalars: [].into(),
    };
    let held = take(&owner("a", "", 0), folder.path()).unwrap();
    let mut ledger = Ledger::open(&path).unwrap();
    ledger.guard(held.guard());
    ledger.append(step(1)).unwrap();
    silent_for(folder.path(), 3600);
    let taken = take(&owner("b", "", 0), folder.path()).unwrap();
    let mut renewed = Ledger::open(&path).unwrap();
    renewed.renew().unwrap();
    renewed.guard(taken.guard());
    // A step may still rely on the answer of just now: its line goes to the file that was there.
    ledger.append(step(2)).unwrap();
    renewed.append(step(2)).unwrap();
    assert!(ledger.append(end()).unwrap_err().is::<Fenced>());
    let events = Ledger::read(&path).unwrap();
    assert_eq!(events, [step(1), step(2)], "none lost, none twice");
    // A folder whose owner was deleted by hand is nobody's to write.
    fs::remove_file(folder.path().join("owner")).unwrap();
    let error = renewed.append(end()).unwrap_err();
    assert!(error.to_string().contains("by hand"), "{error}");
}

#[test]
fn a_restarted_job_fences_its_earlier_start_and_writes_once_that_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut earlier = take(&owner("a", "12_3", 0), folder).unwrap();
    assert!(
        take(&owner("b", "12_4", 1), folder).is_err(),
        "another task"
    );
    assert!(take(&owner("b", "12_3", 0), folder).is_err(), "no restart");
    let later = thread::scope(|scope| {
        let later = scope.spawn(|| take(&owner("b", "12_3", 1), folder).unwrap());
        let start = Instant::now();
        while !is_fenced(&earlier.fence().check()) {
            assert!(start.elapsed() < Duration::from_secs(10));
            sleep(Duration::from_millis(10));
        }
        assert!(is_fenced(&earlier.sign()));
        sleep(Duration::from_millis(700));
        assert!(!later.is_finished(), "silent for a second only");
        silent_for(folder, 61);
        later.join().unwrap()
    });
    assert!(later.displaced);
    assert!(take(&owner("a", "12_3", 0), folder).is_err(), "never back");
}

#[test]
fn of_many_who_come_after_one_owner_one_is_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for round in 0..20 {
        if round % 2 == 0 {
            let gone = take(&owner("gone", "", 0), folder).unwrap();
            std::mem::forget(gone);
            silent_for(folder, 3600);
        }
        let taken: Vec<Lock> = thread::scope(|scope| {
            let newcomers = (0..6).map(|number| {
                scope.spawn(move || take(&owner(&format!("new {number}"), "", 0), folder))
            });
            let newcomers: Vec<_> = newcomers.collect();
            newcomers
                .into_iter()
                .filter_map(|one| one.join().unwrap().ok())
                .collect()
        });
        assert_eq!(taken.len(), 1);
        taken[0].fence().check().unwrap();
    }
}

#[test]
fn what_takes_a_folder_over_follows_from_place_life_job_and_silence() {
    let newcomer = owner("a", "5_1", 2);
    let bools = [false, true];
    let (mut gone, mut earlier, mut stays) = (0, 0, 0);
    for (host, boot) in [("a", true), ("a", false), ("b", true)] {
        for job in ["", "5_1", "5_2"] {
            for restart in [1, 2, 3] {
                for alive in bools {
                    let mut before = None;
                    for silent in [0, 59, 60, 599, 600, 100_000] {
                        let mut found = owner(host, job, restart);
                        if !boot {
                            found.boot = "an earlier start".to_owned();
                        }
                        let silent = Duration::from_secs(silent);
                        let lives = |asked: &Owner| {
                            assert!(asked.is_beside(&newcomer), "nobody sees another machine's");
                            alive
                        };
                        let verdict = verdict(&found, &newcomer, silent, lives);
                        let beside = host == "a" && boot;
                        let is_before = job == "5_1" && restart == 1;
                        match verdict {
                            Verdict::Gone => {
                                gone += 1;
                                assert!(if beside { !alive } else { silent >= SILENT });
                            }
                            Verdict::Earlier => {
                                earlier += 1;
                                assert!(is_before && (alive || !beside));
                            }
                            Verdict::Stays => {
                                stays += 1;
                                assert!(!is_before && (alive || !beside));
                                assert!(beside || silent < SILENT);
                                // Silence never gives a folder back.
                                assert!(matches!(before, None | Some(Verdict::Stays)));
                            }
                        }
                        before = Some(verdict);
                    }
                }
            }
        }
    }
    assert!(gone > 0 && earlier > 0 && stays > 0);
}

#[test]
fn a_process_is_told_from_another_of_its_number() {
    let this = Owner::this();
    assert!(this.lives() && this.is_beside(&Owner::this()));
    let started = "another time".to_owned();
    assert!(!Owner { started, ..this }.lives());
    let other = Owner {
        host: "elsewhere".to_owned(),
        ..Owner::this()
    };
    assert!(!other.is_beside(&Owner::this()));
}

#[test]
fn a_holder_elsewhere_is_shown_until_it_is_silent_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let held = take(&owner("elsewhere", "", 0), folder.path()).unwrap();
    let found = holder(folder.path()).unwrap();
    assert_eq!(
        (found.process, found.host.as_deref()),
        (7, Some("elsewhere"))
    );
    silent_for(folder.path(), 3600);
    assert!(holder(folder.path()).is_none());
    drop(held);
}
