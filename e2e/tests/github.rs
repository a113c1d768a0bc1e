//! The fake GitHub is like GitHub: its answers are as GitHub describes them, and what GitHub would
//! refuse it refuses too.

#[path = "github/client.rs"]
mod client;
#[path = "github/webhooks.rs"]
mod webhooks;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use axon_e2e::github::{Access, Fault, GitHub, Issue, PullRequest, Repository, ReviewState, Role};
use http::Method;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::client::{Client, Reply};

const REPOSITORY: &str = "acme/Widgets";
const SHA: &str = "00000000000000000000000000000000000000aa";

/// A fake with one repository, and a client with a token of the App's installation.
async fn github() -> anyhow::Result<(GitHub, Client)> {
    let github = GitHub::start(Ipv4Addr::LOCALHOST.into()).await?;
    github.grant("good", Access::installation());
    github.create_repository(REPOSITORY);
    let client = Client::new(github.api_url(), "good");
    Ok((github, client))
}

fn repository(github: &GitHub) -> Repository<'_> {
    github.repository(REPOSITORY)
}

fn numbers(reply: &Reply) -> Vec<u64> {
    let items = reply.body.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(|item| item["number"].as_u64()).collect()
}

#[track_caller]
fn assert_no_violations(github: &GitHub) {
    assert_eq!(github.violations(), Vec::<String>::new());
}

/// An issue, a draft from a fork with all that a pull request may have, a check run and a hook.
async fn furnish(github: &GitHub, client: &Client) -> anyhow::Result<(u64, u64, u64, u64)> {
    let repository = repository(github);
    repository.set_permission("alice", Role::Maintain);
    github.add_team_member("acme", "reviewers", "bob");
    let issue = repository.open_issue(Issue::new("It squeaks").label("bug").assignee("alice"));
    repository.label(issue, "axon", "alice");
    repository.unlabel(issue, "bug", "bob");
    repository.comment(issue, "carol", "Mine too");
    repository.close(issue, "alice");
    repository.reopen(issue, "alice");
    let pull = PullRequest::new("Oil it")
        .body("Closes #1")
        .label("axon")
        .author("dave")
        .draft()
        .head("oil")
        .sha(SHA)
        .from_fork_of("dave")
        .file("door.txt");
    let pull = repository.open_pull_request(pull);
    repository.comment(pull, "alice", "/axon");
    repository.review(pull, "alice", ReviewState::ChangesRequested, "More oil");
    repository.review_comment(pull, "alice", "door.txt", "Here");
    let hook = repository.create_hook("http://127.0.0.1:9/", "secret", &["issues"]);
    let body = json!({"name": "axon", "head_sha": SHA, "status": "in_progress"});
    let run = client
        .send(Method::POST, "/repos/acme/widgets/check-runs", Some(&body))
        .await?;
    assert_eq!(run.status, 201, "{}", run.body);
    Ok((issue, pull, hook, run.body["id"].as_u64().unwrap_or_default()))
}

