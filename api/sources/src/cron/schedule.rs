//! The five fields of a schedule (POSIX crontab, with the extensions that all have: names, steps, and
//! `@daily` and its like).

/// Which minutes of which days a schedule names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// The values of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    /// One bit for each value.
    values: u64,
    /// Whether it names every value: then it restricts nothing. `*/2` does.
    is_free: bool,
    /// Whether it begins with a star.
    has_star: bool,
}

/// What a field may have.
struct Bounds {
    name: &'static str,
    least: u8,
    most: u8,
    /// The last value that a star means: Sunday is 0 there, and not 7 too, so that steps count seven
    /// days.
    star_most: u8,
    /// Names of the values from `least` on.
    names: &'static [&'static str],
}

const MINUTES: Bounds = Bounds {
    name: "minute",
    least: 0,
    most: 59,
    star_most: 59,
    names: &[],
};
const HOURS: Bounds = Bounds {
    name: "hour",
    least: 0,
    most: 23,
    star_most: 23,
    names: &[],
};
const DAYS: Bounds = Bounds {
    name: "day of the month",
    least: 1,
    most: 31,
    star_most: 31,
    names: &[],
};
const MONTHS: Bounds = Bounds {
    name: "month",
    least: 1,
    most: 12,
    star_most: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAYS: Bounds = Bounds {
    name: "day of the week",
    least: 0,
    most: 7,
    star_most: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// When it is none, or names a day that no year has, as a fragment that names it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let schedule =
            Self::read(text).map_err(|why| format!("failed to read the schedule `{text}`: {why}"))?;
        if schedule.names_no_day() {
            return Err(format!(
                "failed to read the schedule `{text}`: no year has such a day"
            ));
        }
        Ok(schedule)
    }

    fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
            return Err("a time zone is set with timeZone, not within it".to_owned());
        }
        let text = match text.to_ascii_lowercase().as_str() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other if other.starts_with('@') => {
                return Err(
                    "of such words there are @hourly, @daily, @weekly, @monthly and @yearly".to_owned(),
                );
            }
            _ => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!(
                "it has {} fields and must have five: minute, hour, day of the month, month, day of the week",
                fields.len()
            ));
        };
        let mut weekdays = Field::read(weekdays, &WEEKDAYS)?;
        if weekdays.has(7) {
            weekdays.values = (weekdays.values | 1) & !(1 << 7);
        }
        Ok(Self {
            minutes: Field::read(minutes, &MINUTES)?,
            hours: Field::read(hours, &HOURS)?,
            days: Field::read(days, &DAYS)?,
            months: Field::read(months, &MONTHS)?,
            weekdays,
        })
    }

    /// Whether it names a date, of a month from 1, a day from 1, and a day of the week from 0 for
    /// Sunday. When both days are restricted one of them suffices, as POSIX says.
    pub(super) fn has_date(&self, month: u8, day: u8, weekday: u8) -> bool {
        if !self.months.has(month) {
            return false;
        }
        let (day, weekday) = (self.days.has(day), self.weekdays.has(weekday));
        if self.days.is_free || self.weekdays.is_free {
            day && weekday
        } else {
            day || weekday
        }
    }

    /// The times of a day that it names, as hour and minute, from the earliest on.
    pub(super) fn times(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        let hours = (0..24).filter(|hour| self.hours.has(*hour));
        hours.flat_map(|hour| {
            let minutes = (0..60).filter(|minute| self.minutes.has(*minute));
            minutes.map(move |minute| (hour, minute))
        })
    }

    /// Whether it goes by the clock's hands rather than by a time of day: its minutes or hours begin
    /// with a star.
    pub(super) fn is_interval(&self) -> bool {
        self.minutes.has_star || self.hours.has_star
    }

    fn names_no_day(&self) -> bool {
        const LONGEST: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        if !self.weekdays.is_free {
            return false;
        }
        !(1..=12)
            .zip(LONGEST)
            .any(|(month, longest)| self.months.has(month) && (1..=longest).any(|day| self.days.has(day)))
    }
}

impl Field {
    fn has(self, value: u8) -> bool {
        value < 64 && self.values & (1 << value) != 0
    }

    fn read(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let mut values = 0;
        for part in text.split(',') {
            values |= read_part(part, bounds).ok_or_else(|| {
                format!(
                    "`{part}` is no {} from {} to {}",
                    bounds.name, bounds.least, bounds.most
                )
            })?;
        }
        Ok(Self {
            values,
            is_free: text
                .split(',')
                .any(|part| matches!(part, "*" | "?" | "*/1" | "?/1")),
            has_star: text.starts_with(['*', '?']),
        })
    }
}

