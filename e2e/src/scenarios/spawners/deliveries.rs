//! Webhooks: what GitHub and others send becomes Tasks.

use anyhow::{Context as _, ensure};
use axon_api::{Phase, Task};
use serde_json::{Value, json};

use super::{Answered, Forge, has_tasks, is_ready, post, report, signature, spawner, tasks_of};
use crate::github::{GitHub, Issue};
use crate::suite::say;
use crate::wait;
use crate::world::{PATIENCE, World};

/// What the hooks of a scenario sign with.
const KEY: &str = "a-key-of-webhooks";
/// The Secret that has it.
const SECRET: &str = "hook";
/// How often each delivery comes.
const TIMES: usize = 5;

/// A spawner whose events are signed with [`KEY`].
async fn listener(world: &World, name: &str, when: Value, template: Value) -> anyhow::Result<()> {
    if world
        .api::<k8s_openapi::api::core::v1::Secret>()
        .get_opt(SECRET)
        .await?
        .is_none()
    {
        world.secret(SECRET, "WEBHOOK_SECRET", KEY).await?;
    }
    let mut spec = json!({"when": when, "taskTemplate": template});
    let source = if when_is_github(&spec) {
        "githubWebhook"
    } else {
        "webhook"
    };
    spec["when"][source]["secretRef"] = json!({"name": SECRET});
    spawner(world, name, spec).await?;
    is_ready(world, name).await
}

fn when_is_github(spec: &Value) -> bool {
    spec["when"].get("githubWebhook").is_some()
}

/// Waits until the spawner has so many Tasks, and returns them.
async fn has_many(world: &World, name: &str, many: usize) -> anyhow::Result<Vec<Task>> {
    let what = format!("{many} Tasks of `{name}`");
    let waited = wait::until(PATIENCE, &what, async || {
        Ok(tasks_of(world, name).await?.len() >= many)
    });
    if let Err(error) = waited.await {
        anyhow::bail!("{error:#}\n{}", report(world, name).await);
    }
    let tasks: Vec<Task> = tasks_of(world, name).await?.into_values().collect();
    ensure!(tasks.len() == many, "{} Tasks of `{name}`", tasks.len());
    Ok(tasks)
}

pub(in crate::scenarios) async fn a_signed_delivery_becomes_a_task(world: &World) -> anyhow::Result<()> {
    let github = GitHub::start(world.plane().host()?.address).await?;
    let payload = github.example("issues", "opened")?;
    let full_name = payload["repository"]["full_name"]
        .as_str()
        .context("a repository")?;
    let script =
        r#"printf 'title: %s\nevent: %s %s\n' "$AXON_ITEM_TITLE" "$AXON_ITEM_EVENT" "$AXON_ITEM_ACTION""#;
    listener(
        world,
        "events",
        json!({"githubWebhook": {"events": ["issues"], "repository": full_name}}),
        json!({"workspaceRef": null, "promptTemplate": script}),
    )
    .await?;
    listener(
        world,
        "others",
        json!({"githubWebhook": {"events": ["issues"], "repository": "acme/other"}}),
        json!({"workspaceRef": null}),
    )
    .await?;
    let url = world.plane().webhook_url("github");
    let delivery = github.deliver(&url, KEY, "issues", &payload).await;
    ensure!(delivery.status_code == 202, "{delivery:?}");
    let tasks = has_many(world, "events", 1).await?;
    let name = tasks
        .first()
        .and_then(|task| task.metadata.name.as_deref())
        .context("a name")?;
    let task = world.ended(name).await?;
    world.expect(&task, Phase::Succeeded).await?;
    let output = world.output(&task).await?;
    let title = payload["issue"]["title"].as_str().context("a title")?;
    ensure!(
        output.contains(&format!("title: {title}\n")) && output.contains("event: issues opened\n"),
        "{output}"
    );
    // The same delivery once more, and one of another event, are taken and become nothing.
    let again = github
        .deliver_again(&delivery.guid, &url, KEY, "issues", &payload)
        .await;
    ensure!(again.succeeded(), "{again:?}");
    let push = github.example("push", "")?;
    let unwanted = github.deliver(&url, KEY, "push", &push).await;
    ensure!(unwanted.status_code == 200, "{unwanted:?}");
    // What is delivered later is there, so what was delivered before would be.
    let later = github.deliver(&url, KEY, "issues", &payload).await;
    ensure!(later.succeeded(), "{later:?}");
    has_many(world, "events", 2).await?;
    has_tasks(world, "others", &[]).await?;
    ensure!(github.violations().is_empty(), "{:?}", github.violations());
    Ok(())
}

