//! What kinds of experiments there are: what `reproduce` takes, how each is carried out, and what is made of it.

use super::resolve::{ABLATIONS, EXPERIMENTS};
use super::{
    Asked, Outcome, Reporter, ablate, reproduce, reproduce_downstream, reproduce_low_data,
    reproduce_sampled, reproduce_translation,
};
use crate::config::Config;
use crate::error::{Result, refuse};
use crate::report::{self, TABLES, TableDefinition};
use crate::workspace::Workspace;

/// What `reproduce` calls all experiments with paired models.
pub(super) const TRANSFER: &str = "transfer";

/// What an experiment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExperimentKind {
    /// Systems that are trained alike, in the tables of the paper.
    Tables,
    /// Systems in one table of its own: an ablation, or the experiment of a related paper.
    Rows,
    /// Samplers of the same runs, each under a protocol of its own.
    Samplers,
    /// Classification from few images.
    LowData,
    /// Classifiers trained on generated images.
    Downstream,
    /// Paired models: pretrained, and fine-tuned.
    Translation,
}

impl ExperimentKind {
    /// That of the experiment called `name`, if it comes with the program.
    pub(super) fn of(name: &str) -> Option<Self> {
        let mut built_in = EXPERIMENTS.iter();
        let found = built_in.find(|experiment| experiment.name == name);
        found.map(|experiment| experiment.kind)
    }

    /// Whether its rows are systems that are drawn from, so that there are grids of samples.
    pub fn has_samples(self) -> bool {
        !matches!(self, Self::Downstream | Self::Translation)
    }
}

/// An experiment to carry out.
pub struct Request {
    /// What it is.
    pub kind: ExperimentKind,
    /// Its name under `experiments/`, or a TOML file.
    pub experiment: String,
    /// The tables to make, of [`ExperimentKind::Tables`].
    pub tables: Vec<&'static TableDefinition>,
}

impl Request {
    fn new(kind: ExperimentKind, experiment: &str) -> Self {
        Self {
            kind,
            experiment: experiment.to_owned(),
            tables: Vec::new(),
        }
    }

    /// What `reproduce NAME` carries out, one after another: a table of the paper, all of them, an experiment with tables of its
    /// own, or all with paired models. `experiment` is another one that is carried out in the same way.
    ///
    /// # Errors
    /// Refuses an unknown name, and another experiment in place of one that stands for itself.
    pub fn of(name: &str, experiment: Option<&str>) -> Result<Vec<Self>> {
        let kind = ExperimentKind::of(name).filter(|kind| *kind != ExperimentKind::Tables);
        let kind = kind.filter(|_| !ABLATIONS.iter().any(|(_, ablation)| *ablation == name));
        Ok(match (kind, experiment) {
            (None, Some(experiment)) if name == TRANSFER => {
                vec![Self::new(ExperimentKind::Translation, experiment)]
            }
            (None, None) if name == TRANSFER => {
                let all = EXPERIMENTS.iter();
                let all = all.filter(|experiment| experiment.kind == ExperimentKind::Translation);
                all.map(|experiment| Self::new(experiment.kind, experiment.name))
                    .collect()
            }
            (Some(kind), None) => vec![Self::new(kind, name)],
            (Some(ExperimentKind::Downstream), Some(experiment)) => {
                vec![Self::new(ExperimentKind::Downstream, experiment)]
            }
            (Some(_), Some(_)) => {
                return Err(refuse(
                    format!("`{name}` is an experiment with a table of its own"),
                    "leave out `--experiment`, or name a table: table1 to table4",
                ));
            }
            (None, experiment) => vec![Self {
                kind: ExperimentKind::Tables,
                experiment: experiment.unwrap_or(TABLES[0].name).to_owned(),
                tables: match name {
                    "all" => TABLES.iter().collect(),
                    name => vec![report::find(name)?],
                },
            }],
        })
    }

    /// What its cells are run for; none where its trainings depend on one another.
    pub fn asked(&self) -> Option<Asked> {
        let names = || self.tables.iter().map(|table| table.name.to_owned());
        match self.kind {
            ExperimentKind::Tables => Some(Asked::Tables(names().collect())),
            ExperimentKind::Rows => Some(Asked::Ablation),
            _ => None,
        }
    }

    /// Carries it out under the settings `config`, which are those of its experiment.
    ///
    /// # Errors
    /// As [`reproduce`].
    pub fn carry_out(
        &self,
        config: &Config,
        workspace: &Workspace,
        reporter: &mut dyn Reporter,
    ) -> Result<Outcome> {
        match self.kind {
            ExperimentKind::Tables => reproduce(config, &self.tables, workspace, reporter),
            ExperimentKind::Rows => ablate(config, workspace, reporter),
            ExperimentKind::Samplers => reproduce_sampled(config, workspace, reporter),
            ExperimentKind::LowData => reproduce_low_data(config, workspace, reporter),
            ExperimentKind::Downstream => reproduce_downstream(config, workspace, reporter),
            ExperimentKind::Translation => reproduce_translation(config, workspace, reporter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(name: &str, experiment: Option<&str>) -> Vec<(ExperimentKind, String)> {
        let requests = Request::of(name, experiment).unwrap();
        let kinds = requests.into_iter();
        kinds
            .map(|request| (request.kind, request.experiment))
            .collect()
    }

    #[test]
    fn a_name_is_a_table_or_an_experiment() {
        let own = |name: &str| name.to_owned();
        assert_eq!(
            kinds("table3", None),
            [(ExperimentKind::Tables, own("table1"))]
        );
        assert_eq!(
            kinds("all", Some("x.toml")),
            [(ExperimentKind::Tables, own("x.toml"))]
        );
        assert_eq!(
            kinds("mnist-zoo", None),
            [(ExperimentKind::Rows, own("mnist-zoo"))]
        );
        assert_eq!(
            kinds("downstream", Some("x.toml")),
            [(ExperimentKind::Downstream, own("x.toml"))]
        );
        assert_eq!(
            kinds("pretrain", None),
            [(ExperimentKind::Translation, own("pretrain"))]
        );
        let all = kinds(TRANSFER, None);
        assert!(
            all.len() > 1
                && all
                    .iter()
                    .all(|(kind, _)| *kind == ExperimentKind::Translation)
        );
        assert_eq!(all[0].1, "pretrain", "the others start from its runs");
        assert_eq!(
            kinds(TRANSFER, Some("x.toml")),
            [(ExperimentKind::Translation, own("x.toml"))]
        );
        for (name, experiment) in [
            ("table9", None),
            ("mnist-zoo", Some("x.toml")),
            ("ablate-layers", None),
        ] {
            assert!(Request::of(name, experiment).is_err(), "{name}");
        }
    }
}
