//! A client as plain as can be: what it sends and gets is seen by the tests as it is.

use std::collections::BTreeMap;

use anyhow::Context as _;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method, Request};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

const KEY: &str = include_str!("../../../operator/tests/keys/pkcs8.pem");

#[derive(Clone)]
pub(crate) struct Client {
    http: hyper_util::client::legacy::Client<HttpConnector, Body>,
    base: String,
    token: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    /// One that shows `token`, or nothing when that is empty.
    pub(crate) fn new(base: &str, token: &str) -> Self {
        Self {
            http: hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http(),
            base: base.to_owned(),
            token: token.to_owned(),
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self::new(&self.base, token)
    }

    /// Asks for a path, or for a URL.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.send(Method::GET, path, None).await
    }

    /// Asks for a path unless it still has this tag.
    pub(crate) async fn get_unless(&self, path: &str, tag: &str) -> anyhow::Result<Reply> {
        let request = self.request(Method::GET, path).header("if-none-match", tag);
        self.reply(request.body(Body::empty())?).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Reply> {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.reply(self.request(method, path).body(body)?).await
    }

    fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let url = if path.starts_with("http") {
            path.to_owned()
        } else {
            format!("{}{path}", self.base)
        };
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("user-agent", "axon-tests");
        if self.token.is_empty() {
            return request;
        }
        request.header("authorization", format!("Bearer {}", self.token))
    }

    async fn reply(&self, request: Request<Body>) -> anyhow::Result<Reply> {
        let (parts, body) = self.http.request(request).await?.into_parts();
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await?;
        Ok(Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        })
    }
}

impl Reply {
    /// A header; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// The URLs of its `Link` header by their relation.
    pub(crate) fn links(&self) -> BTreeMap<String, String> {
        self.header("link")
            .split(", ")
            .filter_map(|link| {
                let (url, relation) = link.strip_prefix('<')?.split_once(">; rel=\"")?;
                Some((relation.trim_end_matches('"').to_owned(), url.to_owned()))
            })
            .collect()
    }
}

/// The proof of an App with the key of the operator's tests, good until 9 minutes from now and
/// `shift` seconds more.
pub(crate) fn proof(id: &str, shift: i64) -> anyhow::Result<String> {
    let now = Timestamp::now().as_second();
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let claims = json!({"iss": id, "iat": now - 60, "exp": now + 540 + shift});
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let lines: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(lines)?;
    let key = RsaKeyPair::from_pkcs8(&der).ok().context("the key is not read")?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .ok()
    .context("the key does not sign")?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
