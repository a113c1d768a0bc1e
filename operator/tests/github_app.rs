//! Tokens of GitHub Apps, made by a server that checks what it is asked as GitHub does.

#[path = "../src/testing.rs"]
mod testing;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axon_api::{Task, TaskSpec, TaskStatus};
use axon_operator::apply::{Applied, Applier, ApplyError, LeaseHome, Obstacle};
use axon_operator::github_app::{App, GitHub, MintError, Token};
use axon_operator::metrics::Metrics;
use axon_operator::notices::notices;
use axon_plan::Step;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use self::testing::{Sent, failure, server};

const PKCS1: &str = include_str!("keys/pkcs1.pem");
const PKCS8: &str = include_str!("keys/pkcs8.pem");
const ELLIPTIC: &str = include_str!("keys/elliptic.pem");
const PUBLIC: &[u8] = include_bytes!("keys/public.der");

/// What the server was asked: path and body.
type Questions = Arc<Mutex<Vec<(String, Value)>>>;

#[derive(Clone)]
struct Fake {
    answer: (u16, Value),
    asked: Questions,
}

/// A server that gives this answer to a request that proves to be of App 7. Answers with where it
/// is and what it will have been asked.
async fn github(status: u16, answer: Value) -> (String, Questions) {
    let fake = Fake {
        answer: (status, answer),
        asked: Questions::default(),
    };
    let asked = Arc::clone(&fake.asked);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().fallback(serve).with_state(fake);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), asked)
}

async fn serve(State(fake): State<Fake>, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    fake.asked
        .lock()
        .expect("no panic")
        .push((uri.path().to_owned(), body));
    if let Err(why) = check(&headers) {
        return (StatusCode::UNAUTHORIZED, json!({ "message": why }).to_string());
    }
    let (status, answer) = fake.answer;
    let status = StatusCode::from_u16(status).expect("a status");
    (status, answer.to_string())
}

/// Checks the proof as GitHub does: signature, issuer, and times.
fn check(headers: &HeaderMap) -> Result<(), &'static str> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let jwt = authorization
        .and_then(|text| text.strip_prefix("Bearer "))
        .ok_or("no proof")?;
    let (signed, signature) = jwt.rsplit_once('.').ok_or("no signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "no signature")?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, PUBLIC)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| "a wrong signature")?;
    let (header, claims) = signed.split_once('.').ok_or("no claims")?;
    let read =
        |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    if read(header) != Some(json!({ "alg": "RS256", "typ": "JWT" })) {
        return Err("another algorithm");
    }
    let claims = read(claims).ok_or("no claims")?;
    let now = Timestamp::now().as_second();
    let time = |name: &str| claims[name].as_i64().unwrap_or_default();
    if claims["iss"] != "7" {
        return Err("another issuer");
    }
    if time("iat") > now || time("exp") <= now || time("exp") - time("iat") > 600 {
        return Err("a wrong time");
    }
    Ok(())
}

fn secret(key: &str) -> BTreeMap<String, ByteString> {
    let pairs = [("appID", "7\n"), ("installationID", "42"), ("privateKey", key)];
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), ByteString(value.as_bytes().to_vec())))
        .collect()
}

fn app(key: &str) -> App {
    App::read(&secret(key)).unwrap_or_else(|why| panic!("{why}"))
}

fn made() -> Value {
    json!({ "token": "ghs_made", "expires_at": "2026-01-02T03:04:05Z", "permissions": {} })
}

/// What comes of asking a server that gives this answer.
async fn ask(status: u16, answer: Value) -> Result<Token, MintError> {
    let (url, _) = github(status, answer).await;
    let github = GitHub::default();
    github.token(&app(PKCS8), &format!("{url}/org/repo.git")).await
}

