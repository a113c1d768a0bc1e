//! Which repository a source asks, as people write it.

/// A repository of a forge that speaks GitHub's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Host in lower case, with its port if that is not the usual one; `None` when only owner and
    /// name were given.
    pub host: Option<String>,
    pub owner: String,
    pub name: String,
}

/// Reads `owner/name`, or a URL in any form that git knows.
///
/// # Errors
/// When it is neither, as a fragment that names it.
pub fn parse(text: &str) -> Result<Repository, String> {
    let (host, path) = match split_host(text) {
        Some((host, path)) => (Some(host), path),
        None => (None, text),
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let understood = path
        .split_once('/')
        .filter(|(owner, name)| is_name(owner) && is_name(name));
    let is_host_missing = host.as_ref().is_some_and(String::is_empty);
    let Some((owner, name)) = understood.filter(|_| !is_host_missing) else {
        return Err(format!(
            "failed to read the repository `{text}`: it is neither owner/name nor a URL of one"
        ));
    };
    Ok(Repository {
        host,
        owner: owner.to_owned(),
        name: name.to_owned(),
    })
}

fn split_host(text: &str) -> Option<(String, &str)> {
    let (authority, path) = match text.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => text.split_once(':')?,
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some((host.to_ascii_lowercase(), path))
}

/// Whether GitHub allows it as the name of an owner or a repository.
fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 100 && text != "." && text != ".." && text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_and_name_and_all_forms_of_urls_are_understood() {
        for (text, host) in [
            ("org/repo", None),
            ("org/repo.git", None),
            ("https://github.com/org/repo", Some("github.com")),
            ("https://user@GitHub.com/org/repo.git/", Some("github.com")),
            ("git@ghe.example.com:org/repo.git", Some("ghe.example.com")),
            (
                "ssh://git@ghe.example.com:2222/org/repo",
                Some("ghe.example.com:2222"),
            ),
        ] {
            let expected = Repository {
                host: host.map(str::to_owned),
                owner: "org".to_owned(),
                name: "repo".to_owned(),
            };
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_text() {
        for text in [
            "",
            "repo",
            "a/b/c",
            "org/",
            "/repo",
            "org/..",
            "https://github.com/org",
            "https:///org/repo",
            "org/re po",
            "https://github.com",
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
