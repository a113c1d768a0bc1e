//! What a scenario works with: its plane, a namespace of its own, and the real parts.

use std::fmt::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use axon_api::{Phase, Task, Workspace};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Event, Namespace, Pod, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::git::{GitServer, Repository};
use crate::llm::{Conversation, Llm, Turn};
use crate::plane::{Plane, PlaneKind};
use crate::wait;

/// How long a scenario waits for one thing, at most.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// What all scenarios of a run share.
pub struct Shared {
    pub plane: Plane,
    pub llm: Llm,
    pub git: GitServer,
}

/// What one scenario works with.
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
    /// The scenario's own namespace.
    pub namespace: String,
    client: kube::Client,
}

/// What a program said.
#[derive(Clone, Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl World {
    /// A world of its own for the scenario `name`.
    pub async fn new(shared: Arc<Shared>, name: &str) -> anyhow::Result<Self> {
        // A namespace has at most 63 characters, and a cluster that is used again must not know it.
        let run = std::process::id();
        let cut: String = name.replace('_', "-").chars().take(48).collect();
        let namespace = format!("e2e-{}-{run}", cut.trim_end_matches('-'));
        let client = shared.plane.client();
        let object: Namespace = serde_json::from_value(json!({"metadata": {"name": namespace}}))?;
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("failed to create the namespace `{namespace}`"))?;
        Ok(Self {
            shared,
            namespace,
            client,
        })
    }

    pub fn plane(&self) -> &Plane {
        &self.shared.plane
    }

    pub fn is_cluster(&self) -> bool {
        self.plane().kind() == PlaneKind::Cluster
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A repository of the scenario's own.
    pub async fn repository(&self, name: &str) -> anyhow::Result<Repository> {
        self.shared
            .git
            .open_repository(&format!("{}-{name}", self.namespace))
            .await
    }

    /// A repository of the scenario's own that asks for a token.
    pub async fn private_repository(&self, name: &str, token: &str) -> anyhow::Result<Repository> {
        self.shared
            .git
            .private_repository(&format!("{}-{name}", self.namespace), token)
            .await
    }

    /// A repository of the scenario's own that asks for a token of a GitHub App.
    pub async fn app_repository(&self, name: &str) -> anyhow::Result<Repository> {
        self.shared
            .git
            .app_repository(&format!("{}-{name}", self.namespace))
            .await
    }

    /// A conversation with the scripted provider.
    pub fn converse(&self, name: &str, turns: Vec<Turn>) -> Arc<Conversation> {
        self.shared
            .llm
            .converse(&format!("{}-{name}", self.namespace), turns)
    }

    pub async fn create<K>(&self, name: &str, object: Value) -> anyhow::Result<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let mut object = object;
        object["apiVersion"] = json!(K::api_version(&()));
        object["kind"] = json!(K::kind(&()));
        object["metadata"]["name"] = json!(name);
        let object: K = serde_json::from_value(object)?;
        self.api::<K>()
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("failed to create {} `{name}`", K::kind(&())))
    }

    pub async fn task(&self, name: &str, spec: Value) -> anyhow::Result<Task> {
        Box::pin(self.create(name, json!({"spec": spec}))).await
    }

    pub async fn workspace(&self, name: &str, spec: Value) -> anyhow::Result<Workspace> {
        self.create(name, json!({"spec": spec})).await
    }

    pub async fn secret(&self, name: &str, key: &str, value: &str) -> anyhow::Result<Secret> {
        self.create(name, json!({"stringData": {key: value}})).await
    }

    /// Changes an object by a merge patch.
    pub async fn patch<K>(&self, name: &str, patch: Value) -> anyhow::Result<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        Ok(self
            .api::<K>()
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await?)
    }

    /// Creates a Task and waits for its end, whatever that is.
    pub async fn run(&self, name: &str, spec: Value) -> anyhow::Result<Task> {
        self.task(name, spec).await?;
        Box::pin(self.ended(name)).await
    }

    /// Waits for the end of a Task.
    pub async fn ended(&self, name: &str) -> anyhow::Result<Task> {
        let ended = |task: &Task| phase(task).is_some_and(Phase::is_final);
        Box::pin(self.wait_for(name, "its end", ended)).await
    }

    /// Waits until a Task is as `holds` says.
    pub async fn wait_for(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&Task) -> bool,
    ) -> anyhow::Result<Task> {
        let condition = |task: Option<&Task>| task.is_some_and(&holds);
        let waiting = Box::pin(await_condition(self.api::<Task>(), name, condition));
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found?.with_context(|| format!("Task `{name}` is gone")),
            Err(_) => bail!(
                "waited {} s in vain for Task `{name}`: {what}\n{}",
                PATIENCE.as_secs(),
                self.report(name).await
            ),
        }
    }

    /// Waits until a Task waits, and for what.
    pub async fn waits_for(&self, name: &str, reason: &str) -> anyhow::Result<Task> {
        self.wait_for(name, &format!("Waiting with reason {reason}"), |task| {
            phase(task) == Some(Phase::Waiting) && reason_of(task) == reason
        })
        .await
    }

    /// Waits until nothing of a Task is left: no Task, Job, pod, run Secret or process.
    pub async fn gone(&self, name: &str) -> anyhow::Result<()> {
        wait::until(
            PATIENCE,
            &format!("Task `{name}` and all its objects to be gone"),
            async || {
                let of_task = kube::api::ListParams::default().labels(&format!(
                    "{}={}",
                    axon_api::labels::TASK,
                    axon_api::names::label_value(name)
                ));
                Ok(self.api::<Task>().get_opt(name).await?.is_none()
                    && self.api::<Job>().list(&of_task).await?.items.is_empty()
                    && self.api::<Pod>().list(&of_task).await?.items.is_empty()
                    && self.api::<Secret>().list(&of_task).await?.items.is_empty())
            },
        )
        .await
    }

    /// The whole output of the Task's agent container.
    pub async fn output(&self, task: &Task) -> anyhow::Result<String> {
        let pod = task
            .status
            .as_ref()
            .and_then(|status| status.pod_name.clone())
            .context("the Task has no pod")?;
        let parameters = kube::api::LogParams {
            container: Some("agent".to_owned()),
            ..kube::api::LogParams::default()
        };
        Ok(self.api::<Pod>().logs(&pod, &parameters).await?)
    }

    /// Real kubectl in the scenario's namespace.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<Said> {
        self.kubectl_with(arguments, "").await
    }

    /// The same, with something on standard input.
    pub async fn kubectl_with(&self, arguments: &[&str], input: &str) -> anyhow::Result<Said> {
        let mut command = self.plane().kubectl()?;
        command.args(["-n", &self.namespace]).args(arguments);
        said(command, input).await
    }

    /// `kubectl-axon` in the scenario's namespace.
    pub async fn axon(&self, arguments: &[&str]) -> anyhow::Result<Said> {
        said(self.axon_command(arguments)?, "").await
    }

    /// The same as a command that has not started.
    pub fn axon_command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = self.plane().axon()?;
        command.args(["-n", &self.namespace]).args(arguments);
        Ok(command)
    }

    /// All that is known of a Task, for a failed scenario.
    pub async fn report(&self, name: &str) -> String {
        let mut report = String::new();
        for arguments in [
            &["get", "task", name, "-o", "yaml"][..],
            &["get", "jobs,pods"],
            &["get", "events"],
        ] {
            if let Ok(said) = self.kubectl(arguments).await {
                let _ = write!(
                    report,
                    "--- kubectl {}
{}{}",
                    arguments.join(" "),
                    said.out,
                    said.err
                );
            }
        }
        if let Ok(task) = self.api::<Task>().get(name).await
            && let Ok(output) = self.output(&task).await
        {
            let tail: Vec<&str> = output.lines().rev().take(30).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            let _ = writeln!(report, "--- output\n{}", tail.join("\n"));
        }
        report
    }

    /// Fails with all that is known of the Task unless it ended in this phase.
    pub async fn expect(&self, task: &Task, expected: Phase) -> anyhow::Result<()> {
        if phase(task) == Some(expected) {
            return Ok(());
        }
        let name = task.metadata.name.as_deref().unwrap_or_default();
        bail!(
            "Task `{name}` is {:?}, not {}\n{}",
            phase(task),
            expected.as_str(),
            self.report(name).await
        )
    }

    /// The reasons of the events about an object.
    pub async fn events(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let about = kube::api::ListParams::default().fields(&format!("involvedObject.name={name}"));
        let events = self.api::<Event>().list(&about).await?;
        Ok(events.into_iter().filter_map(|event| event.reason).collect())
    }
}

