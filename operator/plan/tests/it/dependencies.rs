//! Tasks that wait for others, and what they get from them.

use std::collections::BTreeMap;

use axon_api::Phase::{self, Failed, Pending, Succeeded, Waiting};
use axon_api::outcome::{Outcome, RunResult};
use axon_api::run::RunDescription;
use axon_api::{Task, variables};
use axon_plan::dependencies::{find_cycle, open};
use axon_plan::{Dependency, DependencyTask, Plan, Step};
use proptest::prelude::*;
use serde_json::json;

use crate::fixtures::{Scene, ended, steps, task, told};

fn dependent(prompt: &str, names: &[&str]) -> Scene {
    Scene::of(task(
        json!({ "type": "shell", "prompt": prompt, "dependsOn": names }),
    ))
}

fn dependency(name: &str, phase: Option<Phase>) -> Dependency {
    let results = BTreeMap::from([
        ("branch".to_owned(), format!("{name}-branch")),
        ("commit".to_owned(), "abc".to_owned()),
    ]);
    Dependency {
        name: name.to_owned(),
        task: Some(DependencyTask {
            uid: format!("{name}-uid"),
            phase,
            outputs: vec![format!("branch: {name}-branch"), "commit: abc".to_owned()],
            results,
        }),
    }
}

fn gone(name: &str) -> Dependency {
    Dependency {
        name: name.to_owned(),
        task: None,
    }
}

/// The prompt that the planned Job has.
fn prompt(plan: &Plan) -> String {
    let job = plan.steps.iter().find_map(|step| match step {
        Step::CreateJob(job) => Some(job),
        _ => None,
    });
    let spec = job
        .and_then(|job| job.spec.clone())
        .and_then(|spec| spec.template.spec);
    let containers = spec.expect("a Job").containers;
    let env = containers
        .into_iter()
        .filter(|container| container.name == "agent");
    let mut env = env.flat_map(|container| container.env.unwrap_or_default());
    let run = env.find(|variable| variable.name == variables::RUN);
    let json = run.and_then(|run| run.value).expect("a run description");
    serde_json::from_str::<RunDescription>(&json)
        .expect("JSON")
        .prompt
}

#[test]
fn the_prompt_gets_what_the_dependencies_produced() {
    let text = r#"Open a PR for {{index .Deps "write-tests" "Results" "branch"}}:{{range .Deps.scaffold.Outputs}} {{.}};{{end}} {{.Deps.scaffold.Name}}"#;
    let mut scene = dependent(text, &["scaffold", "write-tests"]);
    scene.dependencies = vec![
        dependency("scaffold", Some(Succeeded)),
        dependency("write-tests", Some(Succeeded)),
    ];
    assert_eq!(
        prompt(&scene.plan()),
        "Open a PR for write-tests-branch: branch: scaffold-branch; commit: abc; scaffold"
    );
}

#[test]
fn a_prompt_is_a_template_only_with_dependencies() {
    let text = r#"{{index .Deps "x"}} and ${{ secrets.A }}"#;
    assert_eq!(prompt(&dependent(text, &[]).plan()), text);
}

#[test]
fn a_template_that_cannot_be_rendered_ends_the_task_with_the_place() {
    for (text, says) in [
        (
            "a\n{{.Deps.first.Results.nope}}",
            "line 2, column 3: there is no `nope` in `.Deps.first.Results`",
        ),
        (
            "{{index .Deps \"second\" \"Results\" \"branch\"}}",
            "there is no `second`",
        ),
        (
            "{{with index .Deps.first.Results \"pr\"}}see {{.}}{{end}}",
            "the prompt is empty",
        ),
    ] {
        let mut scene = dependent(text, &["first"]);
        scene.dependencies = vec![dependency("first", Some(Phase::Running))];
        assert_eq!(
            told(&scene.step()).0,
            Waiting,
            "what was not produced yet is no error"
        );
        scene.dependencies = vec![dependency("first", Some(Succeeded))];
        let plan = scene.plan();
        assert_eq!(told(&plan), (Failed, "PromptTemplateInvalid".to_owned()));
        let message = plan.status.message.clone().unwrap_or_default();
        assert!(message.contains(says), "{message}");
        assert_eq!(steps(&plan), ["WriteStatus"]);
    }
}

#[test]
fn a_template_that_is_not_well_formed_is_told_before_anything_is_waited_for() {
    let mut scene = dependent("a {{if}}", &["first"]);
    scene.dependencies = vec![gone("first")];
    let plan = scene.plan();
    assert_eq!(told(&plan), (Failed, "PromptTemplateInvalid".to_owned()));
    assert_eq!(
        plan.status.message.as_deref(),
        Some("the prompt cannot be rendered: line 1, column 7: a value is missing here")
    );
}

