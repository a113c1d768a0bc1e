//! Whether this machine can run tasks without a cluster.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::report::{Check, Verdict};
use crate::{invocation, local};

/// Looks at everything of this machine.
pub(crate) fn checks() -> Vec<Check> {
    let mut checks = vec![git(), sandbox()];
    checks.extend(axon_agents::AGENTS.iter().map(|agent| {
        let found = find(agent.program());
        self::agent(agent.name(), agent.program(), found.as_deref())
    }));
    checks.push(plane());
    checks
}

fn git() -> Check {
    let said = Command::new("git").arg("--version").stdin(Stdio::null()).output();
    match said {
        Ok(output) if output.status.success() => {
            Check::ok("git", String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => Check::fail("git", "`git` cannot be started: no repository can be checked out")
            .hint("install git, such as with `apt-get install git`"),
    }
}

fn sandbox() -> Check {
    match local::sandbox_works() {
        Ok(()) => Check::ok("bubblewrap", "agents run in a sandbox"),
        Err(reason) => Check::warn(
            "bubblewrap",
            format!("the sandbox does not work: {reason}; without it only type `shell` runs"),
        )
        .hint("install bubblewrap, such as with `apt-get install bubblewrap`, on a kernel that lets users make namespaces")
        .hint(format!("or let an agent run with all that you may do: `{} run --local --sandbox none`", invocation::name())),
    }
}

/// A type whose program is missing hurts only who wants it.
fn agent(name: &str, program: &str, found: Option<&Path>) -> Check {
    match found {
        Some(path) => Check::ok(name, path.display().to_string()),
        None => Check::new(
            name,
            Verdict::Warn,
            format!("`{program}` is not on the PATH: tasks of type `{name}` fail with --local"),
        )
        .hint(format!("install the program `{program}`")),
    }
}

/// The program on the `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let search = std::env::var_os("PATH")?;
    std::env::split_paths(&search)
        .map(|folder| folder.join(program))
        .find(|path| {
            path.metadata()
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
}

fn plane() -> Check {
    match local::status() {
        Ok(state) => Check::ok("plane", in_one_line(&state)),
        Err(failure) => Check::failed("plane", &failure).hint(format!(
            "{} and another command starts it anew",
            invocation::command("local stop")
        )),
    }
}

/// `Serving, Folder: /x, Version: 0.1.0`.
fn in_one_line(state: &str) -> String {
    let lines: Vec<String> = state
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_no_failure_of_the_machine() {
        assert_eq!(agent("codex", "codex", None).verdict, Verdict::Warn);
        let found = agent("codex", "codex", Some(Path::new("/bin/codex")));
        assert_eq!(found, Check::ok("codex", "/bin/codex"));
    }

    #[test]
    fn a_program_is_found_as_a_shell_finds_it() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }

    #[test]
    fn the_planes_state_is_one_line() {
        assert_eq!(
            in_one_line("Not serving\nFolder:   /x\n\nAny command\n"),
            "Not serving, Folder: /x"
        );
    }
}
