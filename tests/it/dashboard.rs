//! `--dashboard`: in a terminal that belongs to the test, and without one.
#![cfg(all(unix, feature = "dashboard"))]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::lab::{Lab, signal, wait_for};

/// Longer than any test waits.
const ENDLESS: &str = "train table1 --profile smoke --set training.steps=1000000 \
                       --set logging.evaluate_every=5 --dashboard --model";
/// Takes the alternate screen, and leaves it.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";
/// Shows the cursor.
const CURSOR: &str = "\u{1b}[?25h";

/// A terminal of 120 columns and 40 rows, and what was written to it.
struct Terminal {
    keys: File,
    far: OwnedFd,
    before: Termios,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new() -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&near).expect("it is ours");
        unlockpt(&near).expect("it is open");
        let name = ptsname(&near, Vec::new()).expect("a name");
        let far = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it opens");
        let size = Winsize {
            ws_row: 40,
            ws_col: 120,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&far, size).expect("a size");
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut screen = File::from(near.try_clone().expect("another handle"));
        let all = Arc::clone(&written);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                all.lock().expect("no panic").extend(&bytes[..count]);
            }
        });
        Self {
            keys: File::from(near),
            before: tcgetattr(&far).expect("its modes"),
            far,
            written,
        }
    }

    /// Starts `command` in it.
    fn start(&self, mut command: Command) -> Child {
        let end = || Stdio::from(self.far.try_clone().expect("another handle"));
        command.stdin(end()).stdout(end()).stderr(end());
        command.spawn().expect("the program starts")
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().expect("no panic")).into_owned()
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).expect("a key");
    }

    /// Asserts that it is as it was.
    fn is_given_back(&self) {
        let modes = tcgetattr(&self.far).expect("its modes");
        assert_eq!(modes.local_modes, self.before.local_modes);
        assert_eq!(modes.input_modes, self.before.input_modes);
        assert_eq!(modes.output_modes, self.before.output_modes);
        let text = self.text();
        assert!(text.rfind(ENTER) < text.rfind(LEAVE), "its screen is left");
        let last = |part: &str| text.rfind(part).expect("it is there");
        assert!(last(CURSOR) > last("\u{1b}[?25l"), "the cursor is shown");
    }

    /// What was written after it was given back.
    fn after(&self) -> String {
        let text = self.text();
        text.rsplit(LEAVE).next().unwrap_or_default().to_owned()
    }
}

/// Starts an endless training of `model`, and waits until the dashboard shows a score.
fn watched(lab: &Lab, terminal: &Terminal, model: &str) -> Child {
    let mut child = terminal.start(lab.command(&format!("{ENDLESS} {model}")));
    wait_for(|| {
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none(), "{}", terminal.text());
        terminal.text().contains("fid")
    });
    child
}

/// Stops an endless training of `model` by `stop`, and asserts that it was closed as by the signal `name`.
fn stopped_by(model: &str, stop: impl FnOnce(&mut Terminal, &Child), code: i32, name: &str) {
    let (lab, mut terminal) = (Lab::new(), Terminal::new());
    let mut child = watched(&lab, &terminal, model);
    stop(&mut terminal, &child);
    let ended = child.wait().expect("an end");
    assert_eq!(ended.code(), Some(code), "{}", terminal.after());
    wait_for(|| terminal.after().contains("nothing is lost"));
    terminal.is_given_back();
    let after = terminal.after();
    assert!(
        after.contains(&format!("stopped by {name}: nothing is lost")) && !after.contains("panic"),
        "{after}"
    );
    let listed = lab.succeed("list runs");
    let run = listed.lines().find(|line| line.contains(model));
    assert!(
        run.is_some_and(|run| run.contains(&format!(": stopped by {name}"))),
        "{listed}"
    );
}

#[test]
fn its_keys_stop_a_training_as_an_interrupt_does() {
    for choice in ["s", "k"] {
        let stop = |terminal: &mut Terminal, _: &Child| {
            terminal.press("q");
            wait_for(|| terminal.text().contains("Cancel"));
            terminal.press(choice);
        };
        stopped_by("dcgan", stop, 130, "SIGINT");
    }
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let stop = |terminal: &mut Terminal, child: &Child| {
        for shown in ["critic_loss", "reward", "rl-eo", "1000000"] {
            assert!(terminal.text().contains(shown), "{shown}");
        }
        signal(child, "TERM");
    };
    stopped_by("rl-eo", stop, 143, "SIGTERM");
}

#[test]
fn a_second_signal_gives_the_terminal_back_too() {
    let (lab, terminal) = (Lab::new(), Terminal::new());
    let mut child = watched(&lab, &terminal, "dcgan");
    for _ in 0..3 {
        signal(&child, "INT");
    }
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    wait_for(|| terminal.text().contains(LEAVE) && terminal.after().contains(CURSOR));
    terminal.is_given_back();
}

#[test]
fn a_dashboard_changes_no_byte_of_a_training() {
    let command = "train table1 --profile smoke --set logging.evaluate_every=1 --model dcgan";
    let (plain, watched) = (Lab::new(), Lab::new());
    let run = plain.succeed(command);
    let run = run.trim();
    let terminal = Terminal::new();
    let mut child = terminal.start(watched.command(&format!("{command} --dashboard")));
    assert!(child.wait().expect("an end").success());
    wait_for(|| terminal.after().contains(run));
    terminal.is_given_back();
    assert!(
        terminal.after().contains("dcgan seed 0: "),
        "{}",
        terminal.after()
    );
    crate::lab::assert_same_trace(&watched.path(run), &plain.path(run), "dcgan");
}

#[test]
fn without_a_terminal_there_are_lines_and_a_word_of_it() {
    let lab = Lab::new();
    for verb in [
        "train table1 --model dcgan",
        "reproduce table1 --set systems=[{name=\"dcgan\"}]",
        "snn train",
    ] {
        let said = lab.run(&format!("{verb} --profile smoke --dashboard"));
        assert_eq!(said.code, 0, "{verb}: {}", said.errors);
        let word = "no dashboard: standard input and output are not a terminal";
        assert_eq!(said.errors.matches(word).count(), 1, "{}", said.errors);
        assert!(!said.output.contains(ENTER), "{}", said.output);
    }
}

#[test]
fn help_has_colours_on_a_terminal_unless_they_are_not_wanted() {
    let lab = Lab::new();
    for (value, has_colours) in [(None, true), (Some("1"), false)] {
        let terminal = Terminal::new();
        let mut command = lab.command("--help");
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        command.envs(value.map(|value| ("NO_COLOR", value)));
        assert!(terminal.start(command).wait().expect("an end").success());
        wait_for(|| terminal.text().contains("Exit codes"));
        let text = terminal.text();
        assert_eq!(text.contains('\u{1b}'), has_colours, "{text:?}");
    }
}
