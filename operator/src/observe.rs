//! Gathers all that a decision about one Task may look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use axon_api::{Task, Workspace};
use axon_plan::{Dependency, Found, Observed, Plan, SecretKeys, Settings, references};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client, ResourceExt};

use crate::apply::Obstacle;
use crate::key::Key;
use crate::queue::Queue;
use crate::world::{Known, Loose, SharedWorld, Wake};

/// A Task and all that bears on it, owned.
#[derive(Debug)]
pub struct Seen {
    /// The Task.
    pub task: Task,
    workspace: Sought<Workspace>,
    secrets: BTreeMap<String, Sought<Arc<SecretKeys>>>,
    dependencies: Vec<Dependency>,
    jobs: Vec<Job>,
    pods: Vec<Pod>,
}

/// What became of looking for an object that the Task may name.
#[derive(Clone, Debug)]
enum Sought<T> {
    NotNamed,
    Missing,
    Invalid(String),
    Present(T),
}

impl<T> Sought<T> {
    fn found<'a, U>(&'a self, view: impl FnOnce(&'a T) -> &'a U) -> Found<'a, U> {
        match self {
            Self::NotNamed => Found::NotNamed,
            Self::Missing => Found::Missing,
            Self::Invalid(why) => Found::Invalid(why),
            Self::Present(object) => Found::Present(view(object)),
        }
    }
}

impl Seen {
    /// Decides, at `now`. `obstacle` is why the Task's next Job could not be created.
    pub fn decide(&self, settings: &Settings, now: Timestamp, obstacle: Option<&Obstacle>) -> Plan {
        let jobs: Vec<&Job> = self.jobs.iter().collect();
        let pods: Vec<&Pod> = self.pods.iter().collect();
        let (conflicting_job, refused_job) = match obstacle {
            None => (None, None),
            Some(Obstacle::NameTaken(job)) => (Some(&**job), None),
            Some(Obstacle::Invalid(why)) => (None, Some(&**why)),
        };
        let secrets = self
            .secrets
            .iter()
            .map(|(name, secret)| (name.clone(), secret.found(|keys| &**keys)))
            .collect();
        axon_plan::plan(&Observed {
            now,
            settings,
            task: &self.task,
            workspace: self.workspace.found(|workspace| workspace),
            defaults: Found::NotNamed,
            provider: Found::NotNamed,
            agent_configs: &[],
            secrets: &secrets,
            dependencies: &self.dependencies,
            dependency_cycle: None,
            is_awaited: false,
            branch: None,
            token_expires: None,
            refused_token: None,
            jobs: &jobs,
            pods: &pods,
            conflicting_job,
            refused_job,
        })
    }
}

/// Gathers what bears on the Task at `key`, from the world and, where that is not enough, from the
/// server. `None` when there is no such Task.
pub async fn observe(
    client: &Client,
    world: &SharedWorld,
    queue: &Queue,
    key: &Key,
) -> Result<Option<Seen>, ObserveError> {
    let Some(gathered) = world.lock().gather(key) else {
        return Ok(None);
    };
    let (task, jobs, pods) = gathered.unpack().map_err(ObserveError::Unpack)?;
    let reader = Reader {
        client,
        world,
        queue,
        key,
    };
    let mut seen = Seen {
        task,
        workspace: Sought::NotNamed,
        secrets: BTreeMap::new(),
        dependencies: Vec::new(),
        jobs,
        pods,
    };
    if seen.task.is_finished() {
        return Ok(Some(seen));
    }
    reader.look_again_for_recorded(&mut seen).await?;
    if seen.has_running_job() {
        return Ok(Some(seen));
    }
    seen.dependencies = world.lock().dependencies(key, &seen.task.spec.depends_on);
    let spec = &seen.task.spec;
    if let Some(reference) = &spec.workspace_ref {
        seen.workspace = reader.workspace(&reference.name).await?;
    }
    let workspace = match &seen.workspace {
        Sought::Present(workspace) => Some(&workspace.spec),
        _ => spec.workspace.as_ref(),
    };
    for name in references::secrets(&seen.task, None, None, workspace, &[]) {
        let secret = reader.secret(&name).await?;
        seen.secrets.insert(name, secret);
    }
    Ok(Some(seen))
}

impl Seen {
    /// Whether a Job is there that has not failed and is not about to. Without one the plan may
    /// make one, for which it has to know what the Task names.
    fn has_running_job(&self) -> bool {
        let pod_failed = self.pods.iter().any(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            phase == Some("Failed")
        });
        !pod_failed && self.jobs.iter().any(is_running)
    }
}

