//! The branch of a Task, which git is to take as a branch and nothing else.

use super::Refusal;

/// Bytes that a branch may have.
const MAX_BYTES: usize = 255;

/// The branch, when it follows the rules of `git check-ref-format --branch`
/// (<https://git-scm.com/docs/git-check-ref-format>). Nothing that strangers wrote becomes an option
/// or another ref.
pub(super) fn checked(branch: String) -> Result<String, Refusal> {
    match fault(&branch) {
        None => Ok(branch),
        Some(why) => {
            let shown: String = branch.chars().take(80).collect();
            Err(Refusal::new(
                "BranchInvalid",
                format!("taskTemplate.branch gives `{shown}`, which git does not take: {why}"),
            ))
        }
    }
}

fn fault(branch: &str) -> Option<&'static str> {
    let is_forbidden = |c: char| {
        c.is_control() || c.is_whitespace() || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
    };
    if branch.is_empty() {
        return Some("it is empty");
    }
    if branch.len() > MAX_BYTES {
        return Some("it has more than 255 bytes");
    }
    if branch.starts_with('-') {
        return Some("it begins with a dash");
    }
    if branch.contains(is_forbidden) {
        return Some("it has a blank or one of ~ ^ : ? * [ \\");
    }
    if branch.contains("..") || branch.contains("@{") || branch == "@" || branch == "HEAD" {
        return Some("it has `..` or `@{`, or is `@` or `HEAD`");
    }
    if branch.ends_with('.') {
        return Some("it ends with a dot");
    }
    let is_lock = |part: &str| part.strip_suffix(".lock").is_some();
    let is_bad = |part: &str| part.is_empty() || part.starts_with('.') || is_lock(part);
    if branch.split('/').any(is_bad) {
        return Some("a part between slashes is empty, begins with a dot or ends with `.lock`");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn git_takes(branch: &str) -> bool {
        let git = Command::new("git")
            .args(["check-ref-format", &format!("refs/heads/{branch}")])
            .output();
        git.expect("git").status.success()
    }

    #[test]
    fn what_git_would_take_for_something_else_is_refused() {
        for branch in [
            "-f",
            "--upload-pack=touch /tmp/x",
            "a b",
            "a..b",
            "a.lock",
            "/a",
            "a/",
            "@",
            "HEAD",
            "a~1",
            "",
            "a\nb",
        ] {
            assert!(fault(branch).is_some(), "{branch:?}");
        }
        for branch in ["axon-task-42", "feature/é", "a.b", "a-b_c"] {
            assert_eq!(fault(branch), None, "{branch}");
            assert!(git_takes(branch), "{branch}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
        #[test]
        fn git_takes_all_that_is_taken(branch in "[-a.@{}/~:lock\\\\ ]{1,8}") {
            if fault(&branch).is_none() {
                prop_assert!(git_takes(&branch), "{branch:?}");
            }
        }
    }
}
