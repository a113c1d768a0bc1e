//! Who asks what where, and what was heard there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axon_api::WorkspaceSpec;
use axon_plan::spawner::Trouble;
use axon_sources::Candidate;
use axon_sources::github::client::{Budget, People, Scope, Wait};
use axon_sources::github::endpoint::Endpoint;
use axon_sources::github::examined::Examined;
use axon_sources::github::facts::IssueFacts;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::mirror::{Changes, Mirror};
use super::{Ask, Found, Heard, pace, trouble};
use crate::key::Key;

/// How often everything is listed anew, to find what no change tells of: issues that were deleted or
/// transferred, and labels that were renamed.
const RELIST: Duration = Duration::from_hours(1);

/// How far GitHub's clock may be behind this one.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);

/// A repository, and the credential that it is asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The repository and its API.
    pub endpoint: Arc<Endpoint>,
    /// Secret with the credential; `None` asks as nobody.
    pub secret: Option<Key>,
}

/// All spawners and all pollers.
pub(super) struct Book {
    /// The shortest time between two polls of one poller.
    floor: Duration,
    spawners: HashMap<Key, Subscription>,
    pollers: HashMap<Key, Poller>,
}

/// What a spawner asks, and what was found for it.
struct Subscription {
    ask: Arc<Ask>,
    /// The poller's key, or why there is none.
    poller: Result<Key, Trouble>,
    /// What matches, by number.
    found: BTreeMap<u64, Candidate>,
    /// The same, as it is handed out.
    candidates: Arc<[Candidate]>,
    /// Numbers of those of which it could not be told.
    unknown: BTreeSet<u64>,
    /// Whether every item was looked at once.
    is_complete: bool,
    /// What is wrong for this spawner alone.
    trouble: Option<Trouble>,
}

/// A repository that is polled.
struct Poller {
    source: Source,
    spawners: BTreeSet<Key>,
    mirror: Mirror,
    /// Tag of the answer to the question for changes since this moment.
    etag: Option<(Timestamp, String)>,
    people: Arc<People>,
    began: Instant,
    listed: Option<Instant>,
    polled: Option<Instant>,
    due: Option<Instant>,
    /// Before this moment GitHub does not want to be asked.
    barred: Option<Instant>,
    is_asked: bool,
    heard: Option<Timestamp>,
    trouble: Option<Trouble>,
    failures: u32,
}

/// Whether to poll.
pub(super) enum Begun {
    /// Nobody asks there any more.
    Gone,
    /// Not before this long.
    Early(Duration),
    Poll(Job),
}

/// What a poll is to do.
pub(super) struct Job {
    pub(super) source: Source,
    pub(super) listing: Plan,
    pub(super) people: Arc<People>,
    pub(super) asks: Vec<(Key, Arc<Ask>)>,
    /// The poller's book-keeping, for what is heard meanwhile.
    pub(super) poller: Key,
}

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    Everything(Scope),
    /// What changed since, unless the answer still has this tag.
    Changes(Timestamp, Option<String>),
}

/// What was listed.
pub(super) enum Listed {
    Everything {
        scope: Scope,
        issues: Vec<IssueFacts>,
        /// Those that the listing lacks and that are there all the same.
        kept: BTreeSet<u64>,
    },
    Changes {
        since: Timestamp,
        etag: Option<String>,
        issues: Vec<IssueFacts>,
    },
    /// Nothing has changed.
    Quiet,
}

/// Items that have to be looked into, and by whom.
pub(super) type Open = BTreeMap<u64, (Arc<IssueFacts>, Vec<(Key, Arc<Ask>)>)>;

/// What looking into an item for a spawner has told.
pub(super) struct Seen {
    pub(super) spawner: Key,
    pub(super) ask: Arc<Ask>,
    pub(super) number: u64,
    /// Of this version of the item.
    pub(super) updated: Timestamp,
    pub(super) found: Result<Found, Trouble>,
}

