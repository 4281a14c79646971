//! `histogen snn`: the MFT-SNN by itself.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::Serialize;

use super::dashboard::is_possible;
use super::judges::{train_snn, trained_elsewhere};
use super::session::{configure, patches};
use super::tracking::Tracking;
use super::{Answer, Outcome};
use crate::cli::{Snn, SnnArguments};
use crate::config::Config;
use crate::data::{Level, PatchStore, Split};
use crate::error::Result;
use crate::files::write_whole;
use crate::images::write_png;
use crate::nn::vgg::Vgg16;
use crate::random::Random;
use crate::report::figure::histograms;
use crate::report::{Cell, Column, Row, Table};
use crate::run::unreadable;
use crate::snn::{
    Autoencoder, HeldOut, Neighbours, Separation, SnnConfig, SnnRunConfig, gain,
    neighbours, separation,
};

/// Held-out patches whose neighbours are drawn, and how many of each.
const QUERIES: usize = 10;
const NEAREST: usize = 8;
/// Held-out patches among which neighbours are looked for.
const POOL: usize = 600;

pub(super) fn run(command: &Snn) -> Outcome {
    let (arguments, figures) = match command {
        Snn::Train(arguments) => (arguments, false),
        Snn::Evaluate(arguments) => (arguments, true),
    };
    let settings = &arguments.settings;
    let config = configure("table1", settings, None)?;
    let place = settings.out.join("reports/snn");
    Tracking::during(&config, settings, &place, |tracking| {
        train_and_measure(&config, arguments, figures, &place, tracking)
    })
}

/// Trains the network or finds it trained, and measures it.
fn train_and_measure(
    config: &Config,
    arguments: &SnnArguments,
    figures: bool,
    place: &Path,
    tracking: &Tracking,
) -> Outcome {
    let settings = &arguments.settings;
    let device = config.compute.open()?;
    let store = patches(config, &settings.out)?;
    let (trained, network, folder) = network(config, &store, arguments, tracking, &device)?;
    // The network is measured as it was trained; only how many pairs there are is asked anew.
    let measured = SnnConfig {
        evaluation_pairs: config.snn.evaluation_pairs,
        weights: config.snn.weights.clone(),
        ..trained.settings.clone()
    };
    let evaluation = Evaluation::new(&trained, &measured, &network, &store, &device)?;
    evaluation.write(place)?;
    if figures {
        evaluation.draw(place)?;
        draw_neighbours(&evaluation, &measured, &store, place, &device)?;
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&evaluation.record)?);
    } else {
        println!("{}", evaluation.table.terminal());
    }
    eprintln!("wrote `{}`", place.display());
    println!("{}", folder.display());
    Ok(Answer::Yes)
}

/// The trained network: that of `reward.snn`, or the one that the configuration asks for, trained now or found.
fn network(
    config: &Config,
    store: &PatchStore,
    arguments: &SnnArguments,
    tracking: &Tracking,
    device: &Device,
) -> Result<(SnnRunConfig, Autoencoder, PathBuf)> {
    let given = &config.reward.snn;
    if given.as_os_str().is_empty() {
        let dashboard = is_possible(arguments.dashboard);
        let settings = &arguments.settings;
        let (run, network) = train_snn(config, store, settings, tracking, device, dashboard)?;
        return Ok((run.config.clone(), network, run.path().to_owned()));
    }
    let (trained, checkpoint) = trained_elsewhere(given)?;
    let network = Autoencoder::load(&checkpoint, &trained.settings, device)
        .map_err(|error| unreadable(&checkpoint, &error))?;
    Ok((trained, network, given.clone()))
}

/// Similarities of pairs, by their level.
type ByLevel = Vec<(Level, Vec<f64>)>;

/// What was measured of one network.
#[derive(Serialize)]
struct NetworkRecord {
    network: String,
    /// By level of dissimilarity.
    separation: Vec<LevelRecord>,
    /// Mean squared error of images in [-1, 1]; none for a network without decoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    reconstruction_error: Option<f64>,
}

