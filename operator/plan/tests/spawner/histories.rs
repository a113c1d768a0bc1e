//! Whole histories, as they are told.

use std::fmt::Write as _;

use axon_api::sources::Cause;
use axon_plan::spawner::Step;
use serde_json::json;

use crate::world::{World, candidate, issue, issues};

/// Rounds until all is quiet, each with its steps.
fn told(world: &mut World, what: &str, text: &mut String) {
    let _ = writeln!(text, "{what}");
    for _ in 0..20 {
        let view = world.view();
        let plan = world.round(0, &view, usize::MAX);
        world.start_all();
        if plan.steps.is_empty() {
            break;
        }
        let steps: Vec<String> = plan.steps.iter().map(step).collect();
        let _ = writeln!(text, "  {}\n    {}", plan.why, steps.join("\n    "));
    }
    let status = world.status();
    let phase = status.phase.map_or("", |phase| phase.as_str());
    let _ = writeln!(text, "  -> {phase}: {}", status.message.unwrap_or_default());
}

fn step(step: &Step) -> String {
    match step {
        Step::Remember(write) => format!("remember {:?}", write.set),
        Step::WriteStatus => "write the status".to_owned(),
        Step::Spawn(spawn) => format!(
            "spawn {} {} {:?}",
            spawn.candidate.key, spawn.trigger, spawn.suffix
        ),
        Step::DeleteTask { task, .. } => format!("delete {task}"),
        Step::CancelTask { task, .. } => format!("cancel {task}"),
        Step::Settle { key } => format!("settle {key}"),
        Step::Notify(notice) => format!("tell {}: {}", notice.reason, notice.message),
    }
}

#[test]
fn an_issue_from_its_label_to_its_second_task() {
    let mut spec = issues();
    spec["maxConcurrency"] = json!(1);
    let mut world = World::of(spec);
    let mut text = String::new();
    world.candidates = vec![issue(1), issue(2)];
    told(&mut world, "two issues are labelled", &mut text);
    world.end_all();
    told(&mut world, "the first task ends", &mut text);
    world.candidates = vec![issue(2)];
    told(&mut world, "the first issue loses its label", &mut text);
    world.end_all();
    world.candidates = vec![issue(1), issue(2)];
    told(
        &mut world,
        "and gets it back when the second task has ended",
        &mut text,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_delivery_while_all_places_are_taken() {
    let spec = json!({ "when": { "githubWebhook": { "events": ["push"] } }, "maxConcurrency": 1 });
    let mut world = World::of(spec);
    world.absence_counts = false;
    let mut text = String::new();
    world.candidates = vec![
        candidate("delivery-a", Cause::Event),
        candidate("delivery-b", Cause::Event),
    ];
    told(&mut world, "two deliveries come", &mut text);
    world.end_all();
    world.expire();
    told(&mut world, "the first task ends and is deleted", &mut text);
    insta::assert_snapshot!(text);
}
