//! A real git server over HTTP on loopback: `git http-backend` behind a small bridge, with an
//! optional token for each repository.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::wait;
use crate::world::PATIENCE;

/// A push may be this large.
const MAX_BODY_BYTES: usize = 256 << 20;

/// The running server. It ends, and its repositories are removed, when this is dropped.
#[derive(Debug)]
pub struct GitServer {
    url: String,
    root: tempfile::TempDir,
    tokens: Tokens,
    server: JoinHandle<()>,
}

/// The token that a repository asks for, by the repository's file name.
type Tokens = Arc<Mutex<HashMap<String, String>>>;

/// A bare repository of the server.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its URL, without credentials.
    pub url: String,
    path: PathBuf,
}

impl GitServer {
    /// Listens on a free port of `address`; clients reach it by `host`.
    pub async fn start(address: IpAddr, host: &str) -> anyhow::Result<Self> {
        let root = tempfile::Builder::new().prefix("axon-e2e-git-").tempdir()?;
        let listener = tokio::net::TcpListener::bind((address, 0))
            .await
            .with_context(|| format!("failed to listen on `{address}`"))?;
        let port = listener.local_addr()?.port();
        let tokens = Tokens::default();
        let bridge = Bridge {
            root: root.path().to_owned(),
            tokens: Arc::clone(&tokens),
        };
        let router = Router::new().fallback(serve).with_state(Arc::new(bridge));
        let server = tokio::spawn(async move {
            // The listener does not fail, and the task is aborted when the test is over.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            url: format!("http://{host}:{port}"),
            root,
            tokens,
            server,
        })
    }

    /// Makes a repository with a branch `main` of two commits, a branch `other` and a tag `v1` on
    /// the first of them. Anyone may read and write it.
    pub async fn open_repository(&self, name: &str) -> anyhow::Result<Repository> {
        let file = format!("{name}.git");
        let path = self.root.path().join(&file);
        git(
            None,
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                &path.to_string_lossy(),
            ],
            "",
        )
        .await?;
        git(Some(&path), &["config", "http.receivepack", "true"], "").await?;
        git(Some(&path), &["fast-import", "--quiet"], HISTORY).await?;
        Ok(Repository {
            url: format!("{}/{file}", self.url),
            path,
        })
    }

    /// As [`Self::open_repository`], and only who shows `token` may read and write it.
    pub async fn private_repository(&self, name: &str, token: &str) -> anyhow::Result<Repository> {
        let repository = self.open_repository(name).await?;
        self.tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(format!("{name}.git"), token.to_owned());
        Ok(repository)
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Repository {
    /// The commit at the tip of a branch or tag; `None` when there is no such branch.
    pub async fn commit(&self, reference: &str) -> anyhow::Result<Option<String>> {
        let out = git(
            Some(&self.path),
            &["for-each-ref", "--format=%(refname:short) %(objectname)"],
            "",
        )
        .await?;
        Ok(out
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(name, _)| *name == reference)
            .map(|(_, commit)| commit.to_owned()))
    }

    /// The names of all branches.
    pub async fn branches(&self) -> anyhow::Result<Vec<String>> {
        let out = git(
            Some(&self.path),
            &["for-each-ref", "--format=%(refname:short)", "refs/heads"],
            "",
        )
        .await?;
        Ok(out.lines().map(str::to_owned).collect())
    }

    /// Makes a branch at the tip of another: a sign that an agent can wait for.
    pub async fn make_branch(&self, name: &str, from: &str) -> anyhow::Result<()> {
        git(Some(&self.path), &["branch", name, from], "").await?;
        Ok(())
    }

    /// Waits until an agent has pushed a branch.
    pub async fn pushed(&self, name: &str) -> anyhow::Result<()> {
        wait::until(PATIENCE, &format!("branch `{name}` to be pushed"), async || {
            Ok(self.commit(name).await?.is_some())
        })
        .await
    }

    /// The text of a file on a branch.
    pub async fn file(&self, reference: &str, path: &str) -> anyhow::Result<String> {
        git(Some(&self.path), &["show", &format!("{reference}:{path}")], "").await
    }

    /// The repository as a `file://` URL, for planes on this machine.
    pub fn file_url(&self) -> String {
        format!("file://{}", self.path.display())
    }
}

