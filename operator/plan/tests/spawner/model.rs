//! Whatever happens, in whatever order, with two operators that die and see what is old: each trigger
//! of an item starts one Task, no more run at once or in all than are allowed, and all that is due
//! gets its Task.

use std::collections::BTreeSet;

use axon_api::sources::Cause;
use axon_api::{Phase, TaskSpawner};
use axon_plan::spawner::SpawnedTask;
use k8s_openapi::api::core::v1::ConfigMap;
use proptest::prelude::*;
use serde_json::json;

use crate::world::{View, World, candidate, issue, issues};

#[derive(Clone, Debug)]
enum Action {
    /// An operator decides on views that are so many changes old, and does `steps` steps.
    Reconcile {
        operator: usize,
        lags: [usize; 4],
        steps: usize,
    },
    Start(u8),
    End(u8),
    /// What has ended is deleted, as with a time to live of 0.
    Expire,
    /// An item comes to match, or does not match any more.
    Toggle(u8),
    /// Somebody asks once more.
    Command(u8),
    Request(u8),
}

fn action() -> impl Strategy<Value = Action> {
    let lags = [0usize..4, 0..4, 0..4, 0..4];
    let reconcile = (0usize..2, lags, 0usize..8);
    prop_oneof![
        8 => reconcile.prop_map(|(operator, lags, steps)| Action::Reconcile { operator, lags, steps }),
        6 => (0usize..2).prop_map(|operator| Action::Reconcile { operator, lags: [0; 4], steps: usize::MAX }),
        5 => any::<u8>().prop_map(Action::Start),
        4 => any::<u8>().prop_map(Action::End),
        2 => Just(Action::Expire),
        3 => any::<u8>().prop_map(Action::Toggle),
        1 => any::<u8>().prop_map(Action::Command),
        1 => any::<u8>().prop_map(Action::Request),
    ]
}

/// The world with all that was ever to be seen of it.
struct Watched {
    world: World,
    spawners: Vec<TaskSpawner>,
    memories: Vec<Vec<Option<ConfigMap>>>,
    tasks: Vec<Vec<SpawnedTask>>,
    listings: Vec<Vec<axon_api::sources::Candidate>>,
    requests: usize,
    concurrency: usize,
    total: usize,
}

impl Watched {
    fn new(concurrency: usize, total: usize) -> Self {
        let mut spec = issues();
        spec["maxConcurrency"] = json!(concurrency);
        spec["maxTotalTasks"] = json!(total);
        let mut watched = Self {
            world: World::of(spec),
            spawners: Vec::new(),
            memories: Vec::new(),
            tasks: Vec::new(),
            listings: Vec::new(),
            requests: 0,
            concurrency,
            total,
        };
        watched.seen();
        watched
    }

    fn seen(&mut self) {
        let version = |spawner: Option<&TaskSpawner>| spawner?.metadata.resource_version.clone();
        if version(self.spawners.last()) != version(Some(&self.world.spawner)) {
            self.spawners.push(self.world.spawner.clone());
        }
        push(&mut self.memories, &self.world.memory);
        push(&mut self.tasks, &self.world.tasks);
        push(&mut self.listings, &self.world.candidates);
    }

    fn view(&self, lags: [usize; 4]) -> View {
        View {
            spawner: back(&self.spawners, lags[0]),
            memory: back(&self.memories, lags[1]),
            tasks: back(&self.tasks, lags[2]),
            candidates: back(&self.listings, lags[3]),
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Reconcile {
                operator,
                lags,
                steps,
            } => {
                let view = self.view(*lags);
                self.world.round(*operator, &view, *steps);
            }
            Action::Start(luck) => {
                let admitted: Vec<String> = self.world.admitted.iter().flatten().cloned().collect();
                if let Some(uid) = pick(&admitted, *luck) {
                    self.world.start(uid);
                }
            }
            Action::End(luck) => {
                let running: Vec<String> = self.world.running().into_iter().map(str::to_owned).collect();
                if let Some(name) = pick(&running, *luck) {
                    let mut tasks = self.world.tasks.iter_mut();
                    let task = tasks.find(|task| task.name == *name).expect("it is there");
                    task.phase = Some(Phase::Succeeded);
                }
            }
            Action::Expire => self.world.expire(),
            Action::Toggle(luck) => {
                let item = issue(u64::from(luck % 4));
                let before = self.world.candidates.len();
                self.world
                    .candidates
                    .retain(|known| known.key != item.key || matches!(known.cause, Cause::Manual { .. }));
                if self.world.candidates.len() == before {
                    self.world.candidates.push(item);
                }
            }
            Action::Command(luck) => {
                let key = format!("issue-{}", 10 + luck % 2);
                self.requests += 1;
                let comment = u64::try_from(self.requests).expect("a number");
                self.world.candidates.retain(|known| known.key != key);
                self.world
                    .candidates
                    .push(candidate(&key, Cause::Command { comment }));
            }
            Action::Request(luck) => {
                let key = format!("issue-{}", luck % 6);
                self.requests += 1;
                let request = format!("wish-{}", self.requests);
                self.world
                    .candidates
                    .push(candidate(&key, Cause::Manual { request }));
            }
        }
        self.seen();
        self.check();
    }

