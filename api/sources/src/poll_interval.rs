//! How often a source is asked.

use std::time::Duration;

/// What a source is asked at when nothing says otherwise.
pub const DEFAULT: Duration = Duration::from_mins(5);
/// No source is asked more often.
pub const LEAST: Duration = Duration::from_secs(5);
/// No source is asked less often than once in a leap year.
const MOST: Duration = Duration::from_hours(366 * 24);

/// Reads a `pollInterval`: a Go duration of `h`, `m`, `s` and `ms`, or whole seconds.
///
/// # Errors
/// When it is none, below 5s, or above 366 days, as a fragment that names it.
pub fn parse(text: &str) -> Result<Duration, String> {
    let interval = read(text).ok_or_else(|| {
        format!(
            "failed to read the poll interval `{text}`: it is neither a duration such as 5m nor whole seconds"
        )
    })?;
    if interval < LEAST {
        return Err(format!("the poll interval `{text}` is less than 5s"));
    }
    if interval > MOST {
        return Err(format!("the poll interval `{text}` is more than 366 days"));
    }
    Ok(interval)
}

fn read(text: &str) -> Option<Duration> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain {
        return text.parse().ok().map(Duration::from_secs);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let (number, unit) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let number: f64 = number.parse().ok().filter(|_| is_number)?;
        let end = unit
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(unit.len());
        let (unit, left) = unit.split_at(end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = left;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_whole_seconds_are_read() {
        for (text, seconds) in [
            ("5m", 300),
            ("1h30m", 5400),
            ("7500ms", 7),
            ("60", 60),
            ("5s", 5),
            ("5", 5),
            ("1.5m", 90),
        ] {
            assert_eq!(
                parse(text).map(|interval| interval.as_secs()),
                Ok(seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_none_or_out_of_bounds_is_refused_by_name() {
        for text in [
            "",
            "0",
            "4s",
            "4999ms",
            "-5m",
            "5d",
            "m",
            "1e9s",
            "5 m",
            "99999h",
            "99999999999999999999",
            "soon",
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
