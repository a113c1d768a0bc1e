//! The hub against a server that answers as GitHub does: pages, tags, limits, redirects.

#![cfg(feature = "github")]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axon_api::sources::Fetched;
use axon_operator::forge::{Ask, Heard, Hub, Wanted, What};
use axon_operator::github_app::GitHub;
use axon_operator::key::Key;
use axon_operator::metrics::Metrics;
use axon_sources::Cause;
use axon_sources::comment_policy::{CommentPolicy, Permission};
use axon_sources::github::issues::GitHubIssues;
use axon_sources::github::pull_requests::{GitHubPullRequests, ReviewState};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::service_fn;

/// How long something may take that does not take long.
const PATIENCE: Duration = Duration::from_secs(20);
const PAGE: usize = 100;

/// What the server knows, and what it was asked.
#[derive(Default)]
struct Repository {
    issues: BTreeMap<u64, Value>,
    /// Answers to other paths.
    answers: BTreeMap<String, Value>,
    /// What everything is answered instead, with its headers.
    instead: Option<(u16, Vec<(&'static str, String)>)>,
    token: Option<&'static str>,
    asked: Vec<(String, u16)>,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Repository>>);

impl Fake {
    fn lock(&self) -> MutexGuard<'_, Repository> {
        self.0.lock().expect("no panic")
    }

    fn count(&self, part: &str) -> usize {
        let repository = self.lock();
        repository
            .asked
            .iter()
            .filter(|(path, _)| path.contains(part))
            .count()
    }

    fn put(&self, issue: Value) {
        let number = issue["number"].as_u64().expect("a number");
        self.lock().issues.insert(number, issue);
    }

    fn answer(&self, path: &str, value: Value) {
        self.lock().answers.insert(path.to_owned(), value);
    }
}

fn issue(number: u64, updated: u64, labels: &[&str]) -> Value {
    let labels: Vec<Value> = labels.iter().map(|label| json!({ "name": label })).collect();
    json!({
        "number": number, "title": "a title", "state": "open", "labels": labels, "body": "a text",
        "user": { "login": "grace", "type": "User" }, "assignees": [],
        "html_url": format!("https://github.com/org/repo/issues/{number}"),
        "created_at": "2026-01-01T00:00:00Z", "updated_at": format!("2026-01-02T00:{:02}:{:02}Z", updated / 60, updated % 60),
    })
}

fn pull(number: u64, updated: u64) -> Value {
    let mut pull = issue(number, updated, &[]);
    pull["pull_request"] = json!({});
    pull["draft"] = json!(false);
    pull
}

/// Starts the server; answers with the URL of the repository.
async fn serve(fake: &Fake) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().fallback(answer).with_state(fake.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/org/repo")
}

type Answered = (StatusCode, HeaderMap, String);

async fn answer(State(fake): State<Fake>, uri: Uri, headers: HeaderMap) -> Answered {
    let mut repository = fake.lock();
    let (status, sent, body) = repository.answer(&uri, &headers);
    repository.asked.push((uri.to_string(), status));
    let sent = sent
        .into_iter()
        .map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, http::HeaderValue::from_str(&value).expect("a value"))
        })
        .collect();
    (
        StatusCode::from_u16(status).expect("a status"),
        sent,
        body.to_string(),
    )
}

