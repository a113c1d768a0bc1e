//! `spawner` and what a build tells of its sources: on the plane of this machine, against a small
//! server that answers as GitHub does, and with files alone.

#[path = "spawners/github.rs"]
mod github;
mod plane;

use github::GitHub;
use plane::Plane;
use serde_json::{Value, json};

/// Writes a file into the folder that commands run in.
fn write(plane: &Plane, name: &str, text: impl AsRef<str>) {
    std::fs::write(plane.path().join(name), text.as_ref()).expect("written");
}

/// A spawner with this source and this template.
fn spawner(name: &str, when: &Value, template: &Value) -> Value {
    json!({
        "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner",
        "metadata": { "name": name, "annotations": { "axon.io/sandbox": "none" } },
        "spec": { "when": when, "taskTemplate": template },
    })
}

#[test]
fn a_preview_of_a_manifest_asks_github_with_the_secret_of_the_manifest() {
    let github = GitHub::new();
    let plane = Plane::new();
    let template = json!({
        "workspaceRef": { "name": "w" }, "branch": "fix-{{.Number}}",
        "promptTemplate": "Fix {{.Title}}: {{.Body}}",
    });
    let when = json!({ "githubIssues": { "labels": ["bug"], "excludeLabels": ["wontfix"] } });
    let documents = [
        spawner("fix", &when, &template),
        json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "Workspace", "metadata": { "name": "w" },
            "spec": { "repo": github.repository(), "secretRef": { "name": "s" } },
        }),
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" },
            "stringData": { "GITHUB_TOKEN": "of-the-secret" },
        }),
    ];
    write(
        &plane,
        "s.yaml",
        documents.map(|object| object.to_string()).join("\n---\n"),
    );
    let said = plane
        .plain(&["spawner", "preview", "-f", "s.yaml", "--prompts"])
        .ended(0);
    assert_eq!(
        said.out,
        "\
ITEM      VERDICT   TASK    TITLE        WHY
issue-7   Spawns    fix-7   Too slow     matches
issue-9   Spawns    fix-9   It crashes   matches
issue-8   NoMatch   -       Too ugly     has the label `wontfix`, which is excluded
pull-6    NoMatch   -       Faster       is a pull request, and only issues are wanted

Task: fix-7
Branch: fix-7
Prompt:
  Fix Too slow: text of 7

Task: fix-9
Branch: fix-9
Prompt:
  Fix It crashes: text of 9
"
    );
    said.notes("was asked for the items of `o/r` with the token of Secret `s`");
    assert!(
        github
            .credentials()
            .iter()
            .all(|sent| sent == "Bearer of-the-secret"),
        "{:?}",
        github.credentials()
    );
    // A token that is named wins.
    let said = plane
        .plain(&[
            "spawner",
            "preview",
            "-f",
            "s.yaml",
            "--github-token",
            "own",
            "-o",
            "json",
        ])
        .ended(0)
        .notes("with the token of --github-token");
    assert_eq!(
        github.credentials().last().map(String::as_str),
        Some("Bearer own")
    );
    let page: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(page["source"], "githubIssues");
    let first = &page["items"][0];
    assert_eq!(
        (&first["item"], &first["verdict"]),
        (&json!("issue-7"), &json!("Spawns"))
    );
    assert_eq!(first["task"]["spec"]["branch"], "fix-7");
    assert_eq!(page["items"][3]["task"], Value::Null);
}

#[test]
fn what_is_wrong_with_a_spawner_is_told_before_anybody_is_asked() {
    let github = GitHub::new();
    let plane = Plane::new();
    let workspace = json!({ "repo": github.repository() });
    for (when, template, says) in [
        (
            json!({ "githubIssues": {} }),
            json!({ "workspace": workspace, "promptTemplate": "{{.Titel}}" }),
            "items of this source have no `.Titel`",
        ),
        (
            json!({ "githubIssues": {} }),
            json!({ "workspace": workspace, "type": "shell", "promptTemplate": "echo {{.Title}}" }),
            "a script may not have `.Title` in it",
        ),
        (
            json!({ "githubIssues": { "repo": "nothing" } }),
            json!({ "workspace": workspace }),
            "failed to read the repository `nothing`",
        ),
        (
            json!({ "cron": { "schedule": "0 25 * * *" } }),
            json!({ "promptTemplate": "p" }),
            "`25` is no hour from 0 to 23",
        ),
        (
            json!({ "githubWebhook": { "events": ["issues"], "repository": "o/r" } }),
            json!({ "promptTemplate": "p" }),
            "takes events, and none can be foreseen",
        ),
        (
            json!({ "githubIssues": {} }),
            json!({ "workspaceRef": { "name": "w" } }),
            "Workspace `w` does not exist",
        ),
    ] {
        write(&plane, "s.yaml", spawner("s", &when, &template).to_string());
        plane
            .plain(&["spawner", "preview", "-f", "s.yaml"])
            .ended(1)
            .out("")
            .notes(says);
    }
    assert!(github.credentials().is_empty(), "GitHub was asked");
}

