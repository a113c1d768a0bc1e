//! The arguments of bubblewrap: the machine read-only, without the user's home, without sockets and
//! without the plane's folder; the pod's volumes at their mount paths.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Bubblewrap;
use super::machine::{Kind, Machine};
use crate::jobs::mounts::{Access, Mount};

/// What one container may see.
pub(in crate::jobs) struct Confinement<'a> {
    /// The user's homes, which are hidden: what the environment says, and what the system says.
    pub(in crate::jobs) homes: &'a [PathBuf],
    /// The plane's folder, which is hidden.
    pub(in crate::jobs) plane: &'a Path,
    /// The folders of `PATH`. They stay, with what their links point to, also where they are in
    /// the home.
    pub(in crate::jobs) search_path: &'a [PathBuf],
    /// Files and folders that stay readable wherever they are.
    pub(in crate::jobs) readable: &'a [PathBuf],
    /// Folders that stay readable and writable: a repository of this machine.
    pub(in crate::jobs) writable: &'a [PathBuf],
    pub(in crate::jobs) mounts: &'a [Mount],
    /// Where the program starts, a path of the container.
    pub(in crate::jobs) working_directory: &'a Path,
}

/// Folders that hold sockets, other users' homes or everybody's scratch files.
const HIDDEN: &[&str] = &["/tmp", "/run", "/var/run", "/var/tmp", "/home"];

/// The arguments of bubblewrap, up to and with the `--` before the program.
pub(in crate::jobs) fn arguments(confinement: &Confinement<'_>, machine: &impl Machine) -> Vec<OsString> {
    let hidden = hidden(confinement, machine);
    let mut arguments = Arguments::default();
    // No `--die-with-parent`: the agent outlives the plane, and its supervisor ends it.
    // The network is the machine's.
    for flag in [
        "--unshare-pid",
        "--as-pid-1",
        "--unshare-ipc",
        "--unshare-uts",
        "--new-session",
    ] {
        arguments.flag(flag);
    }
    arguments.0.extend(["--cap-drop".into(), "ALL".into()]);

    arguments.open(Path::new("/"), machine);
    for folder in &hidden {
        arguments.one("--tmpfs", folder);
    }
    for folder in folders_to_open(confinement, &hidden, machine) {
        arguments.open(&folder, machine);
    }
    for mount in confinement.mounts {
        let flag = match mount.access {
            Access::ReadOnly => "--ro-bind",
            Access::ReadWrite => "--bind",
        };
        arguments.two(flag, mount.source.as_os_str(), &mount.target);
    }

    let shown = shown(confinement, &hidden, machine);
    for path in &shown {
        arguments.two("--ro-bind", path.as_os_str(), path);
    }
    let mut uncovered = shown;
    for path in confinement.writable {
        if machine.kind(path).is_some() {
            arguments.two("--bind", path.as_os_str(), path);
            uncovered.insert(path.clone());
        }
    }
    // Where what was shown again, or was never hidden, has the plane's folder in it.
    let covered = lies_in(confinement.plane, &hidden);
    if !covered || lies_in(confinement.plane, &uncovered) {
        arguments.one("--tmpfs", confinement.plane);
    }
    arguments.one("--chdir", confinement.working_directory);
    arguments.flag("--");
    arguments.0
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, flag: &str) {
        self.0.push(flag.into());
    }

    fn one(&mut self, flag: &str, path: &Path) {
        self.0.extend([flag.into(), path.into()]);
    }

    fn two(&mut self, flag: &str, source: &OsStr, target: &Path) {
        self.0.extend([flag.into(), source.into(), target.into()]);
    }

    /// Puts an empty folder in place of one of the machine, with the machine's entries in it
    /// read-only: mount points can be made there, which cannot be in a read-only folder.
    fn open(&mut self, folder: &Path, machine: &impl Machine) {
        self.one("--tmpfs", folder);
        for entry in machine.entries(folder) {
            match (entry.to_str(), machine.kind(&entry)) {
                (Some("/proc"), _) => self.one("--proc", &entry),
                (Some("/dev"), _) => self.one("--dev", &entry),
                (_, Some(Kind::Link(target))) => {
                    self.two("--symlink", target.as_os_str(), &entry);
                }
                (_, Some(Kind::Folder | Kind::Other)) => {
                    self.two("--ro-bind-try", entry.as_os_str(), &entry);
                }
                (_, None) => {}
            }
        }
    }
}