impl Repository {
    fn answer(&self, uri: &Uri, headers: &HeaderMap) -> (u16, Vec<(&'static str, String)>, Value) {
        if let Some((status, headers)) = &self.instead {
            return (*status, headers.clone(), json!({ "message": "not now" }));
        }
        if let Some(token) = self.token {
            let given = headers
                .get("authorization")
                .map(|value| value.to_str().expect("text"));
            if given != Some(&format!("Bearer {token}")) {
                return (401, vec![], json!({ "message": "Bad credentials" }));
            }
        }
        let path = uri.path().strip_prefix("/api/v3").unwrap_or(uri.path());
        if let Some(answer) = self.answers.get(path) {
            return (200, vec![], answer.clone());
        }
        if path == "/repos/org/old/issues" {
            let query = uri.query().unwrap_or_default();
            return (
                301,
                vec![("location", format!("/api/v3/repos/org/repo/issues?{query}"))],
                json!({}),
            );
        }
        if path == "/repos/org/repo/issues" {
            return self.list(uri.query().unwrap_or_default(), headers);
        }
        let number = path
            .strip_prefix("/repos/org/repo/issues/")
            .and_then(|number| number.parse().ok());
        match number.and_then(|number: u64| self.issues.get(&number)) {
            Some(issue) => (200, vec![], issue.clone()),
            None => (404, vec![], json!({ "message": "Not Found" })),
        }
    }

    fn list(&self, query: &str, headers: &HeaderMap) -> (u16, Vec<(&'static str, String)>, Value) {
        let get = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.replace("%3A", ":"))
        };
        let is_open_only = get("state").as_deref() == Some("open");
        let since = get("since").unwrap_or_default();
        let mut issues: Vec<&Value> = self
            .issues
            .values()
            .filter(|issue| !is_open_only || issue["state"] == "open")
            .filter(|issue| issue["updated_at"].as_str().expect("a time") >= since.as_str())
            .collect();
        issues.sort_by_key(|issue| std::cmp::Reverse(issue["updated_at"].as_str()));
        let page: usize = get("page").map_or(1, |page| page.parse().expect("a page"));
        let pages = issues.len().div_ceil(PAGE);
        let body: Vec<&Value> = issues.into_iter().skip((page - 1) * PAGE).take(PAGE).collect();
        let body = json!(body);
        let tag = format!(
            "\"{:x}\"",
            body.to_string()
                .bytes()
                .fold(7u64, |sum, byte| sum.wrapping_mul(31) + u64::from(byte))
        );
        if headers.get("if-none-match").is_some_and(|given| *given == tag) {
            return (304, vec![("etag", tag)], Value::Null);
        }
        let mut sent = vec![("etag", tag)];
        if page < pages {
            let next = page + 1;
            let query = query.split("&page=").next().unwrap_or_default();
            sent.push((
                "link",
                format!("<https://elsewhere.example.com/x?{query}&page={next}>; rel=\"next\""),
            ));
        }
        (200, sent, body)
    }
}

/// An API server with one Secret.
fn cluster(token: &Arc<Mutex<&'static str>>) -> kube::Client {
    let token = Arc::clone(token);
    let service = service_fn(move |_: Request<Body>| {
        let token = *token.lock().expect("no panic");
        async move {
            let data = [("GITHUB_TOKEN", k8s_openapi::ByteString(token.as_bytes().to_vec()))];
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "github", "namespace": "default" },
                "data": data.into_iter().collect::<BTreeMap<_, _>>(),
            });
            let body = Body::from(secret.to_string().into_bytes());
            Ok::<_, Infallible>(Response::new(body))
        }
    });
    kube::Client::new(service, "default")
}

struct Running {
    hub: Hub,
    woken: Arc<Notify>,
    token: Arc<Mutex<&'static str>>,
    url: String,
    fake: Fake,
}

async fn running(fake: Fake) -> Running {
    let url = serve(&fake).await;
    let woken = Arc::new(Notify::new());
    let token = Arc::new(Mutex::new("good"));
    let wake = Arc::clone(&woken);
    let hub = Hub::new(
        cluster(&token),
        None,
        GitHub::default(),
        Metrics::default(),
        Arc::new(move |_: &Key| wake.notify_one()),
    );
    let hub = hub.with_floor(Duration::from_millis(20));
    tokio::spawn(hub.clone().run());
    Running {
        hub,
        woken,
        token,
        url,
        fake,
    }
}

fn spawner(name: &str) -> Key {
    Key::new("default", name)
}

impl Running {
    fn subscribe(&self, name: &str, what: What) {
        let ask = Ask {
            repository: self.url.clone(),
            secret: None,
            what,
            interval: Duration::from_millis(50),
            wanted: Wanted::default(),
        };
        self.hub.subscribe(&spawner(name), ask);
    }

    /// What a spawner has heard once it is as expected. Only waits to be woken, so that a change of
    /// which nobody is told is never seen.
    async fn heard(&self, name: &str, is_expected: impl Fn(&Heard) -> bool) -> Heard {
        let wait = async {
            loop {
                let heard = self.hub.heard(&spawner(name), std::iter::empty());
                if is_expected(&heard) {
                    return heard;
                }
                self.woken.notified().await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, wait).await;
        heard.unwrap_or_else(|_| panic!("{:?}", self.hub.heard(&spawner(name), std::iter::empty())))
    }

    /// Waits until the server was asked so often for what has this in its address.
    async fn asked(&self, part: &str, times: usize) {
        let wait = async {
            while self.fake.count(part) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, wait).await.is_ok(),
            "{:?}",
            self.fake.lock().asked
        );
    }
}

