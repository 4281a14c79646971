//! What is sent of a run at once, and how it is divided into requests.

use serde::{Deserialize, Serialize};

use super::Server;
use super::limits::{BYTES, ENTITIES, PARAMETERS, TAGS};

/// One point of a metric. Two that are equal in everything are one at the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Key of the metric.
    pub key: String,
    /// The number; finite.
    pub value: f64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Which step.
    pub step: u64,
}

/// A parameter: written once, never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// A tag: the last one written stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// What is sent of a run at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Tags.
    pub tags: Vec<Tag>,
    /// Points, in order.
    pub points: Vec<Point>,
}

impl Batch {
    /// A batch of tags alone.
    pub fn of_tags(tags: Vec<Tag>) -> Self {
        Self {
            tags,
            ..Self::default()
        }
    }

    /// The batch without the credentials of `server` in its values.
    pub fn scrubbed(mut self, server: &Server) -> Self {
        let values = self
            .parameters
            .iter_mut()
            .map(|parameter| &mut parameter.value);
        for value in values.chain(self.tags.iter_mut().map(|tag| &mut tag.value)) {
            *value = server.scrub(value);
        }
        self
    }
}

/// `batch` in parts that each fit into one request, in order.
pub(super) fn parts(batch: &Batch) -> Vec<Batch> {
    let (mut parts, mut part, mut size) = (Vec::new(), Batch::default(), 0);
    // Room for an entry of `length` bytes, of which a part takes `most`.
    let mut part_for =
        |part: &mut Batch, count: fn(&Batch) -> usize, most: usize, length: usize| {
            if size + length > BYTES || entities(part) == ENTITIES || count(part) == most {
                parts.push(std::mem::take(part));
                size = 0;
            }
            size += length + 1;
        };
    for parameter in &batch.parameters {
        let count = |part: &Batch| part.parameters.len();
        part_for(&mut part, count, PARAMETERS, length(parameter));
        part.parameters.push(parameter.clone());
    }
    for tag in &batch.tags {
        part_for(&mut part, |part| part.tags.len(), TAGS, length(tag));
        part.tags.push(tag.clone());
    }
    for point in &batch.points {
        part_for(&mut part, |part| part.points.len(), ENTITIES, length(point));
        part.points.push(point.clone());
    }
    parts.push(part);
    parts.retain(|part| entities(part) > 0);
    parts
}

fn entities(batch: &Batch) -> usize {
    batch.parameters.len() + batch.tags.len() + batch.points.len()
}

fn length(value: &impl Serialize) -> usize {
    serde_json::to_vec(value)
        .expect("text and numbers are JSON")
        .len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn point(step: u64) -> Point {
        Point {
            key: "loss".into(),
            value: 0.1,
            timestamp: 1,
            step,
        }
    }

    #[test]
    fn parts_keep_to_the_limits_and_the_order() {
        let batch = Batch {
            parameters: (0..250)
                .map(|number| Parameter {
                    key: number.to_string(),
                    value: "x".repeat(6000),
                })
                .collect(),
            tags: (0..150)
                .map(|number| Tag {
                    key: number.to_string(),
                    value: "x".into(),
                })
                .collect(),
            points: (0..2500).map(point).collect(),
        };
        let parts = parts(&batch);
        for part in &parts {
            assert!(part.parameters.len() <= 100 && part.tags.len() <= 100);
            assert!(entities(part) <= 1000);
            let body = json!({"run_id": "x".repeat(32), "params": part.parameters, "tags": part.tags, "metrics": part.points});
            assert!(length(&body) < 1_000_000, "{}", length(&body));
        }
        let mut whole = Batch::default();
        for part in parts {
            whole.parameters.extend(part.parameters);
            whole.tags.extend(part.tags);
            whole.points.extend(part.points);
        }
        assert_eq!(whole, batch);
    }

    #[test]
    fn a_batch_of_nothing_is_no_request() {
        assert!(parts(&Batch::default()).is_empty());
    }
}
