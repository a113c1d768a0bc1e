//! What a spawner says of itself, and how seldom it writes.

use axon_plan::spawner::Trouble;
use serde_json::{Value, json};

use crate::world::{World, issue, issues};

fn with_template(template: Value) -> World {
    let mut spec = issues();
    spec["taskTemplate"] = template;
    let mut world = World::of(spec);
    world.candidates = vec![issue(1)];
    world.settle();
    world
}

#[test]
fn a_bad_template_is_told_with_its_place_and_nothing_is_made() {
    for (template, says) in [
        (
            json!({ "promptTemplate": "a\n{{.Titel}}" }),
            "promptTemplate, line 2, column 3: items of this source have no `.Titel`",
        ),
        (json!({ "promptTemplate": "{{if}}" }), "promptTemplate, line 1"),
        (json!({ "branch": "{{.Branch" }), "branch, line 1"),
        (
            json!({ "metadata": { "labels": { "x": "{{.Nope}}" } } }),
            "metadata.labels[x]",
        ),
    ] {
        let world = with_template(template.clone());
        assert_eq!(
            world.condition("Ready"),
            Some(("False".to_owned(), "TemplateInvalid".to_owned())),
            "{template}"
        );
        let status = world.status();
        let message = status.message.unwrap_or_default();
        assert!(message.contains(says), "{message}");
        assert_eq!(status.phase.map(axon_api::SpawnerPhase::as_str), Some("Failed"));
        assert_eq!(world.created, [""; 0]);
    }
}

#[test]
fn a_script_with_a_field_of_the_item_in_it_is_refused_however_it_is_written() {
    for script in [
        "echo {{.Title}}",
        "echo '{{.Body}}'",
        "{{with .Title}}echo {{.}}{{end}}",
        "{{$x := .}}echo {{$x.Title}}",
        "{{range .Labels}}{{end}}",
        "{{$.Title}}",
    ] {
        let world = with_template(json!({ "type": "shell", "promptTemplate": script }));
        assert_eq!(
            world.condition("Ready"),
            Some(("False".to_owned(), "ShellTemplate".to_owned())),
            "{script}"
        );
        assert_eq!(world.created, [""; 0]);
    }
    let world = with_template(json!({ "type": "shell" }));
    assert_eq!(
        world.condition("Ready").map(|(_, reason)| reason).as_deref(),
        Some("ShellTemplate")
    );
    let world = with_template(json!({ "type": "shell", "promptTemplate": "echo \"$AXON_ITEM_TITLE\"" }));
    assert_eq!(world.created.len(), 1);
}

#[test]
fn keys_of_axon_are_refused() {
    let world = with_template(json!({ "metadata": { "annotations": { "axon.io/item": "x" } } }));
    assert_eq!(
        world.condition("Ready").map(|(_, reason)| reason).as_deref(),
        Some("ReservedKey")
    );
}

#[test]
fn a_workspace_that_is_not_there_is_told() {
    let mut spec = issues();
    spec["taskTemplate"] = json!({ "workspaceRef": { "name": "w" } });
    let mut world = World::of(spec);
    world.workspace_is_missing = true;
    world.candidates = vec![issue(1)];
    world.settle();
    assert_eq!(
        world.condition("Ready"),
        Some(("False".to_owned(), "WorkspaceNotFound".to_owned()))
    );
    assert_eq!(world.told.len(), 1, "{:?}", world.told);
}

#[test]
fn trouble_that_lasts_fails_and_trouble_that_passes_only_slows() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(1)];
    let trouble = |reason, passes| {
        Some(Trouble {
            reason,
            message: "what to do".to_owned(),
            passes,
        })
    };
    world.trouble = trouble("Unauthorized", false);
    world.settle();
    assert_eq!(
        world.condition("Ready"),
        Some(("False".to_owned(), "Unauthorized".to_owned()))
    );
    assert_eq!(world.created, [""; 0]);
    world.trouble = trouble("RateLimited", true);
    world.settle();
    assert_eq!(
        world
            .condition("RateLimited")
            .map(|(status, _)| status)
            .as_deref(),
        Some("True")
    );
    assert_eq!(
        world.condition("Ready").map(|(status, _)| status).as_deref(),
        Some("True")
    );
    assert_eq!(world.created.len(), 1);
    world.trouble = None;
    world.settle();
    assert_eq!(
        world
            .condition("RateLimited")
            .map(|(status, _)| status)
            .as_deref(),
        Some("False")
    );
}

#[test]
fn trouble_makes_nothing_look_as_if_it_did_not_match() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(1)];
    world.settle().end_all();
    world.settle();
    world.candidates = Vec::new();
    world.trouble = Some(Trouble {
        reason: "RateLimited",
        message: String::new(),
        passes: true,
    });
    world.settle();
    world.trouble = None;
    world.candidates = vec![issue(1)];
    world.settle();
    assert_eq!(world.started.len(), 1);
}

#[test]
fn a_poll_that_finds_nothing_new_is_written_every_ten_minutes_at_most() {
    let mut world = World::of(issues());
    world.settle();
    let before = world.count("status");
    for _ in 0..60 {
        world.now += 60;
        world.settle();
    }
    assert_eq!(world.count("status") - before, 6);
}

#[test]
fn a_task_costs_few_writes() {
    let mut world = World::of(issues());
    world.settle();
    world.writes.clear();
    world.candidates = vec![issue(1)];
    world.settle().end_all();
    world.settle();
    assert_eq!(world.count("remember"), 1);
    assert!(world.count("status") <= 3, "{:?}", world.writes);
}
