//! A fake of GitHub: its REST API as far as Axon uses it, and its webhooks, over real HTTP.
//!
//! What it is: a server whose state a test scripts in Rust, as people and bots change a repository.
//!
//! ```no_run
//! use axon_e2e::github::{Access, Fault, GitHub, Issue};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let github = GitHub::start(std::net::Ipv4Addr::LOCALHOST.into()).await?;
//! github.grant("a-token", Access::installation());
//! let repository = github.create_repository("acme/widgets");
//! let number = repository.open_issue(Issue::new("The door squeaks").body("Oil it"));
//! repository.label(number, "axon", "alice");
//! github.fail(Fault::secondary_rate_limit(60));
//! // ... what is tested polls `github.api_url()` meanwhile ...
//! assert_eq!(github.violations(), Vec::<String>::new());
//! # Ok(())
//! # }
//! ```
//!
//! Why it can be believed: GitHub's own description of its API, from npm, is asked twice for each
//! request. What is sent must be as described: a path, a parameter or a body that is not gets
//! GitHub's refusal and is a [violation](GitHub::violations). What the fake answers must be too,
//! so that it cannot lie about the shape of an object; that is a violation as well. Every test
//! ends with a look at the violations.
//!
//! What it does not do: GraphQL, search, HTTPS, and every operation that is not in `calls`, which
//! answers 501 and is a violation. Nothing happens by itself: a change sends no webhook until the
//! test delivers one.
//!
//! Where to add what: an operation is one entry in `calls/mod.rs`, a function in the file of its
//! group, and how its objects look in `objects/`; a change of state is in `changes.rs`, and how a
//! test says it in `repository.rs`.
//!
//! The packages are pinned in `e2e/github/package.json`; they are installed once below
//! `~/.cache/axon-e2e`.

mod access;
mod answer;
mod calls;
mod changes;
mod clock;
mod description;
mod faults;
mod git;
mod hooks;
mod jwt;
mod limits;
mod model;
mod new;
mod objects;
mod packages;
mod payloads;
mod repository;
mod schema;
mod server;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::access::{Access, App};
pub use self::faults::Fault;
pub use self::hooks::{Delivery, HookId};
pub use self::new::{ChangedFile, Issue, PullRequest, ReviewState, Role};
pub use self::repository::Repository;

use self::model::{RepositoryState, State};
use self::packages::Reference;

/// The running fake. It ends when this is dropped.
#[derive(Debug)]
pub struct GitHub {
    url: String,
    shared: Arc<Shared>,
    server: JoinHandle<std::convert::Infallible>,
}

/// A request that came, and what it got.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub method: Method,
    /// As it was sent.
    pub path_and_query: String,
    /// 0 when the connection was closed instead.
    pub status: u16,
    /// Those that say something of the client, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// `null` when there was none.
    pub body: Value,
}

/// What the server and the test both hold.
#[derive(Debug)]
struct Shared {
    /// Where it listens, and with it all servers of a test.
    address: IpAddr,
    reference: Arc<Reference>,
    state: Mutex<State>,
    faults: Mutex<Vec<Fault>>,
    recorded: Mutex<Vec<Recorded>>,
    violations: Mutex<Vec<String>>,
}

impl GitHub {
    /// Listens on a free port of `address`. The first start on a machine installs GitHub's
    /// description of its API with npm.
    pub async fn start(address: IpAddr) -> anyhow::Result<Self> {
        let reference = packages::reference().await?;
        let listener = TcpListener::bind((address, 0))
            .await
            .with_context(|| format!("failed to listen on `{address}`"))?;
        let port = listener.local_addr()?.port();
        let url = format!("http://{}", SocketAddr::new(address, port));
        let shared = Arc::new(Shared {
            address,
            reference: Arc::clone(&reference),
            state: Mutex::new(State::new(url.clone(), reference)),
            faults: Mutex::default(),
            recorded: Mutex::default(),
            violations: Mutex::default(),
        });
        let server = tokio::spawn(server::serve(listener, Arc::clone(&shared)));
        Ok(Self { url, shared, server })
    }

    /// Where its API is, as `https://api.github.com` is GitHub's. It is below `/api/v3` too, where
    /// GitHub Enterprise Server has it.
    pub fn api_url(&self) -> &str {
        &self.url
    }

    /// The URL of a repository for people. It can be cloned when it has a git ([`Repository::serve_git`]).
    pub fn repository_url(&self, full_name: &str) -> String {
        format!("{}/{full_name}", self.url)
    }

    /// Makes a public repository.
    pub fn create_repository<'a>(&'a self, full_name: &'a str) -> Repository<'a> {
        self.create(full_name, "public")
    }

    /// Makes a repository that only those see who have a role in it, and the App.
    pub fn create_private_repository<'a>(&'a self, full_name: &'a str) -> Repository<'a> {
        self.create(full_name, "private")
    }

    /// A repository that was made.
    pub fn repository<'a>(&'a self, full_name: &'a str) -> Repository<'a> {
        Repository {
            github: self,
            full_name,
        }
    }

    /// Puts someone into a team of an organization, as in `acme` and `reviewers`.
    pub fn add_team_member(&self, organization: &str, slug: &str, login: &str) {
        let team = (organization.to_owned(), slug.to_owned());
        let mut state = self.state();
        let members = state.teams.entry(team).or_default();
        members.insert(login.to_owned(), Role::Write);
    }

