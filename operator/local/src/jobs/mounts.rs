//! Which folder of the machine stands for which path of the container.

use std::path::{Path, PathBuf};

/// One folder or file of the machine at a path of the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Absolute path on the machine.
    pub(super) source: PathBuf,
    /// Absolute path in the container.
    pub(super) target: PathBuf,
    pub(super) access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
}

/// The path on the machine for a text that is a mount's path or lies below one; the longest mount
/// wins. `None` for every other text.
pub(super) fn on_machine(mounts: &[Mount], text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return None;
    }
    mounts
        .iter()
        .filter_map(|mount| Some((mount, path.strip_prefix(&mount.target).ok()?)))
        .max_by_key(|(mount, _)| mount.target.components().count())
        .map(|(mount, rest)| {
            if rest.as_os_str().is_empty() {
                mount.source.clone()
            } else {
                mount.source.join(rest)
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_at_or_below_a_mount_becomes_the_path_on_the_machine() {
        let mounts = [("/axon", "/m/axon"), ("/axon/bin", "/m/bin")].map(|(target, source)| Mount {
            source: source.into(),
            target: target.into(),
            access: Access::ReadWrite,
        });
        for (text, expected) in [
            ("/axon/bin", Some("/m/bin")),
            ("/axon/bin/axon-runner", Some("/m/bin/axon-runner")),
            ("/axon/run/x", Some("/m/axon/run/x")),
            ("/axonx", None),
            ("axon/bin", None),
            ("see /axon/bin", None),
            ("", None),
        ] {
            assert_eq!(on_machine(&mounts, text), expected.map(PathBuf::from), "{text}");
        }
    }
}
