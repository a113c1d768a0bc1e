//! The Tasks that have to be looked at: each at most once in the queue, never twice at work.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::key::Key;

/// The longest time between two tries of what fails.
const LONGEST_BACKOFF: Duration = Duration::from_mins(5);

/// Which queue a Task waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// After all urgent ones.
    Normal,
    /// It has no Job yet, so that somebody waits for it to begin.
    Urgent,
}

/// What is to happen after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Wait for a change, or for this long.
    Wait(Option<Duration>),
    /// Try again after this long, doubled for each time that it has failed in a row.
    Retry(Duration),
}

/// The queue.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
    random: RandomState,
}

#[derive(Debug, Default)]
struct State {
    urgent: VecDeque<Key>,
    normal: VecDeque<Key>,
    due: BTreeSet<(Instant, Key)>,
    slots: HashMap<Key, Slot>,
}

#[derive(Debug, Default)]
struct Slot {
    place: Place,
    due: Option<Instant>,
    failures: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Idle,
    Queued(Urgency),
    /// At work; woken meanwhile if there is an urgency.
    Running(Option<Urgency>),
}

impl Queue {
    /// The Task has to be looked at: it, or something that it depends on, has changed.
    pub fn wake(&self, key: &Key, urgency: Urgency) {
        self.lock().wake(key, urgency);
        self.changed.notify_one();
    }

    /// Waits for the next Task to look at, of at least this urgency. It is at work until
    /// [`Queue::done`] is called.
    pub async fn next(&self, least: Urgency) -> (Key, Urgency) {
        loop {
            let due = {
                let mut state = self.lock();
                state.wake_due(Instant::now());
                if let Some(next) = state.pop(least) {
                    return next;
                }
                state.due.first().map(|(due, _)| *due)
            };
            let changed = self.changed.notified();
            match due {
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// The round for `key` is over.
    pub fn done(&self, key: &Key, next: Next) {
        let random = self.random.hash_one((key, Instant::now()));
        self.lock().done(key, next, Instant::now(), random);
        self.changed.notify_one();
    }

    /// How many Tasks wait to be looked at now.
    pub fn depth(&self) -> usize {
        let state = self.lock();
        state.urgent.len() + state.normal.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self, key: &Key, urgency: Urgency) {
        let slot = self.slots.entry(key.clone()).or_default();
        match slot.place {
            Place::Running(again) => {
                slot.place = Place::Running(Some(again.map_or(urgency, |again| again.max(urgency))));
            }
            Place::Queued(queued) if queued >= urgency => {}
            // One that waits among the normal ones and has become urgent stays there too, and is
            // passed over when its turn comes.
            Place::Queued(_) | Place::Idle => {
                slot.place = Place::Queued(urgency);
                match urgency {
                    Urgency::Urgent => self.urgent.push_back(key.clone()),
                    Urgency::Normal => self.normal.push_back(key.clone()),
                }
            }
        }
    }

    fn wake_due(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = self.due.pop_first() else {
                return;
            };
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.due = None;
            }
            self.wake(&key, Urgency::Normal);
        }
    }

    fn pop(&mut self, least: Urgency) -> Option<(Key, Urgency)> {
        loop {
            let (key, urgency) = match self.urgent.pop_front() {
                Some(key) => (key, Urgency::Urgent),
                None if least == Urgency::Normal => (self.normal.pop_front()?, Urgency::Normal),
                None => return None,
            };
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            if slot.place != Place::Queued(urgency) {
                continue;
            }
            slot.place = Place::Running(None);
            if let Some(due) = slot.due.take() {
                self.due.remove(&(due, key.clone()));
            }
            return Some((key, urgency));
        }
    }

    fn done(&mut self, key: &Key, next: Next, now: Instant, random: u64) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        let Place::Running(again) = slot.place else {
            return;
        };
        slot.place = Place::Idle;
        let delay = match next {
            Next::Wait(delay) => {
                slot.failures = 0;
                delay
            }
            Next::Retry(base) => {
                slot.failures = slot.failures.saturating_add(1);
                Some(backoff(base, slot.failures, random))
            }
        };
        if let Some(delay) = delay {
            // A time beyond what the clock can count is never.
            slot.due = now.checked_add(delay);
            self.due.extend(slot.due.map(|due| (due, key.clone())));
        }
        if let Some(urgency) = again {
            self.wake(key, urgency);
        } else if slot.due.is_none() && slot.failures == 0 {
            self.slots.remove(key);
        }
    }
}