#[test]
fn what_succeeded_is_recorded_when_it_is_seen_and_counts_though_it_goes() {
    let mut scene = dependent("{{.Deps.first.Results.branch}}", &["first", "second"]);
    scene.dependencies = vec![dependency("first", Some(Succeeded)), gone("second")];
    let plan = scene.step();
    assert_eq!(told(&plan), (Waiting, "DependencyNotFound".to_owned()));
    let recorded = &plan.status.dependencies;
    assert_eq!(recorded.len(), 1);
    assert_eq!((&*recorded[0].name, &*recorded[0].uid), ("first", "first-uid"));
    assert_eq!(recorded[0].results["branch"], "first-branch");
    assert_eq!(recorded[0].outputs, ["branch: first-branch", "commit: abc"]);
    // The first one is deleted, or made anew and failed.
    let mut anew = dependency("first", Some(Failed));
    if let Some(task) = &mut anew.task {
        task.uid = "another-uid".to_owned();
        task.results.clear();
    }
    for first in [gone("first"), anew] {
        scene.dependencies = vec![first, dependency("second", Some(Succeeded))];
        let plan = scene.plan();
        assert_eq!(told(&plan), (Pending, "JobCreated".to_owned()));
        assert_eq!(prompt(&plan), "first-branch");
        assert_eq!(plan.status.dependencies.len(), 2);
        assert_eq!(plan.status.dependencies[0].uid, "first-uid");
    }
}

#[test]
fn a_failed_dependency_fails_the_task_with_a_sentence() {
    for phase in [Failed, Phase::TimedOut, Phase::Cancelled] {
        let mut scene = dependent("x", &["first", "second"]);
        scene.dependencies = vec![gone("first"), dependency("second", Some(phase))];
        let plan = scene.plan();
        assert_eq!(told(&plan), (Failed, "DependencyFailed".to_owned()));
        assert_eq!(
            plan.status.message,
            Some(format!(
                "Task `second`, on which this one depends, ended as {phase}"
            ))
        );
    }
}

#[test]
fn a_circle_is_named() {
    let mut scene = dependent("x", &["b"]);
    let circle = ["fix-bug", "b", "c", "fix-bug"];
    scene.dependency_cycle = Some(circle.map(str::to_owned).to_vec());
    scene.dependencies = vec![dependency("b", Some(Waiting))];
    let plan = scene.plan();
    assert_eq!(told(&plan), (Failed, "DependencyCycle".to_owned()));
    let message = plan.status.message.unwrap_or_default();
    assert!(message.ends_with("fix-bug -> b -> c -> fix-bug"), "{message}");
}

#[test]
fn a_task_that_is_awaited_outlives_its_time_to_live_when_it_has_succeeded() {
    for (phase, is_awaited, expected) in [
        (Succeeded, true, [].as_slice()),
        (Succeeded, false, ["DeleteTask"].as_slice()),
        (Failed, true, ["DeleteTask"].as_slice()),
    ] {
        let mut scene = dependent("x", &[]);
        scene.task.spec.ttl_seconds_after_finished = Some(0);
        let status = json!({ "phase": phase, "completionTime": "2027-01-15T08:00:00Z" });
        scene.task.status = serde_json::from_value(status).ok();
        scene.now = 60;
        scene.is_awaited = is_awaited;
        assert_eq!(steps(&scene.plan()), expected, "{phase}");
    }
}

#[test]
fn a_status_with_many_dependencies_and_a_long_report_fits() {
    for (count, length) in [(1, 5), (20, 60), (64, 20), (64, 200)] {
        let names: Vec<String> = (0..count)
            .map(|number| format!("{number:03}{}", "d".repeat(length)))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut scene = dependent("x", &names);
        let seen = names.iter().map(|name| dependency(name, Some(Succeeded)));
        scene.dependencies = seen.collect();
        let mut outcome = Outcome::new(RunResult::Failed, "AgentFailed", "m".repeat(5000));
        outcome.text = "\"t\n".repeat(5000);
        outcome.extra = (0..100)
            .map(|number| (format!("key-{number}"), "v".repeat(200)))
            .collect();
        let message = serde_json::to_string(&outcome).expect("JSON");
        let scene = scene.let_go().with_pod(&ended(1, "Error", &message));
        let plan = scene.plan();
        assert_eq!(told(&plan).0, Failed);
        let size = serde_json::to_vec(&plan.status).expect("JSON").len();
        assert!(size <= 16 * 1024, "{count} of {length}: {size} bytes");
        assert!(!plan.status.dependencies.is_empty());
    }
}

