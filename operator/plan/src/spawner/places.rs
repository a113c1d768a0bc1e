//! Who has a place: how many Tasks of a spawner may be unfinished at once, and which.

use std::collections::{BTreeMap, BTreeSet};

use axon_api::sources::cron::ConcurrencyPolicy;
use axon_api::{TaskSpawner, names};

use super::observed::{SpawnedTask, SpawnerObserved};
use super::recall::Recall;

/// Places that a spawner may have: so many have room in a status.
const MAX_PLACES: usize = 1000;

/// The places that are taken, before any is given.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) places: Vec<String>,
    /// Those of them whose Task is neither in view nor known to be gone.
    pub(crate) missing: Vec<String>,
}

/// The places of Tasks that have not ended. A place goes when its Task has ended or is known to be
/// gone; that it is not in view proves nothing.
pub(crate) fn taken(observed: &SpawnerObserved<'_>) -> Taken {
    let in_view: BTreeMap<String, bool> = observed
        .tasks
        .iter()
        .map(|task| (names::place(&task.uid), task.is_finished()))
        .collect();
    let status = observed.spawner.status.as_ref();
    let all = status.map_or(&[] as &[String], |status| &status.places);
    let mut taken = Taken {
        places: Vec::new(),
        missing: Vec::new(),
    };
    for place in all {
        let is_finished = in_view.get(place).copied();
        if is_finished == Some(true) || observed.gone.contains(place) {
            continue;
        }
        if is_finished.is_none() {
            taken.missing.push(place.clone());
        }
        taken.places.push(place.clone());
    }
    taken
}

/// Tasks that may be unfinished at once.
pub(crate) fn limit(spawner: &TaskSpawner) -> usize {
    let cron = spawner.spec.when.cron.as_ref();
    let one_by_one = cron.is_some_and(|cron| {
        !matches!(
            cron.concurrency_policy.unwrap_or_default(),
            ConcurrencyPolicy::Allow
        )
    });
    let wanted = usize::try_from(spawner.spec.max_concurrency.unwrap_or_default()).unwrap_or_default();
    match wanted {
        _ if one_by_one => 1,
        0 => MAX_PLACES,
        wanted => wanted.min(MAX_PLACES),
    }
}

/// Tasks that may yet be counted; `None` when there is no limit.
pub(crate) fn left_of_total(spawner: &TaskSpawner, total: i64) -> Option<usize> {
    let max = i64::from(spawner.spec.max_total_tasks.filter(|max| *max > 0)?);
    Some(usize::try_from(max.saturating_sub(total)).unwrap_or_default())
}

/// The places as they are to be.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) places: Vec<String>,
    /// How many of them are new: so many Tasks more are counted.
    pub(crate) count: usize,
    /// UIDs of the Tasks that may start.
    pub(crate) admitted: Vec<String>,
    /// Items that may be made Tasks of now.
    pub(crate) room: usize,
    /// Names of Tasks that would get a place if the server said that they have not ended.
    pub(crate) ask: Vec<String>,
}

/// Gives places. `total` is how many were given ever; `cancelled` has the UIDs of Tasks that are to
/// be cancelled.
pub(crate) fn grant(
    observed: &SpawnerObserved<'_>,
    recall: &Recall<'_, '_>,
    taken: &Taken,
    total: i64,
    cancelled: &BTreeSet<&str>,
) -> Granted {
    let limit = limit(observed.spawner);
    let left = left_of_total(observed.spawner, total).unwrap_or(usize::MAX);
    let unfinished = || observed.tasks.iter().filter(|task| !task.is_finished());
    let without_item = unfinished().filter(|task| task.item.is_none());
    let outside = without_item.clone().count();
    let mut granted = Granted {
        places: taken.places.clone(),
        count: 0,
        admitted: without_item.map(|task| task.uid.clone()).collect(),
        room: 0,
        ask: Vec::new(),
    };
    let has_place: BTreeSet<&str> = taken.places.iter().map(String::as_str).collect();
    let mut waiting: Vec<(&SpawnedTask, String)> = Vec::new();
    for task in unfinished().filter(|task| task.item.is_some() && !recall.is_duplicate(task)) {
        let place = names::place(&task.uid);
        if has_place.contains(place.as_str()) {
            if recall.knows(task) {
                granted.admitted.push(task.uid.clone());
            }
        } else {
            waiting.push((task, place));
        }
    }
    // What has started already can only be counted.
    waiting.sort_by_key(|(task, _)| (!task.has_started, task.name.as_str()));
    let mut asked = 0;
    let mut held = 0;
    for (task, place) in waiting {
        let is_free = granted.places.len() + outside + asked < limit && granted.count + asked < left;
        let may_have = recall.knows(task)
            && !cancelled.contains(task.uid.as_str())
            && !task.is_cancelled
            && !task.is_deleting;
        // What has started is counted even if there is no room for it.
        let has_begun = task.has_started && recall.knows(task);
        if (has_begun || (may_have && is_free)) && task.is_fresh {
            granted.admitted.push(task.uid.clone());
            granted.places.push(place);
            granted.count += 1;
        } else {
            if has_begun || (may_have && is_free) {
                granted.ask.push(task.name.clone());
                asked += 1;
            }
            held += usize::from(!cancelled.contains(task.uid.as_str()));
        }
    }
    // More than have room are not written, whatever has started.
    granted.places.truncate(MAX_PLACES);
    // The places of Tasks that are to be cancelled will be free.
    let leaving = unfinished()
        .filter(|task| cancelled.contains(task.uid.as_str()))
        .filter(|task| has_place.contains(names::place(&task.uid).as_str()))
        .count();
    let used = (granted.places.len() + outside + held).saturating_sub(leaving);
    let of_total = left.saturating_sub(granted.count + held);
    granted.room = limit.saturating_sub(used).min(of_total);
    granted
}