#[test]
fn what_has_become_a_task_is_told_and_the_rest_waits_for_a_place() {
    let github = GitHub::new();
    let plane = Plane::new();
    let mut fix = spawner(
        "fix",
        &json!({ "githubIssues": { "repo": github.repository(), "labels": ["bug"] } }),
        &json!({
            "type": "shell", "promptTemplate": "sleep 60",
            "workspace": { "repo": plane.repository() },
        }),
    );
    fix["spec"]["maxConcurrency"] = json!(1);
    write(&plane, "s.yaml", fix.to_string());
    plane.axon(&["run", "-f", "s.yaml"]).ended(0);
    plane.axon(&["wait", "fix-7", "--for=create"]).ended(0);
    plane.axon(&["wait", "fix-7", "--for=phase=Running"]).ended(0);
    plane
        .axon(&["wait", "taskspawner/fix", "--for=condition=Ready"])
        .ended(0);
    plane.axon(&["spawner", "preview", "fix"]).ended(0).out(
        "\
ITEM      VERDICT   TASK    TITLE        WHY
issue-8   Waits     fix-8   Too ugly     waits for a place: maxConcurrency is 1
issue-9   Waits     fix-9   It crashes   waits for a place: maxConcurrency is 1
issue-7   Done      fix-7   Too slow     became a task that is Running
pull-6    NoMatch   -       Faster       is a pull request, and only issues are wanted
",
    );
    plane.axon(&["suspend", "taskspawner", "fix"]).ended(0);
    plane
        .axon(&["spawner", "preview", "fix"])
        .ended(0)
        .notes("is suspended, and makes no tasks until it is resumed");
    plane
        .axon(&["spawner", "trigger", "fix", "7"])
        .ended(1)
        .notes("spawner `fix` is suspended");
    plane.axon(&["cancel", "fix-7"]).ended(0);
    plane.axon(&["wait", "fix-7"]).ended(11);
}

#[test]
fn a_schedule_shows_its_next_ticks_and_ticks_when_it_is_asked_to() {
    let plane = Plane::new();
    let when = json!({ "cron": { "schedule": "0 0 29 2 *" } });
    let template = json!({ "type": "shell", "promptTemplate": "echo \"tick at $AXON_ITEM_TIME\"" });
    write(&plane, "s.yaml", spawner("nightly", &when, &template).to_string());
    plane.axon(&["run", "-f", "s.yaml"]).ended(0);
    let said = plane.axon(&["spawner", "preview", "nightly"]).ended(0);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 6, "{}", said.out);
    for line in lines.iter().skip(1) {
        assert!(
            line.starts_with("tick-20") && line.contains("Later     nightly-20"),
            "{line}"
        );
    }
    plane
        .axon(&["spawner", "trigger", "nightly", "42"])
        .ended(1)
        .notes("is a schedule, which has no items");
    let said = plane
        .axon(&["spawner", "trigger", "nightly", "-w"])
        .ended(0)
        .shows(&["taskspawner.axon.io/nightly triggered\n", "Succeeded"]);
    let made = said.err.lines().find(|line| line.ends_with("` created"));
    let made = made.and_then(|line| line.split('`').nth(1)).expect("a task");
    plane
        .axon(&[
            "get",
            "task",
            made,
            "-o",
            "jsonpath={.metadata.annotations.axon\\.io/trigger}",
        ])
        .ended(0)
        .shows(&["manual-"]);
}

/// An event of GitHub, as much as filters and templates ask of it.
fn labelled(label: &str, sender: &str) -> Value {
    json!({
        "action": "labeled",
        "sender": { "login": sender },
        "repository": { "full_name": "o/r" },
        "issue": {
            "number": 42, "title": "It crashes", "body": "When it starts.", "state": "open",
            "html_url": "https://github.com/o/r/issues/42", "labels": [{ "name": label }],
        },
    })
}

