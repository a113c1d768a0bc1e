//! The time of the fake: never before this machine's, and later at each change.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// Two changes are this far apart at least: the times of GitHub are whole seconds, and by `since`
/// two changes of one second cannot be told apart.
const STEP: SignedDuration = SignedDuration::from_secs(1);

#[derive(Debug)]
pub(super) struct Clock(Timestamp);

impl Clock {
    pub(super) fn new() -> Self {
        Self(Timestamp::UNIX_EPOCH)
    }

    /// The time now, in whole seconds.
    pub(super) fn now(&self) -> Timestamp {
        self.0.max(whole_seconds(Timestamp::now()))
    }

    /// The time of a change, later than that of the one before.
    pub(super) fn tick(&mut self) -> Timestamp {
        self.0 = (self.0 + STEP).max(whole_seconds(Timestamp::now()));
        self.0
    }

    /// The time of the first of `count` changes that are behind us when all are made, unless
    /// changes before them forbid it.
    pub(super) fn tick_back(&mut self, count: usize) -> Timestamp {
        let seconds = i64::try_from(count).unwrap_or(i64::MAX);
        let start = whole_seconds(Timestamp::now()) - SignedDuration::from_secs(seconds);
        self.0 = (self.0 + STEP).max(start);
        self.0
    }

    /// The time of the next of several changes that [`Self::tick_back`] began.
    pub(super) fn step(&mut self) -> Timestamp {
        self.0 += STEP;
        self.0
    }
}

fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
