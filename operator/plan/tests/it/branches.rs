//! One branch of one repository is worked on by one Task at a time.

use axon_api::Phase::{Failed, Pending, Running, Succeeded, Waiting};
use axon_api::{Task, labels, names};
use axon_plan::branch::{contends, wanted};
use axon_plan::{BranchSeen, LeaseSeen, NoticeKind, Plan, Step};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

use crate::fixtures::{Scene, at, ended, job, pod, running, steps, task, told, workspace};

const REPOSITORY: &str = "https://GitHub.com/o/r.git";

fn on_branch() -> Scene {
    let spec = json!({
        "type": "shell", "prompt": "x", "branch": "fix", "workspaceRef": { "name": "w" },
    });
    let mut scene = Scene::of(task(spec));
    scene.workspace = Some(workspace(json!({ "repo": REPOSITORY })));
    scene.branch = Some(BranchSeen::default());
    scene
}

fn lease(holder_uid: &str) -> LeaseSeen {
    LeaseSeen {
        name: names::branch_lease("github.com/o/r", "fix"),
        uid: "lease-uid".to_owned(),
        resource_version: "7".to_owned(),
        holder_uid: holder_uid.to_owned(),
        holder: "dev/other".to_owned(),
    }
}

fn seen(holder_uid: &str, place: usize) -> BranchSeen {
    BranchSeen {
        lease: Some(lease(holder_uid)),
        place,
        behind: (place > 0).then(|| "dev/before".to_owned()),
    }
}

/// The Task holds its branch.
fn hold(scene: &mut Scene) {
    scene.branch = Some(seen("task-uid", 0));
    scene.held_branches = vec![lease("task-uid")];
}

fn taken(plan: &Plan) -> Lease {
    let lease = plan.steps.iter().find_map(|step| match step {
        Step::TakeBranch(lease) => Some((**lease).clone()),
        _ => None,
    });
    lease.expect("a Lease is taken")
}

#[test]
fn a_free_branch_is_taken_just_before_the_job() {
    let plan = on_branch().plan();
    assert_eq!(steps(&plan), ["TakeBranch", "CreateJob", "WriteStatus"]);
    let lease = taken(&plan);
    assert_eq!(
        lease.metadata.name,
        Some(names::branch_lease("github.com/o/r", "fix"))
    );
    assert_eq!(lease.metadata.namespace.as_deref(), Some("axon-system"));
    assert_eq!(lease.metadata.resource_version, None);
    let labels_of = lease.metadata.labels.expect("labels");
    assert_eq!(labels_of[labels::BRANCH_LEASE], "true");
    let annotations = lease.metadata.annotations.expect("annotations");
    assert_eq!(annotations[labels::REPOSITORY], "github.com/o/r");
    assert_eq!(annotations[labels::BRANCH], "fix");
    assert_eq!(annotations[labels::HOLDER], "dev/fix-bug");
    let spec = lease.spec.expect("a spec");
    assert_eq!(spec.holder_identity.as_deref(), Some("task-uid"));
    assert_eq!(spec.lease_duration_seconds, None);
}

#[test]
fn a_held_branch_makes_the_task_wait_and_tells_who_holds_it_and_the_place() {
    for (branch, says) in [
        (
            Some(seen("other", 0)),
            "waits for branch `fix` of `github.com/o/r`, which Task `dev/other` holds",
        ),
        (
            Some(seen("other", 1)),
            "waits for branch `fix` of `github.com/o/r`, which Task `dev/other` holds; 1 Task comes before this one",
        ),
        (
            Some(seen("other", 3)),
            "waits for branch `fix` of `github.com/o/r`, which Task `dev/other` holds; 3 Tasks come before this one",
        ),
        (
            Some(BranchSeen {
                lease: None,
                place: 1,
                behind: Some("dev/before".to_owned()),
            }),
            "waits for branch `fix` of `github.com/o/r`; Task `dev/before` comes before this one",
        ),
        (
            Some(BranchSeen {
                lease: None,
                place: 2,
                behind: Some("dev/before".to_owned()),
            }),
            "waits for branch `fix` of `github.com/o/r`; 2 Tasks come before this one",
        ),
    ] {
        let mut scene = on_branch();
        scene.branch = branch;
        let plan = scene.step();
        assert_eq!(told(&plan), (Waiting, "BranchLocked".to_owned()));
        assert_eq!(plan.status.message.as_deref(), Some(says));
        assert_eq!(steps(&plan), ["WriteStatus"]);
        assert!(matches!(
            plan.steps.last(),
            Some(Step::Notify(notice)) if notice.kind == NoticeKind::Normal
        ));
        scene.branch = Some(BranchSeen::default());
        assert_eq!(steps(&scene.plan()), ["TakeBranch", "CreateJob", "WriteStatus"]);
    }
}