#[tokio::test]
async fn every_answer_is_as_github_describes_it() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let (issue, pull, hook, run) = furnish(&github, &client).await?;
    github.grant("of-alice", Access::user("alice"));
    let payload = repository(&github).issue_labeled_payload(issue, "axon", "alice");
    let delivery = github
        .deliver("http://127.0.0.1:9/", "secret", "issues", &payload)
        .await;
    assert_eq!(delivery.hook, hook);
    let delivery = delivery.id;
    for path in [
        String::new(),
        "/issues?state=all".to_owned(),
        format!("/issues/{issue}"),
        format!("/issues/{pull}"),
        format!("/issues/{issue}/comments"),
        format!("/issues/{issue}/events"),
        format!("/issues/{issue}/timeline"),
        format!("/issues/{pull}/timeline"),
        "/pulls".to_owned(),
        format!("/pulls/{pull}"),
        format!("/pulls/{pull}/files"),
        format!("/pulls/{pull}/reviews"),
        format!("/pulls/{pull}/comments"),
        "/collaborators/alice/permission".to_owned(),
        "/collaborators/mallory/permission".to_owned(),
        format!("/check-runs/{run}"),
        format!("/commits/{SHA}/check-runs"),
        "/commits/oil/check-runs".to_owned(),
        "/hooks".to_owned(),
        format!("/hooks/{hook}/deliveries"),
        format!("/hooks/{hook}/deliveries/{delivery}"),
    ] {
        let reply = client.get(&format!("/repos/acme/widgets{path}")).await?;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert_ne!(reply.body, json!([]), "{path} has something to show");
    }
    for path in ["/rate_limit", "/orgs/acme/teams/reviewers/memberships/bob"] {
        assert_eq!(client.get(path).await?.status, 200, "{path}");
    }
    let path = format!("/repos/acme/widgets/issues/{issue}/comments");
    let comment = client
        .send(Method::POST, &path, Some(&json!({"body": "Done"})))
        .await?;
    assert_eq!(comment.status, 201);
    let path = format!(
        "/repos/acme/widgets/issues/comments/{}",
        comment.body["id"].as_u64().unwrap_or_default()
    );
    let edited = client
        .send(Method::PATCH, &path, Some(&json!({"body": "Done well"})))
        .await?;
    assert_eq!(edited.body["body"], "Done well");
    let done = json!({"conclusion": "success", "output": {"title": "Done", "summary": "All of it"}});
    let path = format!("/repos/acme/widgets/check-runs/{run}");
    let run = client.send(Method::PATCH, &path, Some(&done)).await?;
    assert_eq!(run.body["status"], "completed");
    let path = format!("/repos/acme/widgets/hooks/{hook}/deliveries/{delivery}/attempts");
    assert_eq!(client.send(Method::POST, &path, None).await?.status, 202);
    let alice = client.with_token("of-alice");
    assert_eq!(alice.get("/user").await?.body["login"], "alice");
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn a_list_is_given_in_pages_that_link_to_each_other() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    repository(&github).open_issues((0..250).map(|n| Issue::new(&format!("Issue {n}"))));
    let mut next = Some(format!(
        "{}/repos/acme/widgets/issues?per_page=100&sort=created&direction=asc",
        github.api_url()
    ));
    let mut seen = Vec::new();
    let mut relations = Vec::new();
    while let Some(url) = next {
        let reply = client.get(&url).await?;
        seen.extend(numbers(&reply));
        let links = reply.links();
        relations.push(links.keys().cloned().collect::<Vec<_>>().join(" "));
        next = links.get("next").cloned();
    }
    assert_eq!(seen, (1..=250).collect::<Vec<u64>>());
    assert_eq!(relations, ["last next", "first last next prev", "first prev"]);
    assert_eq!(
        numbers(&client.get("/repos/acme/widgets/issues").await?).len(),
        30
    );
    let past = client.get("/repos/acme/widgets/issues?page=99").await?;
    assert_eq!(past.body, json!([]));
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn what_has_not_changed_is_answered_304_and_costs_nothing() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let path = "/repos/acme/widgets/issues";
    let number = repository(&github).open_issue(Issue::new("One"));
    let first = client.get(path).await?;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    let again = client.get_unless(path, &tag).await?;
    assert_eq!((again.status, &again.body), (304, &Value::Null));
    assert_eq!(again.header("etag"), tag);
    assert_eq!(
        again.header("x-ratelimit-remaining"),
        first.header("x-ratelimit-remaining")
    );
    repository(&github).comment(number, "alice", "Hello");
    let changed = client.get_unless(path, &tag).await?;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), tag);
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn since_tells_what_changed_and_every_change_is_later_than_the_one_before() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let repository = repository(&github);
    let numbers_before = repository.open_issues((0..3).map(|n| Issue::new(&format!("Issue {n}"))));
    let pull = repository.open_pull_request(PullRequest::new("Change"));
    let comment = repository.comment(1, "alice", "Hello");
    let mut last = repository.issue(1)["updated_at"].as_str().map(str::to_owned);
    assert_eq!(numbers_before, [1, 2, 3]);
    let changes: [(&str, u64, &dyn Fn()); 9] = [
        ("a comment", 2, &|| {
            repository.comment(2, "alice", "Hello");
        }),
        ("an edit of a comment", 1, &|| {
            repository.edit_comment(comment, "Hi");
        }),
        ("a label", 2, &|| repository.label(2, "axon", "alice")),
        ("a label off", 2, &|| repository.unlabel(2, "axon", "alice")),
        ("an edit", 3, &|| repository.edit_body(3, "More")),
        ("a close", 3, &|| repository.close(3, "alice")),
        ("a reopen", 3, &|| repository.reopen(3, "alice")),
        ("a review", pull, &|| {
            repository.review(pull, "alice", ReviewState::Approved, "");
        }),
        ("a push", pull, &|| repository.push(pull, SHA)),
    ];
    for (what, number, change) in changes {
        change();
        let updated = repository.issue(number)["updated_at"].as_str().map(str::to_owned);
        assert!(updated > last, "{what}: {updated:?} is not after {last:?}");
        let since = updated.clone().unwrap_or_default();
        let path = format!("/repos/acme/widgets/issues?state=all&sort=updated&since={since}");
        assert_eq!(numbers(&client.get(&path).await?), [number], "{what}");
        last = updated;
    }
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn issues_are_found_by_label_assignee_creator_and_state() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let repository = repository(&github);
    repository.open_issue(Issue::new("a").label("Bug").label("axon").author("alice"));
    repository.open_issue(Issue::new("b").label("bug").assignee("bob"));
    repository.open_issue(Issue::new("c"));
    repository.open_pull_request(PullRequest::new("d").label("axon").draft());
    repository.close(3, "alice");
    for (query, expected) in [
        ("labels=bug", &[2, 1][..]),
        ("labels=bug,axon", &[1]),
        ("labels=axon", &[4, 1]),
        ("assignee=bob", &[2]),
        ("assignee=none&direction=asc", &[1, 4]),
        ("assignee=*", &[2]),
        ("creator=alice", &[1]),
        ("state=closed", &[3]),
        ("state=all&sort=created&direction=asc", &[1, 2, 3, 4]),
    ] {
        let reply = client.get(&format!("/repos/acme/widgets/issues?{query}")).await?;
        assert_eq!(numbers(&reply), expected, "{query}");
    }
    let pull = client.get("/repos/acme/widgets/issues/4").await?.body;
    assert!(
        pull["pull_request"].is_object() && pull["draft"] == true,
        "{pull}"
    );
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn what_github_does_not_describe_is_refused_and_told() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    repository(&github).open_issue(Issue::new("One"));
    let comments = "/repos/acme/widgets/issues/1/comments";
    let cases: [(Method, &str, Option<Value>, u16, &str); 10] = [
        (
            Method::GET,
            "/repos/acme/widgets/isues",
            None,
            404,
            "no such operation",
        ),
        (Method::PUT, "/user", None, 404, "no such operation"),
        (
            Method::GET,
            "/repos/acme/widgets/issues?status=open",
            None,
            422,
            "`status` is no parameter",
        ),
        (
            Method::GET,
            "/repos/acme/widgets/issues?state=opened",
            None,
            422,
            "`state`",
        ),
        (
            Method::GET,
            "/repos/acme/widgets/issues?per_page=many",
            None,
            422,
            "`per_page`",
        ),
        (
            Method::GET,
            "/repos/acme/widgets/issues?since=yesterday",
            None,
            422,
            "`since`",
        ),
        (
            Method::GET,
            "/repos/acme/widgets/issues/one",
            None,
            422,
            "`issue_number`",
        ),
        (Method::POST, comments, None, 422, "needs a body"),
        (
            Method::POST,
            comments,
            Some(json!({"text": "hello"})),
            422,
            "\"body\" is a required property",
        ),
        (
            Method::POST,
            "/repos/acme/widgets/check-runs",
            Some(json!({"name": "axon", "head_sha": SHA, "status": "done"})),
            422,
            "done",
        ),
    ];
    for (method, path, body, status, told) in cases {
        let reply = client.send(method.clone(), path, body.as_ref()).await?;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
        assert!(reply.body["message"].is_string() && reply.body["documentation_url"].is_string());
        for name in [
            "etag",
            "x-ratelimit-reset",
            "x-github-request-id",
            "x-github-media-type",
        ] {
            assert_ne!(reply.header(name), "", "{method} {path}: {name}");
        }
        let violations = github.take_violations().join("\n");
        assert!(violations.contains(told), "{method} {path}: {violations}");
    }
    assert_eq!(repository(&github).comments(1), Vec::<Value>::new());
    let reply = client.get("/repos/acme/widgets/branches").await?;
    assert_eq!(reply.status, 501);
    assert!(github.violations()[0].contains("the fake does not have `repos/list-branches`"));
    Ok(())
}

