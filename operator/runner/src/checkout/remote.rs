//! What the remote has, and what of it is to be checked out.

use axon_api::run::Checkout;

/// What the remote has, as far as the checkout needs to know.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remote {
    /// The branch that `HEAD` names.
    pub(super) default_branch: Option<String>,
    /// The commit of `HEAD`; absent in an empty repository.
    pub(super) head: Option<String>,
    /// Full names of refs.
    pub(super) refs: Vec<String>,
    /// Whether the repository names its objects by SHA-256.
    pub(super) is_sha256: bool,
}

/// What to check out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// A branch of the remote.
    Branch(String),
    /// A tag or another ref, by its full name.
    Ref(String),
    /// A commit, by all of its digits or by the first of them.
    Commit(String),
    /// Nothing: the repository is empty.
    Nothing,
}

impl Remote {
    /// Whether the remote has this branch.
    pub(super) fn has_branch(&self, name: &str) -> bool {
        self.refs
            .iter()
            .any(|have| have.strip_prefix("refs/heads/") == Some(name))
    }
}

/// The refs that the remote must be asked for.
pub(super) fn wanted(checkout: &Checkout) -> Vec<String> {
    let mut patterns = vec!["HEAD".to_owned()];
    if let Some(name) = &checkout.ref_ {
        patterns.extend(candidates(name));
    }
    if let Some(name) = &checkout.branch {
        patterns.push(format!("refs/heads/{name}"));
    }
    patterns
}

/// The full names that a name may stand for, the likeliest first.
fn candidates(name: &str) -> Vec<String> {
    if name.starts_with("refs/") {
        return vec![name.to_owned()];
    }
    vec![
        format!("refs/heads/{name}"),
        format!("refs/tags/{name}"),
        format!("refs/{name}"),
    ]
}

/// Reads what `git ls-remote --symref` prints.
pub(super) fn read(output: &str) -> Remote {
    let mut remote = Remote::default();
    for line in output.lines() {
        let Some((left, name)) = line.split_once('\t') else {
            continue;
        };
        match left.strip_prefix("ref: refs/heads/") {
            Some(branch) if name == "HEAD" => remote.default_branch = Some(branch.to_owned()),
            Some(_) => continue,
            None if name == "HEAD" => remote.head = Some(left.to_owned()),
            None => remote.refs.push(name.to_owned()),
        }
        remote.is_sha256 |= left.len() == 64 && !left.starts_with("ref:");
    }
    remote
}

/// What to check out; `None` when the remote has nothing by that name. A commit goes before a ref,
/// and a branch before a tag of the same name, as it does in a clone.
pub(super) fn start(checkout: &Checkout, remote: &Remote) -> Option<Start> {
    if let Some(commit) = &checkout.commit {
        return remote
            .head
            .is_some()
            .then(|| Start::Commit(commit.to_ascii_lowercase()))
            .or_else(|| (!remote.refs.is_empty()).then(|| Start::Commit(commit.to_ascii_lowercase())));
    }
    let Some(name) = checkout.ref_.as_deref() else {
        return Some(match (&remote.default_branch, &remote.head) {
            (Some(branch), Some(_)) => Start::Branch(branch.clone()),
            (None, Some(commit)) => Start::Commit(commit.clone()),
            (_, None) => Start::Nothing,
        });
    };
    let found = candidates(name)
        .into_iter()
        .find(|candidate| remote.refs.contains(candidate));
    if let Some(found) = found {
        return Some(match found.strip_prefix("refs/heads/") {
            Some(branch) => Start::Branch(branch.to_owned()),
            None => Start::Ref(found),
        });
    }
    is_commit(name).then(|| Start::Commit(name.to_ascii_lowercase()))
}

/// Whether `name` is a whole commit id, SHA-1 or SHA-256.
pub(crate) fn is_commit(name: &str) -> bool {
    matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn checkout(ref_: Option<&str>) -> Checkout {
        Checkout {
            repo: "https://h/a/b".into(),
            ref_: ref_.map(str::to_owned),
            ..Checkout::default()
        }
    }

    fn remote() -> Remote {
        read(&format!(
            "ref: refs/heads/main\tHEAD\n{COMMIT}\tHEAD\n{COMMIT}\trefs/heads/both\n{COMMIT}\trefs/tags/both\n\
             {COMMIT}\trefs/tags/v1\n{COMMIT}\trefs/remotes/x/refs/heads/main\n"
        ))
    }

    #[test]
    fn a_ref_is_a_branch_before_a_tag_before_a_commit() {
        for (ref_, expected) in [
            (None, Some(Start::Branch("main".into()))),
            (Some("both"), Some(Start::Branch("both".into()))),
            (Some("v1"), Some(Start::Ref("refs/tags/v1".into()))),
            (Some("tags/v1"), Some(Start::Ref("refs/tags/v1".into()))),
            (Some("heads/both"), Some(Start::Branch("both".into()))),
            (Some("refs/tags/both"), Some(Start::Ref("refs/tags/both".into()))),
            (Some(COMMIT), Some(Start::Commit(COMMIT.into()))),
            (Some("0123456"), None),
            (Some("gone"), None),
        ] {
            assert_eq!(start(&checkout(ref_), &remote()), expected, "{ref_:?}");
        }
    }

    #[test]
    fn a_commit_goes_before_the_ref() {
        let checkout = Checkout {
            commit: Some("0123456".into()),
            ..checkout(Some("both"))
        };
        assert_eq!(start(&checkout, &remote()), Some(Start::Commit("0123456".into())));
        assert_eq!(start(&checkout, &Remote::default()), None);
    }

    #[test]
    fn an_empty_repository_has_nothing_to_check_out() {
        assert_eq!(start(&checkout(None), &Remote::default()), Some(Start::Nothing));
        assert_eq!(start(&checkout(Some("main")), &Remote::default()), None);
    }

    #[test]
    fn the_length_of_a_name_tells_how_objects_are_named() {
        assert!(!remote().is_sha256);
        let id = "0".repeat(64);
        assert!(read(&format!("{id}\tHEAD\n")).is_sha256);
    }
}
