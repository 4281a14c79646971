//! The figures of an MFT-SNN's evaluation: distances of pairs, where in patches their similarity comes from, and the nearest
//! neighbours of patches.

use std::path::Path;

use burn::tensor::Device;

use super::super::Reporter;
use super::record::Measured;
use crate::data::{PatchStore, Split};
use crate::error::Result;
use crate::files::write_whole;
use crate::images::{Images, write_png};
use crate::random::Random;
use crate::report::figures::{MappedPair, histograms, similarity_sheet};
use crate::reward::{self, Neighbours, SnnConfig};

/// Held-out pairs of each level whose maps are drawn.
const SHOWN_PAIRS: usize = 6;
/// Held-out patches whose neighbours are drawn, and how many of each.
const QUERIES: usize = 10;
const NEAREST: usize = 8;
/// Held-out patches among which neighbours are looked for.
const POOL: usize = 600;

/// The distributions of the distances, a figure a network.
pub(super) fn distances(measured: &Measured, folder: &Path) -> Result<()> {
    for (name, found) in &measured.similarities {
        let distance = |similarity: f64| (2.0 - 2.0 * similarity).max(0.0).sqrt();
        let groups: Vec<(String, Vec<f64>)> = found
            .iter()
            .map(|(level, values)| {
                let distances = values.iter().map(|&value| distance(value)).collect();
                (level.name().to_owned(), distances)
            })
            .collect();
        histograms(
            &folder.join(format!("distances-{name}.svg")),
            &format!("Distances of held-out pairs, {name}"),
            "Euclidean distance of unit embeddings",
            &groups,
            (0.0, 2f64.sqrt()),
            40,
        )?;
    }
    Ok(())
}

/// A sheet for each network: the first held-out pairs of each level, with Grad-CAM of their similarity on every patch.
pub(super) fn similarity_maps(measured: &Measured, folder: &Path, device: &Device) -> Result<()> {
    for (name, encoder) in &measured.encoders {
        let pairs = &measured.pairs;
        let shown: Vec<usize> = (0..SHOWN_PAIRS.min(pairs.anchors.count)).collect();
        let anchors = pairs.anchors.select(&shown);
        let mut groups = Vec::new();
        for (level, partners) in &pairs.partners {
            let partners = partners.select(&shown);
            let found =
                reward::similarity_maps(encoder, &anchors, &partners, anchors.size, device)?;
            let pairs = found.into_iter().enumerate().map(|(pair, found)| {
                let [left, right] = found.maps;
                let picture = |images: &Images| images.select(&[pair]).quantise().picture(0);
                MappedPair {
                    similarity: found.similarity,
                    images: [(picture(&anchors), left), (picture(&partners), right)],
                }
            });
            groups.push((level.name().to_owned(), pairs.collect()));
        }
        similarity_sheet(&folder.join(format!("grad-cam-{name}.png")), &groups)?;
    }
    Ok(())
}

/// A picture for each network: a row a query, the query first, then its nearest patches of other slides; and a file that
/// names them.
pub(super) fn neighbours(
    measured: &Measured,
    settings: &SnnConfig,
    store: &PatchStore,
    folder: &Path,
    device: &Device,
    reporter: &mut dyn Reporter,
) -> Result<()> {
    let device = device.clone().without_autodiff();
    // The patches among which neighbours are sought.
    let test = store.indices(Split::Test);
    let mut stream = Random::new(settings.seed).stream("neighbours");
    let pool = stream.choose_from(&test, POOL.min(test.len()));
    for (name, encoder) in &measured.encoders {
        let found = reward::neighbours(
            encoder,
            settings,
            store,
            &pool,
            pool.len(),
            NEAREST,
            &device,
        )?;
        // The picture and its table.
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
        reporter.note(&format!(
            "{name}: {:.1} % of the {NEAREST} nearest patches of other slides are of the query's class ({} queries)",
            100.0 * same_class(&found, store),
            found.len()
        ));
    }
    Ok(())
}

/// The fraction of neighbours that are of their query's class.
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