#[tokio::test]
async fn a_token_is_good_for_what_it_was_granted() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    repository(&github).open_issue(Issue::new("One"));
    github.create_private_repository("acme/secret");
    github.grant("reader", Access::installation().read_only("issues"));
    github.grant("no-checks", Access::installation().without("checks"));
    github.grant("one", Access::installation().repository(REPOSITORY));
    github.grant("of-mallory", Access::user("mallory"));
    let comment = Some(json!({"body": "hello"}));
    let run = Some(json!({"name": "axon", "head_sha": SHA}));
    let comments = "/repos/acme/widgets/issues/1/comments";
    let runs = "/repos/acme/widgets/check-runs";
    let cases = [
        ("unknown", Method::GET, "/repos/acme/widgets", &None, 401),
        ("reader", Method::GET, comments, &None, 200),
        ("reader", Method::POST, comments, &comment, 403),
        ("no-checks", Method::POST, runs, &run, 403),
        ("one", Method::GET, "/repos/acme/secret", &None, 404),
        ("good", Method::GET, "/repos/acme/secret", &None, 200),
        ("of-mallory", Method::GET, "/repos/acme/secret", &None, 404),
        ("of-mallory", Method::POST, comments, &comment, 201),
        ("of-mallory", Method::POST, runs, &run, 403),
        ("of-mallory", Method::GET, "/repos/acme/widgets/hooks", &None, 404),
        ("good", Method::GET, "/user", &None, 403),
        ("good", Method::GET, "/app", &None, 401),
        ("", Method::GET, "/repos/acme/widgets", &None, 200),
        ("", Method::POST, comments, &comment, 401),
    ];
    for (token, method, path, body, status) in cases {
        let client = client.with_token(token);
        let reply = client.send(method.clone(), path, body.as_ref()).await?;
        assert_eq!(reply.status, status, "{token}: {method} {path}: {}", reply.body);
    }
    github.revoke("good");
    let reply = client.get("/repos/acme/widgets").await?;
    assert_eq!(
        (reply.status, &reply.body["message"]),
        (401, &json!("Bad credentials"))
    );
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn an_app_gets_a_token_for_its_proof_and_nothing_for_another() -> anyhow::Result<()> {
    let (github, _) = github().await?;
    github.create_private_repository("acme/secret");
    let path = "/app/installations/42/access_tokens";
    let asked = json!({"repositories": ["widgets"], "permissions": {"issues": "read", "metadata": "read"}});
    let app = Client::new(github.api_url(), &client::proof("7", 0)?);
    let made = app.send(Method::POST, path, Some(&asked)).await?;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body["permissions"], asked["permissions"]);
    let installation = Client::new(github.api_url(), made.body["token"].as_str().unwrap_or_default());
    assert_eq!(installation.get("/repos/acme/widgets/issues").await?.status, 200);
    assert_eq!(installation.get("/repos/acme/secret").await?.status, 404);
    let run = json!({"name": "axon", "head_sha": SHA});
    let refused = installation
        .send(Method::POST, "/repos/acme/widgets/check-runs", Some(&run))
        .await?;
    assert_eq!(refused.status, 403);
    assert_eq!(app.get("/app").await?.body["slug"], "axon");
    assert_eq!(app.get("/app/hook/deliveries").await?.status, 200);
    for (what, proof) in [
        ("another App", client::proof("8", 0)?),
        ("an old proof", client::proof("7", -3600)?),
        ("one for too long", client::proof("7", 3600)?),
        ("a forged one", format!("{}x", client::proof("7", 0)?)),
        ("none", "good".to_owned()),
    ] {
        let reply = Client::new(github.api_url(), &proof)
            .send(Method::POST, path, None)
            .await?;
        assert_eq!(reply.status, 401, "{what}: {}", reply.body);
    }
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn requests_count_against_the_rate_limit_until_it_is_reset() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let path = "/repos/acme/widgets";
    github.limit_requests(2);
    let first = client.get(path).await?;
    assert_eq!(first.header("x-ratelimit-limit"), "2");
    assert_eq!(first.header("x-ratelimit-remaining"), "1");
    assert_eq!(first.header("x-ratelimit-used"), "1");
    assert_eq!(first.header("x-ratelimit-resource"), "core");
    assert_eq!(client.get("/rate_limit").await?.body["rate"]["remaining"], 1);
    assert_eq!(client.get(path).await?.status, 200);
    let refused = client.get(path).await?;
    assert_eq!(
        (refused.status, refused.header("x-ratelimit-remaining")),
        (403, "0")
    );
    github.limit_requests(5000);
    assert_eq!(client.get(path).await?.status, 200);
    let reset = Timestamp::from_second(Timestamp::now().as_second())? + SignedDuration::from_hours(1);
    github.exhaust_rate_limit(reset);
    let refused = client.get(path).await?;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("x-ratelimit-reset"), reset.as_second().to_string());
    github.exhaust_rate_limit(Timestamp::now() - SignedDuration::from_secs(1));
    assert_eq!(client.get(path).await?.status, 200);
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn faults_meet_the_requests_that_they_are_for_and_no_more() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let path = "/repos/acme/widgets/issues";
    github.fail(Fault::secondary_rate_limit(7).on(Method::GET, "/issues"));
    github.fail(
        Fault::status(502)
            .body(json!("<html>"))
            .header("x-ratelimit-remaining", "0")
            .times(2),
    );
    let bad = client.get("/rate_limit").await?;
    assert_eq!((bad.status, bad.header("x-ratelimit-remaining")), (502, "0"));
    let limited = client.get(path).await?;
    assert_eq!((limited.status, limited.header("retry-after")), (403, "7"));
    assert_eq!(client.get(path).await?.status, 502);
    assert_eq!(client.get(path).await?.status, 200);
    github.fail(Fault::close());
    assert!(client.get(path).await.is_err());
    let by = Duration::from_millis(300);
    github.fail(Fault::slow(by));
    let start = Instant::now();
    assert_eq!(client.get(path).await?.status, 200);
    assert!(start.elapsed() >= by);
    github.fail(Fault::status(401).from_now_on());
    for _ in 0..3 {
        assert_eq!(client.get(path).await?.status, 401);
    }
    github.recover();
    assert_eq!(client.get(path).await?.status, 200);
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn every_request_is_recorded_with_what_it_got() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    repository(&github).open_issue(Issue::new("One"));
    client.get("/repos/acme/widgets/issues?state=all").await?;
    github.fail(Fault::close());
    assert!(client.get("/rate_limit").await.is_err());
    let body = json!({"body": "hello"});
    let path = "/api/v3/repos/acme/widgets/issues/1/comments";
    assert_eq!(client.send(Method::POST, path, Some(&body)).await?.status, 201);
    let requests = github.requests();
    let seen: Vec<(&str, u16)> = requests
        .iter()
        .map(|request| (request.path_and_query.as_str(), request.status))
        .collect();
    assert_eq!(
        seen,
        [
            ("/repos/acme/widgets/issues?state=all", 200),
            ("/rate_limit", 0),
            (path, 201)
        ]
    );
    assert_eq!(requests[2].body, body);
    assert_eq!(requests[2].headers["authorization"], "Bearer good");
    assert_eq!(github.count(|request| request.method == Method::POST), 1);
    github.forget_requests();
    assert_eq!(github.requests().len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_thousand_issues_are_opened_at_once_and_none_lies_in_the_future() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let opened = repository(&github).open_issues((0..1000).map(|n| Issue::new(&format!("Issue {n}"))));
    assert_eq!(opened.len(), 1000);
    let newest = repository(&github).issue(1000)["updated_at"]
        .as_str()
        .map(str::parse::<Timestamp>)
        .transpose()?;
    assert!(newest <= Some(Timestamp::now()), "{newest:?}");
    let mut times = BTreeSet::new();
    for page in 1..=10 {
        let path = format!("/repos/acme/widgets/issues?per_page=100&page={page}");
        let reply = client.get(&path).await?;
        let items = reply.body.as_array().map_or(&[][..], Vec::as_slice);
        times.extend(items.iter().map(|item| item["updated_at"].to_string()));
    }
    assert_eq!(times.len(), 1000);
    assert_no_violations(&github);
    Ok(())
}

