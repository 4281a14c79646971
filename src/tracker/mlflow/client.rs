//! One request and its answer: taken, refused, or to be tried again.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::blocking::{Client as Http, RequestBuilder, Response};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{IntoUrl, Method, StatusCode, Url};
use serde_json::Value;

use super::Server;
use crate::error::Result;
use crate::http::{self, causes, is_transient};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Where MLflow's methods are.
const METHODS: &str = "api/2.0/mlflow";
/// Where artifacts go that the server keeps.
const ARTIFACTS: &str = "api/2.0/mlflow-artifacts/artifacts";
/// What is not written as it is in a path: all but letters, digits, `-._~` and what separates its parts.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// Why a request was not taken. No text here has a secret in it.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// A transient error, another try may do better: no answer, a broken one, 408, 429, 5xx.
    Transient {
        /// What happened.
        reason: String,
        /// How long the server asks to wait.
        after: Option<Duration>,
    },
    /// No other try will do better.
    Refused {
        /// MLflow's word for it, for example `RESOURCE_DOES_NOT_EXIST`; empty where it has none.
        code: String,
        /// What the server says, or what stands in the way here.
        reason: String,
    },
}

impl Failure {
    /// Something that stands in the way here, not at the server.
    pub fn here(reason: impl Into<String>) -> Self {
        Self::Refused {
            code: String::new(),
            reason: reason.into(),
        }
    }

    /// Whether the server refused with this word.
    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::here(format!("{error:#}"))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transient { reason, .. } => formatter.write_str(reason),
            Self::Refused { code, reason } if code.is_empty() => formatter.write_str(reason),
            Self::Refused { code, reason } => write!(formatter, "{reason} ({code})"),
        }
    }
}

/// What comes of a request.
pub type Answered<T> = std::result::Result<T, Failure>;

/// A connection to a tracking server. Requests are made once; whoever makes them decides when to try again.
pub struct Client {
    http: Http,
    server: Server,
}

impl Client {
    /// A client of `server` that waits `timeout` for an answer.
    pub fn new(server: Server, timeout: Duration) -> Result<Self> {
        let connect = CONNECT.min(timeout);
        let http = http::client(server.address(), connect, timeout, Policy::none())?;
        Ok(Self { http, server })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn get(&self, method: &str, query: &[(&str, &str)]) -> Answered<Value> {
        let address = self.address(&format!("{METHODS}/{method}"));
        let address = Url::parse_with_params(&address, query)
            .map_err(|error| Failure::here(format!("`{address}`: {error}")))?;
        self.json(self.request(Method::GET, address))
    }

    pub(super) fn post(&self, method: &str, body: &Value) -> Answered<Value> {
        let address = self.address(&format!("{METHODS}/{method}"));
        let request = self.request(Method::POST, address);
        self.json(request.json(body))
    }

    /// Puts a file at `path`, relative to where the server keeps artifacts.
    pub(super) fn put(&self, path: &str, bytes: Vec<u8>) -> Answered<()> {
        let path = utf8_percent_encode(path, IN_PATH);
        let address = self.address(&format!("{ARTIFACTS}/{path}"));
        let request = self.request(Method::PUT, address);
        let request = request.header(CONTENT_TYPE, "application/octet-stream");
        self.send(request.body(bytes)).map(drop)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.server.address())
    }

    fn request(&self, method: Method, address: impl IntoUrl) -> RequestBuilder {
        self.server.authorise(self.http.request(method, address))
    }

    fn json(&self, request: RequestBuilder) -> Answered<Value> {
        let response = self.send(request)?;
        let body = response
            .bytes()
            .map_err(|error| transient(&self.server, &error))?;
        serde_json::from_slice(&body).map_err(|_| {
            let address = self.server.address();
            Failure::here(format!(
                "`{address}` answers with something that is not JSON: is it an MLflow server?"
            ))
        })
    }

    fn send(&self, request: RequestBuilder) -> Answered<Response> {
        let response = request
            .send()
            .map_err(|error| transient(&self.server, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let body = response.text().unwrap_or_default();
        Err(self.failure(status, after, &body))
    }

    fn failure(&self, status: StatusCode, after: Option<Duration>, body: &str) -> Failure {
        let error: Value = serde_json::from_str(body).unwrap_or_default();
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let message = self.server.scrub(&text("message"));
        if is_transient(status) {
            let colon = if message.is_empty() { "" } else { ": " };
            return Failure::Transient {
                reason: format!("the server answers {status}{colon}{message}"),
                after,
            };
        }
        let said = match message.as_str() {
            "" => format!("the server answers {status}"),
            message => message.to_owned(),
        };
        let reason = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "the server lets nobody in with these credentials ({said}): see MLFLOW_TRACKING_TOKEN, or \
                 MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            ),
            StatusCode::NOT_FOUND if message.is_empty() => format!(
                "`{}` answers {status}: is it an MLflow server?",
                self.server.address()
            ),
            _ => said,
        };
        let code = self.server.scrub(&text("error_code"));
        Failure::Refused { code, reason }
    }
}

fn transient(server: &Server, error: &reqwest::Error) -> Failure {
    Failure::Transient {
        reason: server.scrub(&causes(error)),
        after: None,
    }
}
