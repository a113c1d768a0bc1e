use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).expect("a schedule")
}

/// The ticks after `from` and up to `until`, by the clock of the zone.
fn ticks(text: &str, name: &str, from: &str, until: &str) -> Vec<String> {
    let (schedule, zone) = (schedule(text), zone(Some(name)).expect("a zone"));
    let all = std::iter::successors(next_after(&schedule, &zone, at(from)), |tick| {
        next_after(&schedule, &zone, *tick)
    });
    all.take_while(|tick| *tick <= at(until))
        .map(|tick| tick.to_zoned(zone.clone()).strftime("%m-%dT%H:%M%:z").to_string())
        .collect()
}

#[test]
fn a_time_that_is_skipped_comes_when_the_clocks_are_put_forward() {
    for (name, from, until, expected) in [
        (
            "Europe/Paris",
            "2026-03-27T12:00:00Z",
            "2026-03-30T12:00:00Z",
            ["03-28T02:30+01:00", "03-29T03:00+02:00", "03-30T02:30+02:00"],
        ),
        (
            "Europe/Paris",
            "2027-03-26T12:00:00Z",
            "2027-03-29T12:00:00Z",
            ["03-27T02:30+01:00", "03-28T03:00+02:00", "03-29T02:30+02:00"],
        ),
        (
            "America/New_York",
            "2026-03-06T12:00:00Z",
            "2026-03-09T12:00:00Z",
            ["03-07T02:30-05:00", "03-08T03:00-04:00", "03-09T02:30-04:00"],
        ),
        (
            "America/New_York",
            "2027-03-12T12:00:00Z",
            "2027-03-15T12:00:00Z",
            ["03-13T02:30-05:00", "03-14T03:00-04:00", "03-15T02:30-04:00"],
        ),
    ] {
        assert_eq!(ticks("30 2 * * *", name, from, until), expected, "{name} {from}");
    }
}

