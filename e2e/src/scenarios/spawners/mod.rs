//! TaskSpawners against a fake GitHub whose repository can be cloned.

pub(super) mod bad_spawners;
pub(super) mod comments;
pub(super) mod deliveries;
pub(super) mod limits;
pub(super) mod many;
pub(super) mod polling;
pub(super) mod schedules;
pub(super) mod scripts;
pub(super) mod triggers;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{bail, ensure};
use axon_api::{Task, TaskSpawner, labels};
use axum::body::Body;
use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::ResourceExt as _;
use kube::api::ListParams;
use kube::runtime::wait::await_condition;
use ring::hmac;
use serde_json::{Value, json};

use crate::git;
use crate::github::{Access, GitHub, Recorded, Repository};
use crate::wait;
use crate::world::{PATIENCE, World};

/// The repository of a scenario at its fake GitHub.
const WIDGETS: &str = "acme/widgets";
/// The Workspace of that repository, and its Secret.
const WORKSPACE: &str = "widgets";
/// The token in the Secret.
const TOKEN: &str = "a-token-of-an-installation";
/// A script that ends once the repository has a branch `go`.
const WAITS_FOR_GO: &str =
    "until git ls-remote --exit-code origin refs/heads/go >/dev/null; do sleep 0.2; done";

/// A fake GitHub with the repository `acme/widgets`, and a Workspace of it with a token.
struct Forge {
    github: GitHub,
    git: git::Repository,
}

impl Forge {
    async fn new(world: &World) -> anyhow::Result<Self> {
        let github = GitHub::start(world.plane().host()?.address).await?;
        let git = world.repository("widgets").await?;
        github.create_repository(WIDGETS).serve_git(&git.url);
        github.grant(TOKEN, Access::installation());
        world.secret(WORKSPACE, "GITHUB_TOKEN", TOKEN).await?;
        let repo = github.repository_url(WIDGETS);
        let spec = json!({"repo": repo, "secretRef": {"name": WORKSPACE}});
        world.workspace(WORKSPACE, spec).await?;
        Ok(Self { github, git })
    }

    fn repository(&self) -> Repository<'_> {
        self.github.repository(WIDGETS)
    }

    /// How often GitHub was asked for what changed in the repository.
    fn polls(&self) -> usize {
        self.github.count(is_poll)
    }

    /// Waits until GitHub was asked twice more for what changed: all that was there before was looked
    /// at by then.
    async fn polled(&self) -> anyhow::Result<()> {
        let enough = self.polls() + 2;
        wait::until(PATIENCE, "two polls", async || Ok(self.polls() >= enough)).await
    }

    /// What every scenario ends with: nothing was sent that GitHub does not know.
    fn was_asked_as_github_is(&self) -> anyhow::Result<()> {
        let violations = self.github.violations();
        ensure!(violations.is_empty(), "{}", violations.join("\n"));
        Ok(())
    }
}

fn is_poll(request: &Recorded) -> bool {
    request.path_and_query.contains("/issues?")
}

/// Makes a spawner of the Workspace whose Tasks do nothing, unless `spec` says otherwise, and that asks
/// as often as it may.
async fn spawner(world: &World, name: &str, spec: Value) -> anyhow::Result<TaskSpawner> {
    let mut whole = json!({
        "pollInterval": "5s",
        "taskTemplate": {"type": "shell", "promptTemplate": "true", "workspaceRef": {"name": WORKSPACE}},
    });
    merge(&mut whole, spec);
    world.create(name, json!({"spec": whole})).await
}

/// Puts the fields of `changes` into an object, at every depth; `null` takes one away.
fn merge(object: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *object = changes;
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in changes {
        if value.is_null() {
            if let Some(fields) = object.as_object_mut() {
                fields.remove(&key);
            }
        } else {
            merge(&mut object[key], value);
        }
    }
}

/// The Tasks of a spawner by their names.
async fn tasks_of(world: &World, spawner: &str) -> anyhow::Result<BTreeMap<String, Task>> {
    let label = axon_api::names::label_value(spawner);
    let selector = ListParams::default().labels(&format!("{}={label}", labels::SPAWNER));
    let tasks = world.api::<Task>().list(&selector).await?;
    Ok(tasks.into_iter().map(|task| (task.name_any(), task)).collect())
}