#[test]
fn a_lease_without_a_holder_is_taken_at_its_version() {
    let mut scene = on_branch();
    scene.branch = Some(seen("", 0));
    let lease = taken(&scene.plan());
    assert_eq!(lease.metadata.resource_version.as_deref(), Some("7"));
}

#[test]
fn a_branch_taken_before_a_crash_is_taken_once_more() {
    let mut scene = on_branch();
    hold(&mut scene);
    let plan = scene.plan();
    assert_eq!(steps(&plan), ["TakeBranch", "CreateJob", "WriteStatus"]);
    assert_eq!(taken(&plan).metadata.resource_version.as_deref(), Some("7"));
    scene.jobs = vec![job(&names::job("fix-bug", "task-uid", 1), "job-1")];
    assert_eq!(steps(&scene.plan()), ["TakeBranch", "WriteStatus"]);
    scene.branch = Some(seen("other", 0));
    scene.held_branches.clear();
    assert_eq!(told(&scene.plan()), (Waiting, "BranchLocked".to_owned()));
}

#[test]
fn whatever_is_missing_is_told_before_the_branch_and_takes_none() {
    let mut scene = on_branch();
    scene.workspace = Some(workspace(
        json!({ "repo": REPOSITORY, "secretRef": { "name": "s" } }),
    ));
    let plan = scene.plan();
    assert_eq!(told(&plan), (Waiting, "SecretNotFound".to_owned()));
    assert_eq!(steps(&plan), ["WriteStatus"]);
    // It was taken, and before the Job was made the Secret went.
    hold(&mut scene);
    let plan = scene.step();
    assert_eq!(steps(&plan), ["WriteStatus", "ReleaseBranch"]);
    // The status that proves that the view is fresh is written again.
    assert_eq!(steps(&scene.plan()), ["WriteStatus", "ReleaseBranch"]);
}

#[test]
fn the_branch_of_a_worktree_counts_and_the_tasks_own_wins() {
    let mut scene = on_branch();
    scene.workspace = Some(workspace(
        json!({ "repo": REPOSITORY, "worktree": { "branch": "tree" } }),
    ));
    let spec = &scene.workspace.as_ref().expect("a workspace").spec;
    let own = wanted(&scene.task, Some(spec)).expect("a branch");
    assert_eq!(own.branch, "fix");
    scene.task.spec.branch = None;
    let of_worktree = wanted(&scene.task, Some(spec)).expect("a branch");
    assert_eq!(of_worktree.branch, "tree");
    assert_eq!(of_worktree.repository, "github.com/o/r");
    assert_eq!(
        taken(&scene.plan()).metadata.name.as_deref(),
        Some(of_worktree.lease.as_str())
    );
}

#[test]
fn a_branch_without_a_workspace_is_not_kept_and_that_is_said_once() {
    let mut scene = Scene::of(task(json!({ "type": "shell", "prompt": "x", "branch": "fix" })));
    assert_eq!(wanted(&scene.task, None), None);
    let plan = scene.step();
    assert_eq!(steps(&plan), ["CreateJob", "WriteStatus"]);
    let warnings = |plan: &Plan| {
        let notices = plan
            .steps
            .iter()
            .filter(|step| matches!(step, Step::Notify(notice) if notice.reason == "BranchWithoutWorkspace"));
        notices.count()
    };
    assert_eq!(warnings(&plan), 1);
    assert_eq!(warnings(&scene.plan()), 0);
}

/// A Task on its branch with a pod in this state.
fn at_work(status: &serde_json::Value) -> Scene {
    let mut scene = on_branch();
    scene.step();
    hold(&mut scene);
    scene.jobs = vec![job(&scene.job_name(), "job-1")];
    scene.pods = vec![pod("pod-1", "job-1", &json!({ "phase": "Pending" }))];
    assert_eq!(steps(&scene.step()), ["WriteStatus", "RemoveStartGate"]);
    scene.with_pod(status)
}

