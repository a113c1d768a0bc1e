//! What the messages of git and ssh mean for the person who wrote the Workspace.

use axon_api::run::{Access, Checkout};

use crate::failure::{
    AUTHENTICATION_FAILED, CLONE_FAILED, DISK_FULL, Failure, HOST_KEY_CHANGED, HOST_KEY_UNKNOWN,
    REF_NOT_FOUND, REPOSITORY_NOT_FOUND, SETUP_FAILED,
};
use crate::git::telling_line;

fn any(errors: &str, words: &[&str]) -> bool {
    words.iter().any(|words| errors.contains(words))
}

fn speaks_of_a_missing_ref(errors: &str) -> bool {
    any(
        errors,
        &[
            "couldn't find remote ref",
            "unadvertised object",
            "not our ref",
            "bad object",
            "no such remote ref",
        ],
    )
}

/// Whether git's messages, in English, say that the server wants to know who asks.
fn speaks_of_authentication(errors: &str) -> bool {
    any(
        errors,
        &[
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "terminal prompts disabled",
            "returned error: 401",
            "returned error: 403",
            "Permission denied (",
            "Too many authentication failures",
            "Invalid username or",
        ],
    )
}

/// Whether git's messages say that there is no repository. Forges say so too of a private one to
/// those who may not see it.
fn speaks_of_a_missing_repository(errors: &str) -> bool {
    any(
        errors,
        &[
            "does not appear to be a git repository",
            "Repository not found",
            "' not found",
            "returned error: 404",
        ],
    )
}

/// Whether ssh says that it does not know the server's key.
pub(crate) fn speaks_of_an_unknown_host(errors: &str) -> bool {
    errors.contains("host key is known for")
        || (errors.contains("Host key verification failed") && !speaks_of_a_changed_host(errors))
}

fn speaks_of_a_changed_host(errors: &str) -> bool {
    any(errors, &["HOST IDENTIFICATION HAS CHANGED", "Host key for "])
}

/// The first fingerprint in what ssh said.
pub(crate) fn fingerprint(errors: &str) -> Option<&str> {
    let start = errors.find("SHA256:")?;
    let rest = errors.get(start..)?;
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '+' | '/' | '=')))
        .unwrap_or(rest.len());
    rest.get(..end)
        .map(|found| found.trim_end_matches('.'))
        .filter(|found| found.len() > "SHA256:".len())
}

/// There is nothing by the name that the workspace gives.
pub(crate) fn no_such_ref(checkout: &Checkout) -> Failure {
    let message = match (&checkout.commit, &checkout.ref_) {
        (Some(commit), _) => format!("`{commit}` is no commit of `{}`", checkout.repo),
        (None, name) => format!(
            "`{}` is no branch, tag or 40-digit commit of `{}`",
            name.as_deref().unwrap_or("HEAD"),
            checkout.repo
        ),
    };
    Failure::new(REF_NOT_FOUND, message)
}

/// A full disk in what a program said, whatever it was that it stopped.
pub(crate) fn full_disk(repo: &str, errors: &str) -> Option<Failure> {
    let full = |line: &&str| line.contains("No space left on device") || line.contains("Disk quota exceeded");
    let line = errors.lines().find(full)?;
    Some(Failure::new(
        DISK_FULL,
        format!("failed to check out `{repo}`: {}", line.trim()),
    ))
}

