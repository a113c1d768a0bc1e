//! What makes two URLs name the same repository.

/// The identity of a repository: `host/path` with the host in lower case, without user, scheme,
/// default port, `.git` and trailing slashes, so that the scp, ssh and https forms of one repository
/// are equal. A `file://` URL gives `file:` and its path.
pub fn identity(url: &str) -> String {
    if let Some(path) = url.strip_prefix("file://") {
        return format!("file:/{}", trim_path(path));
    }
    let host_of = |authority| {
        let (_, host) = str::rsplit_once(authority, '@').unwrap_or(("", authority));
        host
    };
    let (host, path) = if let Some((scheme, rest)) = url.split_once("://") {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        (without_default_port(scheme, host_of(authority)), path)
    } else {
        let (authority, path) = url.split_once(':').unwrap_or((url, ""));
        (host_of(authority), path)
    };
    format!("{}/{}", host.to_ascii_lowercase(), trim_path(path))
}

fn without_default_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        "ssh" => ":22",
        "git" => ":9418",
        _ => return host,
    };
    host.strip_suffix(port).unwrap_or(host)
}

fn trim_path(path: &str) -> &str {
    let path = path.trim_matches('/');
    path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_one_repository_are_equal() {
        for url in [
            "https://github.com/org/repo",
            "https://GitHub.com/org/repo.git",
            "https://github.com:443/org/repo.git/",
            "https://user@github.com/org/repo/",
            "git@github.com:org/repo.git",
            "git@github.com:/org/repo",
            "ssh://git@github.com/org/repo.git",
            "ssh://git@github.com:22/org/repo",
            "git://github.com/org/repo",
        ] {
            assert_eq!(identity(url), "github.com/org/repo", "{url}");
        }
    }

    #[test]
    fn other_hosts_ports_and_paths_are_other_repositories() {
        let all = [
            "https://github.com/org/repo",
            "https://github.com/org/Repo",
            "https://github.com:8443/org/repo",
            "https://ghe.example.com/org/repo",
            "file:///org/repo",
        ];
        let identities: std::collections::BTreeSet<_> = all.iter().map(|url| identity(url)).collect();
        assert_eq!(identities.len(), all.len());
    }
}