/// The folders that become empty. Links are left out: what they point to counts.
fn hidden(confinement: &Confinement<'_>, machine: &impl Machine) -> BTreeSet<PathBuf> {
    let homes = confinement.homes.iter().map(PathBuf::as_path);
    let homes = homes.filter(|home| home.parent().is_some());
    HIDDEN
        .iter()
        .map(Path::new)
        .chain(homes)
        .filter(|path| machine.kind(path) == Some(Kind::Folder))
        .map(|path| machine.resolved(path).unwrap_or_else(|| path.to_owned()))
        .collect()
}

/// The folders in which a mount point has to be made.
fn folders_to_open(
    confinement: &Confinement<'_>,
    hidden: &BTreeSet<PathBuf>,
    machine: &impl Machine,
) -> BTreeSet<PathBuf> {
    let missing = confinement
        .mounts
        .iter()
        .map(|mount| mount.target.as_path())
        .filter(|target| !lies_in(target, hidden) && machine.kind(target).is_none());
    missing
        .filter_map(|target| {
            target
                .ancestors()
                .find(|ancestor| machine.kind(ancestor).is_some())
        })
        // The root is open, and `/dev` is bubblewrap's own.
        .filter(|ancestor| *ancestor != Path::new("/") && !ancestor.starts_with("/dev"))
        .map(Path::to_owned)
        .collect()
}

/// What lies in a hidden folder and is shown nevertheless.
fn shown(
    confinement: &Confinement<'_>,
    hidden: &BTreeSet<PathBuf>,
    machine: &impl Machine,
) -> BTreeSet<PathBuf> {
    let homes = confinement.homes;
    let whole_home = |path: &Path| hidden.contains(path) || homes.iter().any(|home| home.starts_with(path));
    let mut shown = BTreeSet::new();
    let mut show = |path: PathBuf| {
        if lies_in(&path, hidden) && !whole_home(&path) && machine.kind(&path).is_some() {
            shown.insert(path);
        }
    };
    for folder in confinement.search_path {
        show(folder.clone());
        let Some(resolved) = machine.resolved(folder) else {
            continue;
        };
        let is_hidden = lies_in(&resolved, hidden);
        for entry in machine.entries(&resolved) {
            // Out of the folders of the system, which have many links, only an absolute one leads
            // to a home.
            let leads_home = match machine.kind(&entry) {
                Some(Kind::Link(target)) => is_hidden || lies_in(&target, hidden),
                _ => false,
            };
            if leads_home && let Some(program) = machine.resolved(&entry) {
                show(installation(&program, homes));
            }
        }
        show(resolved);
    }
    for path in confinement.readable {
        show(path.clone());
        if let Some(resolved) = machine.resolved(path) {
            show(resolved);
        }
    }
    let name_servers = Path::new("/etc/resolv.conf");
    if let Some(resolved) = machine.resolved(name_servers) {
        show(resolved);
    }
    shown
}

/// The smallest folder without which an installed program does not run: the outermost
/// `node_modules`, the folder above a `bin`, or else the folder that it is in. Never a folder that
/// has more of the home in it than that, such as `~/.local`: then it is the program alone.
fn installation(program: &Path, homes: &[PathBuf]) -> PathBuf {
    let modules = program
        .ancestors()
        .filter(|ancestor| ancestor.ends_with("node_modules"))
        .last();
    if let Some(modules) = modules {
        return modules.to_owned();
    }
    let Some(folder) = program.parent() else {
        return program.to_owned();
    };
    let root = if folder.ends_with("bin") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    let depth = homes.iter().find_map(|home| root.strip_prefix(home).ok());
    match depth.map(|below| below.components().count()) {
        Some(0 | 1) => program.to_owned(),
        _ => root.to_owned(),
    }
}

