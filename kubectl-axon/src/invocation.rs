//! Under which name the program was started.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::OnceLock;

static NAME: OnceLock<&'static str> = OnceLock::new();
static PLACE: OnceLock<String> = OnceLock::new();

/// Remembers the flags that say where the objects are, such as ` --local`, for [`command`].
pub(crate) fn remember_place(place: String) {
    let _ = PLACE.set(place);
}

/// A command for people to copy, in backticks: the verb and its words, with the flags that lead it
/// to the same objects as this one.
pub(crate) fn command(words: &str) -> String {
    let place = PLACE.get().map_or("", String::as_str);
    format!("`{} {words}{place}`", name())
}

/// How people start this program: `kubectl axon` when it runs as kubectl's plugin, else `axon`.
/// Usage lines and hints show it.
pub(crate) fn name() -> &'static str {
    NAME.get_or_init(|| name_of(std::env::args_os().next().as_deref()))
}

/// The name of the file by which this program is found on `PATH`.
pub(crate) fn program() -> &'static str {
    match name() {
        "axon" => "axon",
        _ => "kubectl-axon",
    }
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
