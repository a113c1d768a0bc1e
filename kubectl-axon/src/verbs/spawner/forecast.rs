//! What would become of each item now, decided as the operator decides it: pure.

use std::collections::BTreeMap;

use axon_api::sources::cron::ConcurrencyPolicy;
use axon_api::sources::{Candidate, WorkItem};
use axon_api::{Task, TaskSpawner};
use axon_plan::spawner::{self, SourceSeen, Spawn, SpawnerObserved, SpawnerPlan, Step, TicksSeen};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::given::Named;
use super::seen::Seen;

/// Something that the source has.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Names it among the items of the spawner, such as `issue-42`.
    pub(super) key: String,
    pub(super) title: String,
    /// Where people see it; empty for what has no page.
    pub(super) url: String,
    pub(super) found: Found,
}

/// What an item was found to be.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// It matches. The text says what was taken for granted, and is empty when nothing was.
    Match(Box<WorkItem>, String),
    #[cfg_attr(
        not(any(feature = "github", feature = "webhook")),
        expect(dead_code, reason = "ticks have no filters")
    )]
    NoMatch(String),
    #[cfg_attr(not(feature = "github"), expect(dead_code, reason = "only GitHub is asked"))]
    Unknown(String),
    #[cfg_attr(
        not(feature = "cron"),
        expect(dead_code, reason = "only ticks are known before they come")
    )]
    /// It comes at a later moment, such as the next tick; the text says when.
    Later(Box<WorkItem>, String),
}

/// All that bears on a forecast but the items.
pub(super) struct Scene<'a> {
    pub(super) now: Timestamp,
    pub(super) spawner: &'a TaskSpawner,
    pub(super) workspace: &'a Named,
    /// Agent type of a Task that names none.
    pub(super) default_type: &'a str,
    pub(super) seen: &'a Seen,
    /// Whether an item that does not match is known not to: not so for events.
    pub(super) absence_counts: bool,
    pub(super) ticks: TicksSeen,
}

/// What would become of an item.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: String,
    pub(super) title: String,
    pub(super) url: String,
    pub(super) verdict: Verdict,
    /// Why, as a fragment for people.
    pub(super) why: String,
    /// Name of its Task: of the one that it would become, or has become.
    pub(super) name: Option<String>,
    /// The Task that it would become.
    pub(super) task: Option<Task>,
}

/// What would become of an item, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// A Task, now.
    Spawns,
    /// A Task, once there is a place for it.
    Waits,
    /// A Task at a later moment.
    Later,
    /// Nothing any more: it has become a Task.
    Done,
    /// Nothing ever: its Task cannot be made.
    Refused,
    /// It cannot be told now.
    Unknown,
    /// Nothing: it does not match.
    NoMatch,
}

impl Verdict {
    /// As it is printed.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Spawns => "Spawns",
            Self::Waits => "Waits",
            Self::Later => "Later",
            Self::Done => "Done",
            Self::Refused => "Refused",
            Self::Unknown => "Unknown",
            Self::NoMatch => "NoMatch",
        }
    }
}

