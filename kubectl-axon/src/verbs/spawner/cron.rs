//! What a schedule has: the ticks that are due, and the next ones.

use axon_api::TaskSpawner;
use axon_api::sources::cron::{self, Schedule};
use axon_plan::spawner::TicksSeen;
use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::forecast::{Found, Item};
use crate::ages;

/// Ticks to come that are shown.
const NEXT: usize = 5;

/// The ticks of a spawner, and what its decision has to know of them beside.
///
/// # Errors
/// When its schedule or time zone is none, as a fragment that names it.
pub(super) fn items(spawner: &TaskSpawner, now: Timestamp) -> Result<(Vec<Item>, TicksSeen), String> {
    let Some(spec) = &spawner.spec.when.cron else {
        return Ok((Vec::new(), TicksSeen::default()));
    };
    let schedule = Schedule::parse(&spec.schedule)?;
    let zone = cron::zone(spec.time_zone.as_deref())?;
    let decided = spawner.status.as_ref();
    let decided = decided.and_then(|status| status.last_schedule_time.as_ref());
    let created = spawner.metadata.creation_timestamp.as_ref();
    // A spawner that is on no server begins now.
    let last = decided.or(created).map_or(now, |time| time.0);
    let deadline = spec.starting_deadline_seconds.map(SignedDuration::from_secs);
    let due = cron::due(
        &schedule,
        &zone,
        last,
        now,
        spec.missed_ticks.unwrap_or_default(),
        deadline,
    );
    let first = cron::next_after(&schedule, &zone, now.max(last));
    let next = std::iter::successors(first, |tick| cron::next_after(&schedule, &zone, *tick));
    let next: Vec<Timestamp> = next.take(NEXT).collect();
    let seen = TicksSeen {
        passed: (due.decided_until > last).then_some(due.decided_until),
        missed: due.missed,
        next: next.first().copied(),
    };
    let item = |tick: Timestamp| Box::new(cron::item(&spec.schedule, cron::candidate(tick)));
    let due = due.ticks.into_iter().map(|tick| {
        let found = Found::Match(item(tick), String::new());
        shown(tick, &zone, found)
    });
    let later = next.into_iter().map(|tick| {
        let found = Found::Later(item(tick), format!("in {}", ages::between(now, tick)));
        shown(tick, &zone, found)
    });
    Ok((due.chain(later).collect(), seen))
}

fn shown(tick: Timestamp, zone: &TimeZone, found: Found) -> Item {
    Item {
        key: cron::candidate(tick).key,
        title: tick
            .to_zoned(zone.clone())
            .strftime("%a %Y-%m-%d %H:%M %Z")
            .to_string(),
        url: String::new(),
        found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(last: Option<&str>, now: &str) -> Vec<(String, bool)> {
        let spawner: TaskSpawner = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner",
            "metadata": { "name": "nightly" },
            "spec": {
                "when": { "cron": { "schedule": "0 3 * * *", "timeZone": "Europe/Paris" } },
                "taskTemplate": { "promptTemplate": "p" },
            },
            "status": last.map(|last| json!({ "lastScheduleTime": last })),
        }))
        .expect("a spawner");
        let (items, _) = items(&spawner, now.parse().expect("a time")).expect("ticks");
        items
            .into_iter()
            .map(|item| (item.title, matches!(item.found, Found::Later(..))))
            .collect()
    }

    #[test]
    fn a_schedule_that_is_on_no_server_has_only_ticks_to_come() {
        let items = found(None, "2026-03-27T12:00:00Z");
        assert_eq!(items.len(), NEXT);
        assert!(items.iter().all(|(_, is_later)| *is_later));
        // The clocks are put forward on the 29th.
        let titles: Vec<&str> = items.iter().take(2).map(|(title, _)| title.as_str()).collect();
        assert_eq!(titles, ["Sat 2026-03-28 03:00 CET", "Sun 2026-03-29 03:00 CEST"]);
    }

    #[test]
    fn a_tick_that_has_passed_is_due() {
        let items = found(Some("2026-03-26T02:00:00Z"), "2026-03-27T12:00:00Z");
        assert_eq!(
            items.first(),
            Some(&("Fri 2026-03-27 03:00 CET".to_owned(), false))
        );
        assert_eq!(items.len(), NEXT + 1);
    }
}
