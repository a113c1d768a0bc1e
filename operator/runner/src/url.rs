//! What the runner has to know of a repository's URL.

/// A repository's URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepositoryUrl {
    /// `https://host[:port]`, lower case, when the repository is read over HTTP.
    pub(crate) origin: Option<String>,
    /// The host without a port; absent for `file://`.
    pub(crate) host: Option<String>,
    /// `OWNER/NAME`, when the path has just these two parts.
    pub(crate) slug: Option<String>,
    /// The directory of a `file://` URL.
    pub(crate) directory: Option<String>,
}

impl RepositoryUrl {
    /// Takes `url` apart. Total: what is no URL has no parts.
    pub(crate) fn parse(url: &str) -> Self {
        if let Some(directory) = url.strip_prefix("file://") {
            return Self {
                origin: None,
                host: None,
                slug: None,
                directory: Some(directory.to_owned()),
            };
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Self::scp(url);
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let scheme = scheme.to_ascii_lowercase();
        let authority = authority.to_ascii_lowercase();
        Self {
            host: host_of(&authority),
            slug: slug(path),
            origin: (matches!(scheme.as_str(), "http" | "https") && !authority.is_empty())
                .then(|| format!("{scheme}://{authority}")),
            directory: None,
        }
    }

    /// The form `user@host:path` that ssh has.
    fn scp(url: &str) -> Self {
        let (authority, path) = url.split_once(':').unwrap_or((url, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Self {
            origin: None,
            host: (!path.is_empty() && !host.is_empty()).then(|| host.to_ascii_lowercase()),
            slug: slug(path),
            directory: None,
        }
    }
}

fn host_of(authority: &str) -> Option<String> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    (!host.is_empty()).then(|| host.to_owned())
}

fn slug(path: &str) -> Option<String> {
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, name) = path.split_once('/')?;
    (!owner.is_empty() && !name.is_empty() && !name.contains('/')).then(|| format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, origin, host, slug) in [
            (
                "https://github.com/a/b.git",
                Some("https://github.com"),
                Some("github.com"),
                Some("a/b"),
            ),
            (
                "HTTP://u:p@Host:8080/a/b/",
                Some("http://host:8080"),
                Some("host"),
                Some("a/b"),
            ),
            ("https://host/a/b/c", Some("https://host"), Some("host"), None),
            ("git@github.com:a/b.git", None, Some("github.com"), Some("a/b")),
            ("ssh://git@host:22/a/b", None, Some("host"), Some("a/b")),
            ("file:///srv/git/a.git", None, None, None),
            ("https://", None, None, None),
            ("", None, None, None),
        ] {
            let parsed = RepositoryUrl::parse(url);
            assert_eq!(parsed.origin.as_deref(), origin, "{url}");
            assert_eq!(parsed.host.as_deref(), host, "{url}");
            assert_eq!(parsed.slug.as_deref(), slug, "{url}");
        }
    }

    #[test]
    fn a_file_url_names_a_directory() {
        let parsed = RepositoryUrl::parse("file:///srv/git/a.git");
        assert_eq!(parsed.directory.as_deref(), Some("/srv/git/a.git"));
    }
}