impl Said {
    /// Fails unless the program ended so and said all of this, on whichever stream.
    pub fn expect(&self, code: i32, words: &[&str]) -> anyhow::Result<()> {
        ensure!(
            self.code == Some(code),
            "exit code {:?}, not {code}: {self:?}",
            self.code
        );
        for word in words {
            ensure!(
                self.out.contains(word) || self.err.contains(word),
                "did not say `{word}`: {self:?}"
            );
        }
        Ok(())
    }
}

async fn said(mut command: Command, input: &str) -> anyhow::Result<Said> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that refuses its arguments does not read.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let out = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .with_context(|| format!("{command:?} did not end"))??;
    Ok(Said {
        code: out.status.code(),
        out: String::from_utf8_lossy(&out.stdout).into_owned(),
        err: String::from_utf8_lossy(&out.stderr).into_owned(),
    })
}

pub fn phase(task: &Task) -> Option<Phase> {
    task.status.as_ref()?.phase
}

pub fn reason_of(task: &Task) -> &str {
    task.status
        .as_ref()
        .and_then(|status| status.reason.as_deref())
        .unwrap_or_default()
}

pub fn message_of(task: &Task) -> &str {
    task.status
        .as_ref()
        .and_then(|status| status.message.as_deref())
        .unwrap_or_default()
}

pub fn result_of<'a>(task: &'a Task, key: &str) -> Option<&'a str> {
    task.status.as_ref()?.results.get(key).map(String::as_str)
}
