//! The order of questions about a spawner.

use std::collections::BTreeSet;
use std::time::Duration;

use axon_api::TaskSpawnerStatus;
use axon_api::sources::Cause;

use super::check::{self, Fault};
use super::conditions;
use super::due::{self, Due};
use super::observed::SpawnerObserved;
use super::places::{self, Granted};
use super::plan::{Ask, SpawnerPlan, Step};
use super::recall::Recall;
use super::status::{self, Facts};
use super::ticks::{self, Ticks};
use crate::bounded;
use crate::plan::{Notice, NoticeKind};

/// Decides what to do next for the observed spawner.
pub(crate) fn decide(observed: &SpawnerObserved<'_>) -> SpawnerPlan {
    let spawner = observed.spawner;
    let untouched = |why: &str| SpawnerPlan {
        status: spawner.status.clone().unwrap_or_default(),
        why: why.to_owned(),
        ..SpawnerPlan::default()
    };
    if spawner.metadata.uid.is_none() || spawner.metadata.name.is_none() {
        return untouched("the TaskSpawner is not on the server yet");
    }
    if spawner.metadata.deletion_timestamp.is_some() {
        return untouched("the TaskSpawner is being deleted, and with it all that it owns");
    }
    Round::new(observed).plan()
}

/// What is found out one after the other.
struct Round<'a, 'o> {
    observed: &'a SpawnerObserved<'o>,
    supported: Result<(), Fault>,
    fault: Option<Fault>,
    recall: Recall<'a, 'o>,
}

impl<'a, 'o> Round<'a, 'o> {
    /// What was made is taken in whatever is wrong with the spawner.
    fn new(observed: &'a SpawnerObserved<'o>) -> Self {
        let supported = check::supported(observed.spawner);
        let fault = match &supported {
            Ok(()) => check::ready(observed).err(),
            Err(fault) => Some(fault.clone()),
        };
        let mut recall = Recall::new(observed);
        let source = &observed.source;
        let is_heard = source.heard.is_some() && source.trouble.is_none() && !observed.spawner.is_suspended();
        if is_heard && source.absence_counts {
            recall.note_absences();
        }
        recall.prune(is_heard && source.absence_counts);
        Self {
            observed,
            supported,
            fault,
            recall,
        }
    }

    /// Whether new Tasks may be made at all.
    fn may_spawn(&self) -> bool {
        let trouble = self.observed.source.trouble.as_ref();
        self.fault.is_none()
            && !self.observed.spawner.is_suspended()
            && trouble.is_none_or(|trouble| trouble.passes)
    }

    fn plan(mut self) -> SpawnerPlan {
        let observed = self.observed;
        let before = observed.spawner.status.clone().unwrap_or_default();
        let taken = places::taken(observed);
        let (ticks, due) = if self.may_spawn() {
            let ticks = ticks::decide(observed, &self.recall, &taken);
            let due = due::list(observed, &self.recall, &ticks.held);
            (ticks, due)
        } else {
            (Ticks::default(), Due::default())
        };
        let cancelled: BTreeSet<&str> = ticks.cancelled.iter().map(|task| task.uid.as_str()).collect();
        let total = before.total_tasks_created.unwrap_or_default();
        let granted = places::grant(observed, &self.recall, &taken, total, &cancelled);
        let room = granted.room.min(due.spawns.len());
        if due.is_full {
            self.fault = Some(Fault::new(
                "MemoryFull",
                "there is no room to remember more items; those that do not match any more are forgotten after 30 days",
            ));
        }
        let status = status::status(&Facts {
            observed,
            supported: self.supported.clone(),
            fault: self.fault.clone(),
            places: granted.places.clone(),
            total: total.saturating_add(i64::try_from(granted.count).unwrap_or_default()),
            waiting: due.spawns.len() - room,
            spawned: room,
            ticks: &ticks,
        });
        let ask = self.ask(&taken.missing, &due, &granted);
        let steps = self.steps(&status, &ticks, &due, room);
        SpawnerPlan {
            why: why(&steps, &ask),
            ask,
            steps,
            status,
            admitted: granted.admitted,
            wake: self.wake(),
        }
    }

