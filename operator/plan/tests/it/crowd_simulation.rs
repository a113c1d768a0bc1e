//! Over every crash point and stale view: never two at work on one branch, chains in their order,
//! and every branch free in the end.

use axon_api::Phase;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::crowd::{Crowd, Lag, name};
use crate::model::Fate;

const HTTPS: &str = "https://github.com/o/r.git";
const SCP: &str = "git@GitHub.com:o/r";

fn on(repository: &str, branch: &str) -> Value {
    json!({
        "type": "shell", "prompt": "x", "branch": branch, "workspace": { "repo": repository },
    })
}

fn with(mut spec: Value, more: Value) -> Value {
    for (key, value) in more.as_object().expect("fields") {
        spec[key] = value.clone();
    }
    spec
}

/// Six Tasks, five of them on one branch of one repository by either form of its URL; two of those
/// depend on others, one needs a Secret that comes and goes, and one may be tried again.
fn crowd() -> Crowd {
    let secret = json!({ "workspace": { "repo": HTTPS, "secretRef": { "name": "token" } } });
    let prompt = |of: &str| {
        json!({
            "dependsOn": [of], "prompt": format!("use {{{{index .Deps \"{of}\" \"Results\" \"branch\"}}}}"),
        })
    };
    Crowd::new(&[
        ("first", on(HTTPS, "fix")),
        ("needy", with(on(HTTPS, "fix"), secret)),
        (
            "stubborn",
            with(on(SCP, "fix"), json!({ "retry": { "limit": 1 } })),
        ),
        ("second", with(on(SCP, "fix"), prompt("first"))),
        ("third", with(on(HTTPS, "fix"), prompt("second"))),
        ("elsewhere", on(HTTPS, "other")),
    ])
}

const TASKS: usize = 6;

#[derive(Clone, Debug)]
enum Move {
    Reconcile { task: usize, lag: Lag, steps: usize },
    ControlJobs,
    RunPods(usize, Fate),
    Cancel(usize),
    TurnSecret,
    Wait(i64),
}

fn one_move() -> impl Strategy<Value = Move> {
    let lags = (0usize..6, 0usize..6, 0usize..6, 0usize..6, 0usize..6);
    let lag = lags.prop_map(|(task, others, leases, jobs, pods)| Lag {
        task,
        others,
        leases,
        jobs,
        pods,
    });
    let fate = prop::sample::select(vec![
        Fate::StartsAgent,
        Fate::StartsAgent,
        Fate::Succeeds,
        Fate::Succeeds,
        Fate::Crashes,
        Fate::FailsToPrepare,
    ]);
    prop_oneof![
        16 => (0..TASKS, lag, 0usize..6).prop_map(|(task, lag, steps)| Move::Reconcile { task, lag, steps }),
        12 => (0..TASKS).prop_map(|task| Move::Reconcile { task, lag: Lag::default(), steps: usize::MAX }),
        8 => Just(Move::ControlJobs),
        12 => (0..TASKS, fate).prop_map(|(task, fate)| Move::RunPods(task, fate)),
        1 => (0..TASKS).prop_map(Move::Cancel),
        2 => Just(Move::TurnSecret),
        4 => prop::sample::select(vec![0, 1, 3, 11, 70]).prop_map(Move::Wait),
    ]
}

fn make(crowd: &mut Crowd, next: &Move) {
    match next {
        Move::Reconcile { task, lag, steps } => crowd.reconcile(*task, *lag, *steps),
        Move::ControlJobs => crowd.control_jobs(),
        Move::RunPods(task, fate) => crowd.run_pods(*task, *fate),
        Move::Cancel(task) => crowd.cancel(*task),
        Move::TurnSecret => {
            crowd.objects.has_secret = !crowd.objects.has_secret;
            crowd.changed();
        }
        Move::Wait(seconds) => crowd.now += seconds,
    }
}

/// Lets everything work as it should until nothing is left to do.
fn settle(crowd: &mut Crowd) {
    crowd.objects.has_secret = true;
    for round in 0..400 {
        let count = crowd.objects.tasks.len();
        // The last is asked first, so that it is not the order of asking that keeps the order.
        for task in (0..count).rev() {
            crowd.reconcile(task, Lag::default(), usize::MAX);
        }
        crowd.control_jobs();
        for task in 0..count {
            let fate = if round % 2 == 0 {
                Fate::StartsAgent
            } else {
                Fate::Succeeds
            };
            crowd.run_pods(task, fate);
        }
        crowd.now += 30;
        if crowd.is_over() {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn no_two_work_on_one_branch_over_every_crash_point_and_stale_view(
        moves in prop::collection::vec(one_move(), 1..120),
    ) {
        let mut crowd = crowd();
        for next in &moves {
            make(&mut crowd, next);
            prop_assert!(crowd.problems.is_empty(), "{:?}", crowd.problems);
        }
        settle(&mut crowd);
        prop_assert!(crowd.problems.is_empty(), "{:?}", crowd.problems);
        prop_assert!(crowd.is_over(), "{:?} {:?}", crowd.phases(), crowd.objects.leases);
        for task in &crowd.objects.tasks {
            let name = name(task);
            let runs = crowd.started.iter().filter(|started| **started == name).count();
            let limit = if name == "stubborn" { 2 } else { 1 };
            prop_assert!(runs <= limit, "{} ran {} times", name, runs);
        }
        let place = |name: &str| crowd.started.iter().position(|started| started == name);
        for (before, after) in [("first", "second"), ("second", "third")] {
            if let Some(after) = place(after) {
                prop_assert!(place(before).is_some_and(|before| before < after));
            }
        }
    }
}

#[test]
fn fifty_tasks_on_one_branch_go_in_the_order_of_their_creation() {
    let names: Vec<String> = (0..50).map(|number| format!("task-{number:02}")).collect();
    let specs: Vec<(&str, Value)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.as_str(), on(if index % 2 == 0 { HTTPS } else { SCP }, "fix")))
        .collect();
    let mut crowd = Crowd::new(&specs);
    settle(&mut crowd);
    assert_eq!(crowd.problems, [""; 0]);
    assert!(crowd.is_over(), "{:?}", crowd.phases());
    assert_eq!(crowd.started, names);
    assert_eq!(crowd.objects.jobs.len(), 50, "one Job each");
}

