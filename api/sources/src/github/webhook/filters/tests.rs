use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::comment_policy::{Authority, Permission, Standing};
use crate::github::files::FilePatterns;
use crate::github::sample::{owned, pull};
use crate::github::webhook::sample::{delivery, payload};

/// The event of a sample.
fn event_of(sample: &str) -> String {
    sample.split('.').next().expect("an event").to_owned()
}

fn spec(sample: &str) -> GitHubWebhook {
    GitHubWebhook {
        events: vec![event_of(sample)],
        ..GitHubWebhook::default()
    }
}

/// A spec with one filter, written as in a manifest.
fn filtered(sample: &str, filter: &Value) -> GitHubWebhook {
    let mut filter = filter.clone();
    filter["event"] = json!(event_of(sample));
    GitHubWebhook {
        filters: vec![serde_json::from_value(filter).expect("a filter")],
        ..spec(sample)
    }
}

/// Why it does not match; `None` when it does.
fn why(spec: &GitHubWebhook, sample: &str, known: &Known<'_>) -> Option<String> {
    let payload = payload(sample);
    match candidate(spec, Some("Org/Repo"), &delivery(sample, &payload), known) {
        Examined::Match(_) => None,
        Examined::NoMatch(why) => Some(why),
        other => panic!("{sample}: {other:?}"),
    }
}

#[test]
fn every_field_of_a_filter_says_why_an_event_does_not_match() {
    let authority = Authority::default();
    let known = Known::nothing(&authority);
    for (sample, filter, expected) in [
        ("issues.labeled", json!({}), None),
        ("issues.labeled", json!({"action": "labeled"}), None),
        (
            "issues.labeled",
            json!({"action": "opened"}),
            Some("has the action `labeled`, not `opened`"),
        ),
        (
            "push.branch",
            json!({"action": "opened"}),
            Some("is an event without action, and `opened` is wanted"),
        ),
        ("issues.labeled", json!({"labels": ["BUG", "p1"]}), None),
        (
            "issues.labeled",
            json!({"labels": ["p2"]}),
            Some("has not the label `p2`"),
        ),
        (
            "issues.labeled",
            json!({"excludeLabels": ["p1"]}),
            Some("has the label `p1`, which is excluded"),
        ),
        ("issues.labeled", json!({"state": "open"}), None),
        (
            "issues.labeled",
            json!({"state": "closed"}),
            Some("has the state `open`, not `closed`"),
        ),
        (
            "pull_request_review.submitted",
            json!({"state": "changes_requested"}),
            None,
        ),
        (
            "pull_request_review.submitted",
            json!({"state": "approved"}),
            Some("has the state `changes_requested`, not `approved`"),
        ),
        ("issues.labeled", json!({"author": "ADA"}), None),
        (
            "issues.labeled",
            json!({"author": "eve"}),
            Some("was sent by `ada`, not by `eve`"),
        ),
        (
            "issues.labeled",
            json!({"excludeAuthors": ["Ada"]}),
            Some("was sent by `ada`, who is excluded"),
        ),
        ("issues.labeled", json!({"bodyContains": "crashes"}), None),
        (
            "issues.labeled",
            json!({"bodyContains": "works"}),
            Some("has a body without `works`"),
        ),
        (
            "issue_comment.created",
            json!({"bodyPattern": "(?m)^/axon$"}),
            None,
        ),
        (
            "issue_comment.created",
            json!({"bodyPattern": "crashes"}),
            Some("has a body in which `crashes` is not found"),
        ),
        (
            "issue_comment.created",
            json!({"excludeBodyPatterns": ["nothing", "^Please"]}),
            Some("has a body in which `^Please` is found, which is excluded"),
        ),
        (
            "issue_comment.created",
            json!({"bodyPattern": "("}),
            Some("failed to read the regular expression `(`: error: unclosed group"),
        ),
        ("push.branch", json!({"branch": "release/*"}), None),
        (
            "push.branch",
            json!({"branch": "*"}),
            Some("has the branch `release/1.2`, which `*` does not match"),
        ),
        (
            "push.tag",
            json!({"branch": "*"}),
            Some("is an event without branch, and `*` is wanted"),
        ),
        ("push.tag", json!({"tag": "v*"}), None),
        ("release.published", json!({"tag": "v1.*"}), None),
        (
            "push.branch",
            json!({"tag": "v*"}),
            Some("is an event without tag, and `v*` is wanted"),
        ),
        (
            "pull_request.opened",
            json!({"branch": "fix/*", "draft": false}),
            None,
        ),
        (
            "pull_request.opened",
            json!({"draft": true}),
            Some("is of no draft, and only drafts are wanted"),
        ),
        (
            "push.branch",
            json!({"draft": false}),
            Some("is an event without a pull request, which has no drafts"),
        ),
        ("issue_comment.created", json!({"commentOn": "Issue"}), None),
        ("issue_comment.created", json!({"commentOn": ""}), None),
        (
            "issue_comment.created",
            json!({"commentOn": "PullRequest"}),
            Some("is no comment on a pull request"),
        ),
        (
            "issue_comment.created.pull",
            json!({"commentOn": "PullRequest"}),
            None,
        ),
        (
            "issue_comment.created.pull",
            json!({"commentOn": "Issue"}),
            Some("is a comment on a pull request"),
        ),
        (
            "issues.labeled",
            json!({"commentOn": "Issue"}),
            Some("is no comment"),
        ),
        (
            "check_run.completed",
            json!({"conclusion": "failure", "checkName": "ci/*"}),
            None,
        ),
        (
            "check_run.completed",
            json!({"conclusion": "success"}),
            Some("has the conclusion `failure`, not `success`"),
        ),
        (
            "workflow_run.completed",
            json!({"conclusion": "success", "checkName": "CI", "branch": "main"}),
            None,
        ),
        (
            "check_run.completed",
            json!({"checkName": "*"}),
            Some("has the check name `ci/unit`, which `*` does not match"),
        ),
        (
            "push.branch",
            json!({"filePatterns": {"include": ["src/**"]}}),
            None,
        ),
        (
            "push.branch",
            json!({"filePatterns": {"include": ["*.md"]}}),
            Some("changes no file that is wanted, but `docs/old.md`"),
        ),
        (
            "issues.labeled",
            json!({"filePatterns": {"include": ["**"]}}),
            Some("is an event without changed files"),
        ),
        (
            "issues.labeled",
            json!({"action": "", "state": "", "author": "", "branch": "", "bodyPattern": ""}),
            None,
        ),
    ] {
        let spec = filtered(sample, &filter);
        assert_eq!(
            why(&spec, sample, &known).as_deref(),
            expected,
            "{sample} {filter}"
        );
    }
}

