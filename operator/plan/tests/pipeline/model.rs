//! Whatever happens, in whatever order, with an operator that dies and sees what is old: each run
//! has one Task, never two run at once, what is final stays, all bounds hold, and it ends.

use std::collections::BTreeSet;

use axon_api::{Phase, TaskPipeline};
use axon_plan::pipeline::Step;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{End, World, fails, says};

#[derive(Clone, Debug)]
enum Action {
    /// Decide on a view that is `lag` writes old, and do `steps` steps of it before the operator dies.
    Reconcile {
        lag: usize,
        steps: usize,
    },
    TaskRuns,
    TaskEnds(u8),
    TaskIsDeleted,
    Decide(u8),
    Cancel,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0usize..3, 0usize..6).prop_map(|(lag, steps)| Action::Reconcile { lag, steps }),
        6 => Just(Action::Reconcile { lag: 0, steps: usize::MAX }),
        2 => Just(Action::TaskRuns),
        6 => any::<u8>().prop_map(Action::TaskEnds),
        1 => Just(Action::TaskIsDeleted),
        2 => any::<u8>().prop_map(Action::Decide),
        1 => prop_oneof![9 => Just(Action::TaskRuns), 1 => Just(Action::Cancel)],
    ]
}

fn spec() -> impl Strategy<Value = Value> {
    let named = ("[a-z]{1,40}", any::<bool>(), any::<bool>());
    let steps = prop::collection::vec(named, 1..16).prop_map(|steps| {
        let mut taken = BTreeSet::new();
        let mut list: Vec<Value> = Vec::new();
        for (name, approval, back) in steps {
            if !taken.insert(name.clone()) {
                continue;
            }
            let first = list.first().map(|step| step["name"].clone());
            let mut step =
                json!({ "name": name, "type": "shell", "prompt": "go {{.Failure}}", "approval": approval });
            if let (true, Some(first)) = (back, first) {
                step["onFailure"] = first;
            }
            list.push(step);
        }
        json!(list)
    });
    (prop_oneof![Just(json!([])), steps], 0..4)
        .prop_map(|(steps, retries)| json!({ "prompt": "p", "steps": steps, "maxRetries": retries }))
}

fn end(kind: u8) -> End {
    match kind % 9 {
        0..=2 => says("AXON-RESULT: pass\nhttps://e/o/r/pull/3").with("commit", "abc"),
        3 | 4 => says("https://e/o/r/pull/3\nAXON-RESULT: pass"),
        5 => says("AXON-RESULT: fail"),
        6 => fails("exit code 1"),
        7 => fails("no image").before_it_began(),
        _ => End {
            phase: Phase::TimedOut,
            ..fails("too slow")
        },
    }
}

/// The world, with the views that an operator may have of the pipeline.
struct Watched {
    world: World,
    views: Vec<TaskPipeline>,
    deleted: usize,
}

impl Watched {
    fn new(spec: Value) -> Self {
        let world = World::of(spec);
        let views = vec![world.pipeline.clone()];
        Self {
            world,
            views,
            deleted: 0,
        }
    }

    fn seen(&mut self) {
        if self.views.last().map(|view| &view.metadata.resource_version)
            != Some(&self.world.pipeline.metadata.resource_version)
        {
            self.views.push(self.world.pipeline.clone());
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Reconcile { lag, steps } => {
                let index = self.views.len().saturating_sub(1 + lag);
                let view = self.views[index].clone();
                let plan = self.world.plan_on(&view);
                let mut after = view.clone();
                after.status = Some(plan.status.clone());
                let writes = |steps: &[Step]| steps.iter().any(|step| matches!(step, Step::WriteStatus));
                assert!(
                    *lag > 0 || !writes(&self.world.plan_on(&after).steps),
                    "what was written is not as it should be: {}",
                    plan.why
                );
                self.world.apply(&view, &plan, *steps);
            }
            Action::TaskRuns => self.on_task(|world| world.set_phase(Phase::Running, "")),
            Action::TaskEnds(kind) => {
                let kind = *kind;
                self.on_task(|world| {
                    let mut end = end(kind);
                    if world.last_task().spec.cancel == Some(true) {
                        end.phase = Phase::Cancelled;
                    }
                    world.end(end);
                });
            }
            Action::TaskIsDeleted => {
                if let Some(name) = self.world.created.last().cloned() {
                    self.deleted += usize::from(self.world.tasks.remove(&name).is_some());
                    // An operator that asks the server again knows at least what it has written.
                    self.views = vec![self.world.pipeline.clone()];
                }
            }
            Action::Decide(kind) => {
                let Some(task) = self.world.created.last().cloned() else {
                    return;
                };
                if self
                    .world
                    .pipeline
                    .spec
                    .approvals
                    .iter()
                    .any(|known| known.task == task)
                {
                    return;
                }
                match kind % 6 {
                    0 => self.world.decide_on(&task, "Denied", None),
                    1 | 2 => self.world.decide_on(&task, "Denied", Some("other")),
                    _ => self.world.decide_on(&task, "Approved", None),
                }
            }
            Action::Cancel => {
                self.world.pipeline.spec.cancel = Some(true);
                self.world.changed();
            }
        }
        self.seen();
    }

    /// Something happens to the last Task, if it is there and goes on.
    fn on_task(&mut self, change: impl FnOnce(&mut World)) {
        let name = self.world.created.last();
        let task = name.and_then(|name| self.world.tasks.get(name));
        if task.is_some_and(|task| !task.is_finished()) {
            change(&mut self.world);
        }
    }

    fn check(&self) {
        let under_way: Vec<&String> = self
            .world
            .tasks
            .iter()
            .filter(|(_, task)| !task.is_finished())
            .map(|(name, _)| name)
            .collect();
        assert!(under_way.len() <= 1, "{under_way:?} run at once");
        let names: BTreeSet<&String> = self.world.created.iter().collect();
        assert!(
            names.len() + self.deleted >= self.world.created.len(),
            "created twice: {:?}",
            self.world.created
        );
        let status = self.world.status();
        let size = serde_json::to_vec(&status).expect("JSON").len();
        assert!(size <= 16 * 1024, "the status has {size} bytes");
        let allowed = self.world.pipeline.spec.max_retries.unwrap_or(3);
        assert!(status.failures.values().all(|failures| *failures <= allowed + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_it_comes_to_one_end(
        spec in spec(),
        actions in prop::collection::vec(action(), 0..120),
        rest in any::<u64>(),
    ) {
        let mut watched = Watched::new(spec);
        for action in &actions {
            let ended = watched.world.pipeline.is_finished().then(|| watched.world.status());
            watched.act(action);
            watched.check();
            if let Some(ended) = ended {
                prop_assert_eq!(watched.world.status(), ended, "what is final stays");
            }
        }
        let mut luck = rest;
        for _ in 0..20_000 {
            let is_quiet = watched.world.tasks.values().all(axon_api::Task::is_finished);
            if watched.world.pipeline.is_finished() && is_quiet {
                break;
            }
            luck = luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let kind = u8::try_from(luck >> 56).expect("a byte");
            watched.act(&Action::Reconcile { lag: 0, steps: usize::MAX });
            watched.act(&Action::TaskEnds(kind));
            watched.act(&Action::Decide(kind));
            watched.check();
        }
        prop_assert!(watched.world.pipeline.is_finished(), "{:?}", watched.world.said());
        prop_assert!(watched.world.tasks.values().all(axon_api::Task::is_finished));
    }
}