/// What git's messages mean for the person who wrote the Workspace. `offered` is the fingerprint of
/// the key that the server offers, where somebody asked it.
pub(crate) fn explain(checkout: &Checkout, errors: &str, offered: Option<&str>) -> Failure {
    let line = telling_line(errors);
    let repo = &checkout.repo;
    if let Some(full) = full_disk(repo, errors) {
        return full;
    }
    if speaks_of_a_changed_host(errors) {
        return changed_host(checkout, fingerprint(errors).or(offered));
    }
    if speaks_of_an_unknown_host(errors) {
        return unknown_host(checkout, fingerprint(errors).or(offered));
    }
    if any(errors, &["cannot run ssh", "ssh: not found", "ssh: No such file"]) {
        return Failure::new(
            SETUP_FAILED,
            format!("failed to check out `{repo}`: the image that prepares the checkout has no `ssh`"),
        );
    }
    if speaks_of_authentication(errors) {
        return Failure::new(AUTHENTICATION_FAILED, refused(checkout, &line));
    }
    if speaks_of_a_missing_ref(errors) {
        return no_such_ref(checkout);
    }
    if speaks_of_a_missing_repository(errors) {
        let hint = match &checkout.secret_name {
            None if repo.starts_with("http") => {
                "\nhint: a private repository needs `secretRef` in the workspace, with a token that may read it"
            }
            _ => "",
        };
        let message = format!("there is no repository at `{repo}`: {line}{hint}");
        return Failure::new(REPOSITORY_NOT_FOUND, message);
    }
    Failure::new(CLONE_FAILED, format!("failed to check out `{repo}`: {line}"))
}

fn refused(checkout: &Checkout, line: &str) -> String {
    let repo = &checkout.repo;
    let by_ssh = !repo.starts_with("http");
    match &checkout.secret_name {
        None if by_ssh => format!(
            "the repository `{repo}` needs a key: {line}\nhint: name a Secret with the keys ssh-privatekey and \
             known_hosts in `secretRef` of the workspace"
        ),
        None => format!(
            "the repository `{repo}` needs a token: {line}\nhint: name a Secret with the key GITHUB_TOKEN in \
             `secretRef` of the workspace"
        ),
        Some(secret) if checkout.access == Access::Ssh || by_ssh => {
            format!("the repository `{repo}` refuses the key in ssh-privatekey of Secret `{secret}`: {line}")
        }
        Some(secret) => {
            format!("the repository `{repo}` refuses the token in GITHUB_TOKEN of Secret `{secret}`: {line}")
        }
    }
}

fn secret_in_words(checkout: &Checkout) -> String {
    checkout.secret_name.as_ref().map_or_else(
        || "of the workspace's Secret".to_owned(),
        |secret| format!("of Secret `{secret}`"),
    )
}

fn unknown_host(checkout: &Checkout, fingerprint: Option<&str>) -> Failure {
    let repo = &checkout.repo;
    let secret = secret_in_words(checkout);
    let key = fingerprint.unwrap_or("one that could not be read");
    let scan = crate::ssh::Target::of(repo)
        .map_or_else(|| "ssh-keyscan HOST".to_owned(), |target| target.scan_command());
    Failure::new(
        HOST_KEY_UNKNOWN,
        format!(
            "the server of `{repo}` is not in known_hosts {secret}; the fingerprint of its key is {key}\nhint: ask \
             whoever runs the server whether that is its key, and if so add what `{scan}` prints to known_hosts \
             {secret}"
        ),
    )
}

fn changed_host(checkout: &Checkout, fingerprint: Option<&str>) -> Failure {
    let repo = &checkout.repo;
    let secret = secret_in_words(checkout);
    let key = fingerprint.unwrap_or("one that could not be read");
    Failure::new(
        HOST_KEY_CHANGED,
        format!(
            "the server of `{repo}` has another key than known_hosts {secret} says; the fingerprint of the one that \
             it has is {key}\nhint: either the server got a new key or somebody is in between: ask whoever runs it \
             before known_hosts is changed"
        ),
    )
}

