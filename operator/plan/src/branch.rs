//! One branch of one repository is worked on by one Task at a time.
//!
//! A Lease in the operator's namespace, named by repository and branch, says which Task that is, by
//! its UID. It is taken by creating it, or by replacing it at the resourceVersion that was seen, so
//! that of two who try one is refused. It is freed when the Task has ended and none of its
//! containers can run any more.

use axon_api::{Phase, Task, WorkspaceSpec, names, repository};

use crate::observed::LeaseSeen;
use crate::references;

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
        return task.spec.depends_on.is_empty();
    };
    match status.phase {
        Some(Phase::Waiting) => status.reason.as_deref() == Some(BRANCH_LOCKED),
        Some(_) => true,
        None => task.spec.depends_on.is_empty(),
    }
}
