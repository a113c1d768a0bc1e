//! Versions, told apart.

use k8s_openapi::apimachinery::pkg::version::Info;

/// The oldest Kubernetes that Axon runs on.
pub(crate) const OLDEST: (u32, u32) = (1, 31);

/// Major and minor version of the server; `None` when it says something else. Some vendors write
/// the minor version with a plus sign.
pub(crate) fn kubernetes(info: &Info) -> Option<(u32, u32)> {
    let number = |text: &str| {
        text.trim_end_matches(|character: char| !character.is_ascii_digit())
            .parse()
            .ok()
    };
    Some((number(&info.major)?, number(&info.minor)?))
}

/// Whether the version `left` is newer than `right`. What is no version is not newer than anything.
pub(crate) fn is_newer(left: &str, right: &str) -> bool {
    match (numbers(left), numbers(right)) {
        (Some(left), Some(right)) => left > right,
        _ => false,
    }
}

/// `v1.2.3-rc.1` as numbers and whether it is a release, which is newer than what led to it.
fn numbers(version: &str) -> Option<([u64; 3], bool)> {
    let version = version.trim_start_matches('v').split('+').next()?;
    let (release, candidate) = match version.split_once('-') {
        Some((release, _)) => (release, true),
        None => (version, false),
    };
    let mut parts = release.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some((numbers, !candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendors_minor_version_is_read() {
        let info = |major: &str, minor: &str| Info {
            major: major.into(),
            minor: minor.into(),
            ..Info::default()
        };
        assert_eq!(kubernetes(&info("1", "31+")), Some((1, 31)));
        assert_eq!(kubernetes(&info("1", "34")), Some((1, 34)));
        assert_eq!(kubernetes(&info("", "")), None);
    }

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        for (left, right, newer) in [
            ("0.10.0", "0.9.0", true),
            ("v0.2.0", "0.1.9", true),
            ("0.1.0", "0.1.0", false),
            ("0.1.0", "0.1.0-rc.1", true),
            ("0.1.0-rc.1", "0.1.0", false),
            ("main", "0.1.0", false),
            ("0.1.0", "main", false),
        ] {
            assert_eq!(is_newer(left, right), newer, "{left} {right}");
        }
    }
}