#[test]
fn an_event_is_tested_with_files_alone() {
    let plane = Plane::new();
    let when = json!({ "githubWebhook": {
        "events": ["issues"], "excludeAuthors": ["bot"],
        "filters": [{ "event": "issues", "action": "labeled", "labels": ["agent"] }],
        "commentPolicy": { "minimumPermission": "write" },
    }});
    let template = json!({
        "workspaceRef": { "name": "w" }, "nameTemplate": "fix-{{.Number}}",
        "promptTemplate": "{{.Sender}} asks: {{.Payload.issue.body}}",
    });
    write(&plane, "s.yaml", spawner("fix", &when, &template).to_string());
    let test = |event: &Value| {
        write(&plane, "e.json", event.to_string());
        plane.plain(&[
            "spawner",
            "test",
            "-f",
            "s.yaml",
            "--event",
            "e.json",
            "--delivery",
            "d1",
        ])
    };
    test(&labelled("agent", "ann"))
        .ended(0)
        .notes("the Workspace is not known: it is taken to be of `o/r`, as the event is")
        .out(
            "\
ITEM          VERDICT   TASK     TITLE        WHY
delivery-d1   Spawns    fix-42   It crashes   matches, if `ann` may ask, which GitHub has to tell

Task: fix-42
Prompt:
  ann asks: When it starts.
",
        );
    for (event, why) in [
        (labelled("bug", "ann"), "has not the label `agent`"),
        (labelled("agent", "bot"), "was sent by `bot`, who is excluded"),
    ] {
        test(&event).ended(0).shows(&["delivery-d1   NoMatch", why]);
    }
    plane
        .plain(&[
            "spawner",
            "test",
            "-f",
            "s.yaml",
            "--event",
            "e.json",
            "--event-name",
            "push",
        ])
        .ended(0)
        .shows(&["is the event `push`, which is not wanted"]);
}

#[test]
fn a_signed_request_is_tested_by_its_body() {
    let plane = Plane::new();
    let when = json!({ "webhook": {
        "source": "sentry",
        "fieldMapping": { "id": "$.event.id", "title": "$.event.title", "level": "$.event.level" },
        "filters": [{ "field": "$.event.level", "pattern": "error|fatal" }],
    }});
    let template = json!({ "promptTemplate": "{{.level}}: {{.Title}}" });
    write(&plane, "s.yaml", spawner("errors", &when, &template).to_string());
    let test = |event: &Value| {
        write(&plane, "e.json", event.to_string());
        plane.plain(&[
            "spawner", "test", "-f", "s.yaml", "--event", "e.json", "-o", "json",
        ])
    };
    let verdict = |said: plane::Said| -> Value {
        let page: Value = serde_json::from_str(&said.ended(0).out).expect("JSON");
        page["items"][0].clone()
    };
    let good = json!({ "event": { "id": "1", "title": "Boom", "level": "fatal" } });
    let item = verdict(test(&good));
    assert_eq!(
        (&item["verdict"], &item["task"]["spec"]["prompt"]),
        (&json!("Spawns"), &json!("fatal: Boom"))
    );
    let quiet = json!({ "event": { "id": "1", "title": "Hm", "level": "info" } });
    assert_eq!(verdict(test(&quiet))["verdict"], "NoMatch");
    let nameless = json!({ "event": { "title": "Boom", "level": "error" } });
    let why = verdict(test(&nameless))["why"].clone();
    assert!(
        why.as_str()
            .is_some_and(|why| why.starts_with("is answered with 422")),
        "{why}"
    );
}

#[test]
fn an_event_that_cannot_be_read_is_told_with_its_file() {
    let plane = Plane::new();
    let when = json!({ "githubWebhook": { "events": ["issues", "push"], "repository": "o/r" } });
    write(
        &plane,
        "s.yaml",
        spawner("s", &when, &json!({ "promptTemplate": "p" })).to_string(),
    );
    write(&plane, "bad.json", "{");
    write(&plane, "e.json", labelled("a", "ann").to_string());
    let test = |event: &str| plane.plain(&["spawner", "test", "-f", "s.yaml", "--event", event]);
    test("bad.json")
        .ended(1)
        .notes("failed to read the event in `bad.json` as JSON");
    test("none.json").ended(1).notes("none.json");
    test("e.json").ended(1).notes("say it with --event-name");
    let cron = json!({ "cron": { "schedule": "@daily" } });
    write(
        &plane,
        "s.yaml",
        spawner("s", &cron, &json!({ "promptTemplate": "p" })).to_string(),
    );
    test("e.json").ended(1).notes("spawner `s` takes no events");
}

#[test]
fn the_sources_of_the_build_are_told() {
    let plane = Plane::new();
    let sources: Vec<&str> = axon_api::sources::SOURCES
        .iter()
        .map(|source| source.name)
        .collect();
    let said = plane.plain(&["version", "--client", "-o", "json"]).ended(0);
    let version: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!(version["sources"], json!(sources));
    plane
        .plain(&["version", "--client"])
        .ended(0)
        .shows(&[&format!("Sources: {}\n", sources.join(", "))]);
    plane
        .plain(&["--help"])
        .ended(0)
        .shows(&[&format!("Sources of spawners: {}", sources.join(", "))]);
}
