//! Connections to other machines: one way to make them, one way to say what went wrong.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::Client;
use reqwest::redirect::Policy;

use crate::error::{Result, refuse};

/// A client for the server at `address`, which waits `connect` for a connection and `answer` for what comes then.
///
/// TLS is rustls with the certificates that the system trusts. A server on this machine is never asked through a proxy.
pub fn client(
    address: &str,
    connect: Duration,
    answer: Duration,
    redirects: Policy,
) -> Result<Client> {
    // Fails only if a provider is installed already, which is as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .user_agent(concat!("histogen/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .timeout(answer)
        .redirect(redirects);
    let own_machine = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
    let builder = if own_machine.iter().any(|start| address.starts_with(start)) {
        builder.no_proxy()
    } else {
        builder
    };
    builder.build().map_err(|error| {
        refuse(
            format!("cannot prepare a connection: {}", causes(&error)),
            "look at the certificates and the proxy of this machine",
        )
    })
}

/// Whether a status is a transient error: asking again may help.
pub fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_MANY_REQUESTS
}

/// An error and what caused it, in a line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
