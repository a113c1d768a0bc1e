//! Over any sequence of events: who is in line is what it would be if it were found out anew, and
//! the first in line of a free branch is woken.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::labels;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use proptest::prelude::*;

use super::super::branches::place_of;
use super::*;

const REPOSITORIES: [&str; 2] = ["https://github.com/org/a", "https://github.com/org/b"];

#[derive(Clone, Debug)]
enum Change {
    Task {
        number: u8,
        /// Of the two Tasks that have had the name.
        anew: bool,
        phase: Option<Phase>,
        locked: bool,
    },
    TaskGone {
        number: u8,
        anew: bool,
    },
    Workspace {
        repository: usize,
    },
    WorkspaceGone,
    Lease {
        repository: usize,
        holder: u8,
    },
    LeaseGone {
        repository: usize,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let phase = prop_oneof![
        Just(None),
        Just(Some(Phase::Waiting)),
        Just(Some(Phase::Running)),
        Just(Some(Phase::Succeeded)),
    ];
    prop_oneof![
        5 => (0..4_u8, prop::bool::weighted(0.2), phase, any::<bool>()).prop_map(
            |(number, anew, phase, locked)| Change::Task { number, anew, phase, locked }
        ),
        1 => (0..4_u8, any::<bool>()).prop_map(|(number, anew)| Change::TaskGone { number, anew }),
        1 => (0..2_usize).prop_map(|repository| Change::Workspace { repository }),
        1 => Just(Change::WorkspaceGone),
        2 => (0..2_usize, 0..4_u8).prop_map(|(repository, holder)| Change::Lease { repository, holder }),
        2 => (0..2_usize).prop_map(|repository| Change::LeaseGone { repository }),
    ]
}

fn uid(number: u8, anew: bool) -> String {
    format!("{number}-{anew}")
}

/// Even Tasks have their repository in place, odd ones by name.
fn contender(number: u8, anew: bool, version: u64) -> Task {
    let spec = if number.is_multiple_of(2) {
        json!({ "branch": "b", "workspace": { "repo": REPOSITORIES[0] } })
    } else {
        json!({ "branch": "b", "workspaceRef": { "name": "ws" } })
    };
    let mut task = task(&number.to_string(), version, spec);
    task.metadata.uid = Some(uid(number, anew));
    let second = i64::from(number % 3) + if anew { 10 } else { 0 };
    let created = Timestamp::from_second(second).expect("a time");
    task.metadata.creation_timestamp = Some(Time(created));
    task
}

fn lease_name(repository: usize) -> String {
    let identity = axon_api::repository::identity(REPOSITORIES[repository]);
    axon_api::names::branch_lease(&identity, "b")
}

/// A Lease that is made anew each time that it was gone.
fn lease(repository: usize, holder: u8, version: u64, generation: u32) -> Lease {
    serde_json::from_value(json!({
        "metadata": {
            "name": lease_name(repository), "uid": format!("{repository}-{generation}"),
            "resourceVersion": version.to_string(),
            "annotations": { labels::HOLDER: format!("default/{holder}") },
        },
        "spec": { "holderIdentity": uid(holder, false) },
    }))
    .expect("a Lease")
}

fn happen(world: &mut World, change: &Change, version: u64, generations: &mut [u32; 2]) -> Vec<Wake> {
    match *change {
        Change::Task {
            number,
            anew,
            phase,
            locked,
        } => {
            let mut task = contender(number, anew, version);
            if phase.is_some() {
                task = in_phase(task, version, phase.unwrap_or(Phase::Waiting));
            }
            if let Some(status) = &mut task.status {
                status.reason = Some(if locked { "BranchLocked" } else { "SecretNotFound" }.to_owned());
            }
            world.on_task(applied(task))
        }
        Change::TaskGone { number, anew } => {
            world.on_task(Event::Delete(loose(&contender(number, anew, version))))
        }
        Change::Workspace { repository } => {
            let mut workspace = workspace(version, None);
            REPOSITORIES[repository].clone_into(&mut workspace.spec.repo);
            world.on_object(applied(workspace))
        }
        Change::WorkspaceGone => world.on_object(Event::Delete(loose(&workspace(version, None)))),
        Change::Lease { repository, holder } => {
            let lease = lease(repository, holder, version, generations[repository]);
            world.on_lease(Event::Apply(lease))
        }
        Change::LeaseGone { repository } => {
            let gone = lease(repository, 0, version, generations[repository]);
            generations[repository] += 1;
            world.on_lease(Event::Delete(gone))
        }
    }
}

type Lines = BTreeMap<String, BTreeSet<(Timestamp, Key)>>;

/// The lines, found out anew.
fn expected(world: &World) -> Lines {
    let mut lines = Lines::new();
    for number in 0..4_u8 {
        let key = key(&number.to_string());
        let Some(entry) = world.tasks.get(&key) else {
            continue;
        };
        let task = entry.value.packed.unpack().expect("readable");
        if let Some(line) = world.line_for(&key, &task) {
            let line = lines.entry(line.into_string()).or_default();
            line.insert(place_of(&key, &task));
        }
    }
    lines
}

/// The first in line of each branch that nobody holds.
fn first_of_free(world: &World) -> BTreeMap<String, Key> {
    let lines = expected(world).into_iter();
    lines
        .filter(|(name, _)| {
            let lease = world.branch(name, &key("none"), &contender(0, false, 1)).lease;
            lease.is_none()
        })
        .filter_map(|(name, line)| Some((name, line.first()?.1.clone())))
        .collect()
}

proptest! {
    #[test]
    fn lines_are_as_if_found_out_anew_and_the_first_is_told(
        changes in prop::collection::vec(change(), 1..40),
    ) {
        let mut world = World::default();
        let mut generations = [0, 0];
        for (version, change) in (1..).zip(&changes) {
            let before = first_of_free(&world);
            let wakes = happen(&mut world, change, version, &mut generations);
            prop_assert_eq!(world.lines(), expected(&world), "after {:?}", change);
            for (name, first) in first_of_free(&world) {
                let is_new = before.get(&name) != Some(&first);
                let is_told = wakes.iter().any(|(key, _)| *key == first);
                prop_assert!(!is_new || is_told, "{} is first for {} after {:?}", first, name, change);
            }
        }
    }
}