fn keys(heard: &Heard) -> Vec<&str> {
    heard
        .candidates
        .iter()
        .map(|candidate| candidate.key.as_str())
        .collect()
}

fn has(expected: &[&str]) -> impl Fn(&Heard) -> bool {
    move |heard| heard.heard.is_some() && keys(heard) == expected
}

fn any_issue() -> What {
    What::Issues(GitHubIssues::default())
}

fn labelled(label: &str) -> What {
    What::Issues(GitHubIssues {
        labels: vec![label.to_owned()],
        ..GitHubIssues::default()
    })
}

#[tokio::test]
async fn a_quiet_poll_for_ten_spawners_of_a_hundred_issues_is_one_request_that_is_answered_304() {
    let fake = Fake::default();
    (1..=100).for_each(|number| fake.put(issue(number, number, &["bug"])));
    let running = running(fake).await;
    for number in 0..10 {
        running.subscribe(&format!("spawner-{number}"), labelled("bug"));
    }
    for number in 0..10 {
        let name = format!("spawner-{number}");
        let heard = running.heard(&name, |heard| heard.candidates.len() == 100).await;
        assert!(heard.absence_counts);
    }
    // One full listing, one question without a tag, and from then on questions with it.
    running.asked("issues?", 12).await;
    let asked = running.fake.lock().asked.clone();
    assert!(asked.iter().all(|(url, _)| url.contains("/issues?")), "{asked:?}");
    let statuses: Vec<u16> = asked.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses[..2], [200, 200], "{asked:?}");
    assert!(statuses[2..].iter().all(|status| *status == 304), "{asked:?}");
}

#[tokio::test]
async fn a_quiet_poll_of_a_repository_without_issues_is_answered_304_too() {
    let running = running(Fake::default()).await;
    running.subscribe("a", any_issue());
    running.heard("a", has(&[])).await;
    running.asked("issues?", 6).await;
    let asked = running.fake.lock().asked.clone();
    assert!(asked[2..].iter().all(|(_, status)| *status == 304), "{asked:?}");
}

#[tokio::test]
async fn what_changes_is_heard_of_and_what_is_closed_is_no_longer_open() {
    let fake = Fake::default();
    fake.put(issue(1, 1, &["bug"]));
    fake.put(issue(2, 2, &[]));
    let running = running(fake).await;
    running.subscribe("a", labelled("bug"));
    running.heard("a", has(&["issue-1"])).await;
    running.fake.put(issue(2, 3, &["bug"]));
    running.heard("a", has(&["issue-1", "issue-2"])).await;
    let open = running
        .hub
        .heard(&spawner("a"), ["issue-1", "issue-9"].into_iter())
        .open;
    assert_eq!(open.into_iter().collect::<Vec<_>>(), ["issue-1"]);
    let mut closed = issue(1, 4, &["bug"]);
    closed["state"] = json!("closed");
    running.fake.put(closed);
    running.heard("a", has(&["issue-2"])).await;
    assert!(
        running
            .hub
            .heard(&spawner("a"), ["issue-1"].into_iter())
            .open
            .is_empty()
    );
}

#[tokio::test]
async fn candidates_are_the_same_allocation_while_nothing_has_changed() {
    let fake = Fake::default();
    fake.put(issue(1, 1, &[]));
    let running = running(fake).await;
    running.subscribe("a", any_issue());
    let before = running.heard("a", has(&["issue-1"])).await;
    running.asked("issues?", 5).await;
    let after = running.hub.heard(&spawner("a"), std::iter::empty());
    assert!(Arc::ptr_eq(&before.candidates, &after.candidates));
}

#[tokio::test]
async fn every_page_is_read_from_the_server_that_was_asked() {
    let fake = Fake::default();
    (1..=250).for_each(|number| fake.put(issue(number, number, &[])));
    let running = running(fake).await;
    running.subscribe("a", any_issue());
    let heard = running.heard("a", |heard| heard.candidates.len() == 250).await;
    assert!(heard.absence_counts);
    assert_eq!(running.fake.count("page=3"), 1);
}