pub(in crate::scenarios) async fn a_request_of_any_system_becomes_a_task(
    world: &World,
) -> anyhow::Result<()> {
    // Sources are the same in all namespaces, and this one is of this scenario alone.
    let source = format!("alerts-{}", std::process::id());
    listener(
        world,
        "alerts",
        json!({"webhook": {
            "source": source,
            "fieldMapping": {"id": "$.event.id", "title": "$.event.title", "level": "$.event.level"},
            "filters": [{"field": "$.event.level", "pattern": "^(error|fatal)$"}],
        }}),
        json!({
            "workspaceRef": null,
            "type": "claude-code",
            "promptTemplate": "{{.level}}: {{.title}}",
            "nameTemplate": "alert-{{.id}}",
        }),
    )
    .await?;
    let url = world.plane().webhook_url(&source);
    let body = |id: &str, level: &str| {
        let event = json!({"id": id, "title": "Out of oil", "level": level});
        json!({"event": event}).to_string().into_bytes()
    };
    let send = async |id: &str, level: &str| {
        let body = body(id, level);
        let signature = signature(KEY, &body);
        post(&url, &[("X-Axon-Signature-256", &signature)], body).await
    };
    let status = |answered: &Answered| answered.status;
    ensure!(status(&send("e1", "fatal").await?) == 202);
    ensure!(status(&send("e2", "warning").await?) == 200);
    ensure!(status(&send("e1", "fatal").await?) / 100 == 2);
    ensure!(status(&send("e3", "error").await?) == 202);
    has_tasks(world, "alerts", &["alert-e1", "alert-e3"]).await?;
    let task = world.api::<Task>().get("alert-e1").await?;
    ensure!(task.spec.prompt == "fatal: Out of oil", "{:?}", task.spec.prompt);
    // An event without an ID cannot be told from others.
    let anonymous = json!({"event": {"level": "error"}}).to_string().into_bytes();
    let signature = signature(KEY, &anonymous);
    let answered = post(&url, &[("X-Axon-Signature-256", &signature)], anonymous).await?;
    ensure!(
        answered.status == 422 && answered.sentence.contains("id"),
        "{answered:?}"
    );
    Ok(())
}

pub(in crate::scenarios) async fn a_delivery_that_comes_five_times_becomes_one_task(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    listener(
        world,
        "events",
        json!({"githubWebhook": {"events": ["issues"]}}),
        json!({}),
    )
    .await?;
    let url = world.plane().webhook_url("github");
    let titles = ["a", "b", "c", "d"];
    let mut payloads = Vec::new();
    for title in titles {
        let number = forge.repository().open_issue(Issue::new(title));
        payloads.push((
            uuid::Uuid::new_v4().to_string(),
            forge.repository().issue_payload("opened", number, "alice"),
        ));
    }
    let seed = u64::from(std::process::id());
    let order = shuffled(payloads.len() * TIMES, seed);
    say(&format!("deliveries in the order of seed {seed}: {order:?}"));
    let mut refused = Vec::new();
    for (at, place) in order.into_iter().enumerate() {
        let (guid, payload) = payloads.get(place % payloads.len()).context("a payload")?;
        // One in five comes while the plane is down, and one just before it is killed.
        let is_down = at % 5 == 2;
        if is_down {
            world.plane().crash().await?;
        }
        let sent = forge
            .github
            .deliver_again(guid, &url, KEY, "issues", payload)
            .await;
        if is_down {
            ensure!(!sent.succeeded(), "{sent:?}");
            world.plane().recover().await?;
        }
        if at % 5 == 4 {
            world.plane().crash().await?;
            world.plane().recover().await?;
        }
        if !sent.succeeded() {
            refused.push(place);
        }
    }
    // Who was refused comes again, as long as that takes.
    for place in refused {
        let (guid, payload) = payloads.get(place % payloads.len()).context("a payload")?;
        wait::until(PATIENCE, "a delivery to be taken", async || {
            let sent = forge
                .github
                .deliver_again(guid, &url, KEY, "issues", payload)
                .await;
            Ok(sent.succeeded())
        })
        .await?;
    }
    let tasks = has_many(world, "events", payloads.len()).await?;
    for task in &tasks {
        world
            .ended(task.metadata.name.as_deref().unwrap_or_default())
            .await?;
    }
    // One that is new is the last to be looked at.
    let last = forge.repository().open_issue(Issue::new("last"));
    let payload = forge.repository().issue_payload("opened", last, "alice");
    let sent = forge.github.deliver(&url, KEY, "issues", &payload).await;
    ensure!(sent.succeeded(), "{sent:?}");
    has_many(world, "events", payloads.len() + 1).await?;
    forge.was_asked_as_github_is()
}

