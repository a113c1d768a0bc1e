//! Where the API of a repository's GitHub server is.

/// GitHub's own host.
const GITHUB: &str = "github.com";
/// Where its API is.
const GITHUB_API: &str = "https://api.github.com";

/// A repository, and the API of its server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Base URL of the API, without a slash at its end.
    pub api: String,
    /// Who owns the repository: a user or an organization. Empty when the URL does not say.
    pub owner: String,
    /// Name of the repository, without its owner.
    pub repository: String,
}

impl Endpoint {
    /// The API for the repository at `url`. A server that is reached by http or https has its API
    /// at the same port; one that is reached otherwise, by https.
    pub fn of(url: &str) -> Option<Self> {
        let (scheme, authority, path) = if let Some((scheme, rest)) = url.split_once("://") {
            let (authority, path) = rest.split_once('/')?;
            (scheme, authority, path)
        } else {
            let (authority, path) = url.split_once(':')?;
            ("ssh", authority, path)
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = host.to_ascii_lowercase();
        let path = path.trim_matches('/');
        let (owner, name) = path.strip_suffix(".git").unwrap_or(path).rsplit_once('/')?;
        let (_, owner) = owner.rsplit_once('/').unwrap_or(("", owner));
        let without_port = without_port(&host);
        if name.is_empty() || without_port.is_empty() {
            return None;
        }
        let api = match scheme {
            _ if without_port == GITHUB => GITHUB_API.to_owned(),
            "http" | "https" => format!("{scheme}://{host}/api/v3"),
            "ssh" | "git" => format!("https://{without_port}/api/v3"),
            _ => return None,
        };
        Some(Self {
            api,
            owner: owner.to_owned(),
            repository: name.to_owned(),
        })
    }

    /// The same repository, asked for at the API at `api` when that is given.
    #[must_use]
    pub fn at(mut self, api: Option<&str>) -> Self {
        if let Some(api) = api {
            api.trim_end_matches('/').clone_into(&mut self.api);
        }
        self
    }

    /// `owner/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.repository)
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((host, port)) if port.chars().all(|c| c.is_ascii_digit()) => host,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_found_by_the_url_of_the_repository() {
        for (url, api) in [
            ("https://github.com/org/repo.git", GITHUB_API),
            ("https://user@GitHub.com:443/org/repo/", GITHUB_API),
            ("git@github.com:org/repo.git", GITHUB_API),
            ("ssh://git@github.com:22/org/repo", GITHUB_API),
            (
                "https://ghe.example.com/org/repo",
                "https://ghe.example.com/api/v3",
            ),
            (
                "https://ghe.example.com:8443/org/repo",
                "https://ghe.example.com:8443/api/v3",
            ),
            (
                "ssh://git@ghe.example.com:2222/org/repo",
                "https://ghe.example.com/api/v3",
            ),
            ("git@ghe.example.com:org/repo", "https://ghe.example.com/api/v3"),
            (
                "http://127.0.0.1:3000/org/repo.git",
                "http://127.0.0.1:3000/api/v3",
            ),
            ("http://[::1]:3000/org/repo.git", "http://[::1]:3000/api/v3"),
        ] {
            let endpoint = Endpoint::of(url).expect(url);
            assert_eq!(endpoint.api, api, "{url}");
            assert_eq!(endpoint.full_name(), "org/repo", "{url}");
        }
    }

    #[test]
    fn what_is_on_no_server_has_no_api() {
        for url in [
            "file:///srv/repo",
            "https://github.com",
            "https://github.com/repo",
            "repo",
            "",
        ] {
            assert_eq!(Endpoint::of(url), None, "{url}");
        }
    }
}
