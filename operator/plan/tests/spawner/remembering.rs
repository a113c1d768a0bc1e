//! What is remembered, how it is kept, and for how long.

use axon_api::sources::Cause;
use axon_plan::spawner::Step;
use axon_plan::spawner::memory::{Entry, MAX_SHARD_BYTES, SHARDS, shard_of};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::world::{World, at, candidate, issue, issues};

const DAY: i64 = 24 * 3600;

fn remembered(world: &World, key: &str) -> Option<Entry> {
    world.memory().get(key).cloned()
}

#[test]
fn an_entry_is_compact_and_is_read_as_it_was_written() {
    let mut world = World::of(issues());
    world.candidates = vec![candidate("issue-7", Cause::Command { comment: 12 })];
    world.settle();
    let map = world.memory[shard_of("issue-7")].as_ref().expect("a ConfigMap");
    let value = &map.data.as_ref().expect("data")["issue-7"];
    insta::assert_snapshot!(value, @r#"{"n":1,"t":"comment-12","u":"uid-1","m":true,"s":1800000000,"k":1,"c":12}"#);
    let entry = Entry::parse(value).expect("an entry");
    assert_eq!(&entry.to_value(), value);
}

#[test]
fn the_config_map_belongs_to_the_spawner_and_goes_with_it() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(7)];
    world.settle();
    let map = world.memory[shard_of("issue-7")].as_ref().expect("a ConfigMap");
    let owner = &map.metadata.owner_references.as_ref().expect("owners")[0];
    assert_eq!(
        (owner.uid.as_str(), owner.controller),
        ("spawner-uid", Some(true))
    );
    assert_eq!(owner.block_owner_deletion, None);
    let labels = map.metadata.labels.as_ref().expect("labels");
    assert_eq!(labels["axon.io/spawner-memory"], "spawner-uid");
}

#[test]
fn a_patch_has_the_version_and_takes_keys_away() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(7)];
    world.settle().end_all();
    world.expire();
    world.candidates = Vec::new();
    world.settle();
    world.now += 31 * DAY;
    let plan = world.plan();
    let Some(Step::Remember(write)) = plan.steps.first() else {
        panic!("{:?}", plan.steps);
    };
    let patch = write.patch();
    assert_eq!(patch["data"], json!({ "issue-7": null }));
    assert!(patch["metadata"]["resourceVersion"].is_string());
}

#[test]
fn keys_are_spread_over_all_parts() {
    let mut counts = [0; SHARDS];
    for number in 0..800 {
        counts[shard_of(&format!("issue-{number}"))] += 1;
    }
    assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
}

#[test]
fn what_cannot_be_read_counts_as_dealt_with_and_hurts_only_its_item() {
    let mut world = World::of(issues());
    let shard = shard_of("issue-7");
    let mut map = ConfigMap::default();
    map.metadata.resource_version = Some("1".to_owned());
    map.data = Some([("issue-7".to_owned(), "{".to_owned())].into());
    world.memory[shard] = Some(map);
    world.candidates = (1..=20).map(issue).collect();
    world.settle();
    assert_eq!(world.started.len(), 19);
    assert!(!world.started.contains(&"issue-7 match-1".to_owned()));
}

#[test]
fn an_item_that_is_gone_is_forgotten_after_thirty_days_and_not_while_it_is_open() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(7)];
    world.settle().end_all();
    world.expire();
    world.candidates = Vec::new();
    world.settle();
    world.now += 29 * DAY;
    world.settle();
    assert!(remembered(&world, "issue-7").is_some());
    world.now += 2 * DAY;
    world.open.insert("issue-7".to_owned());
    world.settle();
    assert!(remembered(&world, "issue-7").is_some(), "it is open");
    world.open.clear();
    world.settle();
    assert!(remembered(&world, "issue-7").is_none());
}

#[test]
fn an_item_whose_task_is_there_is_not_forgotten() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(7)];
    world.settle().end_all();
    world.candidates = Vec::new();
    world.settle();
    world.now += 40 * DAY;
    world.settle();
    assert!(remembered(&world, "issue-7").is_some());
}

#[test]
fn a_full_part_forgets_the_oldest_events_first_and_says_when_it_cannot() {
    let mut world = World::of(issues());
    let shard = shard_of("issue-7");
    let entry = |since: i64| Entry {
        run: 1,
        trigger: "match-1".to_owned(),
        task_uid: "u".repeat(36),
        matches: false,
        since: at(since),
        times: 1,
        command: None,
        review: None,
        requests: Vec::new(),
    };
    let mut data = std::collections::BTreeMap::new();
    let mut bytes = 0;
    for number in 0.. {
        let key = format!("issue-9{number:07}");
        if shard_of(&key) != shard {
            continue;
        }
        bytes += key.len() + 180;
        data.insert(key, entry(-7200 - number).to_value());
        if bytes > MAX_SHARD_BYTES + 100_000 {
            break;
        }
    }
    let keys: std::collections::BTreeSet<String> = data.keys().cloned().collect();
    let mut map = ConfigMap::default();
    map.metadata.resource_version = Some("1".to_owned());
    map.data = Some(data);
    world.memory[shard] = Some(map);
    world.open = keys.clone();
    world.candidates = vec![issue(7)];
    world.settle();
    assert_eq!(world.started, [""; 0]);
    assert_eq!(
        world.condition("Ready"),
        Some(("False".to_owned(), "MemoryFull".to_owned()))
    );
    world.open.clear();
    world.settle();
    assert_eq!(world.started, ["issue-7 match-1"]);
    let kept = world.memory().shards[shard].entries.len();
    assert!(kept > keys.len() / 2 && kept < keys.len(), "{kept}");
}

#[test]
fn a_spawner_whose_memory_was_taken_away_learns_from_its_tasks() {
    let mut world = World::of(issues());
    world.candidates = vec![issue(7)];
    world.settle();
    world.end("fix-7");
    world.memory = vec![None; SHARDS];
    world.settle();
    assert_eq!(world.started, ["issue-7 match-1"]);
    assert_eq!(world.status().total_tasks_created, Some(1));
}