/// The names of the Tasks of a spawner.
async fn names_of(world: &World, spawner: &str) -> anyhow::Result<Vec<String>> {
    Ok(tasks_of(world, spawner).await?.into_keys().collect())
}

/// Waits until the spawner has these Tasks and no others.
async fn has_tasks(world: &World, spawner: &str, expected: &[&str]) -> anyhow::Result<()> {
    let what = format!("the Tasks {expected:?} of `{spawner}`");
    let waited = wait::until(PATIENCE, &what, async || {
        Ok(names_of(world, spawner).await? == expected)
    });
    match waited.await {
        Ok(()) => Ok(()),
        Err(error) => bail!("{error:#}\n{}", report(world, spawner).await),
    }
}

/// Waits until a spawner is as `holds` says.
async fn spawner_is(
    world: &World,
    name: &str,
    what: &str,
    holds: impl Fn(&TaskSpawner) -> bool,
) -> anyhow::Result<TaskSpawner> {
    let condition = |spawner: Option<&TaskSpawner>| spawner.is_some_and(&holds);
    let waiting = Box::pin(await_condition(world.api::<TaskSpawner>(), name, condition));
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(Ok(Some(spawner))) => Ok(spawner),
        Ok(found) => bail!("TaskSpawner `{name}` is gone: {found:?}"),
        Err(_) => bail!(
            "waited {} s in vain for TaskSpawner `{name}`: {what}\n{}",
            PATIENCE.as_secs(),
            report(world, name).await
        ),
    }
}

/// Waits until a condition of a spawner has this status and reason, and returns its message.
async fn has_condition(
    world: &World,
    name: &str,
    type_: &str,
    status: &str,
    reason: &str,
) -> anyhow::Result<String> {
    let is_it = |spawner: &TaskSpawner| {
        let conditions = spawner.status.as_ref().map(|status| status.conditions.as_slice());
        let found = conditions.unwrap_or_default().iter();
        found
            .filter(|known| known.type_ == type_ && known.status == status && known.reason == reason)
            .map(|known| known.message.clone())
            .next()
    };
    let what = format!("condition {type_} {status} with reason {reason}");
    let spawner = spawner_is(world, name, &what, |spawner| is_it(spawner).is_some()).await?;
    Ok(is_it(&spawner).unwrap_or_default())
}

/// Waits until the source of a spawner was heard from.
async fn is_ready(world: &World, name: &str) -> anyhow::Result<()> {
    let heard = has_condition(world, name, "Ready", "True", "SourceHeard");
    heard.await.map(|_| ())
}

/// All that is known of a spawner, for a failed scenario.
async fn report(world: &World, name: &str) -> String {
    let mut report = String::new();
    for arguments in [
        &["get", "taskspawner", name, "-o", "yaml"][..],
        &["get", "tasks"],
        &["get", "events"],
    ] {
        if let Ok(said) = world.kubectl(arguments).await {
            let _ = write!(
                report,
                "--- kubectl {}\n{}{}",
                arguments.join(" "),
                said.out,
                said.err
            );
        }
    }
    report
}

/// What a webhook address answered: its status, and its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answered {
    status: u16,
    sentence: String,
}

/// Sends a body as it is to a webhook address, with these headers.
async fn post(url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> anyhow::Result<Answered> {
    let mut request = Request::post(url).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let (parts, answer) = client
        .request(request.body(Body::from(body))?)
        .await?
        .into_parts();
    let answer = axum::body::to_bytes(Body::new(answer), 1 << 16).await?;
    Ok(Answered {
        status: parts.status.as_u16(),
        sentence: String::from_utf8_lossy(&answer).trim().to_owned(),
    })
}

/// The signature of a body, as senders put it into `X-Hub-Signature-256`.
fn signature(key: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut signature = "sha256=".to_owned();
    for byte in hmac::sign(&key, body).as_ref() {
        let _ = write!(signature, "{byte:02x}");
    }
    signature
}
