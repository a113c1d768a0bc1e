use serde_json::json;

use super::*;
use crate::github::webhook::sample::{FILES, payload};

#[test]
fn what_fits_is_left_as_it_is() {
    let whole = payload("issues.labeled");
    assert_eq!(trim(whole.clone(), 1 << 20), whole);
}

#[test]
fn what_nobody_asks_for_goes_first() {
    let whole = payload("pull_request.opened");
    let trimmed = trim(whole.clone(), size(&whole) - 1);
    assert_eq!(trimmed.get("installation"), None);
    assert_eq!(trimmed["repository"].get("forks_url"), None);
    assert_eq!(trimmed["repository"]["full_name"], "org/repo");
    assert_eq!(trimmed["sender"]["login"], "eve");
    assert_eq!(trimmed["pull_request"]["url"], whole["pull_request"]["url"]);
    assert_eq!(trimmed["pull_request"]["head"]["ref"], "fix/crash");
}

#[test]
fn long_texts_and_lists_are_cut_before_all_but_the_essence_goes() {
    let long = json!({
        "action": "opened",
        "issue": {"number": 42, "title": "x".repeat(500), "body": "y".repeat(100_000)},
        "commits": (0..1000).collect::<Vec<_>>(),
    });
    let trimmed = trim(long.clone(), 20_000);
    assert_eq!(trimmed["issue"]["title"], long["issue"]["title"]);
    assert!(
        trimmed["issue"]["body"]
            .as_str()
            .expect("a text")
            .ends_with("[the rest was cut off]")
    );
    assert_eq!(trimmed["commits"].as_array().expect("a list").len(), 300);

    assert_eq!(trim(long.clone(), 20), json!({}));
    let odd = json!({"action": "opened", "odd": (0..1000).map(|n| n.to_string()).map(|n| (n, json!(1))).collect::<Map<_, _>>()});
    assert_eq!(trim(odd, 200), json!({"action": "opened"}));
}

#[test]
fn every_event_fits_into_whatever_room_there_is() {
    for (sample, _) in FILES {
        for max in [2, 100, 500, 1000, 2000, 4000, 100_000] {
            assert!(size(&trim(payload(sample), max)) <= max, "{sample} {max}");
        }
    }
}