#[test]
fn a_chain_on_one_branch_survives_a_crash_after_every_step() {
    for steps in 0..5 {
        let mut crowd = crowd();
        for round in 0..400 {
            let task = round % TASKS;
            let dies = (round / TASKS).is_multiple_of(3);
            crowd.reconcile(task, Lag::default(), if dies { steps } else { usize::MAX });
            crowd.control_jobs();
            let fate = if round % 2 == 0 {
                Fate::StartsAgent
            } else {
                Fate::Succeeds
            };
            for task in 0..TASKS {
                crowd.run_pods(task, fate);
            }
            crowd.now += 1;
        }
        assert_eq!(crowd.problems, [""; 0], "{steps} steps");
        assert!(crowd.is_over(), "{steps} steps: {:?}", crowd.phases());
        assert!(
            crowd
                .phases()
                .iter()
                .all(|phase| *phase == Some(Phase::Succeeded)),
            "{steps} steps: {:?}",
            crowd.phases()
        );
        assert_eq!(crowd.started.len(), TASKS, "{steps} steps");
        assert_eq!(crowd.objects.jobs.len(), TASKS, "one Job each");
    }
}

#[test]
fn tasks_in_a_circle_fail_and_others_do_not_wait_for_them() {
    let depends = |on: &str| json!({ "type": "shell", "prompt": "x", "dependsOn": [on] });
    let mut crowd = Crowd::new(&[
        ("a", depends("b")),
        ("b", depends("c")),
        ("c", depends("a")),
        ("after", depends("a")),
        ("free", json!({ "type": "shell", "prompt": "x" })),
    ]);
    settle(&mut crowd);
    let reasons: Vec<_> = crowd
        .objects
        .tasks
        .iter()
        .map(|task| {
            task.status
                .clone()
                .and_then(|status| status.reason)
                .unwrap_or_default()
        })
        .collect();
    assert_eq!(crowd.phases()[..4], [Some(Phase::Failed); 4]);
    assert_eq!(crowd.phases()[4], Some(Phase::Succeeded));
    assert_eq!(reasons[3], "DependencyFailed");
    assert!(
        reasons[..3].contains(&"DependencyCycle".to_owned()),
        "{reasons:?}"
    );
    assert_eq!(crowd.started, ["free"]);
}

#[test]
fn an_old_view_of_a_lease_that_was_given_back_is_not_believed() {
    let secret = json!({ "workspace": { "repo": HTTPS, "secretRef": { "name": "token" } } });
    let mut crowd = Crowd::new(&[
        ("needy", with(on(HTTPS, "fix"), secret)),
        ("other", on(SCP, "fix")),
    ]);
    let fresh = Lag::default();
    let turn_secret = |crowd: &mut Crowd| {
        crowd.objects.has_secret = !crowd.objects.has_secret;
        crowd.changed();
    };
    // The operator dies between Lease and Job; then the Secret is away, and the branch is given back.
    crowd.reconcile(0, fresh, 1);
    turn_secret(&mut crowd);
    let with_lease = crowd.changes();
    crowd.reconcile(0, fresh, usize::MAX);
    assert_eq!(crowd.objects.leases.len(), 0);
    for _ in 0..3 {
        crowd.reconcile(1, fresh, usize::MAX);
        crowd.control_jobs();
        crowd.run_pods(1, Fate::StartsAgent);
    }
    assert_eq!(crowd.started, ["other"]);
    turn_secret(&mut crowd);
    for _ in 0..4 {
        let leases = crowd.changes() - with_lease;
        crowd.reconcile(0, Lag { leases, ..fresh }, usize::MAX);
        crowd.control_jobs();
        crowd.run_pods(0, Fate::StartsAgent);
    }
    assert_eq!(crowd.problems, [""; 0]);
    assert_eq!(crowd.started, ["other"]);
    settle(&mut crowd);
    assert_eq!(crowd.started, ["other", "needy"]);
}
