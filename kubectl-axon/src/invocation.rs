//! Under which name the program was started.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

static NAME: OnceLock<&'static str> = OnceLock::new();

/// How people start this program: `kubectl axon` when it runs as kubectl's plugin, else `axon`.
/// Usage lines and hints show it.
pub(crate) fn name() -> &'static str {
    NAME.get_or_init(|| name_of(std::env::args_os().next().as_deref()))
}

fn name_of(program: Option<&OsStr>) -> &'static str {
    let plugin = program
        .map(Path::new)
        .and_then(Path::file_stem)
        .is_some_and(|stem| stem.to_string_lossy().starts_with("kubectl-"));
    if plugin { "kubectl axon" } else { "axon" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_name_decides_the_name() {
        for (program, name) in [
            ("/usr/local/bin/kubectl-axon", "kubectl axon"),
            ("kubectl-axon", "kubectl axon"),
            ("/home/kubectl-user/axon", "axon"),
            ("./axon", "axon"),
        ] {
            assert_eq!(name_of(Some(OsStr::new(program))), name, "{program}");
        }
        assert_eq!(name_of(None), "axon");
    }
}
