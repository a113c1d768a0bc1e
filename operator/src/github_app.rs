//! Tokens of GitHub Apps: one for each Task, good for its one repository and for an hour.
//!
//! Neither the App's key nor a token is ever in an error, a log line or anything that is displayed.

mod jwt;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axon_sources::github::endpoint::Endpoint;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::proxy::matcher::Matcher;
use k8s_openapi::ByteString;
use k8s_openapi::jiff::Timestamp;
use kube::client::Body;
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::{Value, json};

use self::jwt::Signer;

/// How long GitHub may take to answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long an answer may be, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How much of what GitHub says is passed on, in bytes.
const LONGEST_MESSAGE: usize = 200;
/// The version of GitHub's API.
const API_VERSION: &str = "2022-11-28";
/// Servers to which connections are kept.
const MOST_CLIENTS: usize = 16;

/// Who makes tokens. Cheap to clone; clones share their connections.
#[derive(Clone, Default)]
pub struct GitHub {
    /// Where GitHub's API is, whatever the repository is.
    api_url: Option<String>,
    clients: Arc<Mutex<HashMap<String, Client>>>,
}

/// A GitHub App and where it is installed.
pub struct App {
    id: String,
    installation: u64,
    signer: Signer,
}

/// A token.
pub struct Token {
    /// The token itself.
    pub value: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// GitHub made none and will make none: a sentence for people.
    #[error("{0}")]
    Refused(String),
    /// GitHub could not be asked, or could not answer.
    #[error("failed to ask `{server}` for a token: {why}")]
    Trouble {
        /// Base URL of the API.
        server: String,
        /// What went wrong.
        why: String,
    },
}

impl App {
    /// Reads an App from the values of its Secret. An error is a sentence for people.
    pub fn read(data: &BTreeMap<String, ByteString>) -> Result<Self, String> {
        let text = |key: &str| {
            let value = data
                .get(key)
                .ok_or_else(|| format!("the Secret has no key `{key}`"))?;
            let text = std::str::from_utf8(&value.0);
            let text = text.map_err(|_| format!("the value of `{key}` is not text"))?;
            Ok::<_, String>(text.trim().to_owned())
        };
        let id = text("appID")?;
        // A client ID, such as Iv1.8a61f9b3a7aba766, is as good as the number.
        let is_id = |c: char| c.is_ascii_alphanumeric() || c == '.';
        if id.is_empty() || !id.chars().all(is_id) {
            return Err("the value of `appID` is not the ID of a GitHub App".to_owned());
        }
        let installation = text("installationID")?;
        let installation = installation
            .parse()
            .map_err(|_| "the value of `installationID` is not a number".to_owned())?;
        let signer = Signer::read(&text("privateKey")?)?;
        Ok(Self {
            id,
            installation,
            signer,
        })
    }

    /// What proves to GitHub that the App itself asks, for a few minutes from `now`. An error is a
    /// sentence for people.
    pub fn jwt(&self, now: Timestamp) -> Result<String, String> {
        self.signer.jwt(&self.id, now)
    }
}

#[derive(Deserialize)]
struct Made {
    token: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
}

impl GitHub {
    /// Who asks the API at `api_url`; `None` means that of the repository's server.
    pub fn new(api_url: Option<String>) -> Self {
        Self {
            api_url,
            ..Self::default()
        }
    }

    /// A token of `app` that is good for the repository at the URL `repository` only.
    pub async fn token(&self, app: &App, repository: &str) -> Result<Token, MintError> {
        let Some(endpoint) = Endpoint::of(repository) else {
            return Err(MintError::Refused(format!(
                "`{repository}` is not a repository on a GitHub server"
            )));
        };
        let endpoint = endpoint.at(self.api_url.as_deref());
        self.scoped_token(app, &endpoint, None).await
    }

    /// A token of `app` that is good for the repository at `endpoint` only, and there for these
    /// permissions; `None` means all that the App has.
    pub async fn scoped_token(
        &self,
        app: &App,
        endpoint: &Endpoint,
        permissions: Option<&Value>,
    ) -> Result<Token, MintError> {
        match tokio::time::timeout(ANSWER, self.ask(app, endpoint, permissions)).await {
            Ok(answer) => answer,
            Err(_) => Err(trouble(
                endpoint,
                format!("no answer within {} seconds", ANSWER.as_secs()),
            )),
        }
    }

    async fn ask(
        &self,
        app: &App,
        endpoint: &Endpoint,
        permissions: Option<&Value>,
    ) -> Result<Token, MintError> {
        let jwt = app.jwt(Timestamp::now()).map_err(MintError::Refused)?;
        let mut body = json!({ "repositories": [endpoint.repository] });
        if let Some(permissions) = permissions {
            body["permissions"] = permissions.clone();
        }
        let body = body.to_string();
        let url = format!(
            "{}/app/installations/{}/access_tokens",
            endpoint.api, app.installation
        );
        let request = Request::post(url)
            .header(header::AUTHORIZATION, format!("Bearer {jwt}"))
            .header(header::ACCEPT, "application/vnd.github+json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                header::USER_AGENT,
                concat!("axon-operator/", env!("CARGO_PKG_VERSION")),
            )
            .header("x-github-api-version", API_VERSION)
            .body(Body::from(body.into_bytes()))
            .map_err(|error| MintError::Refused(format!("`{}` is no URL: {error}", endpoint.api)))?;
        let client = self.client(endpoint)?;
        let answer = client.send(request).await;
        let answer = answer.map_err(|error| trouble(endpoint, chain(&error)))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body
            .map_err(|error| trouble(endpoint, error.to_string()))?
            .to_bytes();
        read_answer(endpoint, head.status, &head.headers, &body)
    }