#[tokio::test]
async fn a_token_is_made_for_the_one_repository_with_a_key_of_either_form() {
    for key in [PKCS1, PKCS8] {
        let (url, asked) = github(201, made()).await;
        let token = GitHub::default()
            .token(&app(key), &format!("{url}/org/repo.git"))
            .await;
        let token = token.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(token.value, "ghs_made");
        assert_eq!(token.expires.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(
            *asked.lock().expect("no panic"),
            [(
                "/api/v3/app/installations/42/access_tokens".to_owned(),
                json!({ "repositories": ["repo"] })
            )]
        );
    }
}

#[tokio::test]
async fn another_api_is_asked_when_the_operator_was_told_so() {
    let (url, asked) = github(201, made()).await;
    let github = GitHub::new(Some(format!("{url}/base/")));
    let token = github.token(&app(PKCS8), "git@github.com:org/repo.git").await;
    assert!(token.is_ok());
    let asked = asked.lock().expect("no panic");
    assert_eq!(asked[0].0, "/base/app/installations/42/access_tokens");
}

#[tokio::test]
async fn a_refusal_is_told_with_what_github_says() {
    for status in [401, 403, 404, 422] {
        let answer = ask(status, json!({ "message": "Not you" })).await;
        let Err(MintError::Refused(why)) = answer else {
            panic!("{status} is not refused")
        };
        assert!(why.ends_with(&format!("it answered {status}: Not you")), "{why}");
    }
}

#[tokio::test]
async fn a_server_in_trouble_and_one_that_is_not_there_are_asked_again() {
    for status in [500, 502, 503, 429] {
        let answer = ask(status, json!({ "message": "later" })).await;
        assert!(matches!(answer, Err(MintError::Trouble { .. })), "{status}");
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("http://{address}/org/repo");
    let answer = GitHub::default().token(&app(PKCS8), &url).await;
    let error = answer.err().expect("an error");
    assert!(matches!(error, MintError::Trouble { .. }), "{error}");
}

#[tokio::test]
async fn no_token_is_made_for_what_is_on_no_server() {
    let answer = GitHub::default().token(&app(PKCS8), "file:///srv/repo").await;
    assert!(matches!(answer, Err(MintError::Refused(why)) if why.contains("file:///srv/repo")));
}

#[test]
fn a_key_of_another_kind_is_refused_and_never_shown() {
    let lines: Vec<&str> = PKCS8.lines().collect();
    let broken = lines[..lines.len() / 2].join("\n");
    for key in [ELLIPTIC, "hunter2", &broken] {
        let why = App::read(&secret(key)).err().expect("an error");
        assert!(why.contains("`privateKey`"), "{why}");
        let shown = key.lines().filter(|line| why.contains(line));
        assert_eq!(shown.count(), 0, "{why}");
    }
}

/// What making a token comes to when GitHub gives this answer and the API server, after the App's
/// Secret, these; and what the API server was asked after that.
async fn make_token(
    github_answer: (u16, Value),
    answers: Vec<(u16, Value)>,
) -> (Result<Applied, ApplyError>, Vec<Sent>) {
    make_token_with("all", github_answer, answers).await
}

/// The same of an operator that may read the listed Secrets of users.
async fn make_token_with(
    listed: &str,
    github_answer: (u16, Value),
    answers: Vec<(u16, Value)>,
) -> (Result<Applied, ApplyError>, Vec<Sent>) {
    let (url, _) = github(github_answer.0, github_answer.1).await;
    let app = Secret {
        metadata: ObjectMeta::default(),
        data: Some(secret(PKCS8)),
        ..Secret::default()
    };
    let app = serde_json::to_value(app).expect("JSON");
    let (client, asked) = server([vec![(200, app)], answers].concat());
    let (notices, _) = notices(client.clone(), "test".to_owned());
    let applier = Applier {
        client,
        world: Arc::default(),
        queue: Arc::default(),
        notices,
        metrics: Metrics::default(),
        github: GitHub::default(),
        leases: LeaseHome::default(),
        secrets: Arc::new(listed.parse().expect("a list")),
    };
    let mut task = Task::new("fix", TaskSpec::default());
    task.metadata.namespace = Some("default".to_owned());
    task.metadata.uid = Some("task-uid".to_owned());
    let step = Step::MakeToken {
        secret: "fix-token".to_owned(),
        app_secret: "app".to_owned(),
        repository: format!("{url}/org/repo.git"),
    };
    let result = applier.apply(&task, &TaskStatus::default(), &step).await;
    let asked = std::mem::take(&mut *asked.lock().expect("no panic"));
    (result, asked.into_iter().skip(1).collect())
}

/// The Secret with a token, of the Task with this UID.
fn token_secret(task_uid: &str) -> (u16, Value) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": "fix-token", "namespace": "default", "uid": "secret-uid", "resourceVersion": "3",
            "labels": { "axon.io/task-uid": task_uid },
        },
    });
    (200, secret)
}

