//! What the launches share: variables with defaults, base URLs, folders of the home.

use crate::launch::{Launch, Request};

/// A variable of the container, if it is set and not empty.
pub(crate) fn given(request: &Request<'_>, name: &str) -> Option<String> {
    (request.variable)(name).filter(|value| !value.trim().is_empty())
}

/// Sets each variable that the container does not have. The user's own value wins.
pub(crate) fn set_defaults(launch: &mut Launch, request: &Request<'_>, defaults: &[(&str, &str)]) {
    for (name, value) in defaults {
        if given(request, name).is_none() {
            set(launch, name, *value);
        }
    }
}

/// Sets or replaces a variable.
pub(crate) fn set(launch: &mut Launch, name: &str, value: impl Into<String>) {
    launch.set.push((name.to_owned(), value.into()));
}

/// The text, unless it is absent or blank.
pub(crate) fn not_blank(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// The root of an API: `url` without a trailing slash and without its version.
pub(crate) fn api_root(url: &str) -> &str {
    let url = url.trim().trim_end_matches('/');
    match url.rsplit_once('/') {
        Some((root, last)) if is_version(last) => root.trim_end_matches('/'),
        _ => url,
    }
}

/// `url` with the version of its API: its own if it has one, else `version`.
pub(crate) fn versioned(url: &str, version: &str) -> String {
    let url = url.trim().trim_end_matches('/');
    match url.rsplit_once('/') {
        Some((_, last)) if is_version(last) => url.to_owned(),
        _ => format!("{url}/{version}"),
    }
}

/// Whether a path segment is a version such as `v1`, `v4` or `v1beta`.
fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        && segment.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Where a CLI's folder lies below the home: `variable` moves it if the user pointed it below the
/// home, else it is `default`. Files can be written only below the home, so a folder elsewhere is
/// not taken over and the caller must point `variable` back.
pub(crate) fn folder_below_home(request: &Request<'_>, variable: &str, default: &str) -> String {
    given(request, variable)
        .as_deref()
        .and_then(|path| path.strip_prefix(request.home))
        .and_then(|below| below.strip_prefix('/'))
        .map(|below| below.trim_matches('/'))
        .filter(|below| below.split('/').all(|part| !matches!(part, "" | "." | "..")))
        .unwrap_or(default)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_taken_with_or_without_version_and_slash() {
        for url in [
            "http://h:1/p",
            "http://h:1/p/",
            "http://h:1/p/v1",
            "http://h:1/p/v1/",
        ] {
            assert_eq!(api_root(url), "http://h:1/p", "{url}");
            assert_eq!(versioned(url, "v1"), "http://h:1/p/v1", "{url}");
        }
        assert_eq!(api_root("http://h/v1beta"), "http://h");
        assert_eq!(versioned("http://h/api/paas/v4", "v1"), "http://h/api/paas/v4");
        assert_eq!(versioned("http://vhost", "v1"), "http://vhost/v1");
    }

    #[test]
    fn a_folder_of_the_user_is_used_only_below_the_home() {
        let cases = [
            (None, ".codex"),
            (Some("/home/a/.x/codex/"), ".x/codex"),
            (Some("/home/ab"), ".codex"),
            (Some("/home/a"), ".codex"),
            (Some("/home/a/../b"), ".codex"),
            (Some("/etc/codex"), ".codex"),
        ];
        for (value, expected) in cases {
            let variable = |_: &str| value.map(ToOwned::to_owned);
            let request = Request {
                prompt: "",
                model: None,
                effort: None,
                home: "/home/a",
                setup: &crate::setup::Setup::default(),
                variable: &variable,
            };
            assert_eq!(
                folder_below_home(&request, "CODEX_HOME", ".codex"),
                expected,
                "{value:?}"
            );
        }
    }
}
