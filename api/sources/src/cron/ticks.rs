//! Which moments a schedule names, and which of them are due.
//!
//! Where clocks are put forward or back, it is as with the cron of Vixie, which most systems have:
//!
//! - A schedule whose minutes or hours begin with a star (`*/15 * * * *`, `0 * * * *`) goes by the
//!   clock as it is: it has no tick in the hour that is skipped, and ticks in both of the hours that
//!   come twice.
//! - Any other (`30 2 * * *`) has each of its times once a day: one that is skipped comes at the moment
//!   when the clocks are put forward, and one that comes twice counts the first time.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::{MissedTicks, Schedule};

/// Ticks that become Tasks at once, at most.
pub const MAX_TICKS: usize = 1000;
/// Ticks that are counted as missed in one round, at most.
const MAX_COUNTED: usize = 100_000;
/// How late a tick may be and still not count as missed.
const ON_TIME: SignedDuration = SignedDuration::from_secs(60);
/// Days that are looked through for the next tick: 29 February on a certain date comes every 4 years,
/// and may be 8 years away around the turn of a century.
const MAX_DAYS: usize = 9 * 366;

/// The time zones that were built in. What the machine has is not looked at, so that a schedule means
/// the same everywhere.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The time zone of this IANA name; UTC for none.
///
/// # Errors
/// When there is none of this name, as a fragment that names it.
pub fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    match name {
        None => Ok(TimeZone::UTC),
        Some(name) => ZONES
            .get(name)
            .map_err(|_| format!("failed to find the time zone `{name}`: IANA has none of this name")),
    }
}

/// The first tick later than `after`; `None` when there is none until the end of time.
pub fn next_after(schedule: &Schedule, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    // A tick may be of a day that has not come or is over by the clock, where clocks change at
    // midnight: one day before is looked at too.
    let mut date = zone.to_datetime(after).date().yesterday().ok()?;
    for _ in 0..MAX_DAYS {
        // The order of times is not that of moments when the clocks are put back, also from a day into
        // the one before.
        let tomorrow = date.tomorrow().ok();
        let dates = std::iter::once(date).chain(tomorrow);
        let next = dates
            .flat_map(|date| ticks_of(schedule, zone, date))
            .filter(|tick| *tick > after)
            .min();
        if next.is_some() {
            return next;
        }
        date = tomorrow?;
    }
    None
}

/// The moments of the times that a schedule has on a date.
fn ticks_of<'a>(
    schedule: &'a Schedule,
    zone: &'a TimeZone,
    date: Date,
) -> impl Iterator<Item = Timestamp> + 'a {
    let weekday = date.weekday().to_sunday_zero_offset().unsigned_abs();
    let has_date = schedule.has_date(date.month().unsigned_abs(), date.day().unsigned_abs(), weekday);
    let times = has_date.then(|| schedule.times()).into_iter().flatten();
    times.flat_map(move |(hour, minute)| {
        let time = date.at(hour.cast_signed(), minute.cast_signed(), 0, 0);
        moments_of(time, zone, schedule.is_interval())
    })
}

/// The moments of a time by the clock: none, one or two.
fn moments_of(time: DateTime, zone: &TimeZone, is_interval: bool) -> impl Iterator<Item = Timestamp> + use<> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    let (first, second) = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { offset } => (offset.to_timestamp(time).ok(), None),
        AmbiguousOffset::Gap { .. } if is_interval => (None, None),
        // By the clock before the change it is a moment after it, and the change is the last before.
        AmbiguousOffset::Gap { before, .. } => {
            let moment = before.to_timestamp(time).ok();
            let change = moment.and_then(|moment| {
                let inside = moment.checked_add(SignedDuration::from_nanos(1)).ok()?;
                zone.preceding(inside).next().map(|change| change.timestamp())
            });
            (change, None)
        }
        AmbiguousOffset::Fold { before, after } => {
            let second = after.to_timestamp(time).ok().filter(|_| is_interval);
            (before.to_timestamp(time).ok(), second)
        }
    };
    first.into_iter().chain(second)
}

/// What is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Ticks that are to become Tasks, the earliest first; [`MAX_TICKS`] at most.
    pub ticks: Vec<Timestamp>,
    /// Ticks that have passed and become none.
    pub missed: u64,
    /// Up to when everything is decided: it is the `last` of the next round. It never goes back.
    pub decided_until: Timestamp,
}

/// Which ticks after `last` and up to `now` are due. `deadline` is how long after its time a tick may
/// still become a Task. A tick that is less than a minute late was not missed. A tick is never due twice: when the clock was set back, none is until it has
/// passed `last` again.
pub fn due(
    schedule: &Schedule,
    zone: &TimeZone,
    last: Timestamp,
    now: Timestamp,
    missed_ticks: MissedTicks,
    deadline: Option<SignedDuration>,
) -> Due {
    let mut passed = Vec::new();
    let mut count: u64 = 0;
    let mut decided_until = last;
    let ticks = std::iter::successors(next_after(schedule, zone, last), |tick| {
        next_after(schedule, zone, *tick)
    });
    let is_in_time = |tick: Timestamp| deadline.is_none_or(|deadline| now.duration_since(tick) <= deadline);
    for tick in ticks.take_while(|tick| *tick <= now).take(MAX_COUNTED) {
        count += 1;
        decided_until = tick;
        if is_in_time(tick) {
            passed.push(tick);
        }
    }
    let kept = match missed_ticks {
        MissedTicks::All => MAX_TICKS,
        MissedTicks::Latest => 1,
        MissedTicks::None => passed
            .iter()
            .filter(|tick| now.duration_since(**tick) < ON_TIME)
            .count(),
    };
    let ticks = passed.split_off(passed.len().saturating_sub(kept));
    let missed = count - ticks.len() as u64;
    Due {
        ticks,
        missed,
        decided_until,
    }
}

#[cfg(test)]
mod tests;