/// How a poll ended.
pub(super) struct Outcome {
    pub(super) result: Result<(), (Trouble, Option<Wait>)>,
    pub(super) budget: Option<Budget>,
    pub(super) seen: Vec<Seen>,
    /// Spawners of which the source has something new to say.
    pub(super) woken: BTreeSet<Key>,
}

/// What follows from a poll.
pub(super) struct Ended {
    pub(super) next: Option<Duration>,
    pub(super) woken: BTreeSet<Key>,
}

impl Source {
    /// The repository `owner`/`name` on the server of the workspace's own, asked with the workspace's
    /// credential, which is a Secret of `namespace`. `api_url` replaces the server's API.
    ///
    /// # Errors
    /// When the workspace's repository is on no server that has GitHub's API.
    pub fn beside(
        namespace: &str,
        workspace: &WorkspaceSpec,
        owner: &str,
        name: &str,
        api_url: Option<&str>,
    ) -> Result<Self, Trouble> {
        let endpoint = Endpoint::of(&workspace.repo).ok_or_else(|| trouble::no_forge(&workspace.repo))?;
        let endpoint = Endpoint {
            owner: owner.to_owned(),
            repository: name.to_owned(),
            ..endpoint.at(api_url)
        };
        let secret = workspace.secret_ref.as_ref();
        Ok(Self {
            endpoint: Arc::new(endpoint),
            secret: secret.map(|secret| Key::new(namespace, &secret.name)),
        })
    }

    /// Where a spawner of `namespace` asks.
    pub(super) fn of(namespace: &str, ask: &Ask, api_url: Option<&str>) -> Result<Self, Trouble> {
        let endpoint = Endpoint::of(&ask.repository).filter(|endpoint| !endpoint.owner.is_empty());
        let endpoint = endpoint.ok_or_else(|| trouble::no_forge(&ask.repository))?;
        Ok(Self {
            endpoint: Arc::new(endpoint.at(api_url)),
            secret: ask.secret.as_deref().map(|name| Key::new(namespace, name)),
        })
    }

    /// A name for the poller: its namespace is the credential, its name the repository.
    pub(crate) fn key(&self) -> Key {
        let credential = self.secret.as_ref().map_or_else(String::new, Key::to_string);
        // GitHub's names of owners and repositories are the same in capitals.
        let repository = self.endpoint.full_name().to_lowercase();
        Key::new(&credential, &format!("{} {repository}", self.endpoint.api))
    }
}

impl Book {
    pub(super) fn new(floor: Duration) -> Self {
        Self {
            floor,
            spawners: HashMap::new(),
            pollers: HashMap::new(),
        }
    }

    /// Notes what a spawner asks. Answers with the poller that has something to do now.
    pub(super) fn subscribe(&mut self, spawner: &Key, ask: Ask, api_url: Option<&str>) -> Option<Key> {
        if let Some(subscription) = self.spawners.get(spawner)
            && *subscription.ask == ask
        {
            return None;
        }
        self.unsubscribe(spawner);
        let source = Source::of(&spawner.namespace, &ask, api_url);
        let subscription = Subscription {
            ask: Arc::new(ask),
            poller: source.as_ref().map(Source::key).map_err(Clone::clone),
            found: BTreeMap::new(),
            candidates: Arc::default(),
            unknown: BTreeSet::new(),
            is_complete: false,
            trouble: None,
        };
        self.spawners.insert(spawner.clone(), subscription);
        let source = source.ok()?;
        let key = source.key();
        let poller = self
            .pollers
            .entry(key.clone())
            .or_insert_with(|| Poller::new(source));
        poller.spawners.insert(spawner.clone());
        poller.is_asked = true;
        Some(key)
    }

    /// Forgets a spawner, and a poller that nobody needs.
    pub(super) fn unsubscribe(&mut self, spawner: &Key) {
        let Some(subscription) = self.spawners.remove(spawner) else {
            return;
        };
        let Ok(key) = subscription.poller else { return };
        let Some(poller) = self.pollers.get_mut(&key) else {
            return;
        };
        poller.spawners.remove(spawner);
        if poller.spawners.is_empty() {
            self.pollers.remove(&key);
        }
    }