#[tokio::test]
async fn a_command_counts_when_its_author_may_give_it_and_is_looked_for_once_for_each_change() {
    let fake = Fake::default();
    for number in [1, 2] {
        fake.put(issue(number, number, &[]));
    }
    for (number, author) in [(1, "grace"), (2, "eve")] {
        let comment = json!([{
            "id": 70 + number, "user": { "login": author, "type": "User" }, "body": "/axon",
            "created_at": "2026-01-02T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z",
        }]);
        fake.answer(&format!("/repos/org/repo/issues/{number}/comments"), comment);
        let role = if author == "grace" { "write" } else { "read" };
        let permission = json!({ "permission": role, "role_name": role });
        fake.answer(
            &format!("/repos/org/repo/collaborators/{author}/permission"),
            permission,
        );
    }
    let running = running(fake).await;
    let policy = CommentPolicy {
        trigger_comment: Some("/axon".to_owned()),
        minimum_permission: Some(Permission::Write),
        ..CommentPolicy::default()
    };
    running.subscribe(
        "a",
        What::Issues(GitHubIssues {
            comment_policy: Some(policy),
            ..GitHubIssues::default()
        }),
    );
    let heard = running.heard("a", |heard| heard.absence_counts).await;
    assert_eq!(keys(&heard), ["issue-1"]);
    assert_eq!(heard.candidates[0].cause, Cause::Command { comment: 71 });
    running.asked("issues?", 6).await;
    assert_eq!(running.fake.count("/comments"), 2);
    assert_eq!(running.fake.count("/permission"), 2);
}

#[tokio::test]
async fn a_permission_that_cannot_be_found_out_is_no_and_absence_does_not_count() {
    let fake = Fake::default();
    fake.put(issue(1, 1, &[]));
    let comment = json!([{
        "id": 70, "user": { "login": "grace", "type": "User" }, "body": "/axon",
        "created_at": "2026-01-02T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z",
    }]);
    fake.answer("/repos/org/repo/issues/1/comments", comment);
    // No answer that anybody understands.
    fake.answer("/repos/org/repo/collaborators/grace/permission", json!("write"));
    let running = running(fake).await;
    let policy = CommentPolicy {
        trigger_comment: Some("/axon".to_owned()),
        minimum_permission: Some(Permission::Write),
        ..CommentPolicy::default()
    };
    running.subscribe(
        "a",
        What::Issues(GitHubIssues {
            comment_policy: Some(policy),
            ..GitHubIssues::default()
        }),
    );
    let heard = running.heard("a", |heard| heard.trouble.is_some()).await;
    assert!(heard.candidates.is_empty() && !heard.absence_counts);
    assert!(heard.trouble.is_some_and(|trouble| trouble.passes));
}

#[tokio::test]
async fn reviews_are_asked_for_only_of_pull_requests_that_pass_the_cheap_filters() {
    let fake = Fake::default();
    fake.put(pull(7, 1));
    fake.put(issue(8, 2, &[]));
    let mut draft = pull(9, 3);
    draft["draft"] = json!(true);
    fake.put(draft);
    fake.answer("/repos/org/repo/pulls/7", json!({
        "head": { "ref": "fix", "sha": "abc", "repo": null }, "base": { "ref": "main", "sha": "def" }, "body": null,
    }));
    fake.answer(
        "/repos/org/repo/pulls/7/reviews",
        json!([{
            "id": 5, "user": { "login": "grace", "type": "User" }, "state": "APPROVED", "body": "",
            "commit_id": "abc", "submitted_at": "2026-01-02T00:00:00Z",
        }]),
    );
    let running = running(fake).await;
    running.subscribe(
        "a",
        What::PullRequests(GitHubPullRequests {
            review_state: Some(ReviewState::Approved),
            draft: Some(false),
            ..GitHubPullRequests::default()
        }),
    );
    let heard = running.heard("a", has(&["pull-7"])).await;
    assert_eq!(heard.candidates[0].cause, Cause::Review { review: 5 });
    assert_eq!(running.fake.count("/pulls/"), 2);
}

#[tokio::test]
async fn a_repository_that_was_renamed_is_followed() {
    let fake = Fake::default();
    fake.put(issue(1, 1, &[]));
    let mut running = running(fake).await;
    running.url = running.url.replace("/org/repo", "/org/old");
    running.subscribe("a", any_issue());
    running.heard("a", has(&["issue-1"])).await;
}

#[tokio::test]
async fn a_rate_limit_slows_the_polls_and_passes() {
    let fake = Fake::default();
    fake.put(issue(1, 1, &[]));
    fake.lock().instead = Some((403, vec![("retry-after", "0".to_owned())]));
    let running = running(fake).await;
    running.subscribe("a", any_issue());
    let heard = running.heard("a", |heard| heard.trouble.is_some()).await;
    let trouble = heard.trouble.expect("trouble");
    assert_eq!((trouble.reason, trouble.passes), ("RateLimited", true));
    assert_eq!(heard.heard, None);
    running.fake.lock().instead = None;
    let heard = running.heard("a", has(&["issue-1"])).await;
    assert_eq!(heard.trouble, None);
}

