//! Who has a branch, who is in line, and who is woken.

use axon_api::labels;
use axon_plan::branch;
use futures::FutureExt;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::*;

const REPOSITORY: &str = "https://github.com/org/repo";

/// A Task for branch `b`, created at that second.
fn contender(name: &str, version: u64, created: i64) -> Task {
    let spec = json!({ "branch": "b", "workspace": { "repo": REPOSITORY } });
    let mut task = task(name, version, spec);
    let created = Timestamp::from_second(created).expect("a time");
    task.metadata.creation_timestamp = Some(Time(created));
    task
}

fn lease_name() -> String {
    let task = contender("any", 1, 0);
    let branch = branch::wanted(&task, task.spec.workspace.as_ref()).expect("a branch");
    branch.lease
}

fn lease(version: u64, holder: &str) -> Lease {
    serde_json::from_value(json!({
        "metadata": {
            "name": lease_name(), "namespace": "axon-system", "uid": "lease-uid",
            "resourceVersion": version.to_string(),
            "annotations": { labels::HOLDER: format!("default/{holder}") },
        },
        "spec": { "holderIdentity": format!("{holder}-uid") },
    }))
    .expect("a Lease")
}

fn place(world: &World, task: &Task) -> (usize, Option<String>) {
    let seen = world.branch(&lease_name(), &Key::of(task), task);
    (seen.place, seen.behind)
}

fn strays(world: &World) -> Vec<String> {
    let queue = world.errands().leases;
    std::iter::from_fn(|| queue.next(Urgency::Normal).now_or_never())
        .map(|(key, _)| key.name.to_string())
        .collect()
}

/// Tasks `a`, `b` and `c` in line, of which `a` holds the branch.
fn line() -> World {
    let mut world = World::default();
    for (name, created) in [("c", 30), ("a", 10), ("b", 20)] {
        world.on_task(applied(contender(name, 1, created)));
    }
    world.on_lease(Event::Apply(lease(5, "a")));
    world
}

#[test]
fn the_line_is_by_creation_and_not_by_arrival() {
    let world = line();
    let behind = |name: &str| Some(format!("default/{name}"));
    assert_eq!(place(&world, &contender("a", 1, 10)), (0, None));
    assert_eq!(place(&world, &contender("b", 1, 20)), (1, behind("a")));
    assert_eq!(place(&world, &contender("c", 1, 30)), (2, behind("b")));
    assert_eq!(place(&world, &contender("later", 1, 40)), (3, behind("c")));
}

#[test]
fn of_one_second_the_namespace_and_the_name_decide() {
    let mut world = World::default();
    for (namespace, name) in [("x", "a"), ("default", "z"), ("default", "b")] {
        let mut task = contender(name, 1, 10);
        task.metadata.namespace = Some(namespace.to_owned());
        task.metadata.uid = Some(format!("{namespace}-{name}"));
        world.on_task(applied(task));
    }
    let mut last = contender("b", 1, 10);
    last.metadata.namespace = Some("y".to_owned());
    assert_eq!(place(&world, &last), (3, Some("x/a".to_owned())));
    assert_eq!(
        place(&world, &contender("z", 1, 10)),
        (1, Some("default/b".to_owned()))
    );
}

#[test]
fn two_workspaces_of_one_repository_are_one_line() {
    let mut world = World::default();
    let mut named = workspace(1, None);
    named.spec.repo = "git@GitHub.com:org/repo.git".to_owned();
    world.on_object(applied(named));
    let mut by_name = task("a", 1, json!({ "branch": "b", "workspaceRef": { "name": "ws" } }));
    by_name.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    world.on_task(applied(by_name));
    assert_eq!(place(&world, &contender("b", 1, 20)).0, 1);
}