    /// What a spawner asks, and where.
    pub(super) fn asks(&self, spawner: &Key) -> Option<(Source, Arc<Ask>)> {
        let subscription = self.spawners.get(spawner)?;
        let poller = self.pollers.get(subscription.poller.as_ref().ok()?)?;
        Some((poller.source.clone(), Arc::clone(&subscription.ask)))
    }

    pub(super) fn heard<'a>(&self, spawner: &Key, remembered: impl Iterator<Item = &'a str>) -> Heard {
        let Some(subscription) = self.spawners.get(spawner) else {
            return Heard::default();
        };
        let poller = match &subscription.poller {
            Ok(key) => self.pollers.get(key),
            Err(trouble) => {
                return Heard {
                    trouble: Some(trouble.clone()),
                    ..Heard::default()
                };
            }
        };
        let Some(poller) = poller else {
            return Heard::default();
        };
        let is_open = |key: &str| {
            number_of(key)
                .and_then(|number| poller.mirror.get(number))
                .is_some_and(|issue| issue.is_open)
        };
        Heard {
            candidates: Arc::clone(&subscription.candidates),
            open: remembered.filter(|key| is_open(key)).map(str::to_owned).collect(),
            heard: poller.heard.filter(|_| subscription.is_complete),
            absence_counts: subscription.is_complete && subscription.unknown.is_empty(),
            trouble: poller.trouble.clone().or_else(|| subscription.trouble.clone()),
        }
    }

    /// Somebody wants it to be polled. Answers with the poller.
    pub(super) fn poll_now(&mut self, spawner: &Key) -> Option<Key> {
        let key = self.spawners.get(spawner)?.poller.clone().ok()?;
        self.pollers.get_mut(&key)?.is_asked = true;
        Some(key)
    }

    /// A credential is another. Answers with the pollers that ask with it.
    pub(super) fn secret_changed(&mut self, namespace: &str, name: &str) -> Vec<Key> {
        let secret = Key::new(namespace, name);
        let is_concerned = |poller: &Poller| poller.source.secret.as_ref() == Some(&secret);
        let mut keys = Vec::new();
        for (key, poller) in &mut self.pollers {
            if is_concerned(poller) {
                poller.is_asked = true;
                poller.barred = None;
                keys.push(key.clone());
            }
        }
        keys
    }

    /// Whether a poller polls now, and what.
    pub(super) fn begin(&mut self, key: &Key, now: Instant) -> Begun {
        let Some(poller) = self.pollers.get_mut(key) else {
            return Begun::Gone;
        };
        let earliest = poller.earliest(self.floor, now);
        if earliest > now {
            return Begun::Early(earliest - now);
        }
        poller.is_asked = false;
        poller.polled = Some(now);
        let asks: Vec<(Key, Arc<Ask>)> = poller
            .spawners
            .iter()
            .filter_map(|spawner| Some((spawner.clone(), Arc::clone(&self.spawners.get(spawner)?.ask))))
            .collect();
        let wants_closed = asks.iter().any(|(_, ask)| ask.what.wants_closed());
        let scope = if wants_closed { Scope::All } else { Scope::Open };
        Begun::Poll(Job {
            source: poller.source.clone(),
            listing: poller.plan(scope, now),
            people: Arc::clone(&poller.people),
            asks,
            poller: key.clone(),
        })
    }

    /// Numbers of those that a complete listing lacks though they are known.
    pub(super) fn missing_in(&self, key: &Key, scope: Scope, issues: &[IssueFacts]) -> Vec<u64> {
        let poller = self.pollers.get(key);
        poller.map_or_else(Vec::new, |poller| poller.mirror.missing_in(scope, issues))
    }

    /// Takes in a listing, and looks at what has changed as far as the listing tells. Answers with
    /// what has to be looked into, and with whom it wakes.
    pub(super) fn take_in(&mut self, job: &Job, listed: Listed, now: Instant) -> (Open, BTreeSet<Key>) {
        let mut open = Open::new();
        let mut woken = BTreeSet::new();
        let Some(poller) = self.pollers.get_mut(&job.poller) else {
            return (open, woken);
        };
        let changes = poller.take_in(listed, now);
        for (spawner, ask) in &job.asks {
            let subscription = self.spawners.get_mut(spawner);
            let Some(subscription) = subscription.filter(|subscription| Arc::ptr_eq(&subscription.ask, ask))
            else {
                continue;
            };
            let numbers: BTreeSet<u64> = if subscription.is_complete {
                changes.touched.union(&subscription.unknown).copied().collect()
            } else {
                poller.mirror.numbers().collect()
            };
            let mut is_other = changes.opens || !subscription.is_complete;
            for number in numbers {
                let Some(issue) = poller.mirror.get(number) else {
                    is_other |= subscription.set(number, None);
                    continue;
                };
                match ask.what.listed(issue) {
                    Examined::Match(candidate) => is_other |= subscription.set(number, Some(candidate)),
                    Examined::NoMatch(_) => is_other |= subscription.set(number, None),
                    Examined::Unknown(_) | Examined::Ask(_) => {
                        subscription.unknown.insert(number);
                        let (_, looks) = open
                            .entry(number)
                            .or_insert_with(|| (Arc::clone(issue), Vec::new()));
                        looks.push((spawner.clone(), Arc::clone(ask)));
                    }
                }
            }
            subscription.is_complete = true;
            subscription.hand_out();
            if is_other {
                woken.insert(spawner.clone());
            }
        }
        (open, woken)
    }

    /// Takes in how a poll ended.
    pub(super) fn end(&mut self, key: &Key, outcome: Outcome, now: Instant, at: Timestamp) -> Ended {
        let mut woken = outcome.woken;
        for seen in outcome.seen {
            if let Some(spawner) = self.note(key, seen) {
                woken.insert(spawner);
            }
        }
        let Some(poller) = self.pollers.get_mut(key) else {
            return Ended { next: None, woken };
        };
        let spawners = &self.spawners;
        let intervals = poller.spawners.iter().filter_map(|spawner| spawners.get(spawner));
        let interval = intervals.map(|subscription| subscription.ask.interval).min();
        let interval = interval.unwrap_or(RELIST);
        for spawner in &poller.spawners {
            if let Some(subscription) = self.spawners.get_mut(spawner) {
                subscription.hand_out();
            }
        }
        if outcome.result.is_ok() {
            poller.heard = Some(at);
        }
        let (trouble, wait) = match outcome.result {
            Ok(()) => (None, None),
            Err((trouble, wait)) => (Some(trouble), wait),
        };
        let delay = match &trouble {
            None => {
                poller.failures = 0;
                poller.barred = None;
                let phase = pace::phase(key);
                pace::after_success(
                    interval,
                    phase,
                    now - poller.began,
                    self.floor,
                    outcome.budget,
                    at,
                )
            }
            Some(trouble) if trouble.passes => {
                poller.failures = poller.failures.saturating_add(1);
                let delay = pace::after_trouble(poller.failures, wait, self.floor, at);
                poller.barred = now.checked_add(delay);
                delay
            }
            Some(_) => pace::after_refusal(interval),
        };
        if poller.trouble.as_ref().map(|trouble| trouble.reason)
            != trouble.as_ref().map(|trouble| trouble.reason)
        {
            woken.extend(poller.spawners.iter().cloned());
        }
        poller.trouble = trouble;
        poller.due = now.checked_add(delay);
        // What was asked for meanwhile is not forgotten.
        let next = poller.earliest(self.floor, now).saturating_duration_since(now);
        Ended {
            next: Some(next),
            woken,
        }
    }

    /// Notes what looking into an item has told. Answers with the spawner when it is news to it.
    fn note(&mut self, key: &Key, seen: Seen) -> Option<Key> {
        let is_current = self
            .pollers
            .get(key)
            .and_then(|poller| poller.mirror.get(seen.number))
            .is_some_and(|issue| issue.updated == seen.updated);
        let subscription = self.spawners.get_mut(&seen.spawner)?;
        if !is_current || !Arc::ptr_eq(&subscription.ask, &seen.ask) {
            return None;
        }
        let before = subscription.trouble.as_ref().map(|trouble| trouble.reason);
        let had_unknown = !subscription.unknown.is_empty();
        let mut trouble = None;
        let mut is_other = match seen.found {
            Ok(Found::Match(candidate)) => subscription.set(seen.number, Some(candidate)),
            Ok(Found::NoMatch(_)) => subscription.set(seen.number, None),
            Ok(Found::Unknown(why)) => {
                trouble = Some(trouble::unknown(seen.number, &why));
                false
            }
            Err(failure) => {
                trouble = Some(failure);
                false
            }
        };
        if trouble.is_some() || subscription.unknown.is_empty() {
            is_other |= before != trouble.as_ref().map(|trouble| trouble.reason);
            subscription.trouble = trouble;
        }
        // From here on absence counts.
        is_other |= had_unknown && subscription.unknown.is_empty();
        is_other.then_some(seen.spawner)
    }
}