#[test]
fn only_what_must_yet_succeed_is_open() {
    let with_status = |status: serde_json::Value| -> Task {
        let mut task = dependent("x", &["a", "b"]).task;
        task.status = serde_json::from_value(status).expect("a status");
        task
    };
    assert_eq!(open(&with_status(json!(null))), ["a", "b"]);
    let recorded = json!({ "dependencies": [{ "name": "a", "uid": "u" }] });
    assert_eq!(open(&with_status(recorded)), ["b"]);
    assert_eq!(open(&with_status(json!({ "phase": "Failed" }))), ["a", "b"]);
    assert!(open(&with_status(json!({ "phase": "Succeeded" }))).is_empty());
}

fn cycle_in(edges: &[(&str, &[&str])], name: &str) -> Option<String> {
    let edges: BTreeMap<&str, &[&str]> = edges.iter().copied().collect();
    let depends_on = |name: &str| {
        let names = edges.get(name)?;
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    };
    find_cycle(name, depends_on).map(|circle| circle.join(" -> "))
}

#[test]
fn circles_are_found_from_each_task_on_them_and_from_no_other() {
    let edges: &[(&str, &[&str])] = &[
        ("a", &["x", "b"]),
        ("b", &["gone", "c"]),
        ("c", &["a"]),
        ("x", &[]),
        ("outside", &["a"]),
        ("self", &["self"]),
        ("diamond", &["x", "left", "right"]),
        ("left", &["x"]),
        ("right", &["x", "left"]),
    ];
    for (name, expected) in [
        ("a", Some("a -> b -> c -> a")),
        ("b", Some("b -> c -> a -> b")),
        ("outside", None),
        ("self", Some("self -> self")),
        ("diamond", None),
        ("gone", None),
    ] {
        assert_eq!(cycle_in(edges, name).as_deref(), expected, "{name}");
    }
}

#[test]
fn a_chain_of_ten_thousand_and_a_dense_graph_are_walked_in_linear_time() {
    let chain = |name: &str| {
        let number: usize = name.parse().ok()?;
        Some(vec![((number + 1) % 10_000).to_string()])
    };
    assert_eq!(find_cycle("0", chain).map(|circle| circle.len()), Some(10_001));
    let asked = std::cell::Cell::new(0);
    let dense = |name: &str| {
        asked.set(asked.get() + 1);
        let number: usize = name.parse().ok()?;
        Some((number + 1..200).map(|number| number.to_string()).collect())
    };
    assert_eq!(find_cycle("0", dense), None);
    assert_eq!(asked.get(), 200);
}

proptest! {
    #[test]
    fn a_circle_is_found_where_there_is_one(
        edges in prop::collection::vec(prop::collection::vec(0usize..8, 0..4), 8),
    ) {
        let depends_on = |name: &str| {
            let names = edges.get(name.parse::<usize>().ok()?)?;
            Some(names.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        // What can be reached in one step or more, by repeating the steps.
        let mut reached: Vec<bool> = (0..8).map(|to| edges[0].contains(&to)).collect();
        for _ in 0..8 {
            for from in 0..8 {
                if reached[from] {
                    for to in &edges[from] {
                        reached[*to] = true;
                    }
                }
            }
        }
        let circle = find_cycle("0", depends_on);
        prop_assert_eq!(circle.is_some(), reached[0]);
        for pair in circle.unwrap_or_default().windows(2) {
            prop_assert!(depends_on(&pair[0]).is_some_and(|names| names.contains(&pair[1])));
        }
    }

    #[test]
    fn whatever_dependencies_produced_the_status_fits(
        names in prop::collection::btree_set("[a-z]{1,60}", 1..64),
        line in "\\PC{0,200}",
        count in 0usize..12,
        response in "\\PC{0,600}",
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut scene = dependent("x", &names);
        scene.dependencies = names.iter().map(|name| {
            let mut dependency = dependency(name, Some(Succeeded));
            if let Some(task) = &mut dependency.task {
                task.outputs = vec![line.clone(); count];
                task.results = (0..count).map(|key| (key.to_string(), line.clone())).collect();
                task.results.insert("response".to_owned(), response.repeat(6));
            }
            dependency
        }).collect();
        let plan = scene.plan();
        let produced: usize = plan.status.dependencies.iter().map(|dependency| {
            serde_json::to_vec(&dependency.outputs).map_or(0, |json| json.len())
                + serde_json::to_vec(&dependency.results).map_or(0, |json| json.len())
        }).sum();
        prop_assert!(produced <= 4096 + 4 * names.len(), "{} bytes", produced);
        let size = serde_json::to_vec(&plan.status).map_or(0, |json| json.len());
        prop_assert!(size <= 16 * 1024, "{} bytes", size);
    }
}
