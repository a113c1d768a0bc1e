//! How a pod goes: what runs is ended, its last status is written, and the object is deleted.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Preconditions};
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt as _};
use rustix::process::Signal;

use super::super::job::is_finished;
use super::super::process::{Identity, kill_descendants};
use super::super::record::{Claim, Files, Trace};
use super::super::status::State;
use super::{Pause, Worker, wait_for};

/// Kubernetes' default.
const DEFAULT_GRACE_SECONDS: i64 = 30;

/// How long a Job may take to count the end of its pod.
const COUNT_PATIENCE: Duration = Duration::from_secs(2);

/// How long a supervisor may take to write down an end after all was killed.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

impl Worker {
    /// Ends what runs, writes the last status and deletes the pod. Returns when that is done, and
    /// can be dropped.
    pub(super) async fn delete(&self, pod: &Pod) {
        let seconds = pod
            .metadata
            .deletion_grace_period_seconds
            .or_else(|| pod.spec.as_ref()?.termination_grace_period_seconds)
            .unwrap_or(DEFAULT_GRACE_SECONDS);
        let grace = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        if self.folder.exists() {
            let files = self.files();
            give_up_unclaimed(&files);
            end(&files, grace).await;
            if !has_ended(pod) {
                self.report_ends(&files).await;
                self.until_counted(pod).await;
            }
        }
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: pod.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let name = pod.name_any();
        let mut pause = Pause::default();
        loop {
            match self.api.delete(&name, &parameters).await {
                Ok(_) => return,
                // Gone, or another pod has the name.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
                Err(error) => tracing::warn!("failed to delete pod `{name}`: {error}"),
            }
            pause.wait().await;
        }
    }

    /// Waits until the pod's Job has counted its end. In a cluster the finalizer
    /// `batch.kubernetes.io/job-tracking` keeps the pod so long, and whoever follows the Job relies
    /// on finding the pod's last status meanwhile.
    async fn until_counted(&self, pod: &Pod) {
        let owner = pod.owner_references().iter().find(|owner| owner.kind == "Job");
        let Some(owner) = owner else {
            return;
        };
        let namespace = pod.namespace().unwrap_or_default();
        let jobs: Api<Job> = Api::namespaced(self.context.client.clone(), &namespace);
        let counted = await_condition(jobs, &owner.name, |job: Option<&Job>| {
            job.is_none_or(|job| {
                job.metadata.deletion_timestamp.is_some()
                    || job.uid().as_ref() != Some(&owner.uid)
                    || is_finished(job)
            })
        });
        let _ = tokio::time::timeout(COUNT_PATIENCE, counted).await;
    }

    async fn report_ends(&self, files: &[Files]) {
        {
            let mut progress = self.progress.lock().await;
            for files in files {
                let began = files.read_claim().is_some_and(|claim| claim.supervisor.is_some());
                if let (true, Trace::Ended(exit)) = (began, files.trace()) {
                    let message = files.termination_message();
                    let state = State::Terminated { exit, message };
                    progress.reports.set(files.container(), state);
                }
            }
            if matches!(progress.reports.phase(), "Pending" | "Running") {
                let message = "the pod was deleted before all of its containers had run";
                progress.reports.failure = Some(("Deleted".to_owned(), message.to_owned()));
            }
        }
        self.publish().await;
    }
}

/// Makes sure that no supervisor that is only now being started begins a container.
fn give_up_unclaimed(files: &[Files]) {
    for files in files {
        let claim = Claim {
            supervisor: None,
            started_at: Timestamp::now(),
        };
        if let Err(error) = files.claim(&claim) {
            tracing::warn!("failed to give up container `{}`: {error}", files.container());
        }
    }
}

/// Ends containers: SIGTERM, and after `grace` SIGKILL to all that descends from them.
pub(super) async fn end(files: &[Files], grace: Duration) {
    let running = || {
        files.iter().filter_map(|files| match files.trace() {
            Trace::Running { watch, .. } => Some(watch),
            _ => None,
        })
    };
    if !grace.is_zero() {
        let processes: Vec<Identity> = running().collect();
        for process in &processes {
            process.signal(Signal::TERM);
        }
        let ends = join_all(processes.iter().map(wait_for));
        let _ = tokio::time::timeout(grace, ends).await;
    }
    let left: Vec<Identity> = running().collect();
    if left.is_empty() {
        return;
    }
    let mains: Vec<Identity> = files.iter().filter_map(Files::main).collect();
    let killed = tokio::task::spawn_blocking({
        let left = left.clone();
        move || {
            for process in &left {
                kill_descendants(process.pid, || {});
                // Without its supervisor the main process is the one that is watched.
                if mains.contains(process) {
                    process.signal(Signal::KILL);
                }
            }
        }
    });
    let _ = killed.await;
    let ends = join_all(left.iter().map(wait_for));
    if tokio::time::timeout(WRITE_PATIENCE, ends).await.is_err() {
        for process in left {
            process.signal(Signal::KILL);
        }
    }
}

/// Whether the pod's phase is final.
pub(super) fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}
