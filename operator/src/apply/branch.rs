//! Takes and frees branches, by their Leases.

use std::sync::atomic::Ordering;

use axon_api::Task;
use axon_plan::{Notice, NoticeKind};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, ResourceExt};

use super::{Applied, Applier, ApplyError, LeaseHome, failed, overtaken, post};
use crate::failure::{is_missing_namespace, missing_namespace};

impl LeaseHome {
    fn api(&self, client: &kube::Client) -> Api<Lease> {
        Api::namespaced(client.clone(), &self.namespace)
    }
}

impl Applier {
    /// Creates the Lease, or replaces the one whose resourceVersion it has. Another Task that was
    /// faster makes the decision stale.
    pub(super) async fn take_branch(&self, task: &Task, lease: &Lease) -> Result<Applied, ApplyError> {
        let leases = self.leases.api(&self.client);
        let name = lease.name_any();
        let mut lease = lease.clone();
        lease.metadata.namespace = Some(self.leases.namespace.to_string());
        let answer = if lease.metadata.resource_version.is_some() {
            self.count("update", "lease");
            leases.replace(&name, &post(), &lease).await
        } else {
            self.count("create", "lease");
            leases.create(&post(), &lease).await
        };
        match answer {
            Ok(taken) => {
                self.leases.told.store(false, Ordering::Relaxed);
                let wakes = self.world.lock().note_lease(&taken);
                self.wake_others(task, wakes);
                Ok(Applied::Done)
            }
            Err(error) if is_missing_namespace(&error, &self.leases.namespace) => {
                self.tell_of_missing_namespace(task);
                Ok(Applied::Stale)
            }
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(Applied::Stale),
            Err(source) => overtaken(source).map_err(|source| failed("take", "Lease", &name, source)),
        }
    }

    /// Deletes the Lease, if it is still the one that was seen.
    pub(super) async fn release_branch(
        &self,
        task: &Task,
        name: &str,
        uid: &str,
        resource_version: &str,
    ) -> Result<Applied, ApplyError> {
        self.count("delete", "lease");
        let how = DeleteParams::default().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: Some(resource_version.to_owned()),
        });
        let gone = match self.leases.api(&self.client).delete(name, &how).await {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if status.is_not_found() => true,
            Err(source) => {
                return overtaken(source).map_err(|source| failed("delete", "Lease", name, source));
            }
        };
        if gone {
            let wakes = self.world.lock().note_lease_gone(name, uid);
            self.wake_others(task, wakes);
        }
        Ok(Applied::Done)
    }

    /// Once in the log, until a Lease could be taken, and as an event of each Task that waits.
    fn tell_of_missing_namespace(&self, task: &Task) {
        let message = missing_namespace(&self.leases.namespace);
        if !self.leases.told.swap(true, Ordering::Relaxed) {
            tracing::warn!("{message}");
        }
        let notice = Notice {
            kind: NoticeKind::Warning,
            reason: "BranchNotTaken".to_owned(),
            message,
        };
        self.notices.write(task, &notice);
    }
}