#[tokio::test]
async fn payloads_of_webhooks_are_as_github_describes_them() -> anyhow::Result<()> {
    let (github, client) = github().await?;
    let (issue, pull, _, _) = furnish(&github, &client).await?;
    let repository = repository(&github);
    let comment = repository.comment(pull, "alice", "/axon");
    let review = repository.review(pull, "alice", ReviewState::Approved, "Good");
    for (event, payload) in [
        ("issues", repository.issue_payload("opened", issue, "alice")),
        ("issues", repository.issue_payload("closed", issue, "alice")),
        ("issues", repository.issue_labeled_payload(issue, "axon", "alice")),
        ("issue_comment", repository.issue_comment_payload(pull, comment)),
        (
            "pull_request",
            repository.pull_request_payload("opened", pull, "dave"),
        ),
        (
            "pull_request",
            repository.pull_request_payload("synchronize", pull, "dave"),
        ),
        (
            "pull_request",
            repository.pull_request_labeled_payload(pull, "axon", "alice"),
        ),
        ("pull_request_review", repository.review_payload(pull, review)),
    ] {
        let faults = github.payload_faults(event, &payload);
        assert_eq!(faults, Vec::<String>::new(), "{event}, {}", payload["action"]);
    }
    let mut wrong = repository.issue_payload("opened", issue, "alice");
    wrong["issue"]["number"] = "one".into();
    assert_ne!(github.payload_faults("issues", &wrong), Vec::<String>::new());
    assert_eq!(github.example("issue_comment", "created")?["action"], "created");
    assert!(github.example("push", "")?["commits"].is_array());
    Ok(())
}
