//! Ticks of a schedule.

use axon_api::sources::{Candidate, Cause};
use axon_plan::spawner::TicksSeen;
use serde_json::{Value, json};

use crate::world::{World, at, candidate};

fn cron(policy: &str) -> World {
    let when: Value = json!({ "cron": { "schedule": "* * * * *", "concurrencyPolicy": policy } });
    let mut world = World::of(json!({ "when": when, "taskTemplate": { "promptTemplate": "go" } }));
    world.absence_counts = false;
    world
}

fn tick(minute: i64) -> Candidate {
    let mut tick = candidate(&format!("tick-{minute:04}"), Cause::Event);
    tick.created = at(minute * 60);
    tick
}

/// The source finds these ticks, and no others up to now.
fn ticks(world: &mut World, minutes: &[i64]) {
    let last = world.status().last_schedule_time.map(|time| time.0);
    let all = minutes.iter().map(|minute| tick(*minute));
    world.candidates = all
        .filter(|tick| last.is_none_or(|last| tick.created > last))
        .collect();
    world.ticks = TicksSeen::default();
    world.settle();
}

fn last(world: &World) -> Option<i64> {
    let last = world.status().last_schedule_time?;
    Some((last.0.as_second() - at(0).as_second()) / 60)
}

#[test]
fn each_tick_becomes_one_task_and_the_last_one_moves_on() {
    let mut world = cron("Allow");
    ticks(&mut world, &[1]);
    ticks(&mut world, &[1, 2]);
    assert_eq!(world.started, ["tick-0001 event", "tick-0002 event"]);
    assert_eq!(last(&world), Some(2));
    assert_eq!(world.settled, [""; 0]);
}

#[test]
fn the_last_tick_moves_only_when_all_up_to_it_are_remembered() {
    let mut world = cron("Allow");
    world.candidates = vec![tick(1), tick(2)];
    let view = world.view();
    let plan = world.round(0, &view, usize::MAX);
    assert_eq!(plan.status.last_schedule_time, None);
    world
        .tasks
        .retain(|task| task.item.as_deref() == Some("tick-0002"));
    let view = world.view();
    let plan = world.round(0, &view, usize::MAX);
    assert_eq!(
        plan.status.last_schedule_time, None,
        "the first was lost before it was remembered"
    );
    world.settle();
    assert_eq!(last(&world), Some(2));
    assert_eq!(world.started.len(), 2);
}

#[test]
fn with_forbid_a_tick_is_missed_while_another_runs() {
    let mut world = cron("Forbid");
    ticks(&mut world, &[1]);
    ticks(&mut world, &[1, 2]);
    assert_eq!(world.started, ["tick-0001 event"]);
    assert_eq!((last(&world), world.status().missed_ticks), (Some(2), Some(1)));
    world.end_all();
    world.expire();
    ticks(&mut world, &[3]);
    assert_eq!(world.started, ["tick-0001 event", "tick-0003 event"]);
    assert_eq!(world.status().missed_ticks, Some(1));
}

#[test]
fn with_replace_the_earlier_one_is_cancelled_and_the_latest_starts_after_it() {
    let mut world = cron("Replace");
    ticks(&mut world, &[1]);
    ticks(&mut world, &[2, 3]);
    assert_eq!(world.running(), ["fix-0001"]);
    assert_eq!(world.count("cancel"), 1, "it is told once");
    world.end_all();
    world.settle();
    assert_eq!(world.started, ["tick-0001 event", "tick-0003 event"]);
    assert_eq!((last(&world), world.status().missed_ticks), (Some(3), Some(1)));
}

#[test]
fn ticks_that_the_policy_leaves_out_are_counted_once() {
    let mut world = cron("Allow");
    world.ticks = TicksSeen {
        passed: Some(at(600)),
        missed: 9,
        next: Some(at(660)),
    };
    world.candidates = vec![tick(10)];
    let view = world.view();
    world.round(0, &view, usize::MAX);
    assert_eq!(
        world.status().missed_ticks,
        None,
        "the tick is not remembered yet"
    );
    let view = world.view();
    world.round(0, &view, usize::MAX);
    assert_eq!(world.status().missed_ticks, Some(9));
    assert_eq!(
        world.status().next_schedule_time.map(|next| next.0),
        Some(at(660))
    );
}

#[test]
fn ticks_of_which_none_becomes_a_task_are_behind() {
    let mut world = cron("Allow");
    world.now = 700;
    world.ticks = TicksSeen {
        passed: Some(at(600)),
        missed: 10,
        next: Some(at(660)),
    };
    let view = world.view();
    let plan = world.round(0, &view, usize::MAX);
    assert_eq!((last(&world), world.status().missed_ticks), (Some(10), Some(10)));
    assert_eq!(plan.wake, Some(std::time::Duration::ZERO));
}

#[test]
fn a_clock_that_is_set_back_makes_no_tick_twice() {
    let mut world = cron("Allow");
    ticks(&mut world, &[1, 2, 3]);
    world.now = -3600;
    world.candidates = vec![tick(2), tick(3)];
    world.ticks.passed = Some(at(120));
    world.settle();
    assert_eq!(world.started.len(), 3);
    assert_eq!(last(&world), Some(3));
}

#[test]
fn the_hour_that_comes_twice_has_each_of_its_ticks_once() {
    let mut world = cron("Allow");
    for (key, minute) in [("tick-20261101-0530", 30), ("tick-20261101-0630", 90)] {
        let mut tick = candidate(key, Cause::Event);
        tick.created = at(minute * 60);
        world.candidates.push(tick);
    }
    world.settle();
    assert_eq!(
        world.started,
        ["tick-20261101-0530 event", "tick-20261101-0630 event"]
    );
}

#[test]
fn a_suspended_schedule_decides_upon_no_tick() {
    let mut world = cron("Allow");
    world.spawner.spec.suspend = Some(true);
    ticks(&mut world, &[1]);
    assert_eq!(last(&world), None);
    world.spawner.spec.suspend = None;
    world.changed();
    ticks(&mut world, &[1]);
    assert_eq!(world.started, ["tick-0001 event"]);
}