    fn check(&self) {
        let world = &self.world;
        let once: BTreeSet<&String> = world.started.iter().collect();
        assert_eq!(
            once.len(),
            world.started.len(),
            "started twice: {:?}",
            world.started
        );
        assert!(
            world.running().len() <= self.concurrency,
            "{:?} run at once",
            world.running()
        );
        let of_item = world
            .tasks
            .iter()
            .filter(|task| task.has_started && !task.is_finished());
        let items: BTreeSet<&Option<String>> = of_item.clone().map(|task| &task.item).collect();
        assert_eq!(items.len(), of_item.count(), "two Tasks of one item run");
        if self.total > 0 {
            assert!(world.started.len() <= self.total, "{:?}", world.started);
        }
        let counted = world.status().total_tasks_created.unwrap_or_default();
        let started = i64::try_from(world.started.len()).expect("a number");
        assert!(
            counted >= started,
            "{counted} are counted and {started} have started"
        );
    }

    /// One operator goes on in peace until nothing changes any more.
    fn finish(&mut self) {
        for _ in 0..200 {
            let before = (self.world.started.len(), self.world.tasks.len());
            self.world.settle();
            self.world.end_all();
            self.world.settle();
            self.check();
            if before == (self.world.started.len(), self.world.tasks.len()) {
                return;
            }
        }
        panic!("it does not come to rest");
    }
}

fn push<T: Clone + PartialEq>(history: &mut Vec<T>, now: &T) {
    if history.last() != Some(now) {
        history.push(now.clone());
    }
}

fn back<T: Clone>(history: &[T], lag: usize) -> T {
    let index = history.len().saturating_sub(1 + lag);
    history[index].clone()
}

fn pick(list: &[String], luck: u8) -> Option<&String> {
    list.get(usize::from(luck) % list.len().max(1))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_each_trigger_starts_one_task_and_no_limit_is_passed(
        concurrency in 1usize..4,
        total in prop_oneof![2 => Just(0usize), 1 => 1usize..6],
        actions in prop::collection::vec(action(), 0..100),
    ) {
        let mut watched = Watched::new(concurrency, total);
        for action in &actions {
            watched.act(action);
        }
        watched.finish();
        let world = &watched.world;
        let counted = world.status().total_tasks_created.unwrap_or_default();
        prop_assert_eq!(usize::try_from(counted), Ok(world.started.len()), "all that is counted has started");
        if total == 0 || world.started.len() < total {
            let memory = world.memory();
            for candidate in &world.candidates {
                let entry = memory.get(&candidate.key);
                prop_assert!(entry.is_some(), "{} has had no Task", candidate.key);
            }
            prop_assert!(world.tasks.iter().all(SpawnedTask::is_finished), "all Tasks have ended");
            prop_assert_eq!(world.plan().steps, vec![], "nothing is left to do");
        }
    }
}

/// Every way in which two operators can do three rounds for one item with one place, each dying after
/// any step and with any part of its view one change old, while Tasks start and end as soon as they
/// may.
#[test]
fn two_operators_and_one_item_in_every_order() {
    let mut choices = Vec::new();
    for operator in 0..2 {
        for lags in [
            [0, 0, 0, 0],
            [1, 1, 1, 0],
            [0, 0, 1, 0],
            [0, 1, 0, 0],
            [1, 0, 0, 0],
        ] {
            for steps in [1, usize::MAX] {
                choices.push(Action::Reconcile {
                    operator,
                    lags,
                    steps,
                });
            }
        }
    }
    let rounds = 3;
    let count = choices.len().pow(rounds);
    for number in 0..count {
        let mut watched = Watched::new(1, 1);
        watched.act(&Action::Toggle(1));
        let mut rest = number;
        for _ in 0..rounds {
            watched.act(&choices[rest % choices.len()]);
            rest /= choices.len();
            watched.act(&Action::Start(0));
            watched.act(&Action::End(0));
            watched.act(&Action::Expire);
        }
        watched.finish();
        assert_eq!(watched.world.started, ["issue-1 match-1"], "order {number}");
    }
}