fn exists() -> (u16, Value) {
    failure(409, "AlreadyExists", "secrets \"fix-token\" already exists")
}

#[tokio::test]
async fn a_token_cannot_be_made_anew_where_the_operator_may_not_read_what_it_has_made() {
    let (applied, sent) = make_token_with("default/app", (201, made()), vec![exists()]).await;
    match applied.expect("no failure") {
        Applied::Refused(Obstacle::Token(why)) => {
            assert!(why.contains("`default/*` in --secrets"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(sent.len(), 1, "it is not read");
}

#[tokio::test]
async fn a_token_is_kept_in_a_secret_of_the_task_with_its_end() {
    let (applied, sent) = make_token((201, made()), vec![token_secret("task-uid")]).await;
    assert_eq!(applied.expect("no failure"), Applied::Done);
    let [Sent { method, path, body }] = &sent[..] else {
        panic!("{sent:?}")
    };
    assert_eq!(
        (method.as_str(), &**path),
        ("POST", "/api/v1/namespaces/default/secrets")
    );
    // "Z2hzX21hZGU=" is "ghs_made".
    assert_eq!(body["data"], json!({ "GITHUB_TOKEN": "Z2hzX21hZGU=" }));
    let metadata = &body["metadata"];
    assert_eq!(
        metadata["annotations"],
        json!({ "axon.io/token-expires-at": "2026-01-02T03:04:05Z" })
    );
    assert_eq!(metadata["labels"]["axon.io/task-uid"], "task-uid");
    assert_eq!(metadata["ownerReferences"][0]["uid"], "task-uid");
}

#[tokio::test]
async fn a_token_is_put_into_the_secret_that_is_there_and_the_tasks_own() {
    let answers = vec![exists(), token_secret("task-uid"), token_secret("task-uid")];
    let (applied, sent) = make_token((201, made()), answers).await;
    assert_eq!(applied.expect("no failure"), Applied::Done);
    let patch = sent.last().expect("a patch");
    assert_eq!(patch.method.as_str(), "PATCH");
    assert_eq!(patch.body["metadata"]["uid"], "secret-uid");
    assert_eq!(patch.body["data"], json!({ "GITHUB_TOKEN": "Z2hzX21hZGU=" }));
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_as_it_is() {
    let answers = vec![exists(), token_secret("other-uid")];
    let (applied, sent) = make_token((201, made()), answers).await;
    let Applied::Refused(Obstacle::Token(why)) = applied.expect("no failure") else {
        panic!("not refused")
    };
    assert!(why.contains("`fix-token`"), "{why}");
    assert!(sent.iter().all(|sent| sent.method.as_str() != "PATCH"));
}

#[tokio::test]
async fn a_token_that_is_not_made_is_an_obstacle_whoever_is_to_blame() {
    for (status, words) in [(404, "Not Found"), (503, "failed to ask `")] {
        let answer = (status, json!({ "message": "Not Found" }));
        let (applied, sent) = make_token(answer, Vec::new()).await;
        let Applied::Refused(Obstacle::Token(why)) = applied.expect("no failure") else {
            panic!("not refused")
        };
        assert!(why.contains(words), "{why}");
        assert!(sent.is_empty());
    }
}