#[test]
fn the_branch_is_freed_with_the_end_and_not_before() {
    assert_eq!(steps(&at_work(&running()).plan()), ["WriteStatus"]);
    let mut scene = at_work(&ended(1, "Error", ""));
    let plan = scene.step();
    assert_eq!(told(&plan).0, Failed);
    assert_eq!(steps(&plan), ["WriteStatus", "ReleaseBranch"]);
    assert_eq!(
        plan.steps[1],
        Step::ReleaseBranch {
            lease: names::branch_lease("github.com/o/r", "fix"),
            uid: "lease-uid".to_owned(),
            resource_version: "7".to_owned(),
        }
    );
    // A crash between the two changes nothing, though the Workspace is gone by then.
    scene.workspace = None;
    scene.branch = None;
    assert_eq!(steps(&scene.plan()), ["ReleaseBranch"]);
    scene.held_branches.clear();
    assert_eq!(steps(&scene.plan()), [""; 0]);
}

#[test]
fn a_container_that_may_run_keeps_the_branch_though_the_task_has_ended() {
    let mut status = ended(0, "Completed", "");
    status["phase"] = json!("Running");
    let mut scene = at_work(&status);
    assert_eq!(steps(&scene.step()), ["WriteStatus"]);
    let mut unreachable = running();
    unreachable["conditions"] = json!([{ "type": "Ready", "status": "Unknown" }]);
    let mut scene = scene.with_pod(&unreachable);
    assert_eq!(steps(&scene.plan()), [""; 0]);
    scene.pods.clear();
    assert_eq!(steps(&scene.plan()), ["ReleaseBranch"]);
}

#[test]
fn a_task_whose_time_to_live_is_over_frees_its_branch_first() {
    let mut scene = at_work(&ended(1, "Error", ""));
    scene.step();
    scene.task.spec.ttl_seconds_after_finished = Some(0);
    scene.now = 9;
    assert_eq!(steps(&scene.plan()), ["ReleaseBranch", "DeleteTask"]);
}

#[test]
fn a_retry_keeps_the_branch() {
    let mut scene = at_work(&ended(1, "Error", ""));
    scene.task.spec.retry = serde_json::from_value(json!({ "limit": 1 })).ok();
    scene.now = 10;
    let plan = scene.step();
    assert_eq!(told(&plan), (Pending, "RetryBackoff".to_owned()));
    assert_eq!(steps(&plan), ["WriteStatus"]);
    scene.now = 60;
    assert_eq!(steps(&scene.plan()), ["CreateJob", "WriteStatus"]);
    // A Lease that someone deleted is taken again, or waited for.
    scene.held_branches.clear();
    scene.branch = Some(BranchSeen::default());
    assert_eq!(steps(&scene.plan()), ["TakeBranch", "CreateJob", "WriteStatus"]);
    scene.branch = Some(seen("other", 0));
    assert_eq!(told(&scene.plan()), (Waiting, "BranchLocked".to_owned()));
}

#[test]
fn a_running_task_whose_lease_was_deleted_takes_it_again() {
    let mut scene = at_work(&running());
    scene.step();
    scene.held_branches.clear();
    scene.branch = Some(BranchSeen::default());
    assert_eq!(steps(&scene.plan()), ["TakeBranch"]);
}

#[test]
fn who_contends_for_a_branch() {
    let contender = |spec: serde_json::Value, status: serde_json::Value| -> Task {
        let mut task = task(spec);
        task.status = serde_json::from_value(status).expect("a status");
        task
    };
    let plain = json!({ "prompt": "x", "branch": "fix" });
    let dependent = json!({ "prompt": "x", "branch": "fix", "dependsOn": ["a"] });
    for (spec, status, expected) in [
        (&plain, json!(null), true),
        (&dependent, json!(null), false),
        (&plain, json!({ "phase": "Pending" }), true),
        (&dependent, json!({ "phase": "Running" }), true),
        (
            &dependent,
            json!({ "phase": "Waiting", "reason": "BranchLocked" }),
            true,
        ),
        (
            &plain,
            json!({ "phase": "Waiting", "reason": "SecretNotFound" }),
            false,
        ),
        (&plain, json!({ "phase": "Succeeded" }), false),
        (&plain, json!({ "phase": "Failed" }), false),
    ] {
        let task = contender(spec.clone(), status.clone());
        assert_eq!(contends(&task, None), expected, "{status}");
    }
    let waits = contender(
        plain.clone(),
        json!({ "phase": "Waiting", "reason": "SecretNotFound" }),
    );
    assert!(contends(&waits, Some(&lease("task-uid"))));
    assert!(!contends(&waits, Some(&lease("other"))));
    let mut leaves = contender(plain, json!({ "phase": Running }));
    leaves.metadata.deletion_timestamp = Some(at(0).into());
    assert!(!contends(&leaves, None));
    let over = contender(json!({ "prompt": "x" }), json!({ "phase": Succeeded }));
    assert!(!contends(&over, Some(&lease("task-uid"))));
}
