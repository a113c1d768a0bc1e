//! A real git server over HTTP on loopback: `git http-backend` behind a small bridge, with an
//! optional token for each repository, and the part of GitHub's API that makes tokens of an App.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
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
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::json;
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
    /// The same server by its address, which needs no name to be known.
    address_url: String,
    root: tempfile::TempDir,
    tokens: Tokens,
    server: JoinHandle<()>,
}

/// The tokens of which a repository asks for one, by the repository's path. An App's installation
/// gets more of them.
type Tokens = Arc<Mutex<HashMap<String, HashSet<String>>>>;

/// The end of the path at which an App's installation gets a token, below `/api/v3`, where GitHub
/// Enterprise Server has its API.
const TOKEN_PATH: &str = "/access_tokens";

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
            address_url: format!("http://{}", SocketAddr::new(address, port)),
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
        for setting in [
            "http.receivepack",
            "uploadpack.allowFilter",
            "uploadpack.allowAnySHA1InWant",
        ] {
            git(Some(&path), &["config", setting, "true"], "").await?;
        }
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
            .insert(format!("{name}.git"), HashSet::from([token.to_owned()]));
        Ok(repository)
    }

    /// As [`Self::open_repository`], and only tokens that an App got for it are good for it.
    pub async fn app_repository(&self, name: &str) -> anyhow::Result<Repository> {
        let name = format!("org/{name}");
        tokio::fs::create_dir_all(self.root.path().join("org")).await?;
        let mut repository = self.open_repository(&name).await?;
        // The operator asks for tokens too, and knows no names of the cluster.
        repository.url = format!("{}/{name}.git", self.address_url);
        self.tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(format!("{name}.git"), HashSet::new());
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

    /// Where it is on this machine.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes `submodule` a submodule on a new branch from `main`, at the path `below`.
    pub async fn add_submodule(&self, branch: &str, submodule: &Repository) -> anyhow::Result<()> {
        let commit = submodule
            .commit("main")
            .await?
            .context("the submodule is empty")?;
        let text = format!(
            "[submodule \"below\"]\n\tpath = below\n\turl = {}\n",
            submodule.url
        );
        let script = format!(
            "commit refs/heads/{branch}\ncommitter Axon <axon@example.com> 1700000002 +0000\ndata 9\nsubmodule\n\
             from refs/heads/main^0\nM 160000 {commit} below\nM 100644 inline .gitmodules\ndata {}\n{text}\n",
            text.len()
        );
        git(Some(&self.path), &["fast-import", "--quiet"], &script).await?;
        Ok(())
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

/// What an App asks a token for.
#[derive(Default, serde::Deserialize)]
struct TokenRequest {
    repositories: Vec<String>,
}

struct Bridge {
    root: PathBuf,
    tokens: Tokens,
}

async fn serve(State(bridge): State<Arc<Bridge>>, request: Request) -> Response {
    if request.uri().path().ends_with(TOKEN_PATH) {
        return bridge.make_token(request).await;
    }
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
    /// Gives an installation of an App a token for the one repository that it names. Who asks must
    /// show what looks like a JSON Web Token.
    async fn make_token(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let is_app = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .is_some_and(|token| token.split('.').count() == 3);
        let body = axum::body::to_bytes(body, MAX_BODY_BYTES)
            .await
            .unwrap_or_default();
        let asked: TokenRequest = serde_json::from_slice(&body).unwrap_or_default();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let count: usize = tokens.values().map(HashSet::len).sum();
        let good_for = match asked.repositories.as_slice() {
            [name] if is_app => tokens.get_mut(&format!("org/{name}.git")),
            _ => None,
        };
        let (status, answer) = match good_for {
            Some(good) => {
                let token = format!("ghs_made-for-an-app-{count}");
                good.insert(token.clone());
                let expires = Timestamp::now() + SignedDuration::from_hours(1);
                (
                    StatusCode::CREATED,
                    json!({"token": token, "expires_at": expires.to_string()}),
                )
            }
            None => (
                StatusCode::UNPROCESSABLE_ENTITY,
                json!({"message": "no such repository"}),
            ),
        };
        let mut response = Response::new(Body::from(answer.to_string()));
        *response.status_mut() = status;
        response
    }

    /// Whether the request shows a token that its repository asks for. The user's name is not
    /// looked at, as the great forges do not either.
    fn admits(&self, path: &str, headers: &HeaderMap) -> bool {
        let path = path.trim_start_matches('/');
        let repository = path
            .find(".git")
            .and_then(|end| path.get(..end + 4))
            .unwrap_or(path);
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(good) = tokens.get(repository) else {
            return true;
        };
        headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
            .and_then(|encoded| base64::engine::general_purpose::STANDARD.decode(encoded).ok())
            .and_then(|decoded| String::from_utf8(decoded).ok())
            .and_then(|pair| pair.split_once(':').map(|(_, password)| good.contains(password)))
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
