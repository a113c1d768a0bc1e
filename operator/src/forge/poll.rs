//! Does one poll: a listing, and a look into what has changed.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use axon_plan::spawner::Trouble;
use axon_sources::github::client::{
    Budget, Failure, FailureKind, Found, Listing, Look, Repository, Scope, Wait,
};
use axon_sources::github::facts::IssueFacts;
use futures::StreamExt as _;
use tokio::time::Instant;

use super::book::{Book, Job, Listed, Open, Outcome, Plan, Seen};
use super::credentials::For;
use super::trouble::explain;
use super::{Ask, Inner};
use crate::key::Key;

/// Items that are looked into at once.
const LOOKS: usize = 4;
/// Pages of changes that are read; what is more is found by listing everything.
const MOST_PAGES: usize = 100;
/// Items that a listing lacks and that are asked for one by one.
const MOST_MISSING: usize = 100;

/// What keeps a poll from going on, and when GitHub wants to be asked again.
type Stop = (Trouble, Option<Wait>);

/// Does what the job says. What was heard on the way is in the book already.
pub(super) async fn poll(inner: &Inner, job: Job) -> Outcome {
    let mut outcome = Outcome {
        result: Ok(()),
        budget: None,
        seen: Vec::new(),
        woken: BTreeSet::new(),
    };
    outcome.result = follow(inner, &job, &mut outcome).await;
    if let Err((trouble, _)) = &outcome.result {
        tracing::debug!(poller = %job.poller, reason = trouble.reason, "a poll failed");
    }
    outcome
}

async fn follow(inner: &Inner, job: &Job, outcome: &mut Outcome) -> Result<(), Stop> {
    let teams = job.asks.iter().any(|(_, ask)| ask.what.asks_teams());
    let purpose = if teams {
        For::ReadingWithTeams
    } else {
        For::Reading
    };
    let access = inner.credentials.access(&job.source, purpose).await;
    let access = access.map_err(|trouble| (trouble, None))?;
    let repository = inner.github.repository(Arc::clone(&job.source.endpoint), access);
    let stop = |failure: Failure| (explain(&job.source, &failure), failure.wait);
    let (listed, budget) = list(inner, job, &repository).await.map_err(stop)?;
    outcome.budget = budget;
    let (open, woken) = book(inner).take_in(job, listed, Instant::now());
    outcome.woken = woken;
    if open.is_empty() {
        return Ok(());
    }
    let needs_login = job.asks.iter().any(|(_, ask)| ask.what.has_policy());
    let own_login = if needs_login {
        let login = inner.credentials.own_login(&job.source).await;
        login.map_err(|trouble| (trouble, None))?
    } else {
        None
    };
    let (seen, stopped) = look(job, &repository, own_login.as_deref(), open).await;
    outcome.seen = seen;
    stopped.map_or(Ok(()), |failure| Err(stop(failure)))
}

/// Lists what the job says.
async fn list(
    inner: &Inner,
    job: &Job,
    repository: &Repository,
) -> Result<(Listed, Option<Budget>), Failure> {
    match &job.listing {
        Plan::Everything(scope) => everything(inner, job, repository, *scope).await,
        Plan::Changes(since, etag) => {
            let listing = Listing {
                scope: Scope::All,
                since: Some(*since),
            };
            let first = repository.issues(listing, etag.as_deref()).await?;
            let budget = first.budget;
            let Some(mut issues) = first.items else {
                return Ok((Listed::Quiet, budget));
            };
            let mut next = first.next;
            let mut pages = 1;
            while let Some(url) = next {
                if pages == MOST_PAGES {
                    return everything(inner, job, repository, book_scope(job)).await;
                }
                let page = repository.more_issues(&url).await?;
                issues.extend(page.items.unwrap_or_default());
                next = page.next;
                pages += 1;
            }
            let listed = Listed::Changes {
                since: *since,
                etag: first.etag,
                issues,
            };
            Ok((listed, budget))
        }
    }
}

fn book_scope(job: &Job) -> Scope {
    if job.asks.iter().any(|(_, ask)| ask.what.wants_closed()) {
        Scope::All
    } else {
        Scope::Open
    }
}

/// Lists everything. What is known and not listed is asked for: a listing that changes while it is
/// read can lack one, and one that is wrongly held for gone would be queued again when it is back.
async fn everything(
    inner: &Inner,
    job: &Job,
    repository: &Repository,
    scope: Scope,
) -> Result<(Listed, Option<Budget>), Failure> {
    let mut issues = repository.all_issues(Listing { scope, since: None }).await?;
    let missing = book(inner).missing_in(&job.poller, scope, &issues);
    let mut kept = BTreeSet::new();
    for (position, number) in missing.into_iter().enumerate() {
        if position >= MOST_MISSING {
            kept.insert(number);
            continue;
        }
        match repository.issue(number).await {
            // One that was transferred is answered from its new place, under another number.
            Ok(issue) if issue.facts.number == number => issues.push(issue.facts),
            Ok(_) => {}
            Err(failure) if failure.kind == FailureKind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok((Listed::Everything { scope, issues, kept }, None))
}

/// Looks into items, a few at once. What was fetched of one is shared by all who look at it. Ends
/// early when GitHub does not want to be asked any more.
async fn look(
    job: &Job,
    repository: &Repository,
    own_login: Option<&str>,
    open: Open,
) -> (Vec<Seen>, Option<Failure>) {
    let mut looks = futures::stream::iter(open)
        .map(|(number, (issue, asks))| async move {
            look_into(job, repository, own_login, number, &issue, asks).await
        })
        .buffer_unordered(LOOKS);
    let mut all = Vec::new();
    while let Some((seen, stopped)) = looks.next().await {
        all.extend(seen);
        if stopped.is_some() {
            return (all, stopped);
        }
    }
    (all, None)
}

async fn look_into(
    job: &Job,
    repository: &Repository,
    own_login: Option<&str>,
    number: u64,
    issue: &IssueFacts,
    asks: Vec<(Key, Arc<Ask>)>,
) -> (Vec<Seen>, Option<Failure>) {
    let look = Look::at(repository, &job.people, own_login, issue);
    let mut all = Vec::new();
    for (spawner, ask) in asks {
        let found = match look.examine(&ask.what).await {
            Ok(found) => Ok(found),
            Err(failure) if failure.kind.passes() => return (all, Some(failure)),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(Found::NoMatch("is gone".to_owned())),
            Err(failure) => Err(explain(&job.source, &failure)),
        };
        all.push(Seen {
            spawner,
            ask,
            number,
            updated: issue.updated,
            found,
        });
    }
    (all, None)
}

fn book(inner: &Inner) -> std::sync::MutexGuard<'_, Book> {
    inner.book.lock().unwrap_or_else(PoisonError::into_inner)
}