/// How similar pairs are told from those of one level.
#[derive(Serialize)]
struct LevelRecord {
    level: &'static str,
    auc: f64,
    auc_interval: (f64, f64),
    accuracy: f64,
    threshold: f64,
    mean_similarity: f64,
    mean_similarity_of_similar: f64,
}

/// Everything that was measured, for `--json` and `evaluation.json`.
#[derive(Serialize)]
struct Record {
    trained: String,
    evaluated_on: String,
    pairs: usize,
    pairs_id: String,
    networks: Vec<NetworkRecord>,
    /// By level: how much larger the area of the trained network is, and its interval.
    gains: Vec<(&'static str, f64, (f64, f64))>,
    impossible: Vec<(&'static str, String)>,
}

struct Evaluation {
    record: Record,
    table: Table,
    /// The similarities that each network gives the pairs of each level.
    similarities: Vec<(String, ByLevel)>,
    /// The trained encoder, and the one it started from.
    encoders: [(String, Vgg16); 2],
}

impl Evaluation {
    /// Measures `network`, and the encoder that it started from, on the same held-out pairs.
    fn new(
        trained: &SnnRunConfig,
        settings: &SnnConfig,
        network: &Autoencoder,
        store: &PatchStore,
        device: &Device,
    ) -> Result<Self> {
        let device = device.clone().without_autodiff();
        let pairs = HeldOut::draw(settings, store)?;
        let network = burn::module::Module::valid(network);
        let start = start(trained, settings, &device)?;
        let encoders = [("mft-snn".to_owned(), network.encoder.clone()), start];
        let mut similarities = Vec::new();
        for (name, encoder) in &encoders {
            similarities.push((name.clone(), pairs.similarities(encoder, &device)?));
        }
        let (error, spread) = pairs.reconstruction(&network, &device)?;
        let random = Random::new(settings.seed);
        let of_level = |found: &[(Level, Vec<f64>)], level: Level| -> Vec<f64> {
            let values = found.iter().find(|(known, _)| *known == level);
            values.map(|(_, values)| values.clone()).unwrap_or_default()
        };
        let levels: Vec<Level> = pairs
            .partners
            .iter()
            .skip(1)
            .map(|(level, _)| *level)
            .collect();
        let mut networks = Vec::new();
        for (number, (name, found)) in similarities.iter().enumerate() {
            let similar = of_level(found, Level::Similar);
            let separations = levels
                .iter()
                .map(|&level| {
                    let dissimilar = of_level(found, level);
                    let separation = separation(&similar, &dissimilar, random)?;
                    Ok(level_record(level, separation, &similar, &dissimilar))
                })
                .collect::<Result<_>>()?;
            networks.push(NetworkRecord {
                network: name.clone(),
                separation: separations,
                reconstruction_error: (number == 0).then_some(error),
            });
        }
        let mut gains = Vec::new();
        for &level in &levels {
            let [ours, theirs] = [&similarities[0].1, &similarities[1].1]
                .map(|found| (of_level(found, Level::Similar), of_level(found, level)));
            let (difference, interval) = gain((&ours.0, &ours.1), (&theirs.0, &theirs.1), random)?;
            gains.push((level.name(), difference, interval));
        }
        let record = Record {
            trained: trained.describe(),
            evaluated_on: format!("{} ({})", store.name(), &store.content_hash()[..8]),
            pairs: settings.evaluation_pairs,
            pairs_id: pairs.id.clone(),
            networks,
            gains,
            impossible: pairs
                .impossible
                .iter()
                .map(|(level, reason)| (level.name(), reason.clone()))
                .collect(),
        };
        let table = table(&record, trained, settings, store, spread)?;
        Ok(Self {
            record,
            table,
            similarities,
            encoders,
        })
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(&self.record)? + "\n";
        write_whole(&folder.join("evaluation.json"), json.as_bytes())?;
        write_whole(
            &folder.join("separation.md"),
            self.table.markdown().as_bytes(),
        )?;
        write_whole(&folder.join("separation.csv"), self.table.csv()?.as_bytes())
    }

    /// The distributions of the distances, a figure a network.
    fn draw(&self, folder: &Path) -> Result<()> {
        for (name, found) in &self.similarities {
            let distance = |similarity: f64| (2.0 - 2.0 * similarity).max(0.0).sqrt();
            let groups: Vec<(String, Vec<f64>)> = found
                .iter()
                .map(|(level, values)| {
                    let distances = values.iter().map(|&value| distance(value)).collect();
                    (level.name().to_owned(), distances)
                })
                .collect();
            histograms(
                &folder.join(format!("distances-{name}.png")),
                &format!("Distances of held-out pairs, {name}"),
                "Euclidean distance of unit embeddings",
                &groups,
                (0.0, 2f64.sqrt()),
                40,
            )?;
        }
        Ok(())
    }
}

/// The encoder that the training started from, by name.
fn start(trained: &SnnRunConfig, settings: &SnnConfig, device: &Device) -> Result<(String, Vgg16)> {
    let layers = settings.encoder_layers;
    if trained.weights.is_empty() {
        return Ok(("vgg16-random".to_owned(), Vgg16::random(layers, device)));
    }
    let (network, hash) = Vgg16::from_file(layers, &settings.weights, device)?;
    if hash != trained.weights {
        return Err(crate::error::refuse(
            format!(
                "the MFT-SNN started from other weights than those in `{}`",
                settings.weights.display()
            ),
            format!(
                "give `snn.weights` the file with SHA-256 {}",
                trained.weights
            ),
        ));
    }
    Ok(("vgg16".to_owned(), network))
}

fn level_record(
    level: Level,
    separation: Separation,
    similar: &[f64],
    dissimilar: &[f64],
) -> LevelRecord {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    LevelRecord {
        level: level.name(),
        auc: separation.auc,
        auc_interval: separation.interval,
        accuracy: separation.accuracy,
        threshold: separation.threshold,
        mean_similarity: mean(dissimilar),
        mean_similarity_of_similar: mean(similar),
    }
}

fn table(
    record: &Record,
    trained: &SnnRunConfig,
    settings: &SnnConfig,
    store: &PatchStore,
    spread: f64,
) -> Result<Table> {
    let titles = ["AUC", "95 % interval", "accuracy", "mean similarity"];
    let mut columns = vec![Column::new("against", None)];
    columns.extend(titles.map(|title| Column::new(title, None)));
    let mut table = Table::new(
        "Similar against dissimilar held-out pairs",
        "network",
        columns,
    );
    for network in &record.networks {
        for level in &network.separation {
            let cells = [
                level.level.to_owned(),
                format!("{:.4}", level.auc),
                format!("{:.4} to {:.4}", level.auc_interval.0, level.auc_interval.1),
                format!("{:.3} at {:.3}", level.accuracy, level.threshold),
                format!(
                    "{:.3}, similar {:.3}",
                    level.mean_similarity, level.mean_similarity_of_similar
                ),
            ];
            table.push(Row {
                name: network.network.clone(),
                reference: false,
                cells: cells.map(Cell::Text).to_vec(),
            })?;
        }
    }
    for (level, reason) in &record.impossible {
        let mut cells = vec![Cell::Text((*level).to_owned())];
        cells.resize(titles.len() + 1, Cell::Failed(reason.clone()));
        table.push(Row {
            name: "every network".to_owned(),
            reference: false,
            cells,
        })?;
    }
    let other = if trained.data.hash == store.content_hash() {
        ""
    } else {
        " It was trained on other data than it is measured on."
    };
    table.caption = vec![
        format!("mft-snn: {}.{other}", record.trained),
        format!(
            "{} anchors from {} held-out slides of {}, each with a partner of every level; similar: {}; every partner \
             augmented. Pairs {}.",
            record.pairs,
            store.slides(Split::Test).len(),
            record.evaluated_on,
            similar_in_words(settings),
            record.pairs_id,
        ),
        "Interval: bootstrap over anchors. The threshold of the accuracy is the best on these pairs, so it flatters.".to_owned(),
    ];
    for (level, difference, (low, high)) in &record.gains {
        table.caption.push(format!(
            "AUC against {level}: {difference:+.4} over the network it started from ({low:+.4} to {high:+.4})."
        ));
    }
    if let Some(error) = record.networks[0].reconstruction_error {
        table.caption.push(format!(
            "Reconstruction error of the anchors {error:.4} (mean squared, images in [-1, 1]); their variance around their \
             mean colour is {spread:.4}."
        ));
    }
    Ok(table)
}

fn similar_in_words(settings: &SnnConfig) -> &'static str {
    match settings.similar {
        crate::data::SimilarPair::AugmentedView => "an augmented view of the anchor",
        crate::data::SimilarPair::SameSlide => "another patch of the anchor's slide",
    }
}

/// A picture for each network: a row a query, the query first, then its nearest patches of other slides; and a file that
/// names them.
fn draw_neighbours(
    evaluation: &Evaluation,
    settings: &SnnConfig,
    store: &PatchStore,
    folder: &Path,
    device: &Device,
) -> Result<()> {
    let device = device.clone().without_autodiff();
    let test = store.indices(Split::Test);
    let mut stream = Random::new(settings.seed).stream("neighbours");
    let pool: Vec<usize> = stream
        .choose(test.len(), POOL.min(test.len()))
        .into_iter()
        .map(|place| test[place])
        .collect();
    for (name, encoder) in &evaluation.encoders {
        let found = neighbours(
            encoder,
            settings,
            store,
            &pool,
            pool.len(),
            NEAREST,
            &device,
        )?;
        let shown = &found[..QUERIES.min(found.len())];
        let columns = 1 + shown.iter().map(|row| row.nearest.len()).min().unwrap_or(0);
        let places: Vec<usize> = shown
            .iter()
            .flat_map(|row| {
                let nearest = row
                    .nearest
                    .iter()
                    .take(columns - 1)
                    .map(|(place, _)| *place);
                std::iter::once(row.query).chain(nearest)
            })
            .collect();
        let picture = store.read(&places)?.grid(columns, 1);
        let path = folder.join(format!("neighbours-{name}.png"));
        write_png(&picture, &path)?;
        let path = folder.join(format!("neighbours-{name}.csv"));
        write_whole(&path, neighbours_csv(shown, store)?.as_bytes())?;
        eprintln!(
            "{name}: {:.1} % of the {NEAREST} nearest patches of other slides are of the query's class ({} queries)",
            100.0 * same_class(&found, store),
            found.len()
        );
    }
    Ok(())
}

/// The share of neighbours that are of their query's class.
fn same_class(found: &[Neighbours], store: &PatchStore) -> f64 {
    let class = |place: usize| &store.records()[place].class;
    let pairs = found
        .iter()
        .flat_map(|row| row.nearest.iter().map(|(place, _)| (row.query, *place)));
    let pairs: Vec<(usize, usize)> = pairs.collect();
    let equal = pairs
        .iter()
        .filter(|(query, place)| class(*query) == class(*place))
        .count();
    equal as f64 / pairs.len().max(1) as f64
}

fn neighbours_csv(found: &[Neighbours], store: &PatchStore) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["query", "rank", "slide", "class", "x", "y", "similarity"])?;
    for (query, row) in found.iter().enumerate() {
        let all = std::iter::once((row.query, 1.0)).chain(row.nearest.iter().copied());
        for (rank, (place, similarity)) in all.enumerate() {
            let record = &store.records()[place];
            writer.write_record([
                query.to_string(),
                rank.to_string(),
                record.slide.clone(),
                record.class.clone(),
                record.x.to_string(),
                record.y.to_string(),
                format!("{similarity:.4}"),
            ])?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