fn is_running(job: &Job) -> bool {
    let conditions = job.status.as_ref().and_then(|status| status.conditions.as_ref());
    let failed = conditions.into_iter().flatten().any(|condition| {
        matches!(&*condition.type_, "Failed" | "FailureTarget") && condition.status == "True"
    });
    !failed && job.metadata.deletion_timestamp.is_none()
}

/// Reads from the server what the world does not have.
struct Reader<'a> {
    client: &'a Client,
    world: &'a SharedWorld,
    queue: &'a Queue,
    key: &'a Key,
}

impl Reader<'_> {
    /// The watches of Tasks, Jobs and pods run apart. A Task whose status names a Job or pod that
    /// is not in the world may be ahead of their watch, so that only the server knows whether it is
    /// gone.
    async fn look_again_for_recorded(&self, seen: &mut Seen) -> Result<(), ObserveError> {
        let Some(status) = &seen.task.status else {
            return Ok(());
        };
        if let (Some(name), Some(uid)) = (&status.job_name, &status.job_uid)
            && !seen.jobs.iter().any(|job| job.uid().as_ref() == Some(uid))
        {
            let job: Option<Job> = self.get("Job", name).await?;
            seen.jobs
                .extend(job.filter(|job| job.uid().as_ref() == Some(uid)));
        }
        if let (Some(name), Some(uid)) = (&status.pod_name, &status.pod_uid)
            && !seen.pods.iter().any(|pod| pod.uid().as_ref() == Some(uid))
        {
            let pod: Option<Pod> = self.get("Pod", name).await?;
            seen.pods
                .extend(pod.filter(|pod| pod.uid().as_ref() == Some(uid)));
        }
        Ok(())
    }

    /// A Workspace that the watch has not told of is looked for on the server, so that a Task
    /// created together with it does not first say that it is missing.
    async fn workspace(&self, name: &str) -> Result<Sought<Workspace>, ObserveError> {
        let key = self.key.sibling(name);
        let known = self.world.lock().workspace(&key);
        match known {
            Known::Present(workspace) => return Ok(Sought::Present(workspace)),
            Known::Invalid(why) => return Ok(Sought::Invalid(why)),
            Known::Unknown => {}
        }
        let Some(sent) = self.get::<Loose<Workspace>>("Workspace", name).await? else {
            return Ok(Sought::Missing);
        };
        let wakes = self.world.lock().note_workspace(&sent);
        self.wake(wakes);
        let known = self.world.lock().workspace(&key);
        Ok(match known {
            Known::Present(workspace) => Sought::Present(workspace),
            Known::Invalid(why) => Sought::Invalid(why),
            Known::Unknown => Sought::Missing,
        })
    }

    /// The keys of a Secret that have a value. The values are dropped here.
    async fn secret(&self, name: &str) -> Result<Sought<Arc<SecretKeys>>, ObserveError> {
        let key = self.key.sibling(name);
        if let Some(keys) = self.world.lock().secret_keys(&key) {
            return Ok(Sought::Present(keys));
        }
        let Some(mut secret) = self.get::<Secret>("Secret", name).await? else {
            return Ok(Sought::Missing);
        };
        let data = secret.data.take().unwrap_or_default();
        let filled = data.into_iter().filter(|(_, value)| !value.0.is_empty());
        let keys: Arc<SecretKeys> = Arc::new(filled.map(|(key, _)| key).collect());
        let wakes = self.world.lock().note_secret(&secret, Arc::clone(&keys));
        self.wake(wakes);
        Ok(Sought::Present(keys))
    }

    /// Other Tasks may have been waiting for what this round has found; this Task is seen to.
    fn wake(&self, wakes: Vec<Wake>) {
        for (key, urgency) in wakes {
            if key != *self.key {
                self.queue.wake(&key, urgency);
            }
        }
    }

    async fn get<K>(&self, kind: &'static str, name: &str) -> Result<Option<K>, ObserveError>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.key.namespace);
        api.get_opt(name).await.map_err(|source| ObserveError::Get {
            kind,
            key: self.key.sibling(name),
            source: Box::new(source),
        })
    }
}

/// Why a Task could not be observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// What was kept of it cannot be read back.
    #[error("failed to read what was kept of the Task")]
    Unpack(#[source] serde_json::Error),
    /// The server did not answer as it should.
    #[error("failed to get {kind} `{key}`")]
    Get {
        kind: &'static str,
        key: Key,
        #[source]
        source: Box<kube::Error>,
    },
}
