//! A plane with Tasks, and a fake GitHub that is told of them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axon_api::{Task, labels};
use axon_e2e::github::{Access, GitHub, Repository, Role};
use axon_local::directory::Directory;
use axon_local::plane::Plane;
use axon_operator::apply::{Applier, LeaseHome};
use axon_operator::forge::Hub;
use axon_operator::github_app;
use axon_operator::key::Key;
use axon_operator::metrics::Metrics;
use axon_operator::notices::{NoticeWriter, notices};
use axon_operator::queue::Next;
use axon_operator::report::Reporter;
use axon_operator::world::Loose;
use http::Method;
use k8s_openapi::api::core::v1::{Event as Notice, Namespace, Secret};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::Event;
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const REPOSITORY: &str = "acme/widgets";
pub(crate) const TEAM: &str = "team";
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct World {
    pub(crate) github: GitHub,
    pub(crate) client: Client,
    _plane: TempDir,
}

/// An operator as far as it reports, from its start to its death.
pub(crate) struct Operator {
    applier: Arc<Applier>,
    pub(crate) reporter: Arc<Reporter>,
}

impl World {
    /// One whose Secret `github` has a token with this access, and whose Secret `app` has the fake's App.
    pub(crate) async fn new(access: Access) -> Self {
        let github = GitHub::start(Ipv4Addr::LOCALHOST.into()).await.expect("GitHub");
        github.grant("good", access);
        let repository = github.create_repository(REPOSITORY);
        repository.set_permission("robot", Role::Write);
        let folder = tempfile::tempdir().expect("a folder");
        let plane = Plane::open(&Directory::new(folder.path())).expect("the plane opens");
        let client = plane.client();
        create::<Namespace>(&Api::all(client.clone()), json!({ "metadata": { "name": TEAM } })).await;
        let secret = json!({ "metadata": { "name": "github" }, "stringData": { "GITHUB_TOKEN": "good" } });
        let app = json!({ "metadata": { "name": "app" }, "stringData": {
            "appID": "7", "installationID": "42", "privateKey": include_str!("../keys/pkcs8.pem"),
        } });
        let secrets: Api<Secret> = Api::namespaced(client.clone(), TEAM);
        for secret in [secret, app] {
            create(&secrets, secret).await;
        }
        Self {
            github,
            client,
            _plane: folder,
        }
    }

    pub(crate) fn repository(&self) -> Repository<'_> {
        self.github.repository(REPOSITORY)
    }

    pub(crate) fn tasks(&self) -> Api<Task> {
        Api::namespaced(self.client.clone(), TEAM)
    }

    /// Makes a Task that is reported on as `target` says, beside `acme/widgets`.
    pub(crate) async fn task(&self, name: &str, target: Value) -> Task {
        self.task_with(name, target, json!({})).await
    }

    /// The same with more in its spec.
    pub(crate) async fn task_with(&self, name: &str, mut target: Value, more: Value) -> Task {
        for (field, value) in [("owner", "acme"), ("repo", "widgets"), ("spawner", "fix-bugs")] {
            target[field] = json!(value);
        }
        let mut spec = json!({
            "type": "shell", "prompt": "true",
            "workspace": { "repo": self.github.repository_url(REPOSITORY), "secretRef": { "name": "github" } },
        });
        let more = more.as_object().expect("an object").clone();
        spec.as_object_mut().expect("an object").extend(more);
        let task = json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Task",
            "metadata": { "name": name, "annotations": { labels::REPORT: target.to_string() } },
            "spec": spec,
        });
        create(&self.tasks(), task).await
    }

    /// The Task ends.
    pub(crate) async fn end(&self, name: &str, phase: &str) {
        let status = json!({ "status": {
            "phase": phase, "reason": phase, "completionTime": k8s_openapi::jiff::Timestamp::now().to_string(),
        } });
        let status = Patch::Merge(&status);
        let patched = self
            .tasks()
            .patch_status(name, &PatchParams::default(), &status)
            .await;
        patched.expect("a status");
    }

    /// What was told of the Task, as it says.
    pub(crate) async fn told(&self, name: &str) -> Value {
        let task = self.tasks().get(name).await.expect("a Task");
        let annotations = task.metadata.annotations.unwrap_or_default();
        let told = annotations.get(labels::REPORTED);
        told.map_or(Value::Null, |told| serde_json::from_str(told).expect("JSON"))
    }

    /// The operator died after it had told, and before it noted that.
    pub(crate) async fn forget(&self, name: &str) {
        let annotation = json!({ "metadata": { "annotations": { labels::REPORTED: null } } });
        let annotation = Patch::Merge(&annotation);
        let patched = self
            .tasks()
            .patch(name, &PatchParams::default(), &annotation)
            .await;
        patched.expect("a Task");
    }

    /// Texts of the comments that tell of Tasks.
    pub(crate) fn reports(&self, number: u64) -> Vec<String> {
        let comments = self.repository().comments(number);
        let texts = comments.iter().filter_map(|comment| comment["body"].as_str());
        texts
            .filter(|text| text.contains("**Axon**"))
            .map(str::to_owned)
            .collect()
    }

    /// Requests that changed something.
    pub(crate) fn writes(&self) -> usize {
        self.github.count(|request| request.method != Method::GET)
    }

    /// Messages of the events of that reason, as soon as there is one.
    pub(crate) async fn notices(&self, reason: &str) -> Vec<Notice> {
        let events: Api<Notice> = Api::namespaced(self.client.clone(), TEAM);
        let mut found = Vec::new();
        eventually(&format!("an event {reason}"), async || {
            found = events.list(&ListParams::default()).await.expect("events").items;
            found.retain(|event| event.reason.as_deref() == Some(reason));
            !found.is_empty()
        })
        .await;
        found
    }

    pub(crate) fn hub(&self) -> Hub {
        let apps = github_app::GitHub::default();
        Hub::new(
            self.client.clone(),
            None,
            apps,
            Metrics::default(),
            Arc::new(|_: &Key| {}),
        )
    }

    pub(crate) fn operator(&self) -> Operator {
        let (notices, writer) = notices(self.client.clone(), "test".to_owned());
        tokio::spawn(NoticeWriter::run(writer));
        let applier = Arc::new(Applier {
            client: self.client.clone(),
            world: Arc::default(),
            queue: Arc::default(),
            notices,
            metrics: Metrics::default(),
            github: github_app::GitHub::default(),
            leases: LeaseHome::new("axon-system"),
            secrets: Arc::default(),
        });
        let reporter = Arc::new(Reporter::new(Arc::clone(&applier), self.hub()));
        Operator { applier, reporter }
    }
}

impl Operator {
    /// The watch tells of the Task as it is now.
    pub(crate) async fn see(&self, name: &str) {
        let tasks: Api<Loose<Task>> = Api::namespaced(self.applier.client.clone(), TEAM);
        let task = tasks.get(name).await.expect("a Task");
        self.applier.world.lock().on_task(Event::Apply(task));
    }

    /// One round for the Task as it is now.
    pub(crate) async fn round(&self, name: &str) -> Next {
        self.see(name).await;
        self.reporter.round(&Key::new(TEAM, name)).await
    }
}

async fn create<K>(api: &Api<K>, object: Value) -> K
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    let object = serde_json::from_value(object).expect("an object");
    api.create(&PostParams::default(), &object)
        .await
        .expect("it is made")
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}