    fn ask(&self, missing: &[String], due: &Due, granted: &Granted) -> Ask {
        let tasks: BTreeSet<&String> = self.recall.ask().iter().chain(&granted.ask).collect();
        let missing: BTreeSet<&String> = missing.iter().chain(&due.missing).collect();
        Ask {
            tasks: tasks.into_iter().cloned().collect(),
            missing: missing.into_iter().cloned().collect(),
        }
    }

    fn steps(&self, status: &TaskSpawnerStatus, ticks: &Ticks<'_>, due: &Due, room: usize) -> Vec<Step> {
        let observed = self.observed;
        let writes = self.recall.writes().into_iter();
        let mut steps: Vec<Step> = writes.map(Step::Remember).collect();
        let is_changed = observed.spawner.status.as_ref() != Some(status);
        if is_changed {
            steps.push(Step::WriteStatus);
        }
        steps.extend(self.recall.duplicates().map(|task| Step::DeleteTask {
            task: task.name.clone(),
            uid: task.uid.clone(),
        }));
        let cancelled = ticks.cancelled.iter().filter(|task| !task.is_cancelled);
        steps.extend(cancelled.map(|task| Step::CancelTask {
            task: task.name.clone(),
            uid: task.uid.clone(),
        }));
        steps.extend(due.spawns.iter().take(room).cloned().map(Step::Spawn));
        steps.extend(self.settled());
        if is_changed {
            steps.extend(self.notices(status).into_iter().map(Step::Notify));
        }
        steps
    }

    /// Events and requests that are remembered, or can never become a Task.
    fn settled(&self) -> Vec<Step> {
        let observed = self.observed;
        let mut steps = Vec::new();
        for candidate in observed.source.candidates {
            let key = &candidate.key;
            let is_wish = matches!(candidate.cause, Cause::Manual { .. });
            let is_kept = is_wish || (candidate.cause == Cause::Event && !key.starts_with("tick-"));
            if !is_kept {
                continue;
            }
            if let Some(why) = observed.refused.get(key) {
                steps.push(Step::Settle { key: key.clone() });
                steps.push(Step::Notify(Notice {
                    kind: NoticeKind::Warning,
                    reason: "ItemRefused".to_owned(),
                    message: bounded::text(
                        &format!("`{key}` cannot become a Task: {why}"),
                        bounded::MESSAGE_BYTES,
                    ),
                }));
            } else if !self.recall.is_unreadable(key)
                && self.recall.get(key).is_some()
                && super::trigger::Trigger::of(&candidate.cause, self.recall.get(key)).is_none()
            {
                steps.push(Step::Settle { key: key.clone() });
            }
        }
        steps
    }

    /// The changes of which somebody should know.
    fn notices(&self, status: &TaskSpawnerStatus) -> Option<Notice> {
        let before = self.observed.spawner.status.as_ref();
        let ready = |status: &TaskSpawnerStatus| {
            let mut conditions = status.conditions.iter();
            let found = conditions.find(|condition| condition.type_ == conditions::READY);
            found.map(|condition| (condition.status.clone(), condition.reason.clone()))
        };
        let after = ready(status)?;
        if after.0 == "True" || after.1 == "NotHeardYet" || before.and_then(ready).as_ref() == Some(&after) {
            return None;
        }
        Some(Notice {
            kind: NoticeKind::Warning,
            reason: after.1,
            message: status.message.clone().unwrap_or_default(),
        })
    }

    /// The next tick has to be looked at when it comes.
    fn wake(&self) -> Option<Duration> {
        let next = self.observed.source.ticks.next?;
        if self.observed.spawner.is_suspended() {
            return None;
        }
        let left = next.duration_since(self.observed.now);
        Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
    }
}

fn why(steps: &[Step], ask: &Ask) -> String {
    let spawns = steps.iter().filter(|step| matches!(step, Step::Spawn(_))).count();
    if spawns > 0 {
        return format!("{spawns} of the items that are due become Tasks");
    }
    if steps.iter().any(|step| matches!(step, Step::Remember(_))) {
        return "what became of items is remembered".to_owned();
    }
    if !ask.is_empty() {
        return "what is seen of the Tasks may be old, and the server has to be asked".to_owned();
    }
    if steps.is_empty() {
        return "all is as it should be".to_owned();
    }
    "the status tells what was seen".to_owned()
}