/// What the messages of `git submodule` mean.
pub(crate) fn explain_submodules(checkout: &Checkout, errors: &str) -> Failure {
    let repo = &checkout.repo;
    let line = telling_line(errors);
    if speaks_of_an_unknown_host(errors) || speaks_of_a_changed_host(errors) {
        let said = errors
            .lines()
            .find(|line| line.contains("host key is known for") || line.contains("Host key for "))
            .unwrap_or(&line);
        let (reason, secret) = (HOST_KEY_UNKNOWN, secret_in_words(checkout));
        return Failure::new(
            reason,
            format!(
                "the server of a submodule of `{repo}` is not in known_hosts {secret}: {}",
                said.trim()
            ),
        );
    }
    if let Some(full) = full_disk(repo, errors) {
        return full;
    }
    if speaks_of_authentication(errors) {
        return Failure::new(
            AUTHENTICATION_FAILED,
            format!(
                "a submodule of `{repo}` needs to know who asks: {line}\nhint: submodules are fetched with the \
                 workspace's credentials where they are on its host, and without any elsewhere"
            ),
        );
    }
    if errors.contains("transport 'file' not allowed") {
        return Failure::new(
            CLONE_FAILED,
            format!(
                "a submodule of `{repo}` is a directory of this machine, which only a file:// repository may have"
            ),
        );
    }
    Failure::new(
        CLONE_FAILED,
        format!("failed to check out the submodules of `{repo}`: {line}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> Checkout {
        Checkout {
            repo: "https://h/a/b".into(),
            ..Checkout::default()
        }
    }

    fn by_ssh() -> Checkout {
        Checkout {
            repo: "ssh://git@h:2222/a/b".into(),
            access: Access::Ssh,
            secret_name: Some("deploy".into()),
            ..Checkout::default()
        }
    }

    #[test]
    fn what_git_says_becomes_a_reason() {
        for (errors, reason) in [
            (
                "fatal: Authentication failed for 'https://h/a/b/'",
                AUTHENTICATION_FAILED,
            ),
            (
                "fatal: could not read Username for 'https://h': terminal prompts disabled",
                AUTHENTICATION_FAILED,
            ),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 403",
                AUTHENTICATION_FAILED,
            ),
            ("fatal: write error: No space left on device", DISK_FULL),
            ("fatal: couldn't find remote ref refs/heads/x", REF_NOT_FOUND),
            (
                "fatal: '/x' does not appear to be a git repository",
                REPOSITORY_NOT_FOUND,
            ),
            (
                "fatal: repository 'https://h/a/b/' not found",
                REPOSITORY_NOT_FOUND,
            ),
            (
                "fatal: unable to access 'https://h/': Could not resolve host: h",
                CLONE_FAILED,
            ),
            (
                "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification \
                 failed.\nfatal: Could not read from remote repository.",
                HOST_KEY_UNKNOWN,
            ),
            (
                "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nThe fingerprint for the ED25519 key \
                 sent by the remote host is\nSHA256:abc.\nHost key verification failed.",
                HOST_KEY_CHANGED,
            ),
            (
                "git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.",
                AUTHENTICATION_FAILED,
            ),
            ("error: cannot run ssh: No such file or directory", SETUP_FAILED),
        ] {
            assert_eq!(explain(&checkout(), errors, None).reason, reason, "{errors}");
        }
    }

    #[test]
    fn a_missing_token_and_a_refused_one_are_told_apart() {
        let errors = "fatal: Authentication failed for 'https://h/a/b/'";
        let missing = explain(&checkout(), errors, None);
        assert!(missing.message.contains("`secretRef`"), "{missing}");
        let refused = explain(
            &Checkout {
                secret_name: Some("token".into()),
                ..checkout()
            },
            errors,
            None,
        );
        assert!(refused.message.contains("Secret `token`"), "{refused}");
    }

    #[test]
    fn an_unknown_host_is_told_with_its_fingerprint_and_how_to_add_it() {
        let failure = explain(
            &by_ssh(),
            "No ED25519 host key is known for [h]:2222 and you have requested strict checking.",
            Some("SHA256:q1w2"),
        );
        for words in ["SHA256:q1w2", "ssh-keyscan -p 2222 h", "Secret `deploy`"] {
            assert!(failure.message.contains(words), "{failure}");
        }
    }

    #[test]
    fn a_fingerprint_is_found_wherever_it_stands() {
        for (text, found) in [
            (
                "debug1: Server host key: ssh-ed25519 SHA256:a+/9\r\n",
                Some("SHA256:a+/9"),
            ),
            ("is\nSHA256:abc.\nPlease", Some("SHA256:abc")),
            ("SHA256:", None),
            ("", None),
        ] {
            assert_eq!(fingerprint(text), found, "{text:?}");
        }
    }
}
