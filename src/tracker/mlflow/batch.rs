//! What is sent of a run, and how it is divided into requests.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Server;
use super::limits::{PAIRS, PARAMETER, POINTS, TAG, cut, key_of};

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

/// A parameter, written once and never changed, or a tag, of which the last one written stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyValue {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl KeyValue {
    /// A parameter with the key and the value that the server takes.
    pub fn parameter(key: &str, value: &str) -> Self {
        let (key, value) = (key_of(key), cut(value, PARAMETER));
        Self { key, value }
    }

    /// A tag with the key and the value that the server takes.
    pub fn tag(key: &str, value: &str) -> Self {
        let (key, value) = (key_of(key), cut(value, TAG));
        Self { key, value }
    }
}

/// What is to be sent of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LogBatch {
    /// Parameters.
    pub parameters: Vec<KeyValue>,
    /// Tags.
    pub tags: Vec<KeyValue>,
    /// Points, in order.
    pub points: Vec<Point>,
}

impl LogBatch {
    /// A batch of tags alone.
    pub fn of_tags(tags: Vec<KeyValue>) -> Self {
        Self {
            tags,
            ..Self::default()
        }
    }

    /// The batch without the credentials of `server` in its values.
    pub fn scrubbed(mut self, server: &Server) -> Self {
        for pair in self.parameters.iter_mut().chain(&mut self.tags) {
            pair.value = server.scrub(&pair.value);
        }
        self
    }

    /// The next request about the run `run`, as large as the server takes; `None` if nothing is left.
    pub(super) fn request(&self, run: &str) -> Option<Value> {
        let [parameters, tags, points] = self.next();
        (parameters + tags + points > 0).then(|| {
            json!({
                "run_id": run,
                "params": self.parameters[..parameters],
                "tags": self.tags[..tags],
                "metrics": self.points[..points],
            })
        })
    }

    /// The request was taken: what it had is left no more.
    pub(super) fn advance(&mut self) {
        let [parameters, tags, points] = self.next();
        self.parameters.drain(..parameters);
        self.tags.drain(..tags);
        self.points.drain(..points);
    }

    /// How many parameters, tags and points go into the next request.
    fn next(&self) -> [usize; 3] {
        match [self.parameters.len(), self.tags.len()] {
            [0, 0] => [0, 0, self.points.len().min(POINTS)],
            [0, tags] => [0, tags.min(PAIRS), 0],
            [parameters, _] => [parameters.min(PAIRS), 0, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request has called `name`, at most `most` of it.
    fn list<T: for<'a> Deserialize<'a>>(body: &Value, name: &str, most: usize) -> Vec<T> {
        let found = body[name].as_array().cloned().unwrap_or_default();
        assert!(found.len() <= most, "{name}");
        serde_json::from_value(found.into()).unwrap()
    }

    #[test]
    fn requests_keep_to_the_limits_and_the_order() {
        let pair = |number: usize| {
            let key = format!("{number:09}").repeat(40);
            KeyValue::parameter(&key, &"\u{10ffff}".repeat(7000))
        };
        let point = |step: u64| Point {
            key: key_of(&"k".repeat(300)),
            value: 1.0 / 3e100,
            timestamp: i64::MAX,
            step,
        };
        let mut batch = LogBatch {
            parameters: (0..250).map(pair).collect(),
            tags: (0..150).map(pair).collect(),
            points: (0..2500).map(point).collect(),
        };
        let (wanted, mut whole) = (batch.clone(), LogBatch::default());
        while let Some(body) = batch.request(&"x".repeat(32)) {
            batch.advance();
            assert!(body.to_string().len() < 1_000_000);
            whole
                .parameters
                .extend(list::<KeyValue>(&body, "params", 100));
            whole.tags.extend(list::<KeyValue>(&body, "tags", 100));
            whole.points.extend(list::<Point>(&body, "metrics", 1000));
        }
        assert_eq!(whole, wanted);
    }
}