#[test]
fn a_task_gets_into_line_once_its_workspace_is_known() {
    let mut world = World::default();
    let mut early = task("a", 1, json!({ "branch": "b", "workspaceRef": { "name": "ws" } }));
    early.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    world.on_task(applied(early));
    assert_eq!(place(&world, &contender("b", 1, 20)).0, 0);
    let mut named = workspace(1, None);
    named.spec.repo = REPOSITORY.to_owned();
    world.on_object(applied(named.clone()));
    assert_eq!(place(&world, &contender("b", 1, 20)).0, 1);
    named.metadata.resource_version = Some("2".to_owned());
    named.spec.repo = "https://github.com/org/other".to_owned();
    world.on_object(applied(named));
    assert_eq!(place(&world, &contender("b", 1, 20)).0, 0);
}

#[test]
fn only_the_first_in_line_is_woken_when_the_branch_is_freed() {
    let mut world = line();
    let ended = in_phase(contender("a", 1, 10), 6, Phase::Succeeded);
    assert_eq!(
        world.on_task(applied(ended)),
        [normal("a")],
        "it frees the branch"
    );
    assert_eq!(
        world.on_lease(Event::Delete(lease(7, "a"))),
        [normal("a"), urgent("b")]
    );
}

#[test]
fn nobody_else_is_woken_while_the_branch_is_held() {
    let mut world = line();
    world.on_task(applied(contender("d", 6, 40)));
    let leaves = in_phase(contender("b", 1, 20), 7, Phase::Cancelled);
    assert_eq!(world.on_task(applied(leaves)), [normal("b")]);
}

#[test]
fn those_who_are_near_tell_of_another_holder() {
    let mut world = line();
    assert_eq!(
        world.on_lease(Event::Apply(lease(6, "b"))),
        [urgent("a"), urgent("b"), normal("c")]
    );
    assert_eq!(world.on_lease(Event::Apply(lease(7, "b"))), [urgent("b")]);
}

#[test]
fn the_next_is_woken_when_the_first_leaves_before_it_took_the_branch() {
    let mut world = line();
    world.on_lease(Event::Delete(lease(6, "a")));
    let leaves = in_phase(contender("a", 1, 10), 7, Phase::Cancelled);
    assert_eq!(world.on_task(applied(leaves)), [normal("a"), urgent("b")]);
    assert_eq!(
        world.on_task(Event::Delete(loose(&contender("b", 1, 20)))),
        [urgent("c")]
    );
}

#[test]
fn a_task_that_waits_for_something_else_holds_nobody_up() {
    let mut world = line();
    let mut waits = in_phase(contender("b", 1, 20), 6, Phase::Waiting);
    waits.status.as_mut().expect("a status").reason = Some("SecretNotFound".to_owned());
    world.on_task(applied(waits.clone()));
    assert_eq!(
        place(&world, &contender("c", 1, 30)).1.as_deref(),
        Some("default/a")
    );
    waits.metadata.resource_version = Some("7".to_owned());
    waits.status.as_mut().expect("a status").reason = Some("BranchLocked".to_owned());
    world.on_task(applied(waits));
    assert_eq!(
        place(&world, &contender("c", 1, 30)).1.as_deref(),
        Some("default/b")
    );
}

#[test]
fn who_holds_a_branch_is_known_by_its_uid() {
    let mut world = line();
    let held = world.held_branches("a-uid");
    let [held] = &held[..] else {
        panic!("not one Lease: {held:?}")
    };
    assert_eq!((&*held.name, &*held.holder), (&*lease_name(), "default/a"));
    world.on_lease(Event::Apply(lease(6, "b")));
    assert_eq!(world.held_branches("a-uid"), []);
    assert_eq!(world.held_branches("b-uid").len(), 1);
}

#[test]
fn an_answer_does_not_bring_back_a_lease_that_is_gone() {
    let mut world = line();
    world.on_lease(Event::Delete(lease(6, "a")));
    assert_eq!(world.note_lease(&lease(5, "a")), []);
    assert_eq!(world.held_branches("a-uid"), []);
}

#[test]
fn a_lease_that_a_listing_lacks_is_gone() {
    let mut world = line();
    world.on_lease(Event::Init);
    assert_eq!(world.on_lease(Event::InitDone), [urgent("a")]);
    assert_eq!(world.held_branches("a-uid"), []);
}