#[test]
fn a_time_that_comes_twice_counts_the_first_time() {
    for (text, name, from, until, expected) in [
        (
            "30 2 * * *",
            "Europe/Paris",
            "2026-10-24T12:00:00Z",
            "2026-10-26T12:00:00Z",
            ["10-25T02:30+02:00", "10-26T02:30+01:00"],
        ),
        (
            "30 2 * * *",
            "Europe/Paris",
            "2027-10-30T12:00:00Z",
            "2027-11-01T12:00:00Z",
            ["10-31T02:30+02:00", "11-01T02:30+01:00"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2026-10-31T12:00:00Z",
            "2026-11-02T12:00:00Z",
            ["11-01T01:30-04:00", "11-02T01:30-05:00"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2027-11-06T12:00:00Z",
            "2027-11-08T12:00:00Z",
            ["11-07T01:30-04:00", "11-08T01:30-05:00"],
        ),
    ] {
        assert_eq!(ticks(text, name, from, until), expected, "{name} {from}");
    }
}

#[test]
fn an_interval_goes_by_the_clock_as_it_is() {
    for (name, from, until, expected) in [
        (
            "Europe/Paris",
            "2026-03-29T00:00:00Z",
            "2026-03-29T01:30:00Z",
            vec!["03-29T01:30+01:00", "03-29T03:00+02:00", "03-29T03:30+02:00"],
        ),
        (
            "Europe/Paris",
            "2026-10-24T23:30:00Z",
            "2026-10-25T02:00:00Z",
            vec![
                "10-25T02:00+02:00",
                "10-25T02:30+02:00",
                "10-25T02:00+01:00",
                "10-25T02:30+01:00",
                "10-25T03:00+01:00",
            ],
        ),
        (
            "America/New_York",
            "2027-03-14T06:00:00Z",
            "2027-03-14T07:30:00Z",
            vec!["03-14T01:30-05:00", "03-14T03:00-04:00", "03-14T03:30-04:00"],
        ),
        (
            "America/New_York",
            "2027-11-07T05:00:00Z",
            "2027-11-07T07:00:00Z",
            vec![
                "11-07T01:30-04:00",
                "11-07T01:00-05:00",
                "11-07T01:30-05:00",
                "11-07T02:00-05:00",
            ],
        ),
    ] {
        assert_eq!(
            ticks("*/30 * * * *", name, from, until),
            expected,
            "{name} {from}"
        );
    }
}

#[test]
fn two_skipped_times_are_one_tick() {
    assert_eq!(
        ticks(
            "10,40 2 * * *",
            "Europe/Paris",
            "2026-03-28T12:00:00Z",
            "2026-03-29T12:00:00Z"
        ),
        ["03-29T03:00+02:00"]
    );
}

#[test]
fn a_zone_that_changes_at_midnight_loses_no_tick() {
    // Beirut puts its clocks forward at midnight: there is no 00:00 on that day.
    assert_eq!(
        ticks(
            "0 0 * * *",
            "Asia/Beirut",
            "2026-03-27T12:00:00Z",
            "2026-03-30T12:00:00Z"
        ),
        ["03-28T00:00+02:00", "03-29T01:00+03:00", "03-30T00:00+03:00"]
    );
}

#[test]
fn the_rare_day_is_found() {
    let leap = schedule("0 0 29 2 *");
    assert_eq!(
        next_after(&leap, &TimeZone::UTC, at("2096-03-01T00:00:00Z")),
        Some(at("2104-02-29T00:00:00Z"))
    );
    assert_eq!(next_after(&leap, &TimeZone::UTC, Timestamp::MAX), None);
}

#[test]
fn zones_are_known_by_their_iana_names_alone() {
    for name in [
        "Europe/Paris",
        "America/New_York",
        "UTC",
        "Etc/GMT+5",
        "asia/kolkata",
    ] {
        assert!(zone(Some(name)).is_ok(), "{name}");
    }
    for name in ["Local", "Mars/Olympus", "", "+02:00", "../etc/passwd"] {
        let error = zone(Some(name)).expect_err(name);
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
}

#[test]
fn what_was_missed_becomes_tasks_as_it_was_said() {
    let hourly = schedule("0 * * * *");
    let hour = |hour: i8| at(&format!("2026-02-07T{hour:02}:00:00Z"));
    let minutes = SignedDuration::from_mins;
    for (now, missed_ticks, deadline, ticks, missed) in [
        ("2026-02-07T08:59:59Z", MissedTicks::Latest, None, vec![], 0),
        ("2026-02-07T09:00:59Z", MissedTicks::None, None, vec![9], 0),
        ("2026-02-07T09:01:00Z", MissedTicks::None, None, vec![], 1),
        ("2026-02-07T12:10:00Z", MissedTicks::Latest, None, vec![12], 3),
        (
            "2026-02-07T12:10:00Z",
            MissedTicks::All,
            None,
            vec![9, 10, 11, 12],
            0,
        ),
        ("2026-02-07T12:10:00Z", MissedTicks::None, None, vec![], 4),
        (
            "2026-02-07T12:10:00Z",
            MissedTicks::Latest,
            Some(minutes(5)),
            vec![],
            4,
        ),
        (
            "2026-02-07T12:10:00Z",
            MissedTicks::All,
            Some(minutes(90)),
            vec![11, 12],
            2,
        ),
        (
            "2026-02-07T09:10:00Z",
            MissedTicks::Latest,
            Some(minutes(5)),
            vec![],
            1,
        ),
    ] {
        let due = due(&hourly, &TimeZone::UTC, hour(8), at(now), missed_ticks, deadline);
        let expected: Vec<_> = ticks.into_iter().map(hour).collect();
        assert_eq!(
            (due.ticks, due.missed),
            (expected, missed),
            "{now} {missed_ticks:?} {deadline:?}"
        );
    }
}

#[test]
fn a_clock_that_is_set_back_makes_no_tick_again() {
    let hourly = schedule("0 * * * *");
    let last = at("2026-02-07T12:00:00Z");
    for now in [
        "2026-02-07T09:30:00Z",
        "2026-02-07T12:00:00Z",
        "2026-02-07T12:59:00Z",
    ] {
        let due = due(&hourly, &TimeZone::UTC, last, at(now), MissedTicks::All, None);
        assert_eq!(
            (due.ticks.as_slice(), due.missed, due.decided_until),
            (&[][..], 0, last),
            "{now}"
        );
    }
}

#[test]
fn a_year_that_was_missed_is_bounded() {
    let minutely = schedule("* * * * *");
    let (last, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-03T00:00:00Z"));
    let due = due(&minutely, &TimeZone::UTC, last, now, MissedTicks::All, None);
    assert_eq!(due.ticks.len(), MAX_TICKS);
    assert_eq!(due.missed, 2 * 24 * 60 - 1000);
    assert_eq!(due.ticks.last(), Some(&now));
}

/// A field as people write it. `*/1` is left out: to the other reader it restricts something.
fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    let value = least..=most;
    prop_oneof![
        3 => Just("*".to_owned()),
        2 => value.clone().prop_map(|value| value.to_string()),
        1 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{a},{b}")),
        1 => (2..=most).prop_map(|step| format!("*/{step}")),
        1 => (value.clone(), value, 1_u8..8).prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ]
}

fn any_schedule() -> impl Strategy<Value = String> {
    (
        field(0, 59),
        field(0, 23),
        field(1, 28),
        field(1, 12),
        field(0, 6),
    )
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
}

proptest! {
    /// In UTC, where the clocks never change, another reader of the same format agrees.
    #[test]
    fn another_cron_has_the_same_ticks(text in any_schedule(), second in 1_700_000_000_i64..1_900_000_000) {
        let other = croner::parser::CronParser::new().parse(&text).expect("it reads it");
        let mut ours = Timestamp::from_second(second).expect("a time");
        let mut theirs = ours.to_zoned(TimeZone::UTC);
        let schedule = schedule(&text);
        for _ in 0..5 {
            theirs = other.find_next_occurrence(&theirs, false).expect("there is one");
            ours = next_after(&schedule, &TimeZone::UTC, ours).expect("there is one");
            prop_assert_eq!(ours, theirs.timestamp(), "{}", text);
        }
    }

    #[test]
    fn no_text_is_too_odd(text in any::<String>()) {
        let _ = Schedule::parse(&text);
        let _ = zone(Some(&text));
    }

    #[test]
    fn ticks_are_later_and_never_twice(text in any_schedule(), second in 1_700_000_000_i64..1_900_000_000) {
        let zone = zone(Some("America/New_York")).expect("a zone");
        let schedule = schedule(&text);
        let mut last = Timestamp::from_second(second).expect("a time");
        for _ in 0..20 {
            let next = next_after(&schedule, &zone, last).expect("there is one");
            prop_assert!(next > last);
            last = next;
        }
    }
}
