//! One branch of one repository is worked on by one Task at a time.
//!
//! A Lease in the operator's namespace, named by repository and branch, says which Task that is, by
//! its UID. It is taken by creating it, or by replacing it at the resourceVersion that was seen, so
//! that of two who try one is refused. It is freed when the Task has ended and none of its
//! containers can run any more.

use std::collections::BTreeMap;

use axon_api::{Phase, Task, TaskStatus, WorkspaceSpec, labels, names, repository};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use crate::observed::{BranchSeen, Found, LeaseSeen, Observed};
use crate::plan::{Notice, NoticeKind, Step};
use crate::progress;
use crate::references;
use crate::requirements::{Blocked, waiting};

/// The Task waits for another one to be done with the branch.
pub(crate) const BRANCH_LOCKED: &str = "BranchLocked";

/// A branch of a repository that a Task wants for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The repository, by [`repository::identity`].
    pub repository: String,
    pub branch: String,
    /// Name of the Lease that keeps it.
    pub lease: String,
}

/// The branch that a Task wants for itself: its own, else that of its workspace's worktree.
/// `workspace` is its own or the one that it names. `None` when there is no branch or no repository.
pub fn wanted(task: &Task, workspace: Option<&WorkspaceSpec>) -> Option<Branch> {
    let branch = references::branch(task, workspace)?;
    let repository = repository::identity(&workspace?.repo);
    Some(Branch {
        lease: names::branch_lease(&repository, branch),
        branch: branch.to_owned(),
        repository,
    })
}

/// Whether a Task that wants a branch has a place in the queue for it: it has not ended, and holds
/// the branch, has a Job, waits for nothing but the branch, or was not looked at yet and depends on
/// nothing. `lease` is the branch's, if there is one. A Task that waits for something else has no
/// place, so that what will perhaps never start holds nobody up.
pub fn contends(task: &Task, lease: Option<&LeaseSeen>) -> bool {
    if task.is_finished() || task.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let uid = task.metadata.uid.as_deref();
    if lease.is_some_and(|lease| Some(lease.holder_uid.as_str()) == uid) {
        return true;
    }
    let Some(status) = &task.status else {
        // A Task of a TaskSpawner may be held by that, and is in the queue once it was let start.
        let is_spawned = task.metadata.annotations.as_ref();
        let is_spawned = is_spawned.is_some_and(|annotations| annotations.contains_key(labels::ITEM));
        return task.spec.depends_on.is_empty() && !is_spawned;
    };
    match status.phase {
        Some(Phase::Waiting) => status.reason.as_deref() == Some(BRANCH_LOCKED),
        Some(_) => true,
        None => task.spec.depends_on.is_empty(),
    }
}

/// Whether the Task may go on, as far as its branch is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Turn {
    /// It wants no branch, or has it.
    Granted,
    /// It may go on once this is done.
    Take(Step),
    /// Others have it or come first.
    Wait(Blocked),
}

/// Whose turn it is.
pub(crate) fn turn(observed: &Observed<'_>) -> Turn {
    let Some(branch) = wanted(observed.task, workspace(observed)) else {
        return Turn::Granted;
    };
    let free = BranchSeen::default();
    let seen = observed.branch.unwrap_or(&free);
    let lease = seen.lease.as_ref();
    if lease.is_some_and(|lease| is_own(observed, lease)) {
        // What is seen of a Lease may be old. A status that was written after the Lease was taken
        // proves it; otherwise it is taken once more, which fails where it has changed.
        return if is_proven(observed.task.status.as_ref()) {
            Turn::Granted
        } else {
            Turn::Take(take(observed, &branch, lease))
        };
    }
    if let Some(holder) = lease.filter(|lease| !lease.holder_uid.is_empty()) {
        return Turn::Wait(locked(&branch, seen, Some(&holder.holder)));
    }
    if seen.place > 0 {
        return Turn::Wait(locked(&branch, seen, None));
    }
    Turn::Take(take(observed, &branch, lease))
}

/// Takes the branch again when its Lease is not there though the Task has started.
pub(crate) fn restore(observed: &Observed<'_>) -> Option<Step> {
    let is_lost = observed.branch.is_some_and(|seen| seen.lease.is_none());
    if !is_lost || !observed.held_branches.is_empty() {
        return None;
    }
    let branch = wanted(observed.task, workspace(observed))?;
    Some(take(observed, &branch, None))
}