#[tokio::test]
async fn what_a_person_has_to_mend_is_said_with_what_to_do() {
    for (status, reason, passes) in [
        (401, "Unauthorized", false),
        (403, "Forbidden", false),
        (404, "RepositoryNotFound", false),
        (503, "GitHubUnavailable", true),
        (429, "RateLimited", true),
    ] {
        let fake = Fake::default();
        fake.lock().instead = Some((status, vec![]));
        let running = running(fake).await;
        running.subscribe("a", any_issue());
        let heard = running.heard("a", |heard| heard.trouble.is_some()).await;
        let trouble = heard.trouble.expect("trouble");
        assert_eq!((trouble.reason, trouble.passes), (reason, passes), "{status}");
        assert!(
            passes || trouble.message.contains("\nhint: "),
            "{}",
            trouble.message
        );
    }
}

#[tokio::test]
async fn a_secret_that_was_mended_is_used_at_once_and_is_never_shown() {
    let fake = Fake::default();
    fake.put(issue(1, 1, &[]));
    fake.lock().token = Some("good");
    let running = running(fake).await;
    *running.token.lock().expect("no panic") = "hunter2";
    let ask = Ask {
        repository: running.url.clone(),
        secret: Some("github".to_owned()),
        what: any_issue(),
        interval: Duration::from_hours(1),
        wanted: Wanted::default(),
    };
    running.hub.subscribe(&spawner("a"), ask);
    let heard = running.heard("a", |heard| heard.trouble.is_some()).await;
    let trouble = heard.trouble.expect("trouble");
    assert_eq!(trouble.reason, "Unauthorized");
    assert!(!trouble.message.contains("hunter2"), "{}", trouble.message);
    *running.token.lock().expect("no panic") = "good";
    running.hub.secret_changed("default", "github");
    running.heard("a", has(&["issue-1"])).await;
}

#[tokio::test]
async fn an_item_is_fetched_with_its_text_and_looked_at_again() {
    let fake = Fake::default();
    fake.put(issue(1, 1, &["bug"]));
    let running = running(fake).await;
    running.subscribe("a", labelled("bug"));
    let heard = running.heard("a", has(&["issue-1"])).await;
    let candidate = &heard.candidates[0];
    let fetched = running
        .hub
        .item(&spawner("a"), candidate)
        .await
        .expect("an answer");
    let Fetched::Item(item) = fetched else {
        panic!("{fetched:?}")
    };
    assert_eq!(item.variables["Body"], "a text");
    assert_eq!(running.fake.count("/comments"), 0, "nobody wants them");
    running.fake.put(issue(1, 2, &[]));
    let fetched = running
        .hub
        .item(&spawner("a"), candidate)
        .await
        .expect("an answer");
    assert!(matches!(fetched, Fetched::NoLonger(why) if why.contains("`bug`")));
    running.fake.lock().issues.clear();
    let fetched = running
        .hub
        .item(&spawner("a"), candidate)
        .await
        .expect("an answer");
    assert_eq!(fetched, Fetched::NoLonger("is gone".to_owned()));
}

#[tokio::test]
async fn a_repository_that_is_on_no_server_is_said_to_be_so_at_once() {
    let mut running = running(Fake::default()).await;
    running.url = "file:///srv/repo".to_owned();
    running.subscribe("a", any_issue());
    let heard = running.hub.heard(&spawner("a"), std::iter::empty());
    assert_eq!(heard.trouble.expect("trouble").reason, "NotOnGitHub");
}

#[tokio::test]
async fn a_preview_has_every_item_with_why_it_does_not_match() {
    let fake = Fake::default();
    fake.put(issue(1, 1, &["bug"]));
    fake.put(issue(2, 2, &[]));
    let running = running(fake).await;
    let ask = Ask {
        repository: running.url.clone(),
        secret: None,
        what: labelled("bug"),
        interval: Duration::from_mins(1),
        wanted: Wanted::default(),
    };
    let preview = running.hub.preview("default", &ask).await.expect("an answer");
    let found: Vec<(u64, bool)> = preview
        .iter()
        .map(|previewed| (previewed.issue.number, previewed.item.is_some()))
        .collect();
    assert_eq!(found, [(2, false), (1, true)]);
}