impl Subscription {
    /// Notes whether an item matches. Whether that is other than before.
    fn set(&mut self, number: u64, candidate: Option<Candidate>) -> bool {
        self.unknown.remove(&number);
        match candidate {
            Some(candidate) => {
                let before = self.found.insert(number, candidate);
                before.as_ref() != self.found.get(&number)
            }
            None => self.found.remove(&number).is_some(),
        }
    }

    /// Makes what is handed out the same as what was found.
    fn hand_out(&mut self) {
        if !self.candidates.iter().eq(self.found.values()) {
            self.candidates = self.found.values().cloned().collect();
        }
    }
}

impl Poller {
    fn new(source: Source) -> Self {
        Self {
            source,
            spawners: BTreeSet::new(),
            mirror: Mirror::new(Scope::Open),
            etag: None,
            people: Arc::default(),
            began: Instant::now(),
            listed: None,
            polled: None,
            due: None,
            barred: None,
            is_asked: false,
            heard: None,
            trouble: None,
            failures: 0,
        }
    }

    /// When it may poll next.
    fn earliest(&self, floor: Duration, now: Instant) -> Instant {
        let wanted = if self.is_asked {
            now
        } else {
            self.due.unwrap_or(now)
        };
        let floor = self.polled.map_or(now, |polled| polled + floor);
        wanted.max(floor).max(self.barred.unwrap_or(now))
    }

