//! The Task that a spawner makes of a sample item of its source.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::{Task, TaskSpawner};
use axon_plan::Found;
use axon_plan::spawner::memory::Memory;
use axon_plan::spawner::{self, SourceSeen, SpawnerObserved, Step};
use axon_sources::WorkItem;
use axon_sources::comment_policy::Authority;
use axon_sources::cron;
use axon_sources::github::examined::{Examined, Known};
use axon_sources::github::facts::IssueFacts;
use axon_sources::github::issues::{self, GitHubIssues};
use axon_sources::github::items::{self, Origin};
use k8s_openapi::jiff::Timestamp;

use super::worlds::World;

/// The Task, as the server would have it once it was created.
pub(crate) fn task(world: &World, name: &str, now: Timestamp) -> Task {
    let spawner: TaskSpawner = world.find("TaskSpawner", name).expect("the spawner");
    let item = sample(&spawner, now);
    let reference = spawner.spec.task_template.workspace_ref.as_ref();
    let workspace = reference.and_then(|reference| world.find("Workspace", &reference.name));
    let candidates = [item.candidate.clone()];
    let plan = spawner::plan(&SpawnerObserved {
        now,
        spawner: &spawner,
        workspace: workspace.as_ref().map_or(Found::NotNamed, Found::Present),
        default_type: "claude-code",
        memory: &Memory::default(),
        source: SourceSeen {
            heard: Some(now),
            candidates: &candidates,
            absence_counts: true,
            ..SourceSeen::default()
        },
        tasks: &[],
        gone: &BTreeSet::new(),
        refused: &BTreeMap::new(),
    });
    let spawn = plan.steps.iter().find_map(|step| match step {
        Step::Spawn(spawn) => Some(spawn),
        _ => None,
    });
    let spawn = spawn.unwrap_or_else(|| panic!("{name} makes no Task of its sample: {:#?}", plan.status));
    let mut task = spawner::draft(&spawner, spawn, &item, "claude-code").expect("a Task");
    task.metadata.uid = Some(format!("{name}-task-uid"));
    task.metadata.generation = Some(1);
    task
}

/// An item that the spawner's filters let through.
fn sample(spawner: &TaskSpawner, now: Timestamp) -> WorkItem {
    let when = &spawner.spec.when;
    match (&when.github_issues, &when.cron) {
        (Some(spec), _) => issue(spec, now),
        (_, Some(spec)) => cron::item(&spec.schedule, cron::candidate(now)),
        _ => panic!("no sample of {:?}", when.source()),
    }
}

fn issue(spec: &GitHubIssues, now: Timestamp) -> WorkItem {
    let facts = IssueFacts {
        number: 42,
        is_pull_request: false,
        is_open: true,
        title: "It crashes".to_owned(),
        labels: spec.labels.clone(),
        author: "ann".to_owned(),
        assignees: Vec::new(),
        is_draft: false,
        url: "https://github.com/your-org/your-repo/issues/42".to_owned(),
        created: now,
        updated: now,
        closed: None,
    };
    let authority = Authority::default();
    let known = Known {
        body: Some("When it starts."),
        comments: Some(&[]),
        ..Known::nothing(&authority)
    };
    let candidate = match issues::candidate(spec, &facts, &known) {
        Examined::Match(candidate) => candidate,
        other => panic!("the sample does not match: {other:?}"),
    };
    excludes(spec, &facts, &known);
    let origin = Origin {
        api_url: None,
        owner: "your-org",
        name: "your-repo",
    };
    items::of_issue(spec, origin, &facts, &known, candidate).expect("all is known")
}

/// The same issue with a label that is excluded does not match, so that the filter does something.
fn excludes(spec: &GitHubIssues, facts: &IssueFacts, known: &Known<'_>) {
    for label in &spec.exclude_labels {
        let mut other = facts.clone();
        other.labels.push(label.clone());
        let examined = issues::candidate(spec, &other, known);
        assert!(matches!(examined, Examined::NoMatch(_)), "{examined:?}");
    }
}
