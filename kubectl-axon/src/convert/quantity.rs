//! Half of a Kubernetes quantity.

/// Binary and decimal suffixes with what they multiply by, the largest first.
const SUFFIXES: &[(&str, u128)] = &[
    ("Ei", 1 << 60),
    ("Pi", 1 << 50),
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("E", 1_000_000_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

/// Half of the quantity in whole units, as the source system computes it: the quantity is rounded
/// up to a whole number, and its half down. `None` for what is no plain quantity, and for a half
/// that is nothing.
pub(super) fn half(quantity: &str) -> Option<String> {
    let whole = whole_units(quantity)? / 2;
    if whole == 0 {
        return None;
    }
    let suffix = SUFFIXES
        .iter()
        .filter(|(suffix, _)| suffix.ends_with('i') == quantity.ends_with('i'))
        .find(|(_, factor)| whole % factor == 0);
    Some(match suffix {
        Some((suffix, factor)) => format!("{}{suffix}", whole / factor),
        None => whole.to_string(),
    })
}

/// The quantity in whole units, rounded up.
fn whole_units(quantity: &str) -> Option<u128> {
    if let Some(thousandths) = quantity.strip_suffix('m') {
        return Some(thousandths.parse::<u64>().ok()?.div_ceil(1000).into());
    }
    let (digits, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((quantity.strip_suffix(suffix)?, *factor)))
        .unwrap_or((quantity, 1));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > 9 {
        return None;
    }
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: u128 = format!("{whole}{fraction}").parse::<u64>().ok()?.into();
    Some(digits.checked_mul(factor)?.div_ceil(scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_half_is_in_whole_units() {
        for (quantity, expected) in [
            ("4", Some("2")),
            ("8Gi", Some("4Gi")),
            ("1Gi", Some("512Mi")),
            ("3Gi", Some("1536Mi")),
            ("1.5Gi", Some("768Mi")),
            ("5", Some("2")),
            ("2500m", Some("1")),
            ("500m", None),
            ("1", None),
            ("0", None),
            ("2G", Some("1G")),
            ("8000M", Some("4G")),
            ("", None),
            ("much", None),
            ("99999999999999999999999Ei", None),
            ("1.0000000001Gi", None),
        ] {
            assert_eq!(half(quantity).as_deref(), expected, "{quantity}");
        }
    }
}
