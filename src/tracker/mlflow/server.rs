//! Where a tracking server is, what one gets in with, and how neither is ever told.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use regex::Regex;
use reqwest::Url;
use reqwest::blocking::RequestBuilder;

use crate::digest::sha256;
use crate::error::{Result, refuse};

/// The environment variable of the address, MLflow's own.
const ADDRESS_VARIABLE: &str = "MLFLOW_TRACKING_URI";
/// What an address from elsewhere is called.
const SETTING: &str = "the address of the tracking server";
/// The environment variables of what one gets in with, MLflow's own.
const USER_VARIABLE: &str = "MLFLOW_TRACKING_USERNAME";
const PASSWORD_VARIABLE: &str = "MLFLOW_TRACKING_PASSWORD";
const TOKEN_VARIABLE: &str = "MLFLOW_TRACKING_TOKEN";
/// What stands where a secret stood.
const HIDDEN: &str = "***";
/// User and password of an address, wherever in a text it stands: up to the last `@` before the host ends.
static USER_INFORMATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"://([^\s"'`,;)\]}<>/?#]*)@"#).expect("the expression is valid"));

/// A tracking server. Its credentials come from the environment alone, and leave it in requests alone.
#[derive(Clone)]
pub struct Server {
    address: String,
    credentials: Credentials,
    /// Credentials as they may turn up in a text.
    secrets: Vec<String>,
}

#[derive(Clone)]
enum Credentials {
    None,
    Token(String),
    Password { user: String, password: String },
}

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.address)
    }
}

impl Server {
    /// The server at `setting`, or if that is empty the one that `MLFLOW_TRACKING_URI` names; `None` without either.
    /// `variable` reads the environment.
    ///
    /// User and password are those of `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or the token is that of
    /// `MLFLOW_TRACKING_TOKEN`, or they stand in `MLFLOW_TRACKING_URI`: the first that is there.
    ///
    /// # Errors
    /// Refuses an address that is not of HTTP, and user information in `setting`, which is written to places where it does
    /// not belong.
    pub fn find(setting: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if !setting.is_empty() {
            return Self::new(setting, SETTING, &variable).map(Some);
        }
        variable(ADDRESS_VARIABLE)
            .map(|address| Self::new(&address, "`MLFLOW_TRACKING_URI`", &variable))
            .transpose()
    }

    fn new(
        address: &str,
        origin: &str,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let shown = without_user_information(address);
        let wrong = |what: &str| {
            refuse(
                format!("{origin} is `{shown}`, {what}"),
                "give the address of an MLflow server, for example http://127.0.0.1:5000; `just mlflow` starts one",
            )
        };
        let url = Url::parse(&shown).map_err(|error| wrong(&format!("no address: {error}")))?;
        if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
            return Err(wrong("not the address of a server"));
        }
        let in_address = USER_INFORMATION.captures(address);
        let in_address = in_address.map(|found| found.extract::<1>().1[0]);
        if in_address.is_some() && origin == SETTING {
            return Err(refuse(
                format!("{origin} has a user or password in it"),
                format!(
                    "settings are kept and shown: use {USER_VARIABLE} and {PASSWORD_VARIABLE}, or {TOKEN_VARIABLE}"
                ),
            ));
        }
        let in_address = in_address.unwrap_or_default();
        let named = [USER_VARIABLE, PASSWORD_VARIABLE, TOKEN_VARIABLE].map(variable);
        let credentials = match named {
            [Some(user), Some(password), _] => Credentials::Password { user, password },
            [.., Some(token)] => Credentials::Token(token),
            _ if in_address.is_empty() => Credentials::None,
            _ => {
                let (user, password) = in_address.split_once(':').unwrap_or((in_address, ""));
                let decoded =
                    |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
                let (user, password) = (decoded(user), decoded(password));
                Credentials::Password { user, password }
            }
        };
        // Whole, the password as it is written there, and what requests have.
        let mut secrets = vec![in_address.to_owned()];
        secrets.extend(in_address.split_once(':').map(|(_, it)| it.to_owned()));
        match &credentials {
            Credentials::None => {}
            Credentials::Token(token) => secrets.push(token.clone()),
            Credentials::Password { user, password } => {
                secrets.push(password.clone());
                secrets.push(STANDARD.encode(format!("{user}:{password}")));
            }
        }
        secrets.retain(|secret| !secret.is_empty());
        // Longer ones first: one may be part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Ok(Self {
            address: shown.trim_end_matches('/').to_owned(),
            credentials,
            secrets,
        })
    }

    /// Its address, without user information and without a slash at the end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Eight hexadecimal digits that name it in file names.
    pub fn short_name(&self) -> String {
        sha256(&self.address)[..8].to_owned()
    }

    /// A request with the credentials in it.
    pub(super) fn authorise(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.credentials {
            Credentials::None => request,
            Credentials::Token(token) => request.bearer_auth(token),
            Credentials::Password { user, password } => request.basic_auth(user, Some(password)),
        }
    }

    /// `text` without the credentials, whoever repeated them: as they are, in an `Authorization` header, in an address.
    pub fn scrub(&self, text: &str) -> String {
        let text = without_user_information(text);
        let secrets = self.secrets.iter();
        secrets.fold(text, |text, secret| text.replace(secret, HIDDEN))
    }
}