/// Frees all that the Task holds.
pub(crate) fn release<'a>(observed: &'a Observed<'_>) -> impl Iterator<Item = Step> + 'a {
    let held = observed.held_branches.iter();
    held.filter(|lease| is_own(observed, lease))
        .map(|lease| Step::ReleaseBranch {
            lease: lease.name.clone(),
            uid: lease.uid.clone(),
            resource_version: lease.resource_version.clone(),
        })
}

/// Whether no container of the Task can run any more. One that is behind the gate counts as none
/// unless it is the one that was let go.
pub(crate) fn is_quiet(observed: &Observed<'_>, status: &TaskStatus) -> bool {
    observed.pods.iter().all(|pod| {
        let is_recorded = pod.metadata.uid.is_some() && pod.metadata.uid == status.pod_uid;
        progress::is_terminal(pod) || (progress::is_gated(pod) && !is_recorded)
    })
}

/// Tells that a branch without a repository is not kept for the Task.
pub(crate) fn without_workspace(task: &Task) -> Option<Notice> {
    let spec = &task.spec;
    let branch = spec.branch.as_deref()?;
    if spec.workspace.is_some() || spec.workspace_ref.is_some() {
        return None;
    }
    Some(Notice {
        kind: NoticeKind::Warning,
        reason: "BranchWithoutWorkspace".to_owned(),
        message: format!(
            "the Task has no workspace, so nothing is checked out and branch `{branch}` is not kept from other Tasks"
        ),
    })
}

/// The workspace of a Task, in place or by name.
pub(crate) fn workspace<'a>(observed: &'a Observed<'_>) -> Option<&'a WorkspaceSpec> {
    let spec = &observed.task.spec;
    match (&spec.workspace_ref, &observed.workspace) {
        (None, _) => spec.workspace.as_ref(),
        (Some(_), Found::Present(workspace)) => Some(&workspace.spec),
        (Some(_), _) => None,
    }
}

/// Whether the status was written after the branch was taken and before it is freed.
pub(crate) fn is_proven(status: Option<&TaskStatus>) -> bool {
    status.is_some_and(|status| {
        status.attempts.is_some_and(|attempts| attempts > 0)
            && matches!(status.phase, Some(Phase::Pending | Phase::Running))
    })
}

fn is_own(observed: &Observed<'_>, lease: &LeaseSeen) -> bool {
    observed.task.metadata.uid.as_deref() == Some(lease.holder_uid.as_str())
}

fn locked(branch: &Branch, seen: &BranchSeen, holder: Option<&str>) -> Blocked {
    let Branch {
        branch, repository, ..
    } = branch;
    let holder = holder.map_or_else(String::new, |holder| format!(", which Task `{holder}` holds"));
    let place = match (seen.place, &seen.behind) {
        (0, _) => String::new(),
        (1, Some(behind)) if holder.is_empty() => format!("; Task `{behind}` comes before this one"),
        (1, _) => "; 1 Task comes before this one".to_owned(),
        (place, _) => format!("; {place} Tasks come before this one"),
    };
    waiting(
        BRANCH_LOCKED,
        format!("waits for branch `{branch}` of `{repository}`{holder}{place}"),
    )
}

/// The step that makes the Task the holder: at the version that was seen, or as the first one.
fn take(observed: &Observed<'_>, branch: &Branch, seen: Option<&LeaseSeen>) -> Step {
    let metadata = &observed.task.metadata;
    let holder = format!(
        "{}/{}",
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default()
    );
    let annotations = [
        (labels::REPOSITORY, branch.repository.clone()),
        (labels::BRANCH, branch.branch.clone()),
        (labels::HOLDER, holder),
    ];
    let own_labels = [
        (labels::BRANCH_LEASE, "true"),
        (labels::MANAGED_BY, labels::MANAGER),
    ];
    Step::TakeBranch(Box::new(Lease {
        metadata: ObjectMeta {
            name: Some(branch.lease.clone()),
            namespace: Some(observed.settings.lease_namespace.clone()),
            uid: seen.map(|lease| lease.uid.clone()),
            resource_version: seen.map(|lease| lease.resource_version.clone()),
            labels: Some(owned(own_labels.map(|(key, value)| (key, value.to_owned())))),
            annotations: Some(owned(annotations)),
            ..ObjectMeta::default()
        },
        // Without a duration: it does not expire, and is freed or swept.
        spec: Some(LeaseSpec {
            holder_identity: metadata.uid.clone(),
            acquire_time: Some(MicroTime(observed.now)),
            ..LeaseSpec::default()
        }),
    }))
}

fn owned<const COUNT: usize>(pairs: [(&str, String); COUNT]) -> BTreeMap<String, String> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
}