#[test]
fn the_event_its_repository_and_its_sender_must_be_wanted() {
    let authority = Authority::default();
    let known = Known::nothing(&authority);
    let sample = "issues.labeled";
    let repository = |name: &str| GitHubWebhook {
        repository: Some(name.to_owned()),
        ..spec(sample)
    };
    let excluded = GitHubWebhook {
        exclude_authors: owned(&["ADA"]),
        ..spec(sample)
    };
    for (spec, expected) in [
        (spec(sample), None),
        (repository("ORG/repo"), None),
        (repository("*"), None),
        (
            repository("org/other"),
            Some("is of the repository `org/repo`, not `org/other`"),
        ),
        (spec("push"), Some("is the event `issues`, which is not wanted")),
        (excluded, Some("was sent by `ada`, who is excluded")),
    ] {
        assert_eq!(why(&spec, sample, &known).as_deref(), expected, "{spec:?}");
    }
    let payload = payload(sample);
    let examined = candidate(&spec(sample), None, &delivery(sample, &payload), &known);
    assert!(
        matches!(examined, Examined::NoMatch(_)),
        "no repository is not any repository"
    );
}

#[test]
fn filters_of_one_event_are_alternatives_and_those_of_others_do_not_matter() {
    let authority = Authority::default();
    let known = Known::nothing(&authority);
    let filter = |event: &str, action: &str| EventFilter {
        event: event.to_owned(),
        action: Some(action.to_owned()),
        ..EventFilter::default()
    };
    for (filters, expected) in [
        (
            vec![filter("issues", "opened"), filter("issues", "labeled")],
            None,
        ),
        (vec![filter("push", "opened")], None),
        (
            vec![filter("issues", "opened"), filter("issues", "closed")],
            Some("has the action `labeled`, not `opened`"),
        ),
    ] {
        let spec = GitHubWebhook {
            filters,
            ..spec("issues.labeled")
        };
        assert_eq!(
            why(&spec, "issues.labeled", &known).as_deref(),
            expected,
            "{spec:?}"
        );
    }
}

#[test]
fn what_the_payload_has_not_is_asked_for_only_when_the_rest_holds() {
    let authority = Authority::default();
    let sample = "issue_comment.created.pull";
    let payload = payload(sample);
    let delivery = delivery(sample, &payload);
    let files = FilePatterns {
        include: owned(&["src/**"]),
        exclude: vec![],
    };
    let mut spec = filtered(sample, &json!({"branch": "fix/*", "filePatterns": files}));
    let mut known = Known::nothing(&authority);
    assert_eq!(
        candidate(&spec, Some("org/repo"), &delivery, &known),
        Examined::Ask(Need::Pull)
    );
    let pull = pull();
    known.pull = Some(&pull);
    assert_eq!(
        candidate(&spec, Some("org/repo"), &delivery, &known),
        Examined::Ask(Need::Files)
    );
    let changed = owned(&["src/main.rs"]);
    known.files = Some(&changed);
    assert!(matches!(
        candidate(&spec, Some("org/repo"), &delivery, &known),
        Examined::Match(_)
    ));

    spec.filters[0].action = Some("deleted".to_owned());
    let known = Known::nothing(&authority);
    assert!(matches!(
        candidate(&spec, Some("org/repo"), &delivery, &known),
        Examined::NoMatch(_)
    ));
}