/// The numbers below `length` in an order that only the seed decides.
fn shuffled(length: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<(u64, usize)> = (0..length)
        .map(|number| (mixed(seed ^ ((number as u64) << 32)), number))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, number)| number).collect()
}

/// Mixes the bits of a number: the last step of `SplitMix64`
/// (<https://prng.di.unimi.it/splitmix64.c>).
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// What it is, its event, its signature and its body, and the status and words of the answer.
type Case = (
    &'static str,
    &'static str,
    Option<String>,
    Vec<u8>,
    u16,
    &'static str,
);

#[expect(clippy::too_many_lines, reason = "a table of what senders get wrong")]
pub(in crate::scenarios) async fn a_delivery_that_cannot_be_taken_is_refused_in_a_sentence(
    world: &World,
) -> anyhow::Result<()> {
    let forge = Forge::new(world).await?;
    listener(
        world,
        "events",
        json!({"githubWebhook": {"events": ["issues"]}}),
        json!({}),
    )
    .await?;
    let url = world.plane().webhook_url("github");
    let issue = forge.repository().open_issue(Issue::new("a"));
    let good = forge
        .repository()
        .issue_payload("opened", issue, "alice")
        .to_string()
        .into_bytes();
    let signed = |body: &[u8]| signature(KEY, body);
    let long = vec![b' '; 20 << 20];
    let broken = b"{\"action\": \"opened\", ".to_vec();
    let cases: [Case; 8] = [
        (
            "a wrong signature",
            "issues",
            Some(signature("another", &good)),
            good.clone(),
            401,
            "signature",
        ),
        (
            "no signature",
            "issues",
            None,
            good.clone(),
            401,
            "X-Hub-Signature-256 is required",
        ),
        (
            "half a signature",
            "issues",
            Some("sha256=00".to_owned()),
            good.clone(),
            401,
            "64 hexadecimal digits",
        ),
        (
            "20 MiB",
            "issues",
            Some(signed(&long)),
            long,
            413,
            "longer than 10485760 bytes",
        ),
        (
            "no JSON",
            "issues",
            Some(signed(&broken)),
            broken,
            400,
            "the body is not JSON",
        ),
        (
            "no UTF-8",
            "issues",
            Some(signed(&[0xff])),
            vec![0xff],
            400,
            "not UTF-8",
        ),
        (
            "an event of no name",
            "",
            Some(signed(&good)),
            good.clone(),
            400,
            "X-GitHub-Event",
        ),
        (
            "an event that nobody knows",
            "frobnicated",
            Some(signed(&good)),
            good.clone(),
            200,
            "no spawner wants it",
        ),
    ];
    for (what, event, signature, body, status, words) in cases {
        let guid = uuid::Uuid::new_v4().to_string();
        let mut headers = vec![("X-GitHub-Delivery", guid.as_str())];
        if !event.is_empty() {
            headers.push(("X-GitHub-Event", event));
        }
        if let Some(signature) = &signature {
            headers.push(("X-Hub-Signature-256", signature));
        }
        let answered = post(&url, &headers, body).await?;
        ensure!(
            answered.status == status && answered.sentence.contains(words),
            "{what}: {answered:?}"
        );
    }
    // None of it did any harm.
    let payload = forge.repository().issue_payload("opened", issue, "alice");
    let sent = forge.github.deliver(&url, KEY, "issues", &payload).await;
    ensure!(sent.succeeded(), "{sent:?}");
    has_many(world, "events", 1).await?;
    forge.was_asked_as_github_is()
}