/// The history of every repository, as `git fast-import` reads it. The dates are fixed, so that
/// the commits are the same in every run.
const HISTORY: &str = "\
commit refs/heads/main
mark :1
committer Axon <axon@example.com> 1700000000 +0000
data 6
first

M 100644 inline README.md
data 8
# Hello

reset refs/tags/v1
from :1

reset refs/heads/other
from :1

commit refs/heads/main
committer Axon <axon@example.com> 1700000001 +0000
data 7
second

from :1
M 100644 inline second.txt
data 7
second

";

async fn git(repository: Option<&Path>, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    if let Some(path) = repository {
        command.arg("--git-dir").arg(path);
    }
    let mut child = command
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("failed to start git")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let out = child.wait_with_output().await?;
    ensure!(
        out.status.success(),
        "failed to run `git {}`: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

struct Bridge {
    root: PathBuf,
    tokens: Tokens,
}

async fn serve(State(bridge): State<Arc<Bridge>>, request: Request) -> Response {
    if !bridge.admits(request.uri().path(), request.headers()) {
        let mut response = Response::new(Body::from("authentication required\n"));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"git\""),
        );
        return response;
    }
    bridge.run(request).await.unwrap_or_else(|error| {
        let mut response = Response::new(Body::from(format!("{error:#}\n")));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

impl Bridge {
    /// Whether the request shows the token that its repository asks for. The user's name is not
    /// looked at, as the great forges do not either.
    fn admits(&self, path: &str, headers: &HeaderMap) -> bool {
        let repository = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(token) = tokens.get(repository) else {
            return true;
        };
        headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
            .and_then(|encoded| base64::engine::general_purpose::STANDARD.decode(encoded).ok())
            .and_then(|decoded| String::from_utf8(decoded).ok())
            .and_then(|pair| pair.split_once(':').map(|(_, password)| password == token))
            .unwrap_or(false)
    }

    /// Runs `git http-backend` as a CGI program (RFC 3875) and passes its answer on.
    async fn run(&self, request: Request) -> anyhow::Result<Response> {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await?;
        let text = |name: HeaderName| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_PROTOCOL", text(HeaderName::from_static("git-protocol")))
            .env("REQUEST_METHOD", parts.method.as_str())
            .env("PATH_INFO", parts.uri.path())
            .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
            .env("CONTENT_TYPE", text(header::CONTENT_TYPE))
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", text(header::CONTENT_ENCODING))
            .env("REMOTE_USER", "agent")
            .env("REMOTE_ADDR", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("failed to start `git http-backend`")?;
        let stdin = child.stdin.take();
        // Written beside the reading: neither side may fill its pipe and wait for the other.
        let write = async {
            if let Some(mut stdin) = stdin {
                // It may stop reading early, when it answers with an error.
                let _ = stdin.write_all(&body).await;
            }
        };
        let ((), out) = tokio::join!(write, child.wait_with_output());
        cgi_response(&out?.stdout)
    }
}

/// Splits a CGI program's answer into status, headers and body.
fn cgi_response(out: &[u8]) -> anyhow::Result<Response> {
    let Some(end) = out.windows(4).position(|window| window == b"\r\n\r\n") else {
        bail!("`git http-backend` answered nothing");
    };
    let (head, rest) = out.split_at(end);
    let body = rest.get(4..).unwrap_or_default().to_vec();
    let mut response = Response::new(Body::from(body));
    for line in String::from_utf8_lossy(head).lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            let code = value.split(' ').next().unwrap_or_default();
            *response.status_mut() = code.parse()?;
        } else {
            response.headers_mut().insert(
                HeaderName::from_bytes(name.as_bytes())?,
                HeaderValue::from_str(value)?,
            );
        }
    }
    Ok(response)
}