/// What would become of each item, those that become Tasks first and in the order in which they do. A
/// spawner that is suspended is looked at as if it were not.
///
/// # Errors
/// Why the spawner would make no Tasks whatever its items, as a sentence that may end with a hint.
pub(super) fn forecast(scene: &Scene<'_>, items: Vec<Item>) -> Result<Vec<Row>, String> {
    let candidates: Vec<Candidate> = items
        .iter()
        .filter_map(|item| match &item.found {
            Found::Match(item, _) => Some(item.candidate.clone()),
            _ => None,
        })
        .collect();
    let mut awake = scene.spawner.clone();
    awake.spec.suspend = None;
    // A decision is only made about what is on a server; one in a file is as good here.
    awake.metadata.uid.get_or_insert_with(|| "preview".to_owned());
    let now = plan(scene, &awake, &candidates);
    if let Some(why) = fault(&now) {
        return Err(why);
    }
    let unbounded = plan(scene, &without_bounds(&awake), &candidates);
    let decided = Decided {
        spawns: spawns(&now),
        due: spawns(&unbounded),
        why_not_now: why_not_now(scene.spawner, &now),
    };
    let mut rows: Vec<(usize, Row)> = items
        .into_iter()
        .map(|item| {
            let place = decided.due.get(item.key.as_str());
            let place = place.map_or(usize::MAX, |(place, _)| *place);
            (place, row(scene, &decided, item))
        })
        .collect();
    rows.sort_by_key(|(place, row)| (row.verdict, *place));
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// What was decided about all items.
struct Decided {
    /// Those that become Tasks now, by key, with their place in the order.
    spawns: BTreeMap<String, (usize, Spawn)>,
    /// Those that would if there were no bounds.
    due: BTreeMap<String, (usize, Spawn)>,
    /// Why the others of these do not now.
    why_not_now: (Verdict, String),
}

fn plan(scene: &Scene<'_>, spawner: &TaskSpawner, candidates: &[Candidate]) -> SpawnerPlan {
    spawner::plan(&SpawnerObserved {
        now: scene.now,
        spawner,
        workspace: scene.workspace.seen(),
        default_type: scene.default_type,
        memory: &scene.seen.memory,
        source: SourceSeen {
            heard: Some(scene.now),
            candidates,
            absence_counts: scene.absence_counts,
            ticks: scene.ticks,
            ..SourceSeen::default()
        },
        tasks: &scene.seen.tasks,
        gone: &scene.seen.gone(spawner),
        refused: &BTreeMap::new(),
    })
}

/// What keeps every item from becoming a Task.
fn fault(plan: &SpawnerPlan) -> Option<String> {
    let mut conditions = plan.status.conditions.iter();
    conditions
        .find(|condition| matches!(&*condition.type_, "Supported" | "Ready") && condition.status == "False")
        .map(|condition| condition.message.clone())
}

fn without_bounds(spawner: &TaskSpawner) -> TaskSpawner {
    let mut spawner = spawner.clone();
    spawner.spec.max_concurrency = None;
    spawner.spec.max_total_tasks = None;
    if let Some(cron) = &mut spawner.spec.when.cron {
        cron.concurrency_policy = None;
    }
    spawner
}

fn spawns(plan: &SpawnerPlan) -> BTreeMap<String, (usize, Spawn)> {
    let spawns = plan.steps.iter().filter_map(|step| match step {
        Step::Spawn(spawn) => Some(spawn),
        _ => None,
    });
    spawns
        .enumerate()
        .map(|(place, spawn)| (spawn.candidate.key.clone(), (place, spawn.clone())))
        .collect()
}

fn why_not_now(spawner: &TaskSpawner, plan: &SpawnerPlan) -> (Verdict, String) {
    let spec = &spawner.spec;
    let cron = spec.when.cron.as_ref();
    let policy = cron.and_then(|cron| cron.concurrency_policy).unwrap_or_default();
    match policy {
        ConcurrencyPolicy::Forbid => {
            let why = "a task of an earlier tick has not ended, and concurrencyPolicy is Forbid";
            return (Verdict::NoMatch, why.to_owned());
        }
        ConcurrencyPolicy::Replace => {
            let why = "a later tick takes its place, or a task of an earlier one is cancelled first: concurrencyPolicy is Replace";
            return (Verdict::Waits, why.to_owned());
        }
        ConcurrencyPolicy::Allow => {}
    }
    let mut conditions = plan.status.conditions.iter();
    let is_spent =
        conditions.any(|condition| condition.type_ == "MaxTotalTasksReached" && condition.status == "True");
    if is_spent {
        let most = spec.max_total_tasks.unwrap_or_default();
        return (Verdict::Waits, format!("maxTotalTasks is reached: {most}"));
    }
    let why = match spec.max_concurrency.filter(|most| *most > 0) {
        Some(most) => format!("waits for a place: maxConcurrency is {most}"),
        None => "waits for a place".to_owned(),
    };
    (Verdict::Waits, why)
}

fn row(scene: &Scene<'_>, decided: &Decided, item: Item) -> Row {
    let row = Row {
        key: item.key,
        title: item.title,
        url: item.url,
        verdict: Verdict::NoMatch,
        why: String::new(),
        name: None,
        task: None,
    };
    match item.found {
        Found::NoMatch(why) => Row { why, ..row },
        Found::Unknown(why) => Row {
            verdict: Verdict::Unknown,
            why,
            ..row
        },
        Found::Later(item, why) => {
            let spawn = first(&item.candidate);
            drafted(scene, row, (&item, &spawn), (Verdict::Later, why))
        }
        Found::Match(item, assumed) => {
            if let Some((_, spawn)) = decided.spawns.get(&row.key) {
                let why = if assumed.is_empty() {
                    trigger(spawn)
                } else {
                    format!("{}, if {assumed}", trigger(spawn))
                };
                return drafted(scene, row, (&item, spawn), (Verdict::Spawns, why));
            }
            if let Some((_, spawn)) = decided.due.get(&row.key) {
                return drafted(scene, row, (&item, spawn), decided.why_not_now.clone());
            }
            done(scene.seen, row)
        }
    }
}

/// The spawn of an item that comes for the first time.
fn first(candidate: &Candidate) -> Spawn {
    Spawn {
        candidate: candidate.clone(),
        trigger: "event".to_owned(),
        run: 1,
        suffix: String::new(),
    }
}

fn drafted(
    scene: &Scene<'_>,
    row: Row,
    (item, spawn): (&WorkItem, &Spawn),
    (verdict, why): (Verdict, String),
) -> Row {
    match spawner::draft(scene.spawner, spawn, item, scene.default_type) {
        Ok(task) => Row {
            verdict,
            why,
            name: Some(task.name_any()),
            task: Some(task),
            ..row
        },
        Err(refusal) => Row {
            verdict: Verdict::Refused,
            why: refusal.to_string(),
            ..row
        },
    }
}

/// What makes the item due, for people.
fn trigger(spawn: &Spawn) -> String {
    let again = if spawn.run > 1 {
        format!(", for the {}. time", spawn.run)
    } else {
        String::new()
    };
    let what = match spawn.trigger.split_once('-') {
        Some(("comment", id)) => format!("asked for by comment {id}"),
        Some(("review", id)) => format!("asked for by review {id}"),
        _ => "matches".to_owned(),
    };
    format!("{what}{again}")
}

fn done(seen: &Seen, row: Row) -> Row {
    let of_item = || {
        let tasks = seen.tasks.iter();
        tasks.filter(|task| task.item.as_deref() == Some(&row.key))
    };
    let remembered = seen.memory.get(&row.key);
    let task = remembered.and_then(|entry| seen.task(&entry.task_uid));
    let task = task.or_else(|| of_item().max_by_key(|task| task.run));
    let (why, name) = match (task, remembered) {
        (Some(task), _) => {
            let phase = task.phase.map_or("not looked at yet", |phase| phase.as_str());
            (format!("became a task that is {phase}"), Some(task.name.clone()))
        }
        (None, Some(_)) => ("became a task that is gone".to_owned(), None),
        (None, None) => (
            "what is remembered of it cannot be read, or there is no room to remember more".to_owned(),
            None,
        ),
    };
    Row {
        verdict: Verdict::Done,
        why,
        name,
        ..row
    }
}