/// `text` with every `user:password@` of an address in it taken out.
fn without_user_information(text: &str) -> String {
    USER_INFORMATION.replace_all(text, "://").into_owned()
}

/// Whether an address in `text` has a `user:password@`.
pub fn has_user_information(text: &str) -> bool {
    USER_INFORMATION.is_match(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(setting: &str, variables: &[(&str, &str)]) -> Result<Option<Server>> {
        Server::find(setting, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_setting_wins_over_the_environment_and_neither_is_no_server() {
        let variables = [(ADDRESS_VARIABLE, "http://other:5000")];
        let found = server("https://here/mlflow/", &variables).unwrap().unwrap();
        assert_eq!(found.address(), "https://here/mlflow");
        let found = server("", &variables).unwrap().unwrap();
        assert_eq!(found.address(), "http://other:5000");
        assert!(server("", &[(ADDRESS_VARIABLE, "")]).unwrap().is_none());
    }

    #[test]
    fn an_address_that_is_no_server_is_refused_without_its_password() {
        for address in [
            "databricks",
            "sqlite:///x.db",
            "ftp://u:hunter2@h/",
            "http://u:hunter2@",
        ] {
            let error = server("", &[(ADDRESS_VARIABLE, address)]).unwrap_err();
            assert!(
                error.to_string().starts_with("`MLFLOW_TRACKING_URI` is `"),
                "{error}"
            );
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
        let error = server("http://u:hunter2@host", &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the address of the tracking server has a user or password in it"
        );
    }

    #[test]
    fn secrets_are_taken_out_of_every_text() {
        let address = "https://ann:p%40ss@host:1/x";
        let found = server("", &[(ADDRESS_VARIABLE, address)]).unwrap().unwrap();
        assert_eq!(found.address(), "https://host:1/x");
        assert_eq!(format!("{found:?}"), "https://host:1/x");
        let text = "sent Basic YW5uOnBAc3M=, to (https://ann:p%40ss@host:1/x) with p@ss and p%40ss";
        assert_eq!(
            found.scrub(text),
            "sent Basic ***, to (https://host:1/x) with *** and ***"
        );
        let found = server("http://h", &[(TOKEN_VARIABLE, "abc123")])
            .unwrap()
            .unwrap();
        assert_eq!(
            found.scrub("{\"Authorization\": \"Bearer abc123\"} abc123"),
            "{\"Authorization\": \"Bearer ***\"} ***"
        );
    }

    #[test]
    fn user_information_goes_and_the_rest_of_a_text_stays() {
        for (text, clean) in [
            ("no address: a@b", "no address: a@b"),
            ("http://h/a@b", "http://h/a@b"),
            ("x http://u@h, ftp://u:p@g:2/y", "x http://h, ftp://g:2/y"),
            ("http://u:p@q@h", "http://h"),
        ] {
            assert_eq!(without_user_information(text), clean);
            assert_eq!(has_user_information(text), text != clean);
        }
    }
}
