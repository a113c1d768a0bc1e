//! What a tick is for templates.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::item::{Candidate, Cause, WorkItem};
use crate::variables;

/// The tick of a moment as a candidate: its key is `tick-20260207-0900`, in UTC.
pub fn candidate(tick: Timestamp) -> Candidate {
    let id = tick.to_zoned(TimeZone::UTC).strftime("%Y%m%d-%H%M").to_string();
    Candidate {
        key: format!("tick-{id}"),
        id,
        cause: Cause::Event,
        labels: Vec::new(),
        created: tick,
    }
}

/// The tick as templates get it. `schedule` is as the spec spells it.
pub fn item(schedule: &str, candidate: Candidate) -> WorkItem {
    let time = candidate.created.to_string();
    let variables = variables::with([
        ("ID", candidate.id.clone().into()),
        ("Title", time.clone().into()),
        ("Kind", "Issue".into()),
        ("Time", time.into()),
        ("Schedule", schedule.into()),
    ]);
    WorkItem {
        candidate,
        variables,
        subject: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tick_has_its_time_in_utc_and_all_other_variables_empty() {
        let tick = "2026-02-07T10:00:00+01:00".parse().expect("a time");
        let candidate = candidate(tick);
        assert_eq!(candidate.key, "tick-20260207-0900");
        assert_eq!(
            serde_json::Value::from(item("0 10 * * *", candidate).variables),
            json!({
                "ID": "20260207-0900",
                "Number": 0,
                "Title": "2026-02-07T09:00:00Z",
                "Body": "",
                "URL": "",
                "Labels": "",
                "Comments": "",
                "Kind": "Issue",
                "Branch": "",
                "ReviewState": "",
                "ReviewComments": "",
                "Time": "2026-02-07T09:00:00Z",
                "Schedule": "0 10 * * *",
            })
        );
    }
}
