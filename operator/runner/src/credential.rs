//! The token of the workspace for git: a credential helper that is this program itself.
//!
//! The token never stands in a URL, in a configuration or in an argument. git is told by its
//! environment to call the helper for the repository's own origin, and the helper reads the file
//! anew at each call, so that a refreshed token arrives.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use axon_api::variables;

use crate::environment::Environment;
use crate::invocation::Invocation;
use crate::secrets;
use crate::url::RepositoryUrl;

/// The user that GitHub and its like expect with an access token.
const USERNAME: &str = "x-access-token";

/// git writes a few short lines.
const MAX_REQUEST: u64 = 64 * 1024;

/// The settings that make git ask the helper for the origin of `repo`; none when there is no token
/// or the repository is not read over HTTP.
pub(crate) fn settings(
    repo: &str,
    environment: &Environment,
    invocation: &Invocation,
) -> Vec<(String, String)> {
    let Some(origin) = RepositoryUrl::parse(repo).origin else {
        return Vec::new();
    };
    if environment.path(variables::GITHUB_TOKEN_FILE).is_none() {
        return Vec::new();
    }
    let key = format!("credential.{origin}.helper");
    let command = invocation.shell_command(environment, &["git-credential", &origin]);
    // The empty one takes out the helpers of the image for this origin, whose tokens would be
    // tried first.
    vec![(key.clone(), String::new()), (key, format!("!{command}"))]
}

/// Answers one request of git's, which stands on standard input
/// (gitcredentials(7), "CUSTOM HELPERS").
pub(crate) fn answer(origin: &str, action: &str) -> ExitCode {
    let mut request = String::new();
    if io::stdin()
        .take(MAX_REQUEST)
        .read_to_string(&mut request)
        .is_err()
    {
        return ExitCode::FAILURE;
    }
    if action != "get" || !is_for(origin, &request) {
        return ExitCode::SUCCESS;
    }
    let Some(token) = secrets::token(&Environment::of_process()) else {
        crate::complain(&format!(
            "failed to read a token from the file that `{}` names",
            variables::GITHUB_TOKEN_FILE
        ));
        return ExitCode::SUCCESS;
    };
    let mut output = io::stdout().lock();
    match write!(output, "username={USERNAME}\npassword={token}\n").and_then(|()| output.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Whether git asks for `origin`, scheme and port included.
fn is_for(origin: &str, request: &str) -> bool {
    let value = |name: &str| {
        request
            .lines()
            .filter_map(|line| line.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_ascii_lowercase())
    };
    let (Some(protocol), Some(host)) = (value("protocol"), value("host")) else {
        return false;
    };
    matches!(protocol.as_str(), "http" | "https")
        && format!("{protocol}://{host}") == origin.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_repositorys_own_origin_is_answered() {
        let origin = "https://git.example.com:8443";
        for (request, answered) in [
            ("protocol=https\nhost=git.example.com:8443\n\n", true),
            ("protocol=https\nhost=Git.Example.com:8443\n\n", true),
            ("protocol=http\nhost=git.example.com:8443\n", false),
            ("protocol=https\nhost=git.example.com\n", false),
            ("protocol=https\nhost=evil.example.com\n", false),
            ("host=git.example.com:8443\n", false),
            ("", false),
        ] {
            assert_eq!(is_for(origin, request), answered, "{request:?}");
        }
        assert!(!is_for("ssh://h", "protocol=ssh\nhost=h\n"));
    }

    #[test]
    fn without_a_token_or_without_http_git_is_told_nothing() {
        let invocation = Invocation::of_process(&[]);
        let mut environment = Environment::default();
        assert!(settings("https://h/a/b", &environment, &invocation).is_empty());
        environment.set(variables::GITHUB_TOKEN_FILE, "/token");
        assert!(settings("file:///srv/a", &environment, &invocation).is_empty());
        let given = settings("https://h/a/b", &environment, &invocation);
        assert_eq!(given.len(), 2);
        assert!(given.iter().all(|(key, _)| key == "credential.https://h.helper"));
    }
}