/// `base`, doubled for each failure after the first, at most five minutes, less up to a quarter by
/// chance, so that what failed together does not come back together.
fn backoff(base: Duration, failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let longest = base.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    let less = u32::try_from(random % 256).unwrap_or_default();
    longest.saturating_sub(longest / 4 * less / 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("default", name)
    }

    /// A queue whose time is seconds from its start.
    struct Clocked {
        state: State,
        start: Instant,
    }

    impl Clocked {
        fn new() -> Self {
            Self {
                state: State::default(),
                start: Instant::now(),
            }
        }

        fn at(&self, second: u64) -> Instant {
            self.start + Duration::from_secs(second)
        }

        fn next(&mut self, second: u64) -> Option<Key> {
            self.state.wake_due(self.at(second));
            self.state.pop(Urgency::Normal).map(|(key, _)| key)
        }

        fn done(&mut self, name: &str, second: u64, next: Next) {
            let now = self.at(second);
            self.state.done(&key(name), next, now, 0);
        }
    }

    #[test]
    fn urgent_tasks_come_first_and_each_only_once() {
        let mut queue = Clocked::new();
        queue.state.wake(&key("status"), Urgency::Normal);
        queue.state.wake(&key("later-urgent"), Urgency::Normal);
        queue.state.wake(&key("job"), Urgency::Urgent);
        queue.state.wake(&key("job"), Urgency::Urgent);
        queue.state.wake(&key("later-urgent"), Urgency::Urgent);
        let order: Vec<_> = std::iter::from_fn(|| queue.next(0)).collect();
        assert_eq!(order, [key("job"), key("later-urgent"), key("status")]);
    }

    #[test]
    fn normal_tasks_stay_while_only_urgent_ones_are_wanted() {
        let mut queue = Clocked::new();
        queue.state.wake(&key("status"), Urgency::Normal);
        assert_eq!(queue.state.pop(Urgency::Urgent), None);
        queue.state.wake(&key("job"), Urgency::Urgent);
        let next = queue.state.pop(Urgency::Urgent);
        assert_eq!(next, Some((key("job"), Urgency::Urgent)));
        assert_eq!(queue.next(0), Some(key("status")));
    }

    #[test]
    fn a_task_at_work_that_is_woken_comes_again_only_after_it_is_done() {
        let mut queue = Clocked::new();
        queue.state.wake(&key("a"), Urgency::Normal);
        assert_eq!(queue.next(0), Some(key("a")));
        queue.state.wake(&key("a"), Urgency::Normal);
        assert_eq!(queue.next(60), None, "it is at work");
        queue.done("a", 60, Next::Wait(None));
        assert_eq!(queue.next(60), Some(key("a")));
    }

    #[test]
    fn a_task_comes_back_when_it_is_due() {
        let mut queue = Clocked::new();
        queue.state.wake(&key("a"), Urgency::Normal);
        assert_eq!(queue.next(0), Some(key("a")));
        queue.done("a", 0, Next::Wait(Some(Duration::from_secs(90))));
        assert_eq!(queue.next(89), None);
        assert_eq!(queue.next(90), Some(key("a")));
    }

    #[test]
    fn a_change_comes_before_the_due_time_and_replaces_it() {
        let mut queue = Clocked::new();
        queue.state.wake(&key("a"), Urgency::Normal);
        assert_eq!(queue.next(0), Some(key("a")));
        queue.done("a", 0, Next::Wait(Some(Duration::from_secs(90))));
        queue.state.wake(&key("a"), Urgency::Normal);
        assert_eq!(queue.next(1), Some(key("a")));
        queue.done("a", 1, Next::Wait(None));
        assert_eq!(queue.next(3600), None, "the round waits for a change only");
    }

    #[test]
    fn failures_in_a_row_are_ever_further_apart_until_one_round_ends_well() {
        let mut queue = Clocked::new();
        let retry = Next::Retry(Duration::from_secs(1));
        queue.state.wake(&key("a"), Urgency::Urgent);
        let well = Next::Wait(Some(Duration::from_secs(1)));
        for (second, next) in [
            (0, retry),
            (1, retry),
            (3, retry),
            (7, well),
            (8, retry),
            (9, well),
        ] {
            assert_eq!(queue.next(second), Some(key("a")), "at {second} s");
            queue.done("a", second, next);
            assert_eq!(queue.next(second), None, "at {second} s");
        }
    }

    #[test]
    fn nothing_is_remembered_of_a_task_that_waits_for_a_change() {
        let mut queue = Clocked::new();
        queue.state.wake(&key("a"), Urgency::Urgent);
        assert_eq!(queue.next(0), Some(key("a")));
        queue.done("a", 0, Next::Retry(Duration::from_secs(1)));
        assert_eq!(queue.next(1), Some(key("a")));
        queue.done("a", 1, Next::Wait(None));
        assert!(queue.state.slots.is_empty() && queue.state.due.is_empty());
    }

    #[test]
    fn tries_are_at_most_five_minutes_apart() {
        let second = Duration::from_secs(1);
        assert_eq!(backoff(second, 4, 0), second * 8);
        assert_eq!(backoff(second, u32::MAX, 0), LONGEST_BACKOFF);
        assert!(backoff(second, u32::MAX, 255) >= LONGEST_BACKOFF * 3 / 4);
    }

    #[tokio::test]
    async fn one_who_waits_is_told_of_what_comes() {
        let queue = Queue::default();
        let (next, ()) = tokio::join!(queue.next(Urgency::Normal), async {
            tokio::task::yield_now().await;
            queue.wake(&key("a"), Urgency::Normal);
        });
        assert_eq!(next, (key("a"), Urgency::Normal));
    }
}