    fn plan(&self, scope: Scope, now: Instant) -> Plan {
        let is_fresh = self.listed.is_some_and(|listed| now - listed < RELIST);
        match self.mirror.newest() {
            Some(since) if is_fresh && self.mirror.scope() == scope => {
                let etag = self.etag.as_ref().filter(|(tagged, _)| *tagged == since);
                Plan::Changes(since, etag.map(|(_, etag)| etag.clone()))
            }
            _ => Plan::Everything(scope),
        }
    }

    fn take_in(&mut self, listed: Listed, now: Instant) -> Changes {
        match listed {
            Listed::Quiet => Changes::default(),
            Listed::Changes { since, etag, issues } => {
                self.etag = etag.map(|etag| (since, etag));
                self.mirror.update(issues)
            }
            Listed::Everything { scope, issues, kept } => {
                self.listed = Some(now);
                self.etag = None;
                let changes = self.mirror.replace(scope, issues, &kept);
                // GitHub's clock may be behind this one.
                let at = Timestamp::now();
                self.mirror
                    .begin_at(at.saturating_sub(CLOCKS_DIFFER).unwrap_or(at));
                changes
            }
        }
    }
}

/// Number of the item with this key.
pub(super) fn number_of(key: &str) -> Option<u64> {
    let (kind, number) = key.split_once('-')?;
    matches!(kind, "issue" | "pull").then(|| number.parse().ok())?
}
