//! Reads which branch and commit a checkout is at, from its plain files: to run git in a repository
//! that the agent had would run what the agent configured.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;

/// No file of refs that people have is larger.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Longer names cannot be files.
const MAX_NAME: usize = 255;

/// Where a checkout stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    /// Absent when no branch is checked out.
    pub(crate) branch: Option<String>,
    /// Absent on a branch without a commit.
    pub(crate) commit: Option<String>,
}

/// Where a checkout stands: its `HEAD` is in `git_dir`, the branches are in `common`. What cannot be
/// read, or is not what git writes, is absent.
pub(crate) fn read(git_dir: &Path, common: &Path) -> Head {
    let Some(head) = text(&git_dir.join("HEAD")) else {
        return Head::default();
    };
    let Some(name) = head.trim_end().strip_prefix("ref: ") else {
        return Head {
            branch: None,
            commit: commit(&head),
        };
    };
    let Some(branch) = name
        .strip_prefix("refs/heads/")
        .filter(|branch| is_branch_name(branch))
    else {
        return Head::default();
    };
    let loose = text(&common.join(name)).and_then(|text| commit(&text));
    Head {
        branch: Some(branch.to_owned()),
        commit: loose.or_else(|| packed(&text(&common.join("packed-refs"))?, name)),
    }
}

/// Reads a plain file; a link, a pipe or a device in its place is not read.
fn text(path: &Path) -> Option<String> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
        .ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A commit id as git writes it, SHA-1 or SHA-256.
pub(crate) fn commit(text: &str) -> Option<String> {
    let id = text.trim_end();
    let hex = id
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (hex && matches!(id.len(), 40 | 64)).then(|| id.to_owned())
}

/// The line of `packed-refs` for `name` (git-pack-refs(1)).
fn packed(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(_, packed)| *packed == name)
        .and_then(|(id, _)| commit(id))
}

/// Whether git would let a branch have this name, as far as it matters here
/// (git-check-ref-format(1)).
pub(crate) fn is_branch_name(name: &str) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.contains(bad)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.starts_with('-')
        && name.split('/').all(|part| {
            !part.is_empty() && !part.starts_with('.') && !part.to_ascii_lowercase().ends_with(".lock")
        })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn read_with(files: &[(&str, &str)]) -> Head {
        let root = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = root.path().join(".git").join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        let git = root.path().join(".git");
        read(&git, &git)
    }

    #[test]
    fn a_branch_is_read_from_a_loose_or_a_packed_ref() {
        let head = ("HEAD", "ref: refs/heads/feature/x\n");
        let expected = Head {
            branch: Some("feature/x".into()),
            commit: Some(COMMIT.into()),
        };
        let line = format!("{COMMIT}\n");
        assert_eq!(read_with(&[head, ("refs/heads/feature/x", &line)]), expected);
        let packed = format!("# pack-refs with: peeled\n{COMMIT} refs/heads/feature/x\n^{COMMIT}\n");
        assert_eq!(read_with(&[head, ("packed-refs", &packed)]), expected);
    }

    #[test]
    fn a_detached_head_has_a_commit_only() {
        let head = read_with(&[("HEAD", COMMIT)]);
        assert_eq!(head.branch, None);
        assert_eq!(head.commit.as_deref(), Some(COMMIT));
    }

    #[test]
    fn what_git_would_not_write_is_absent() {
        for head in [
            "",
            "ref: refs/heads/../../../../etc/passwd",
            "ref: /etc/passwd",
            "ref: refs/heads/a\nb",
            "ABCDEF",
        ] {
            assert_eq!(read_with(&[("HEAD", head)]), Head::default(), "{head:?}");
        }
        assert_eq!(
            read(Path::new("/nonexistent"), Path::new("/nonexistent")),
            Head::default()
        );
    }

    proptest! {
        #[test]
        fn whatever_stands_in_head_gives_a_name_that_stays_below_it(text in "(ref: (refs/heads/)?)?.{0,60}") {
            let head = read_with(&[("HEAD", &text)]);
            let name = head.branch.unwrap_or_default();
            prop_assert!(!name.contains("..") && !name.starts_with('/') && !name.contains(char::is_control));
        }
    }

    #[test]
    fn a_link_in_heads_place_is_not_read() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join(".git")).expect("made");
        fs::write(root.path().join("elsewhere"), COMMIT).expect("written");
        symlink(root.path().join("elsewhere"), root.path().join(".git/HEAD")).expect("linked");
        let git = root.path().join(".git");
        assert_eq!(read(&git, &git), Head::default());
    }
}