#[test]
fn the_sender_must_be_allowed_and_is_asked_about_last() {
    let sample = "issue_comment.created";
    let payload = payload(sample);
    let delivery = delivery(sample, &payload);
    let spec = GitHubWebhook {
        comment_policy: Some(CommentPolicy {
            trigger_comment: Some("/axon".to_owned()),
            exclude_comments: owned(&["/stop"]),
            minimum_permission: Some(Permission::Write),
            ..CommentPolicy::default()
        }),
        ..spec(sample)
    };
    let look =
        |authority: &Authority| candidate(&spec, Some("org/repo"), &delivery, &Known::nothing(authority));
    let ada = ["ada".to_owned()].into();
    assert_eq!(look(&Authority::default()), Examined::Ask(Need::People(ada)));
    let with = |standing| {
        let mut authority = Authority::default();
        authority.record("ada", standing);
        look(&authority)
    };
    let has = |permission| Standing::Known {
        permission: Some(permission),
        teams: std::collections::BTreeSet::new(),
    };
    assert!(matches!(with(has(Permission::Admin)), Examined::Match(_)));
    assert_eq!(
        with(has(Permission::Read)),
        Examined::NoMatch("was sent by `ada`, who may not ask".to_owned())
    );
    assert!(matches!(
        with(Standing::Failed("it timed out".to_owned())),
        Examined::Unknown(_)
    ));
}

#[test]
fn our_own_comments_are_no_events() {
    let authority = Authority::default();
    let known = Known {
        own_login: Some("ADA"),
        ..Known::nothing(&authority)
    };
    let comment = "issue_comment.created";
    assert_eq!(
        why(&spec(comment), comment, &known).as_deref(),
        Some("is a comment of our own")
    );
    assert_eq!(
        why(&spec("push.branch"), "push.branch", &known),
        None,
        "what agents push is not ours to hide"
    );
}

#[test]
fn a_delivery_has_one_key_and_an_id_for_names() {
    let authority = Authority::default();
    let sample = "issue_comment.created";
    let payload = payload(sample);
    let Examined::Match(found) = candidate(
        &spec(sample),
        Some("org/repo"),
        &delivery(sample, &payload),
        &Known::nothing(&authority),
    ) else {
        panic!("it matches");
    };
    assert_eq!(found.key, "delivery-72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert!(
        found.id.starts_with("issue-comment-") && found.id.len() == 26,
        "{}",
        found.id
    );
    assert_eq!(found.labels, ["bug", "p1"]);
    assert_eq!(key_of("../../x").len(), 32);
}

/// JSON of some depth, with keys that payloads have.
fn any_payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "refs/(heads|tags)/.{0,4}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        Just("issue"),
        Just("pull_request"),
        Just("comment"),
        Just("body"),
        Just("number"),
        Just("labels"),
        Just("name"),
        Just("head"),
        Just("ref"),
        Just("ref_type"),
        Just("sender"),
        Just("login"),
        Just("repository"),
        Just("full_name"),
        Just("commits"),
        Just("added"),
        Just("check_run"),
        Just("pull_requests"),
        Just("review"),
        Just("state"),
        Just("draft"),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
                Value::Object(
                    fields
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_payload_is_too_odd(
        payload in any_payload(),
        event in "(issues|push|pull_request|check_run)",
        text in ".{0,12}",
        max in 0_usize..4000,
    ) {
        let authority = Authority::default();
        let known = Known::nothing(&authority);
        let delivery = Delivery {
            event: &event,
            id: &text,
            received: jiff::Timestamp::UNIX_EPOCH,
            payload: &payload,
        };
        let filter = EventFilter {
            event: event.clone(),
            branch: Some(text.clone()),
            tag: Some(text.clone()),
            body_pattern: Some(text.clone()),
            labels: vec![text.clone()],
            ..EventFilter::default()
        };
        let unfiltered = GitHubWebhook {
            events: vec![event.clone()],
            repository: Some("*".to_owned()),
            ..GitHubWebhook::default()
        };
        let filtered = GitHubWebhook { filters: vec![filter], ..unfiltered.clone() };
        let _ = candidate(&filtered, None, &delivery, &known);
        let Examined::Match(found) = candidate(&unfiltered, None, &delivery, &known) else {
            return Err(TestCaseError::fail("without filters every event matches"));
        };
        prop_assert!(found.key.len() <= 100);
        let _ = crate::github::webhook::item(&delivery, &known, found);
        let trimmed = crate::github::webhook::trim(payload.clone(), max.max(2));
        prop_assert!(trimmed.to_string().len() <= max.max(2) || trimmed == payload);
    }
}
