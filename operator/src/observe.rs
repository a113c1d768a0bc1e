//! Gathers all that a decision about one Task may look at.

use std::collections::BTreeMap;
use std::sync::Arc;

use axon_api::{AgentConfig, AgentProvider, Phase, Task, TaskDefaults, Workspace, WorkspaceSpec, names};
use axon_plan::{
    Admission, BranchSeen, Dependency, DependencyTask, Found, LeaseSeen, Observed, Plan, SecretKeys,
    Settings, branch, references,
};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use crate::apply::{Applier, Obstacle};
use crate::key::Key;
use crate::read::{ReadError, Reader, Sought};
use crate::world::{SharedWorld, World};

/// A Task and all that bears on it, owned.
#[derive(Debug)]
pub struct Seen {
    /// The Task.
    pub task: Task,
    defaults: Sought<TaskDefaults>,
    provider: Sought<AgentProvider>,
    agent_configs: Vec<(String, Sought<AgentConfig>)>,
    workspace: Sought<Workspace>,
    secrets: BTreeMap<String, Sought<Arc<SecretKeys>>>,
    dependencies: Vec<Dependency>,
    dependency_cycle: Option<Vec<String>>,
    is_awaited: bool,
    admission: Admission,
    branch: Option<BranchSeen>,
    held_branches: Vec<LeaseSeen>,
    token_expires: Option<Timestamp>,
    jobs: Vec<Job>,
    pods: Vec<Pod>,
}