    fn client(&self, endpoint: &Endpoint) -> Result<Client, MintError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&endpoint.api) {
            return Ok(client.clone());
        }
        let refused = |why: String| MintError::Refused(format!("`{}` is no URL: {why}", endpoint.api));
        let url: axum::http::Uri = endpoint
            .api
            .parse()
            .map_err(|error: axum::http::uri::InvalidUri| refused(error.to_string()))?;
        // The path goes into each request.
        let server = axum::http::Uri::builder()
            .scheme(url.scheme_str().unwrap_or("https"))
            .authority(url.authority().map_or("", |authority| authority.as_str()))
            .path_and_query("/")
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let mut config = Config::new(server);
        config.proxy_url = proxy_for(&url);
        config.connect_timeout = Some(ANSWER);
        config.read_timeout = Some(ANSWER);
        config.write_timeout = Some(ANSWER);
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| trouble(endpoint, chain(&error)))?;
        if clients.len() >= MOST_CLIENTS {
            clients.clear();
        }
        clients.insert(endpoint.api.clone(), client.clone());
        Ok(client)
    }
}

fn trouble(endpoint: &Endpoint, why: String) -> MintError {
    MintError::Trouble {
        server: endpoint.api.clone(),
        why,
    }
}

/// The proxy that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not, say
/// for a URL.
fn proxy_for(url: &axum::http::Uri) -> Option<axum::http::Uri> {
    let intercept = Matcher::from_env().intercept(url)?;
    let proxy = intercept.uri();
    let Some((user, password)) = intercept.raw_auth() else {
        return Some(proxy.clone());
    };
    let authority = format!("{user}:{password}@{}", proxy.authority()?);
    let mut parts = proxy.clone().into_parts();
    parts.authority = authority.parse().ok();
    axum::http::Uri::from_parts(parts).ok()
}

fn read_answer(
    endpoint: &Endpoint,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Token, MintError> {
    if status.is_success() {
        // What cannot be read is not quoted: there may be a token in it.
        let made: Made = serde_json::from_slice(body).map_err(|_| {
            trouble(
                endpoint,
                format!("it answered {} without a token", status.as_u16()),
            )
        })?;
        return Ok(Token {
            value: made.token,
            expires: made.expires_at,
        });
    }
    let said = serde_json::from_slice(body).map_or_else(
        |_| String::new(),
        |complaint: Complaint| format!(": {}", first_line(&complaint.message)),
    );
    let answered = format!("it answered {}{said}", status.as_u16());
    let limited = headers.contains_key(header::RETRY_AFTER)
        || headers
            .get("x-ratelimit-remaining")
            .is_some_and(|left| left == "0");
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || limited {
        return Err(trouble(endpoint, answered));
    }
    let meaning = match status {
        StatusCode::UNAUTHORIZED => "the private key is not one of this App, or appID is wrong",
        StatusCode::FORBIDDEN => "the App may not do this, or its installation is suspended",
        StatusCode::NOT_FOUND => "there is no such installation of the App",
        StatusCode::UNPROCESSABLE_ENTITY => "the App is not installed for the repository",
        _ => "it does not make a token",
    };
    Err(MintError::Refused(format!(
        "{meaning}: `{}` was asked for a token for `{}`, and {answered}",
        endpoint.api, endpoint.repository
    )))
}

fn first_line(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    line.get(..line.floor_char_boundary(LONGEST_MESSAGE))
        .unwrap_or(line)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Result<Token, MintError> {
        let endpoint = Endpoint::of("https://github.com/org/repo").expect("a repository");
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = header::HeaderName::from_static(name);
                (name, header::HeaderValue::from_static(value))
            })
            .collect();
        let status = StatusCode::from_u16(status).expect("a status");
        read_answer(&endpoint, status, &headers, body.as_bytes())
    }

    fn is_refused(answer: &Result<Token, MintError>) -> bool {
        matches!(answer, Err(MintError::Refused(_)))
    }

    #[test]
    fn what_trying_again_does_not_help_is_refused() {
        for (status, expected) in [
            (401, true),
            (403, true),
            (404, true),
            (422, true),
            (301, true),
            (429, false),
            (500, false),
            (503, false),
        ] {
            let answer = answer(status, &[], "{\"message\":\"no\"}");
            assert!(answer.is_err());
            assert_eq!(is_refused(&answer), expected, "{status}");
        }
    }

    #[test]
    fn a_used_up_limit_is_tried_again() {
        for headers in [[("retry-after", "60")], [("x-ratelimit-remaining", "0")]] {
            assert!(!is_refused(&answer(403, &headers, "{}")));
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_not_quoted() {
        let error = answer(201, &[], "{\"token\":\"ghs_secret\"}")
            .err()
            .expect("an error");
        assert!(!error.to_string().contains("ghs_secret"), "{error}");
    }

    #[test]
    fn what_github_says_is_passed_on_cut_to_one_line() {
        let error = answer(422, &[], "{\"message\":\"no such repository\\nmore\"}");
        let error = error.err().expect("an error").to_string();
        assert!(error.ends_with("it answered 422: no such repository"), "{error}");
    }

    #[test]
    fn an_app_names_the_value_that_is_wrong() {
        let data = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
                .collect::<BTreeMap<_, _>>()
        };
        for (pairs, key) in [
            (&[][..], "appID"),
            (&[("appID", "1/2")], "appID"),
            (&[("appID", "1")], "installationID"),
            (&[("appID", "1"), ("installationID", "../x")], "installationID"),
            (&[("appID", "1"), ("installationID", "2")], "privateKey"),
            (
                &[("appID", "1"), ("installationID", "2"), ("privateKey", "hunter2")],
                "privateKey",
            ),
        ] {
            let why = App::read(&data(pairs)).err().expect("an error");
            assert!(why.contains(&format!("`{key}`")), "{why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