fn lies_in(path: &Path, folders: &BTreeSet<PathBuf>) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// Tries bubblewrap once, with all the namespaces that a container gets.
pub(in crate::jobs) async fn probe() -> Bubblewrap {
    let trial = tokio::process::Command::new("bwrap")
        .args(["--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts"])
        .args(["--new-session", "--cap-drop", "ALL", "--ro-bind", "/", "/"])
        .args([
            "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev", "--", "true",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .await;
    match trial {
        Ok(output) if output.status.success() => Bubblewrap::Works,
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr);
            let line = text.lines().last().unwrap_or("it ended without a word");
            Bubblewrap::Fails(line.to_owned())
        }
        Err(error) => Bubblewrap::Fails(format!("`bwrap` cannot be started: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::OnceLock;

    /// A machine by its paths: a folder ends with `/`, a link says `path -> target`.
    struct Drawn(BTreeMap<PathBuf, Kind>);

    impl Drawn {
        fn new(paths: &[&str]) -> Self {
            let mut drawn = BTreeMap::new();
            for path in paths {
                let (path, kind) = match path.split_once(" -> ") {
                    Some((path, target)) => (path, Kind::Link(target.into())),
                    None if path.ends_with('/') => (path.trim_end_matches('/'), Kind::Folder),
                    None => (*path, Kind::Other),
                };
                for parent in Path::new(path).ancestors().skip(1) {
                    drawn.entry(parent.to_owned()).or_insert(Kind::Folder);
                }
                drawn.insert(PathBuf::from(path), kind);
            }
            Self(drawn)
        }
    }

    impl Machine for Drawn {
        fn entries(&self, folder: &Path) -> Vec<PathBuf> {
            let inside = self.0.keys().filter(|path| path.parent() == Some(folder));
            inside.cloned().collect()
        }

        fn kind(&self, path: &Path) -> Option<Kind> {
            self.0.get(path).cloned()
        }

        fn resolved(&self, path: &Path) -> Option<PathBuf> {
            match self.kind(path)? {
                Kind::Link(target) => Some(target),
                _ => Some(path.to_owned()),
            }
        }
    }

    static HOMES: OnceLock<Vec<PathBuf>> = OnceLock::new();

    const MACHINE: &[&str] = &[
        "/bin -> usr/bin",
        "/usr/bin/git",
        "/etc/resolv.conf -> /run/systemd/resolv.conf",
        "/run/systemd/resolv.conf",
        "/run/docker.sock",
        "/proc/",
        "/dev/",
        "/tmp/",
        "/mnt/disk/",
        "/home/me/.ssh/",
        "/home/me/.axon/local/",
        "/home/me/.local/bin/claude -> /home/me/.local/share/claude/versions/1.0",
        "/home/me/.local/share/claude/versions/1.0",
        "/home/me/.npm/bin/codex -> /home/me/.npm/lib/node_modules/@openai/codex/bin/codex.js",
        "/home/me/.npm/lib/node_modules/@openai/codex/bin/codex.js",
        "/home/me/project/.git/",
    ];

    fn mount(source: &str, target: &str) -> Mount {
        Mount {
            source: source.into(),
            target: target.into(),
            access: Access::ReadWrite,
        }
    }

    fn lines(confinement: &Confinement<'_>) -> Vec<String> {
        let arguments = arguments(confinement, &Drawn::new(MACHINE));
        let text: Vec<String> = arguments
            .iter()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        text.join(" ").split(" --").map(str::to_owned).collect()
    }

    fn confinement<'a>(
        mounts: &'a [Mount],
        search: &'a [PathBuf],
        writable: &'a [PathBuf],
    ) -> Confinement<'a> {
        Confinement {
            homes: HOMES.get_or_init(|| vec![PathBuf::from("/home/me")]),
            plane: Path::new("/home/me/.axon/local"),
            search_path: search,
            readable: &[],
            writable,
            mounts,
            working_directory: Path::new("/workspace"),
        }
    }

    #[test]
    fn the_home_is_hidden_and_the_programs_in_it_are_not() {
        let search: Vec<PathBuf> = ["/usr/bin", "/home/me/.local/bin", "/home/me/.npm/bin"]
            .map(PathBuf::from)
            .into();
        let lines = lines(&confinement(&[], &search, &[]));
        for expected in [
            "tmpfs /home",
            "tmpfs /run",
            "symlink usr/bin /bin",
            "ro-bind-try /usr /usr",
            "proc /proc",
            "dev /dev",
            "ro-bind /run/systemd/resolv.conf /run/systemd/resolv.conf",
            "ro-bind /home/me/.local/bin /home/me/.local/bin",
            "ro-bind /home/me/.local/share/claude/versions /home/me/.local/share/claude/versions",
            "ro-bind /home/me/.npm/bin /home/me/.npm/bin",
            "ro-bind /home/me/.npm/lib/node_modules /home/me/.npm/lib/node_modules",
            "chdir /workspace",
        ] {
            assert!(lines.contains(&expected.to_owned()), "{expected} in {lines:#?}");
        }
        assert!(
            !lines
                .iter()
                .any(|line| line.contains(".ssh") || line.contains("docker"))
        );
        assert!(!lines.iter().any(|line| line.starts_with("die-with-parent")));
    }

    #[test]
    fn volumes_are_at_their_mount_paths_also_below_folders_that_the_machine_has() {
        let mounts = [
            mount("/v/workspace", "/workspace"),
            mount("/v/home", "/home/agent"),
            mount("/v/data", "/mnt/data"),
        ];
        let lines = lines(&confinement(&mounts, &[], &[]));
        let position = |line: &str| lines.iter().position(|found| found == line);
        assert!(position("tmpfs /home") < position("bind /v/home /home/agent"));
        assert!(position("tmpfs /mnt").is_some());
        assert!(position("tmpfs /mnt") < position("ro-bind-try /mnt/disk /mnt/disk"));
        assert!(position("ro-bind-try /mnt/disk /mnt/disk") < position("bind /v/data /mnt/data"));
        assert!(position("bind /v/workspace /workspace").is_some());
    }

    #[test]
    fn a_repository_is_writable_and_does_not_uncover_the_planes_folder() {
        let project = [PathBuf::from("/home/me/project"), PathBuf::from("/gone")];
        let found = lines(&confinement(&[], &[], &project));
        assert!(found.contains(&"bind /home/me/project /home/me/project".to_owned()));
        assert!(!found.iter().any(|line| line.contains("/gone")));
        assert!(!found.contains(&"tmpfs /home/me/.axon/local".to_owned()));

        let home = [PathBuf::from("/home/me")];
        let found = lines(&confinement(&[], &[], &home));
        assert_eq!(
            found
                .iter()
                .rposition(|line| line == "tmpfs /home/me/.axon/local"),
            Some(found.len() - 3)
        );
    }

    #[test]
    fn an_installation_is_no_larger_than_it_has_to_be() {
        let homes = [PathBuf::from("/home/me")];
        for (program, expected) in [
            (
                "/home/me/n/lib/node_modules/a/node_modules/b/cli.js",
                "/home/me/n/lib/node_modules",
            ),
            (
                "/home/me/.local/share/venvs/x/bin/x",
                "/home/me/.local/share/venvs/x",
            ),
            ("/home/me/.local/bin/x", "/home/me/.local/bin/x"),
            ("/home/me/tool", "/home/me/tool"),
            ("/home/me/.opencode/v1/opencode", "/home/me/.opencode/v1"),
        ] {
            assert_eq!(
                installation(Path::new(program), &homes),
                Path::new(expected),
                "{program}"
            );
        }
    }
}