#[test]
fn leases_of_tasks_that_are_gone_are_swept_once_all_is_listed() {
    let mut world = line();
    world.on_lease(Event::Apply(lease(6, "gone")));
    assert_eq!(strays(&world), [""; 0], "its Task may not be listed yet");
    world.begin_sweeping();
    assert_eq!(strays(&world), [lease_name()]);
    assert!(world.stray_lease(&lease_name()).is_some());
    world.on_lease(Event::Apply(lease(7, "b")));
    assert!(world.stray_lease(&lease_name()).is_none());
}

#[test]
fn the_lease_of_a_task_that_goes_is_swept() {
    let mut world = line();
    world.begin_sweeping();
    assert_eq!(strays(&world), [""; 0]);
    world.on_task(Event::Delete(loose(&contender("a", 1, 10))));
    assert_eq!(strays(&world), [lease_name()]);
}

#[test]
fn the_lease_of_a_task_that_goes_stays_while_its_pod_may_work_on_the_branch() {
    let mut world = line();
    world.begin_sweeping();
    world.on_pod(Event::Apply(pod("p", "a-uid", "Running")));
    world.on_task(Event::Delete(loose(&contender("a", 1, 10))));
    assert_eq!(strays(&world), [""; 0]);
    assert!(world.stray_lease(&lease_name()).is_none());
    world.on_pod(Event::Delete(pod("p", "a-uid", "Running")));
    assert_eq!(strays(&world), [lease_name()]);
}

#[test]
fn a_pod_that_has_ended_or_is_behind_the_gate_keeps_no_branch() {
    let mut gated = serde_json::to_value(pod("p", "a-uid", "Pending")).expect("JSON");
    gated["spec"]["schedulingGates"] = json!([{ "name": labels::START_GATE }]);
    let gated = serde_json::from_value(gated).expect("a pod");
    for pod in [gated, pod("p", "a-uid", "Failed")] {
        let mut world = line();
        world.begin_sweeping();
        world.on_pod(Event::Apply(pod));
        world.on_task(Event::Delete(loose(&contender("a", 1, 10))));
        assert_eq!(strays(&world), [lease_name()]);
    }
}

#[test]
fn a_task_made_anew_is_at_the_end_of_the_line_and_the_old_ones_lease_is_swept() {
    let mut world = line();
    world.begin_sweeping();
    let mut anew = contender("a", 8, 50);
    anew.metadata.uid = Some("another-uid".to_owned());
    world.on_task(applied(anew));
    assert_eq!(strays(&world), [lease_name()]);
    assert_eq!(place(&world, &contender("b", 1, 20)), (0, None));
}

#[test]
fn a_task_that_gets_in_line_when_the_branch_is_free_already_is_the_next() {
    let mut world = World::default();
    let mut waiting = contender("late", 1, 10);
    waiting.spec.depends_on = vec!["first".to_owned()];
    world.on_task(applied(waiting.clone()));
    let key = Key::of(&waiting);
    assert!(!world.may_take_branch(&key), "it waits for its dependency");
    // The branch was held when the round looked, and is free when its status is written.
    world.on_lease(Event::Apply(lease(5, "first")));
    world.on_lease(Event::Delete(lease(6, "first")));
    waiting.metadata.resource_version = Some("7".to_owned());
    waiting.status = Some(axon_api::TaskStatus {
        phase: Some(Phase::Waiting),
        reason: Some("BranchLocked".to_owned()),
        ..axon_api::TaskStatus::default()
    });
    let written = Loose::of(&waiting).expect("a Task");
    world.note_task(&written);
    assert!(world.may_take_branch(&key));
    world.on_lease(Event::Apply(Lease {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
            uid: Some("another-lease".to_owned()),
            ..lease(8, "other").metadata
        },
        ..lease(8, "other")
    }));
    assert!(!world.may_take_branch(&key), "another has taken it");
}
