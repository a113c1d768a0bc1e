//! The variables of a process, as a value that can be changed for a child.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// The variables of a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables that this process was started with.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable as text; `None` when it is absent, empty or not UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = self.get(name)?.to_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A variable that holds a path; `None` when it is absent or empty.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    }

    pub(crate) fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(OsStr::new(name));
    }

    /// Keeps the variables whose name passes.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|name, _| name.to_str().is_none_or(&keep));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    /// The directories of `PATH`, absolute ones only: a relative one would mean whatever directory
    /// the agent is in.
    pub(crate) fn program_directories(&self) -> Vec<PathBuf> {
        self.get("PATH")
            .map(|path| {
                std::env::split_paths(path)
                    .filter(|directory| directory.is_absolute())
                    .collect()
            })
            .unwrap_or_default()
    }

    /// The executable file that `PATH` names for `program`; a `program` with a slash is itself.
    pub(crate) fn find_program(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            return is_program(Path::new(program)).then(|| PathBuf::from(program));
        }
        self.program_directories()
            .into_iter()
            .map(|directory| directory.join(program))
            .find(|candidate| is_program(candidate))
    }

    /// Adds settings that git reads from its environment, after those that are there already.
    pub(crate) fn add_git_settings<K: AsRef<str>, V: AsRef<str>>(&mut self, settings: &[(K, V)]) {
        let mut count: usize = self
            .text("GIT_CONFIG_COUNT")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        for (key, value) in settings {
            self.set(format!("GIT_CONFIG_KEY_{count}"), key.as_ref());
            self.set(format!("GIT_CONFIG_VALUE_{count}"), value.as_ref());
            count += 1;
        }
        self.set("GIT_CONFIG_COUNT", count.to_string());
    }
}

/// Whether `path` is a file that this process may execute.
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_settings_are_added_to_those_that_are_there() {
        let mut environment = Environment::default();
        environment.add_git_settings(&[("a.b", "1")]);
        environment.add_git_settings(&[("c.d", "2")]);
        assert_eq!(environment.text("GIT_CONFIG_COUNT").as_deref(), Some("2"));
        assert_eq!(environment.text("GIT_CONFIG_KEY_0").as_deref(), Some("a.b"));
        assert_eq!(environment.text("GIT_CONFIG_VALUE_1").as_deref(), Some("2"));
    }

    #[test]
    fn a_relative_directory_of_path_is_no_place_for_programs() {
        let mut environment = Environment::default();
        environment.set("PATH", ".:bin:/usr/bin::/bin");
        assert_eq!(
            environment.program_directories(),
            ["/usr/bin", "/bin"].map(PathBuf::from)
        );
    }
}