    /// Puts someone out of a team.
    pub fn remove_team_member(&self, organization: &str, slug: &str, login: &str) {
        let team = (organization.to_owned(), slug.to_owned());
        if let Some(members) = self.state().teams.get_mut(&team) {
            members.remove(login);
        }
    }

    /// Replaces the App; the default has the key of the operator's tests.
    pub fn set_app(&self, app: App) {
        self.state().app = app;
    }

    /// Makes a token good for something. Every other token is refused with 401.
    pub fn grant(&self, token: &str, access: Access) {
        self.state().tokens.grant(token, access);
    }

    /// Makes a token good for nothing from now on.
    pub fn revoke(&self, token: &str) {
        self.state().tokens.revoke(token);
    }

    /// Asks for a fault of the next requests that it matches. Several are met in the order in
    /// which they were asked for.
    pub fn fail(&self, fault: Fault) {
        self.shared.faults().push(fault);
    }

    /// Ends all faults.
    pub fn recover(&self) {
        self.shared.faults().clear();
    }

    /// Lets each credential make this many requests in an hour; those it has made count.
    pub fn limit_requests(&self, per_hour: u64) {
        self.state().limits.allow(per_hour);
    }

    /// The primary rate limit of every credential is exhausted until a time.
    pub fn exhaust_rate_limit(&self, until: Timestamp) {
        self.state().limits.exhaust(until);
    }

    /// All requests, the oldest first, but for those that were forgotten.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.recorded).clone()
    }

    /// How many of the requests are such.
    pub fn count(&self, is_such: impl Fn(&Recorded) -> bool) -> usize {
        let recorded = lock(&self.shared.recorded);
        recorded.iter().filter(|request| is_such(request)).count()
    }

    pub fn forget_requests(&self) {
        lock(&self.shared.recorded).clear();
    }

    /// What was sent, or answered, and is not as GitHub describes it, with method and path.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.shared.violations).clone()
    }

    /// As [`Self::violations`], each of them told once.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.violations))
    }

    /// Makes a hook of the App, whose deliveries are below `/app/hook/deliveries`.
    pub fn create_app_hook(&self, url: &str, secret: &str) -> HookId {
        self.state().create_hook(None, url, secret, &["*"])
    }

    /// Sends a webhook, signed with `secret`, and waits for the answer; a failure is a delivery
    /// with another status. It goes through the hook with this URL and secret of the repository in
    /// the payload, or of the App when the fake has no such repository; the hook is made when it
    /// is not there.
    pub async fn deliver(&self, url: &str, secret: &str, event: &str, payload: &Value) -> Delivery {
        let hook = self.state().hook_for(url, secret, event, payload);
        self.send(hook, event, payload, None).await
    }

    /// As [`Self::deliver`], under a guid that was delivered before: a redelivery.
    pub async fn deliver_again(
        &self,
        guid: &str,
        url: &str,
        secret: &str,
        event: &str,
        payload: &Value,
    ) -> Delivery {
        let hook = self.state().hook_for(url, secret, event, payload);
        self.send(hook, event, payload, Some(guid.to_owned())).await
    }

    /// All deliveries of all hooks, the oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let state = self.state();
        let made = state.hooks.values().flat_map(|hook| &hook.deliveries);
        let mut all: Vec<Delivery> = made.map(|made| made.delivery.clone()).collect();
        all.sort_by_key(|delivery| delivery.id);
        all
    }

    /// GitHub's example of the payload of a webhook; `action` is empty for an event that has none,
    /// as `push`. An error when GitHub has none.
    pub fn example(&self, event: &str, action: &str) -> anyhow::Result<Value> {
        let example = self.shared.reference.example(event, action).cloned();
        example.with_context(|| format!("failed to find an example of event `{event}`, action `{action}`"))
    }

    /// What in a payload is not as GitHub describes it.
    pub fn payload_faults(&self, event: &str, payload: &Value) -> Vec<String> {
        self.shared.reference.description.payload_faults(event, payload)
    }

    async fn send(&self, hook: HookId, event: &str, payload: &Value, guid: Option<String>) -> Delivery {
        let outgoing = self.state().prepare(hook, event, payload, guid);
        let delivered = outgoing.send().await;
        self.state().remember(delivered)
    }

    fn create<'a>(&'a self, full_name: &'a str, visibility: &str) -> Repository<'a> {
        let (owner, name) = full_name
            .split_once('/')
            .unwrap_or_else(|| panic!("`{full_name}` is no full name of a repository"));
        let mut state = self.state();
        let id = state.next_id();
        let json = objects::repository(&state, id, owner, name, visibility)
            .unwrap_or_else(|error| panic!("failed to make repository `{full_name}`: {error:#}"));
        let made = RepositoryState {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            private: visibility == "private",
            json,
            roles: BTreeMap::new(),
            items: BTreeMap::new(),
            check_runs: Vec::new(),
            git: None,
        };
        state.repositories.insert(full_name.to_lowercase(), made);
        drop(state);
        self.repository(full_name)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for GitHub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        lock(&self.faults)
    }

    fn record(&self, recorded: Recorded) {
        lock(&self.recorded).push(recorded);
    }

    fn violation(&self, method: &Method, path: &str, what: &str) {
        lock(&self.violations).push(format!("{method} {path}: {what}"));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
