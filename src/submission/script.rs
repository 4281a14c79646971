//! The scripts of jobs.
//!
//! Slurm sends its signals to the script alone, or to every process of a job, or to nobody. So the script takes the warning
//! before the time limit (SIGUSR1, to the script alone) and asks the program to stop; SIGTERM, which all get, it does not pass
//! on; and it goes on living until the program has written its checkpoint. Only where it was warned does it put the job back into
//! the queue: after `scancel` that would bring a cancelled job back.

use std::fmt::Write;
use std::path::Path;

/// What every job gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// The partition; the cluster's own choice without.
    pub partition: Option<String>,
    /// The time limit of a process, in Slurm's form; after it the cell goes on in another.
    pub time: Option<String>,
    /// Cores of a process.
    pub cpus: usize,
    /// GPUs and the like of a process, in Slurm's form.
    pub gres: Option<String>,
    /// How many tasks of an array run at once at most; 0 for no limit.
    pub throttle: usize,
    /// Seconds before the time limit at which a process is warned.
    pub warn: u64,
    /// Other options of `sbatch`, without the dashes.
    pub sbatch: Vec<String>,
}

/// What of the environment a job gets; no setting is among it.
const EXPORTED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "SLURM_CONF",
    "HISTOGEN_WEIGHTS",
    "HISTOGEN_WEIGHTS_MIRROR",
    "HISTOGEN_KERNELS",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
];

/// Which script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Script {
    /// A cell for each task of an array.
    Cell,
    /// The tables at the end.
    Report,
}

impl Script {
    /// Its file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cell => "cell.sh",
            Self::Report => "report.sh",
        }
    }

    /// Its text, for the submission in `folder`.
    pub(super) fn text(self, folder: &Path, resources: &Resources) -> String {
        let Resources {
            partition,
            time,
            cpus,
            gres,
            warn,
            sbatch,
            ..
        } = resources;
        let mut text =
            String::from("#!/bin/bash\n# Written by `histogen submit`, anew each time.\n");
        let mut option = |option: &str| {
            let _ = writeln!(text, "#SBATCH --{option}");
        };
        option("requeue");
        option("open-mode=append");
        option(&format!("signal=B:USR1@{warn}"));
        option(&format!("cpus-per-task={cpus}"));
        let named = [("partition", partition), ("time", time), ("gres", gres)];
        for (name, value) in named {
            if let Some(value) = value {
                option(&format!("{name}={value}"));
            }
        }
        option(&format!("export={}", EXPORTED.join(",")));
        // The last line of an option counts.
        for line in sbatch {
            option(line.trim_start_matches('-'));
        }
        let folder = quoted(&folder.display().to_string());
        let (what, job) = match self {
            Self::Cell => (
                "--index $((SLURM_ARRAY_TASK_ID + ${1:-0}))",
                "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}",
            ),
            Self::Report => ("--report", "$SLURM_JOB_ID"),
        };
        let _ = write!(
            text,
            r#"folder={folder}
export RAYON_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-1}}
child= warned=
trap 'warned=1; [ -z "$child" ] || kill -TERM "$child"' USR1   # time is running out: only this script gets it
trap : TERM                                                    # every process of the job gets it: not passed on
"$folder"/histogen cell --submission "$folder" {what} & child=$!
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
if [ "$code" = 143 ] && [ -n "$warned" ]; then
    if command -v scontrol >/dev/null; then
        scontrol requeue "{job}"
    else
        echo "no scontrol on this node: repeat histogen submit to go on" >&2
    fi
fi
exit "$code"
"#
        );
        text
    }
}

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_script_says_what_was_asked_for_and_any_shell_reads_it() {
        let resources = Resources {
            partition: Some("gpu".to_owned()),
            cpus: 4,
            gres: Some("gpu:1".to_owned()),
            warn: 90,
            sbatch: vec!["--mem=8G".to_owned(), "account=path".to_owned()],
            ..Resources::default()
        };
        for script in [Script::Cell, Script::Report] {
            let text = script.text(Path::new("/disk/o'hara's runs"), &resources);
            let lines = text.lines().filter(|line| line.starts_with("#SBATCH"));
            let lines: Vec<&str> = lines.collect();
            assert_eq!(
                lines[..6],
                [
                    "#SBATCH --requeue",
                    "#SBATCH --open-mode=append",
                    "#SBATCH --signal=B:USR1@90",
                    "#SBATCH --cpus-per-task=4",
                    "#SBATCH --partition=gpu",
                    "#SBATCH --gres=gpu:1",
                ]
            );
            assert!(!text.contains("--time"), "the cluster's own");
            assert_eq!(
                lines[lines.len() - 2..],
                ["#SBATCH --mem=8G", "#SBATCH --account=path"]
            );
            let shell = Command::new("bash").args(["-n", "-c", &text]).status();
            // Where there is no bash there is no Slurm.
            assert!(shell.is_ok_and(|status| status.success()), "{text}");
        }
    }
}
