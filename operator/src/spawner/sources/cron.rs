//! Ticks of a schedule, which nobody has to be asked for.

use axon_api::TaskSpawner;
use axon_api::sources::cron::{self, Schedule};
use axon_api::sources::{Candidate, Fetched};
use axon_plan::spawner::TicksSeen;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::Heard;

/// The ticks that have passed since the latest that was decided upon, and the next one.
pub(super) fn heard(spawner: &TaskSpawner, now: Timestamp) -> Heard {
    let Some(spec) = &spawner.spec.when.cron else {
        return Heard::default();
    };
    let read = Schedule::parse(&spec.schedule).and_then(|schedule| {
        let zone = cron::zone(spec.time_zone.as_deref())?;
        Ok((schedule, zone))
    });
    let (schedule, zone) = match read {
        Ok(read) => read,
        Err(wrong) => return Heard::trouble("InvalidSchedule", wrong),
    };
    let decided = spawner.status.as_ref();
    let decided = decided.and_then(|status| status.last_schedule_time.as_ref());
    let created = spawner.metadata.creation_timestamp.as_ref();
    let last = decided.or(created).map_or(now, |time| time.0);
    let deadline = spec.starting_deadline_seconds.map(SignedDuration::from_secs);
    let missed = spec.missed_ticks.unwrap_or_default();
    let due = cron::due(&schedule, &zone, last, now, missed, deadline);
    Heard {
        when: Some(now),
        candidates: due.ticks.into_iter().map(cron::candidate).collect(),
        ticks: TicksSeen {
            passed: (due.decided_until > last).then_some(due.decided_until),
            missed: due.missed,
            next: cron::next_after(&schedule, &zone, now.max(last)),
        },
        ..Heard::default()
    }
}

/// The tick with what templates may use.
pub(super) fn item(spawner: &TaskSpawner, candidate: &Candidate) -> Fetched {
    let schedule = spawner.spec.when.cron.as_ref();
    let schedule = schedule.map_or("", |cron| cron.schedule.as_str());
    Fetched::Item(Box::new(cron::item(schedule, candidate.clone())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spawner(last: Option<&str>) -> TaskSpawner {
        serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner",
            "metadata": { "name": "nightly", "creationTimestamp": "2026-03-01T00:00:00Z" },
            "spec": {
                "when": { "cron": { "schedule": "0 3 * * *", "missedTicks": "All" } },
                "taskTemplate": { "promptTemplate": "p" },
            },
            "status": last.map(|last| json!({ "lastScheduleTime": last })),
        }))
        .expect("a spawner")
    }

    fn ids(heard: &Heard) -> Vec<&str> {
        heard.candidates.iter().map(|tick| tick.id.as_str()).collect()
    }

    #[test]
    fn a_new_schedule_begins_when_its_spawner_was_created() {
        let heard = heard(&spawner(None), "2026-03-02T03:00:01Z".parse().expect("a time"));
        assert_eq!(ids(&heard), ["20260301-0300", "20260302-0300"]);
        let next = heard.ticks.next.expect("a tick").to_string();
        assert_eq!(next, "2026-03-03T03:00:00Z");
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_tick_again() {
        let decided = spawner(Some("2026-03-02T03:00:00Z"));
        let heard = heard(&decided, "2026-03-02T02:30:00Z".parse().expect("a time"));
        assert_eq!(ids(&heard), [""; 0]);
        let next = heard.ticks.next.expect("a tick").to_string();
        assert_eq!(next, "2026-03-03T03:00:00Z");
    }
}
