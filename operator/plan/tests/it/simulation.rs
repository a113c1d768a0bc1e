//! Over every crash point, stale view and mishap that the model knows: one agent per Task, and an
//! end.

use proptest::prelude::*;

use crate::fixtures::shell;
use crate::model::{Fate, Lag, World};

#[derive(Clone, Debug)]
enum Move {
    Reconcile { lag: Lag, steps: usize },
    ControlJobs,
    RunPods(Fate),
    DuplicatePod,
    LoseJob,
    LosePod,
    ErasePod,
    Cancel,
    Wait(i64),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Prepares),
        Just(Fate::FailsToPrepare),
        Just(Fate::StartsAgent),
        Just(Fate::Succeeds),
        Just(Fate::Crashes),
        Just(Fate::IsOutOfMemory),
    ]
}

fn one_move() -> impl Strategy<Value = Move> {
    let lag = (0usize..6, 0usize..6, 0usize..6).prop_map(|(task, jobs, pods)| Lag { task, jobs, pods });
    prop_oneof![
        12 => (lag, 0usize..6).prop_map(|(lag, steps)| Move::Reconcile { lag, steps }),
        6 => Just(Move::Reconcile { lag: Lag::default(), steps: usize::MAX }),
        8 => Just(Move::ControlJobs),
        8 => fate().prop_map(Move::RunPods),
        2 => Just(Move::DuplicatePod),
        1 => Just(Move::LoseJob),
        1 => Just(Move::LosePod),
        1 => Just(Move::ErasePod),
        1 => Just(Move::Cancel),
        4 => prop::sample::select(vec![0, 1, 3, 11, 70, 700]).prop_map(Move::Wait),
    ]
}

fn make(world: &mut World, next: &Move) {
    match next {
        Move::Reconcile { lag, steps } => world.reconcile(*lag, *steps),
        Move::ControlJobs => world.control_jobs(),
        Move::RunPods(fate) => world.run_pods(*fate),
        Move::DuplicatePod => world.duplicate_pod(),
        Move::LoseJob => world.lose_job(),
        Move::LosePod => world.lose_pod(),
        Move::ErasePod => world.erase_pod(),
        Move::Cancel => world.cancel(),
        Move::Wait(seconds) => world.now += seconds,
    }
}

/// Lets everything work as it should until nothing is left to do.
fn settle(world: &mut World) {
    for round in 0..60 {
        world.reconcile(Lag::default(), usize::MAX);
        world.control_jobs();
        world.run_pods(if round % 2 == 0 {
            Fate::StartsAgent
        } else {
            Fate::Succeeds
        });
        world.now += 30;
        if world.task.is_finished() && world.is_quiet() {
            return;
        }
    }
}

fn check(world: &World) -> Result<(), TestCaseError> {
    prop_assert!(world.problems.is_empty(), "{:?}", world.problems);
    prop_assert!(world.agents.len() <= 1, "agents started in {:?}", world.agents);
    prop_assert_eq!(world.jobs_after_end, 0);
    for (uid, job) in &world.let_go {
        let same = world.let_go.iter().filter(|(_, other)| other == job);
        prop_assert_eq!(same.count(), 1, "{} is not the only one of {}", uid, job);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn one_agent_is_started_over_every_crash_point_and_stale_view(moves in prop::collection::vec(one_move(), 1..70)) {
        let mut world = World::new(shell());
        for next in &moves {
            make(&mut world, next);
            check(&world)?;
        }
        settle(&mut world);
        check(&world)?;
        prop_assert!(world.task.is_finished(), "it never ends: {:?}", world.task.status);
        prop_assert!(world.is_quiet(), "something is left: {:?}", world.task.status);
    }
}

#[test]
fn a_crash_after_each_step_of_the_usual_way_changes_nothing() {
    for dies_after in 0..40 {
        let mut world = World::new(shell());
        for round in 0..40 {
            let steps = if round == dies_after / 5 {
                dies_after % 5
            } else {
                usize::MAX
            };
            world.reconcile(Lag::default(), steps);
            world.control_jobs();
            world.run_pods(if round % 2 == 0 {
                Fate::StartsAgent
            } else {
                Fate::Succeeds
            });
            world.now += 1;
        }
        let status = world.task.status.clone().unwrap_or_default();
        assert_eq!(
            status.phase,
            Some(axon_api::Phase::Succeeded),
            "{dies_after}: {status:?}"
        );
        assert_eq!(world.agents.len(), 1, "{dies_after}");
        assert_eq!(world.jobs.len(), 1, "{dies_after}");
    }
}