impl Seen {
    /// Decides, at `now`. `obstacle` is why the Task's next Job could not be created.
    pub fn decide(&self, settings: &Settings, now: Timestamp, obstacle: Option<&Obstacle>) -> Plan {
        let jobs: Vec<&Job> = self.jobs.iter().collect();
        let pods: Vec<&Pod> = self.pods.iter().collect();
        let (mut conflicting_job, mut refused_job, mut refused_token) = (None, None, None);
        match obstacle {
            None => {}
            Some(Obstacle::NameTaken(job)) => conflicting_job = Some(&**job),
            Some(Obstacle::Invalid(why)) => refused_job = Some(&**why),
            Some(Obstacle::Token(why)) => refused_token = Some(&**why),
        }
        let secrets = self.secrets.iter();
        let secrets = secrets
            .map(|(name, secret)| (name.clone(), secret.keys()))
            .collect();
        let configs = self.agent_configs.iter();
        let agent_configs: Vec<(&str, Found<'_, AgentConfig>)> = configs
            .map(|(name, config)| (name.as_str(), config.found()))
            .collect();
        axon_plan::plan(&Observed {
            now,
            settings,
            task: &self.task,
            admission: self.admission,
            defaults: self.defaults.found(),
            provider: self.provider.found(),
            agent_configs: &agent_configs,
            workspace: self.workspace.found(),
            secrets: &secrets,
            dependencies: &self.dependencies,
            dependency_cycle: self.dependency_cycle.as_deref(),
            is_awaited: self.is_awaited,
            branch: self.branch.as_ref(),
            held_branches: &self.held_branches,
            token_expires: self.token_expires,
            refused_token,
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
    applier: &Applier,
    settings: &Settings,
    key: &Key,
) -> Result<Option<Seen>, ObserveError> {
    let world = &applier.world;
    let Some(gathered) = world.lock().gather(key) else {
        return Ok(None);
    };
    let (task, jobs, pods) = gathered.unpack().map_err(ObserveError::Unpack)?;
    let mut seen = Seen {
        task,
        defaults: Sought::NotNamed,
        provider: Sought::NotNamed,
        agent_configs: Vec::new(),
        workspace: Sought::NotNamed,
        secrets: BTreeMap::new(),
        dependencies: Vec::new(),
        dependency_cycle: None,
        is_awaited: gathered.is_awaited,
        admission: Admission::NotSpawned,
        branch: None,
        held_branches: gathered.held_branches,
        token_expires: None,
        jobs,
        pods,
    };
    if seen.task.is_finished() {
        return Ok(Some(seen));
    }
    let reader = Reader {
        client: &applier.client,
        world,
        queue: &applier.queue,
        key,
        secrets: &applier.secrets,
    };
    seen.admission = world.lock().admission(key, &seen.task);
    look_again_for_recorded(&reader, &mut seen).await?;
    seen.token_expires = token_expires(&world.lock(), key, &seen.task);
    // The token of a running agent is made anew before it expires, and a branch that it lost is taken
    // again, from what the Task names.
    let is_complete = seen.token_expires.is_none() && !gathered.wants_branch;
    if seen.is_underway() && is_complete {
        return Ok(Some(seen));
    }
    look_at_dependencies(world, key, &mut seen)?;
    look_at_named(&reader, settings, &mut seen).await?;
    let workspace = workspace_spec(&seen);
    if let Some(wanted) = branch::wanted(&seen.task, workspace) {
        seen.branch = Some(world.lock().branch(&wanted.lease, key, &seen.task));
    }
    Ok(Some(seen))
}

/// Its own Workspace, or the one that it names.
fn workspace_spec(seen: &Seen) -> Option<&WorkspaceSpec> {
    let named = seen.workspace.present().map(|workspace| &workspace.spec);
    named.or(seen.task.spec.workspace.as_ref())
}

fn token_expires(world: &World, key: &Key, task: &Task) -> Option<Timestamp> {
    let secret = names::token_secret(&key.name, task.metadata.uid.as_deref()?);
    world.token_expires(&key.sibling(&secret))
}

fn look_at_dependencies(world: &SharedWorld, key: &Key, seen: &mut Seen) -> Result<(), ObserveError> {
    let names = &seen.task.spec.depends_on;
    if names.is_empty() {
        return Ok(());
    }
    let packed: Vec<_> = {
        let world = world.lock();
        seen.dependency_cycle = world.dependency_cycle(key);
        names.iter().map(|name| world.dependency(key, name)).collect()
    };
    for (name, packed) in names.iter().zip(packed) {
        let mut task = None;
        if let Some(packed) = packed {
            let succeeded = packed.succeeded.map(|task| task.unpack());
            let succeeded = succeeded.transpose().map_err(ObserveError::Unpack)?;
            let status = succeeded.and_then(|task| task.status).unwrap_or_default();
            task = Some(DependencyTask {
                uid: packed.uid.into(),
                phase: packed.phase,
                outputs: status.outputs,
                results: status.results,
            });
        }
        seen.dependencies.push(Dependency {
            name: name.clone(),
            task,
        });
    }
    Ok(())
}

async fn look_at_named(reader: &Reader<'_>, settings: &Settings, seen: &mut Seen) -> Result<(), ReadError> {
    seen.defaults = reader.defaults(&seen.task).await?;
    let spec = &seen.task.spec;
    if let Some(reference) = &spec.workspace_ref {
        seen.workspace = reader.object(&reference.name).await?;
    }
    for name in references::agent_configs(&seen.task) {
        let config = reader.object(name).await?;
        seen.agent_configs.push((name.to_owned(), config));
    }
    let defaults = seen.defaults.present();
    let agent_type = references::agent_type(&seen.task, defaults, settings.default_type.as_deref());
    let provider = references::provider(&seen.task, defaults, agent_type.unwrap_or_default());
    if let Some(name) = provider {
        seen.provider = reader.object(name).await?;
    }
    let configs: Vec<&AgentConfig> = seen
        .agent_configs
        .iter()
        .filter_map(|(_, config)| config.present())
        .collect();
    let secrets = references::secrets(
        &seen.task,
        defaults,
        seen.provider.present(),
        workspace_spec(seen),
        &configs,
    );
    for name in secrets {
        let secret = reader.secret(&name).await?;
        seen.secrets.insert(name, secret);
    }
    Ok(())
}

/// The watches of Tasks, Jobs and pods run apart. A Task whose status names a Job or pod that is not
/// in the world may be ahead of their watch, so that only the server knows whether it is gone.
async fn look_again_for_recorded(reader: &Reader<'_>, seen: &mut Seen) -> Result<(), ReadError> {
    let Some(status) = &seen.task.status else {
        return Ok(());
    };
    if let (Some(name), Some(uid)) = (&status.job_name, &status.job_uid)
        && !seen.jobs.iter().any(|job| job.uid().as_ref() == Some(uid))
    {
        let job: Option<Job> = reader.get("Job", name).await?;
        seen.jobs
            .extend(job.filter(|job| job.uid().as_ref() == Some(uid)));
    }
    if let (Some(name), Some(uid)) = (&status.pod_name, &status.pod_uid)
        && !seen.pods.iter().any(|pod| pod.uid().as_ref() == Some(uid))
    {
        let pod: Option<Pod> = reader.get("Pod", name).await?;
        seen.pods
            .extend(pod.filter(|pod| pod.uid().as_ref() == Some(uid)));
    }
    Ok(())
}

impl Seen {
    /// Whether a Job is recorded and there, has not failed and is not about to. Otherwise the plan may
    /// make one or record it, for which it has to know what the Task names.
    fn is_underway(&self) -> bool {
        let status = self.task.status.as_ref();
        let is_recorded = status.is_some_and(|status| {
            status.job_uid.is_some() && matches!(status.phase, Some(Phase::Pending | Phase::Running))
        });
        if !is_recorded {
            return false;
        }
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

/// Why a Task could not be observed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// What was kept of it cannot be read back.
    #[error("failed to read what was kept of the Task")]
    Unpack(#[source] serde_json::Error),
    /// The server did not answer as it should.
    #[error(transparent)]
    Read(#[from] ReadError),
}
