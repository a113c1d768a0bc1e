//! Asks GitHub on behalf of spawners: one poller for each repository and credential, shared by all
//! spawners that ask there.
//!
//! A poller lists the open issues and pull requests of its repository once, and from then on asks
//! only for what changed since, which costs one request that is answered 304 while nothing has. What
//! it knows is kept without texts ([`mirror`]); a spawner's filters look at what has changed, and
//! only what they need is fetched.

mod book;
mod credentials;
mod mirror;
mod pace;
mod poll;
mod trouble;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axon_api::WorkspaceSpec;
use axon_plan::spawner::Trouble;
use axon_sources::github::client::{Budget, FailureKind, GitHubClient, Look, People, Repository, Wait};
use axon_sources::github::endpoint::Endpoint;
use axon_sources::{Candidate, Cause, Fetched};
use k8s_openapi::jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use axon_sources::github::client::{Found, Previewed, Wanted, What};

pub use self::book::Source;
use self::book::{Begun, Book};
pub use self::credentials::{Credentials, For};
pub(crate) use self::trouble::explain;
use crate::github_app::GitHub;
use crate::key::Key;
use crate::metrics::{GitHubLabels, Metrics};
use crate::queue::{Next, Queue, Urgency};

/// Polls at once, over all repositories.
const AT_ONCE: usize = 8;
/// How long a poll that did not come to its end waits for the next.
const AFTER_PANIC: Duration = Duration::from_secs(10);

/// What a spawner asks GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// URL of the repository that is asked about, in any form that git knows.
    pub repository: String,
    /// Secret of the spawner's namespace with the credential, that of its Workspace; `None` asks as
    /// nobody.
    pub secret: Option<String>,
    /// What is looked for.
    pub what: What,
    /// How often to ask. Those who share a poller get the shortest of theirs. At least 5 seconds.
    pub interval: Duration,
    /// What the templates use.
    pub wanted: Wanted,
}

/// Which repository a source asks about, and with which of the Workspace's secrets. `repo` is the
/// source's own: `owner/name` on the workspace's server, or a URL; without it the workspace's
/// repository is asked about. On another server than the workspace's its credential is not used.
pub fn target(workspace: &str, repo: Option<&str>, secret: Option<&str>) -> (String, Option<String>) {
    let secret = secret.map(str::to_owned);
    let Some(repo) = repo else {
        return (workspace.to_owned(), secret);
    };
    if !repo.contains(':') {
        return (sibling(workspace, repo), secret);
    }
    let api = |url: &str| Endpoint::of(url).map(|endpoint| endpoint.api);
    let is_same = api(repo).is_some() && api(repo) == api(workspace);
    (repo.to_owned(), secret.filter(|_| is_same))
}

/// The URL of the repository `owner/name` on the server of the one at `url`.
fn sibling(url: &str, repository: &str) -> String {
    let scheme = url.find("://").map_or(0, |at| at + "://".len());
    let rest = url.get(scheme..).unwrap_or_default();
    let separator = if scheme == 0 { ':' } else { '/' };
    let server = rest.find(separator).map_or(url.len(), |at| scheme + at);
    let server = url.get(..server).unwrap_or(url);
    format!("{server}{separator}{repository}")
}

/// How long GitHub wants not to be asked.
pub(crate) fn wait_for(wait: Wait, now: Timestamp) -> Duration {
    pace::after_trouble(1, Some(wait), pace::FLOOR, now)
}

/// What a spawner's source has to say, from memory.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// What matches. The same allocation as before when nothing has changed.
    pub candidates: Arc<[Candidate]>,
    /// Of the keys that were asked about, those of items that are open, whether they match or not.
    pub open: BTreeSet<String>,
    /// When GitHub last answered; `None` until every item was looked at once for what the spawner
    /// asks now.
    pub heard: Option<Timestamp>,
    /// Whether an item that is not among the candidates is known not to match. It is not while some
    /// item could not be looked into.
    pub absence_counts: bool,
    /// What is wrong.
    pub trouble: Option<Trouble>,
}

/// What would become of every item, for a preview.
pub type Preview = Vec<Previewed>;

/// Called with a spawner whose source has something new to say.
pub type Wake = Arc<dyn Fn(&Key) + Send + Sync>;

/// Polls repositories. Cheap to clone; clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    github: GitHubClient,
    credentials: Credentials,
    api_url: Option<String>,
    wake: Wake,
    book: Mutex<Book>,
    /// Of pollers, by [`Source::key`](book::Source::key).
    queue: Queue,
}

