//! Requests that were given up without an answer, and may be taken all the same.
//!
//! To most of them that is nothing: what they say again, early or late, leaves the server as it was. Two kinds are different:
//! a request that creates the run makes another one, and one that says how the run stands says it after newer ones. So the
//! cursor has a note on disk before such a request is made, until when it may still be taken; only an answer removes it. As long
//! as the note stands, the delivery is not at its end. After that time it looks at what the server has, deletes runs that were
//! made in addition, and says how the run stands if the server has it otherwise.
//!
//! How long? The server gets a request at once, or a proxy between holds it, while its server starts again or is busy (nginx lets
//! go when the client hangs up, others after a time of their own), or it is in the buffers of a connection that is closed. No
//! bound is certain. The one here is [`LATEST`] after the client has given up, and once more the client's own time, as whoever
//! sets a long one expects a slow server. What comes after that stays: an empty run, or the state before the last. An older
//! version of a report that comes after a newer one is not looked for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Delivery;
use super::adoption::END;
use super::entry::tag;
use crate::tracker::clock::milliseconds;
use crate::tracker::mlflow::{Answered, Client, Failure};

/// How long after it was given up a request may be taken, beside the time that the client waits.
const LATEST: Duration = Duration::from_secs(20);

impl Delivery {
    /// Makes a request that is not harmless when it is taken late.
    pub(super) fn ask<T>(
        &mut self,
        client: &Client,
        request: impl FnOnce(&Self) -> Answered<T>,
    ) -> Answered<T> {
        let before = self.cursor.doubt;
        let latest = SystemTime::now() + 2 * client.timeout() + LATEST;
        self.cursor.doubt = before.max(Some(milliseconds(latest)));
        self.cursor.save(&self.folder, client.server())?;
        let answer = request(self);
        let is_in_doubt = matches!(&answer, Err(Failure::Passing { in_doubt: true, .. }));
        if !is_in_doubt {
            self.cursor.doubt = before;
        }
        answer
    }

    /// How much longer a request without an answer may be taken; `None` if there is none, or the server has been looked at
    /// since.
    pub fn doubt(&self) -> Option<Duration> {
        self.cursor.doubt.map(left)
    }

    /// Looks at what the server has, once no request can come any more.
    pub(super) fn settle(&mut self, client: &Client) -> Answered<bool> {
        if self.doubt() != Some(Duration::ZERO) {
            return Ok(false);
        }
        let found = self.delete_doubles(client)?;
        let told = tag(END, &self.cursor.end);
        let own = found.iter().find(|found| found.run.id == self.cursor.run);
        if own.is_some_and(|own| {
            own.status != self.cursor.status || own.tags.get(&told.key) != Some(&told.value)
        }) {
            self.cursor.status = None;
        }
        self.cursor.doubt = None;
        Ok(true)
    }
}

/// How much time is left until `time`, in milliseconds since 1970.
pub(super) fn left(time: i64) -> Duration {
    let time = UNIX_EPOCH + Duration::from_millis(time.max(0) as u64);
    let left = time.duration_since(SystemTime::now());
    left.unwrap_or_default()
}
