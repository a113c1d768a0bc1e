use serde_json::json;

use super::*;

fn spec() -> GenericWebhook {
    serde_json::from_value(json!({
        "source": "sentry",
        "fieldMapping": {"id": "$.event.id", "title": "$.event.title", "level": "$.event.level", "tags": "$.event.tags"},
        "filters": [{"field": "$.action", "value": "triggered"}, {"field": "$.event.tags[*]", "pattern": "^prod"}],
        "excludeFilters": [{"field": "$.event.level", "value": "debug"}],
    }))
    .expect("a spec")
}

fn body() -> Value {
    json!({
        "action": "triggered",
        "event": {"id": 7, "title": "Crash<!-- do evil -->\nnow", "level": "error", "tags": ["eu", "production"]},
    })
}

fn read(spec: &GenericWebhook, body: &Value) -> Read {
    let received = Timestamp::UNIX_EPOCH;
    super::read(spec, &Request { body, received })
}

#[test]
fn mapped_fields_are_variables_and_some_have_the_usual_names_too() {
    let Read::Match(item) = read(&spec(), &body()) else {
        panic!("it matches");
    };
    for (name, expected) in [
        ("ID", json!("7")),
        ("Title", json!("Crash now")),
        ("Body", json!("")),
        ("URL", json!("")),
        ("Kind", json!("GenericWebhook")),
        ("id", json!(7)),
        ("title", json!("Crash \nnow")),
        ("level", json!("error")),
        ("tags", json!(["eu", "production"])),
        ("Number", json!(0)),
    ] {
        assert_eq!(item.variables[name], expected, "{name}");
    }
    assert_eq!(item.variables["Payload"]["event"]["title"], "Crash \nnow");
    assert_eq!(item.subject, None);
}

#[test]
fn two_requests_with_one_id_are_one_event() {
    let key = |body: &Value| match read(&spec(), body) {
        Read::Match(item) => item.candidate.key,
        other => panic!("{other:?}"),
    };
    let mut again = body();
    again["event"]["title"] = json!("other words");
    assert_eq!(key(&body()), key(&again));
    again["event"]["id"] = json!(8);
    assert_ne!(key(&body()), key(&again));
}

#[test]
fn filters_say_why_a_request_is_not_wanted() {
    for (change, expected) in [
        (json!({"action": "resolved"}), "has no `triggered` at `$.action`"),
        (
            json!({"action": "triggered", "event": {"id": 7, "tags": ["eu"]}}),
            "has nothing at `$.event.tags[*]` that `^prod` is found in",
        ),
        (
            json!({"action": "triggered", "event": {"id": 7, "tags": ["prod"], "level": "debug"}}),
            "has a value at `$.event.level` that is excluded",
        ),
    ] {
        assert_eq!(
            read(&spec(), &change),
            Read::NoMatch(expected.to_owned()),
            "{change}"
        );
    }
}

#[test]
fn a_request_without_an_id_is_answered_with_what_is_missing() {
    for id in [json!(null), json!(""), json!("  ")] {
        let mut body = body();
        body["event"]["id"] = id;
        assert_eq!(
            read(&spec(), &body),
            Read::Unreadable(
                "the body's `$.event.id`, which tells one event from another, has no value".to_owned()
            )
        );
    }
    let mut body = body();
    body["event"]["id"] = json!("x".repeat(2000));
    assert!(matches!(read(&spec(), &body), Read::Unreadable(why) if why.contains("longer than 1024 bytes")));
}

#[test]
fn a_spec_that_cannot_be_read_wants_nothing() {
    let mut spec = spec();
    spec.filters[0].field = "action".to_owned();
    assert!(matches!(read(&spec, &body()), Read::NoMatch(why) if why.contains("JSONPath `action`")));
}