impl Hub {
    /// A hub that reads Secrets with `client` and asks the API at `api_url`, or that of each
    /// repository's server. To be called within a runtime.
    pub fn new(
        client: kube::Client,
        api_url: Option<String>,
        apps: GitHub,
        metrics: Metrics,
        wake: Wake,
    ) -> Self {
        let agent = concat!("axon-operator/", env!("CARGO_PKG_VERSION"));
        let observer = Arc::new(move |status, resource, budget: Option<Budget>| {
            let labels = GitHubLabels { status, resource };
            metrics.github_requests.get_or_create(&labels).inc();
            if let Some(budget) = budget {
                let remaining = i64::try_from(budget.remaining).unwrap_or(i64::MAX);
                metrics.github_remaining.set(remaining);
            }
        });
        let github = GitHubClient::new(agent).observed(observer);
        let inner = Inner {
            credentials: Credentials::new(client, github.clone(), apps),
            github,
            api_url,
            wake,
            book: Mutex::new(Book::new(pace::FLOOR)),
            queue: Queue::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The same hub, that asks a repository again after this time at the earliest, instead of 5
    /// seconds. Forgets who has subscribed.
    #[must_use]
    pub fn with_floor(self, floor: Duration) -> Self {
        *self.book() = Book::new(floor);
        self
    }

    /// The spawner asks this from now on. Called again with the same, it does nothing.
    pub fn subscribe(&self, spawner: &Key, ask: Ask) {
        let poll = self.book().subscribe(spawner, ask, self.inner.api_url.as_deref());
        if let Some(poller) = poll {
            self.inner.queue.wake(&poller, Urgency::Normal);
        }
    }

    /// The spawner asks nothing any more: it is suspended or gone.
    pub fn unsubscribe(&self, spawner: &Key) {
        self.book().unsubscribe(spawner);
    }

    /// What the spawner's source has to say. `remembered` are keys of items of which it is to be told
    /// whether they are open. Cheap.
    pub fn heard<'a>(&self, spawner: &Key, remembered: impl Iterator<Item = &'a str>) -> Heard {
        self.book().heard(spawner, remembered)
    }

    /// Asks GitHub soon instead of when the interval is over, but not within 5 seconds of the last
    /// time, nor while a rate limit is used up.
    pub fn poll_now(&self, spawner: &Key) {
        let poll = self.book().poll_now(spawner);
        if let Some(poller) = poll {
            self.inner.queue.wake(&poller, Urgency::Urgent);
        }
    }

    /// A Secret is there, gone or another: those who ask with it ask again.
    pub fn secret_changed(&self, namespace: &str, name: &str) {
        self.inner.credentials.forget(namespace, name);
        let pollers = self.book().secret_changed(namespace, name);
        for poller in pollers {
            self.inner.queue.wake(&poller, Urgency::Urgent);
        }
    }

    /// Fetches an item with all that the spawner's templates want, and looks again whether it
    /// matches, unless a person asked for it by name.
    ///
    /// # Errors
    /// When GitHub does not tell.
    pub async fn item(&self, spawner: &Key, candidate: &Candidate) -> Result<Fetched, Trouble> {
        let Some((source, ask)) = self.book().asks(spawner) else {
            return Ok(Fetched::NoLonger("is of a source that is not asked".to_owned()));
        };
        let Some(number) = book::number_of(&candidate.key) else {
            return Ok(Fetched::NoLonger(format!(
                "has the key `{}`, which is none of an issue",
                candidate.key
            )));
        };
        let endpoint = Arc::clone(&source.endpoint);
        let access = self
            .inner
            .credentials
            .access(&source, For::reading(&ask.what))
            .await?;
        let own_login = self.own_login(&source, &ask).await?;
        let repository = self.inner.github.repository(endpoint, access);
        let explain = |failure| trouble::explain(&source, &failure);
        let issue = match repository.issue(number).await {
            Err(failure) if failure.kind == FailureKind::NotFound => {
                return Ok(Fetched::NoLonger("is gone".to_owned()));
            }
            issue => issue.map_err(explain)?,
        };
        let people = People::default();
        let look = Look::at_full(&repository, &people, own_login.as_deref(), &issue);
        if !matches!(candidate.cause, Cause::Manual { .. }) {
            match look.examine(&ask.what).await.map_err(explain)? {
                Found::Match(_) => {}
                Found::NoMatch(why) => return Ok(Fetched::NoLonger(why)),
                Found::Unknown(why) => return Err(trouble::unknown(number, &why)),
            }
        }
        let item = look
            .item(&ask.what, ask.wanted, candidate)
            .await
            .map_err(explain)?;
        Ok(Fetched::Item(Box::new(item)))
    }

    /// What would become of every item, asked now and without the memory of the hub.
    ///
    /// # Errors
    /// When GitHub does not tell.
    pub async fn preview(&self, namespace: &str, ask: &Ask) -> Result<Preview, Trouble> {
        let source = book::Source::of(namespace, ask, self.inner.api_url.as_deref())?;
        let access = self
            .inner
            .credentials
            .access(&source, For::reading(&ask.what))
            .await?;
        let own_login = self.own_login(&source, ask).await?;
        let repository = self.inner.github.repository(Arc::clone(&source.endpoint), access);
        let preview = repository
            .preview(&ask.what, ask.wanted, own_login.as_deref())
            .await;
        preview.map_err(|failure| trouble::explain(&source, &failure))
    }

    /// The repository `owner`/`name` on the server of a workspace of `namespace`, to be asked with the
    /// workspace's credential.
    ///
    /// # Errors
    /// When the workspace's repository is on no server that has GitHub's API.
    pub fn source(
        &self,
        namespace: &str,
        workspace: &WorkspaceSpec,
        owner: &str,
        name: &str,
    ) -> Result<Source, Trouble> {
        Source::beside(namespace, workspace, owner, name, self.inner.api_url.as_deref())
    }

    /// A repository, with a credential that can do what is named.
    ///
    /// # Errors
    /// When there is no credential that could work.
    pub async fn repository(&self, source: &Source, purpose: For) -> Result<Repository, Trouble> {
        let access = self.inner.credentials.access(source, purpose).await?;
        let endpoint = Arc::clone(&source.endpoint);
        Ok(self.inner.github.repository(endpoint, access))
    }

    /// A repository, asked as the App that the credential is of; `None` when it is not of an App.
    ///
    /// # Errors
    /// When there is no credential that could work.
    pub async fn as_app(&self, source: &Source) -> Result<Option<Repository>, Trouble> {
        let proof = self.inner.credentials.app(source).await?;
        let endpoint = Arc::clone(&source.endpoint);
        Ok(proof.map(|proof| self.inner.github.repository(endpoint, proof)))
    }

    /// Credentials for others who ask GitHub, such as those who report to it.
    pub fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    /// Polls for ever.
    pub async fn run(self) -> anyhow::Error {
        let mut polls = JoinSet::new();
        let mut at_work = std::collections::HashMap::new();
        loop {
            tokio::select! {
                Some(ended) = polls.join_next_with_id() => {
                    let (id, next) = match ended {
                        Ok((id, next)) => (id, next),
                        Err(error) => {
                            tracing::error!(%error, "a poll did not come to its end");
                            (error.id(), Next::Retry(AFTER_PANIC))
                        }
                    };
                    if let Some(poller) = at_work.remove(&id) {
                        self.inner.queue.done(&poller, next);
                    }
                }
                (poller, _) = self.inner.queue.next(Urgency::Normal), if polls.len() < AT_ONCE => {
                    let hub = self.clone();
                    let key = poller.clone();
                    let handle = polls.spawn(async move { hub.poll(&key).await });
                    at_work.insert(handle.id(), poller);
                }
            }
        }
    }

    async fn poll(&self, poller: &Key) -> Next {
        let begun = self.book().begin(poller, Instant::now());
        let job = match begun {
            Begun::Gone => return Next::Wait(None),
            Begun::Early(wait) => return Next::Wait(Some(wait)),
            Begun::Poll(job) => job,
        };
        let outcome = poll::poll(&self.inner, job).await;
        let ended = self.book().end(poller, outcome, Instant::now(), Timestamp::now());
        for spawner in &ended.woken {
            (self.inner.wake)(spawner);
        }
        Next::Wait(ended.next)
    }

    /// Login under which the credential comments, when it matters.
    async fn own_login(&self, source: &book::Source, ask: &Ask) -> Result<Option<String>, Trouble> {
        if !ask.what.has_policy() && !ask.wanted.comments && !ask.wanted.reviews {
            return Ok(None);
        }
        self.inner.credentials.own_login(source).await
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.inner.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_asks_about_the_workspaces_repository_or_its_own_and_leaks_no_credential() {
        for (workspace, repo, url, has_secret) in [
            (
                "https://github.com/me/fork.git",
                None,
                "https://github.com/me/fork.git",
                true,
            ),
            (
                "https://github.com/me/fork.git",
                Some("org/repo"),
                "https://github.com/org/repo",
                true,
            ),
            (
                "git@github.com:me/fork.git",
                Some("org/repo"),
                "git@github.com:org/repo",
                true,
            ),
            (
                "https://github.com/me/fork",
                Some("git@github.com:org/repo.git"),
                "git@github.com:org/repo.git",
                true,
            ),
            (
                "https://github.com/me/fork",
                Some("https://evil.example.com/org/repo"),
                "https://evil.example.com/org/repo",
                false,
            ),
        ] {
            let (found, secret) = target(workspace, repo, Some("token"));
            assert_eq!(
                (found.as_str(), secret.is_some()),
                (url, has_secret),
                "{workspace} {repo:?}"
            );
        }
    }
}