/// The values of one part of a list, such as `1-5`, `*/15` or `mon`.
fn read_part(part: &str, bounds: &Bounds) -> Option<u64> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(number(step)?)),
        None => (part, None),
    };
    let (first, last) = match range.split_once('-') {
        _ if matches!(range, "*" | "?") => (bounds.least, bounds.star_most),
        Some((first, last)) => (value(first, bounds)?, value(last, bounds)?),
        None => {
            let first = value(range, bounds)?;
            // `5/15` is from 5 to the end, in steps.
            (first, if step.is_some() { bounds.most } else { first })
        }
    };
    let step = step.unwrap_or(1);
    if step == 0 || first > last {
        return None;
    }
    let values = (first..=last).step_by(usize::from(step));
    Some(values.fold(0, |all, value| all | 1 << value))
}

fn value(text: &str, bounds: &Bounds) -> Option<u8> {
    let lower = text.to_ascii_lowercase();
    if let Some(at) = bounds.names.iter().position(|name| *name == lower) {
        return Some(u8::try_from(at).ok()? + bounds.least);
    }
    number(text).filter(|value| (bounds.least..=bounds.most).contains(value))
}

fn number(text: &str) -> Option<u8> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 3;
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_schedule_are_equal() {
        for (text, plain) in [
            ("@hourly", "0 * * * *"),
            ("@Daily", "0 0 * * *"),
            ("@weekly", "0 0 * * 7"),
            ("0 9 * * mon-FRI", "0 9 * * 1-5"),
            ("0 0 1 jan,dec ?", "0 0 1 1,12 *"),
            ("0,30 8-10 * * *", "0,30 8,9,10 * * *"),
            ("  0  9 * *\t0 ", "0 9 * * 7"),
            ("0 9 * * 5-7", "0 9 * * 0,5,6"),
            ("5/20 * * * *", "5,25,45 * * * *"),
            ("10-40/15 * * * *", "10,25,40 * * * *"),
        ] {
            assert_eq!(Schedule::parse(text), Schedule::parse(plain), "{text}");
            assert!(Schedule::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_a_reason() {
        let error = |text: &str| Schedule::parse(text).expect_err(text);
        for (text, why) in [
            ("", "it has 0 fields and must have five"),
            ("* * * *", "it has 4 fields and must have five"),
            ("0 0 9 * * 1", "it has 6 fields and must have five"),
            ("60 * * * *", "`60` is no minute from 0 to 59"),
            ("* 24 * * *", "`24` is no hour from 0 to 23"),
            ("* * 0 * *", "`0` is no day of the month from 1 to 31"),
            ("* * * 13 *", "`13` is no month from 1 to 12"),
            ("* * * * 8", "`8` is no day of the week from 0 to 7"),
            ("* * * * fri-mon", "`fri-mon` is no day of the week from 0 to 7"),
            ("*/0 * * * *", "`*/0` is no minute from 0 to 59"),
            ("1,,2 * * * *", "`` is no minute from 0 to 59"),
            ("+1 * * * *", "`+1` is no minute from 0 to 59"),
            ("* * L * *", "`L` is no day of the month from 1 to 31"),
            ("@reboot", "of such words there are @hourly"),
            (
                "CRON_TZ=Europe/Paris 0 9 * * *",
                "a time zone is set with timeZone",
            ),
            ("TZ=UTC 0 9 * * *", "a time zone is set with timeZone"),
            ("0 0 30 2 *", "no year has such a day"),
            ("0 0 31 4,6,9,11 *", "no year has such a day"),
        ] {
            let error = error(text);
            assert!(error.contains(why), "{text}: {error}");
            assert!(
                error.starts_with(&format!("failed to read the schedule `{text}`: ")),
                "{error}"
            );
        }
        assert!(Schedule::parse("0 0 29 2 *").is_ok(), "some years have it");
        assert!(Schedule::parse("0 0 30 2 1").is_ok(), "Mondays of February");
    }

    #[test]
    fn one_of_the_two_days_suffices_when_both_are_restricted() {
        let has = |text: &str, day: u8, weekday: u8| {
            Schedule::parse(text)
                .expect("a schedule")
                .has_date(2, day, weekday)
        };
        for (text, day, weekday, expected) in [
            ("0 0 13 * 5", 13, 1, true),
            ("0 0 13 * 5", 12, 5, true),
            ("0 0 13 * 5", 12, 4, false),
            ("0 0 * * 5", 13, 1, false),
            ("0 0 13 * *", 13, 1, true),
            ("0 0 13 * *", 12, 5, false),
            ("0 0 */2 * 5", 3, 1, true),
            ("0 0 */2 * 5", 2, 5, true),
            ("0 0 */2 * 5", 2, 4, false),
            ("0 0 */1 * 5", 1, 4, false),
        ] {
            assert_eq!(has(text, day, weekday), expected, "{text} {day} {weekday}");
        }
    }
}
