//! From a container of a pod to the program that runs it on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use axon_api::run::RunDescription;
use axon_api::{paths, variables};
use flate2::read::GzDecoder;
use k8s_openapi::api::core::v1::{Container, Pod};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::context::Context;
use super::environment::{CERTIFICATES, of_container};
use super::expansion::expand;
use super::mounts::{Access, Mount, on_machine};
use super::obstacle::Obstacle;
use super::record::{Claim, Files, Trace};
use super::sandbox::Sandbox;
use super::sandbox::bubblewrap::{Confinement, arguments};
use super::sandbox::machine::ThisMachine;
use super::supervisor::{EndsWith, Launch};
use super::volumes;

/// Whether the container only copies the runner: on this machine the runner is the plane's own
/// program, so that there is nothing to copy.
pub(super) fn installs_the_runner(container: &Container) -> bool {
    let command = container.command.as_deref().unwrap_or_default();
    matches!(command, [program, verb, ..] if program == paths::IMAGE_RUNNER && verb == "install")
}

/// The agent type of a pod: the variable that its containers have.
pub(super) fn agent_type(pod: &Pod) -> Option<&str> {
    let spec = pod.spec.as_ref()?;
    let variables = spec
        .containers
        .iter()
        .flat_map(|container| container.env.iter().flatten());
    variables
        .filter(|variable| variable.name == variables::AGENT_TYPE)
        .find_map(|variable| variable.value.as_deref())
}

/// All that is needed to start the container.
pub(super) async fn launch(
    context: &Context,
    pod: &Pod,
    container: &Container,
    files: &Files,
    sandbox: Sandbox,
) -> Result<Launch, Obstacle> {
    let variables = of_container(&context.client, pod, container).await?;
    let mounts = all_mounts(container, files)?;
    let command = command(container, &variables, &context.program)?;
    let place = Place {
        context,
        mounts: &mounts,
        container,
    };
    Ok(match sandbox {
        Sandbox::None => place.unconfined(command, variables),
        Sandbox::Bubblewrap => place.confined(command, variables),
    })
}

/// The mounts of the container and the file for its last word.
fn all_mounts(container: &Container, files: &Files) -> io::Result<Vec<Mount>> {
    let termination = files.termination();
    if !termination.exists() {
        fs::write(&termination, "")?;
    }
    let mut mounts = volumes::mounts(container, files.folder());
    // An image of the user's own has its own home there; on this machine the pod's stands for it.
    if !mounts.iter().any(|mount| mount.target == Path::new(paths::HOME)) {
        let home = volumes::folder(files.folder(), "home");
        volumes::private_folder(&home)?;
        mounts.push(Mount {
            source: home,
            target: paths::HOME.into(),
            access: Access::ReadWrite,
        });
    }
    let target = container
        .termination_message_path
        .as_deref()
        .unwrap_or(paths::TERMINATION_LOG);
    mounts.push(Mount {
        source: termination,
        target: target.into(),
        access: Access::ReadWrite,
    });
    Ok(mounts)
}

/// Command and arguments with their references expanded. The runner's paths become the plane's own
/// program.
fn command(
    container: &Container,
    variables: &BTreeMap<String, String>,
    program: &Path,
) -> Result<Vec<String>, Obstacle> {
    let command = container.command.iter().flatten();
    let mut words = command
        .chain(container.args.iter().flatten())
        .map(|word| expand(word, |name| variables.get(name).cloned()));
    if container.command.as_ref().is_none_or(Vec::is_empty) {
        return Err(Obstacle::unsupported(format!(
            "container `{}` has no command, and images do not exist on this machine",
            container.name
        )));
    }
    let first = words.next().unwrap_or_default();
    let mut command = if first == paths::RUNNER || first == paths::IMAGE_RUNNER {
        vec![
            program.to_string_lossy().into_owned(),
            "local".to_owned(),
            "runner".to_owned(),
        ]
    } else {
        vec![first]
    };
    command.extend(words);
    Ok(command)
}

/// Where a container is put.
struct Place<'a> {
    context: &'a Context,
    mounts: &'a [Mount],
    container: &'a Container,
}

impl Place<'_> {
    /// Without a sandbox: paths of the container become paths of the machine.
    fn unconfined(&self, command: Vec<String>, variables: BTreeMap<String, String>) -> Launch {
        let translated = |text: String| translate(self.mounts, text);
        let home = translated(paths::HOME.to_owned());
        let mut environment = self.context.environment.clone();
        environment.insert("HOME".to_owned(), home.clone());
        if let Some(scratch) = on_machine(self.mounts, "/tmp") {
            environment.insert("TMPDIR".to_owned(), scratch.to_string_lossy().into_owned());
        }
        let variables = variables.into_iter();
        environment.extend(variables.map(|(name, value)| (name, translated(value))));
        let directory = match &self.container.working_dir {
            Some(directory) => PathBuf::from(translated(directory.clone())),
            None => home.into(),
        };
        let mut words = translate_command(self.mounts, command, &self.context.program).into_iter();
        Launch {
            program: words.next().unwrap_or_default().into(),
            arguments: words.collect(),
            environment,
            directory,
            ends_with: EndsWith::Program,
        }
    }

    /// In bubblewrap: the folders are at the paths of the container.
    fn confined(&self, command: Vec<String>, variables: BTreeMap<String, String>) -> Launch {
        let context = self.context;
        let mut readable: Vec<PathBuf> = CERTIFICATES
            .iter()
            .filter_map(|name| context.environment.get(*name))
            .map(PathBuf::from)
            .collect();
        readable.push(context.program.clone());
        let search_path: Vec<PathBuf> = context
            .environment
            .get("PATH")
            .map(|path| {
                std::env::split_paths(path)
                    .filter(|folder| folder.is_absolute())
                    .collect()
            })
            .unwrap_or_default();
        let writable: Vec<PathBuf> = self.local_repository(&variables).into_iter().collect();
        let working_directory = self.container.working_dir.as_deref().unwrap_or("/");
        let confinement = Confinement {
            homes: &context.homes,
            plane: context.directory.root(),
            search_path: &search_path,
            readable: &readable,
            writable: &writable,
            mounts: self.mounts,
            working_directory: Path::new(working_directory),
        };
        let arguments = arguments(&confinement, &ThisMachine).into_iter();
        let mut environment = context.environment.clone();
        environment.insert("HOME".to_owned(), paths::HOME.to_owned());
        environment.extend(variables);
        Launch {
            program: "bwrap".into(),
            arguments: arguments
                .map(|argument| argument.to_string_lossy().into_owned())
                .chain(command)
                .collect(),
            environment,
            directory: "/".into(),
            ends_with: EndsWith::ChildOfProgram,
        }
    }

    /// The repository of this machine that the run clones from and pushes to.
    fn local_repository(&self, variables: &BTreeMap<String, String>) -> Option<PathBuf> {
        let description = self.run_description(variables)?;
        let path = description.checkout?.repo.strip_prefix("file://")?.to_owned();
        Some(PathBuf::from(path)).filter(|path| path.is_absolute())
    }

    fn run_description(&self, variables: &BTreeMap<String, String>) -> Option<RunDescription> {
        if let Some(json) = variables.get(variables::RUN) {
            return serde_json::from_str(json).ok();
        }
        let path = on_machine(self.mounts, variables.get(variables::RUN_FILE)?)?;
        serde_json::from_reader(GzDecoder::new(fs::File::open(path).ok()?)).ok()
    }
}

/// A path of the container as a path of the machine; any other text as it is.
fn translate(mounts: &[Mount], text: String) -> String {
    match on_machine(mounts, &text) {
        Some(path) => path.to_string_lossy().into_owned(),
        None => text,
    }
}

/// The words of a command as on the machine. The plane's own program is a path of the machine
/// already, and may lie where the container has a folder of its own, such as `/tmp`.
fn translate_command(mounts: &[Mount], command: Vec<String>, program: &Path) -> Vec<String> {
    let mut words = command.into_iter();
    let first = words.next().map(|word| {
        if Path::new(&word) == program {
            word
        } else {
            translate(mounts, word)
        }
    });
    let rest = words.map(|word| translate(mounts, word));
    first.into_iter().chain(rest).collect()
}

/// Starts the container, if nobody has. Returns what became of it.
pub(super) async fn start(context: &Context, files: &Files, launch: &Launch) -> io::Result<Trace> {
    let mut supervisor = tokio::process::Command::new(&context.program);
    supervisor
        .args(["local", "container"])
        .arg(files.folder())
        .arg(files.container())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut supervisor = supervisor.spawn()?;
    if let Some(mut input) = supervisor.stdin.take() {
        let document = serde_json::to_vec(launch)?;
        // A supervisor that ended early says why by what it left in the folder.
        let _ = input.write_all(&document).await;
    }
    if let Some(output) = supervisor.stdout.take() {
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        if let Ok(claim) = serde_json::from_str::<Claim>(&line)
            && let Some(watch) = claim.supervisor.clone()
        {
            return Ok(Trace::Running { claim, watch });
        }
    }
    let status = supervisor.wait().await?;
    match files.trace() {
        Trace::NotClaimed => Err(io::Error::other(format!(
            "the supervisor `{} local container` ended with {status} before it started anything",
            context.program.display()
        ))),
        trace => Ok(trace),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(command: &[&str], args: &[&str]) -> Container {
        Container {
            name: "agent".to_owned(),
            command: Some(command.iter().map(|word| (*word).to_owned()).collect()),
            args: Some(args.iter().map(|word| (*word).to_owned()).collect()),
            ..Container::default()
        }
    }

    #[test]
    fn the_runner_is_the_planes_own_program() {
        let variables = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
        for (words, expected) in [
            (
                container(&[paths::RUNNER, "run"], &[]),
                vec!["/p", "local", "runner", "run"],
            ),
            (
                container(&[paths::IMAGE_RUNNER], &["prepare"]),
                vec!["/p", "local", "runner", "prepare"],
            ),
            (
                container(&["sh", "-c"], &["$(A) $$(A)"]),
                vec!["sh", "-c", "1 $(A)"],
            ),
        ] {
            let found = command(&words, &variables, Path::new("/p")).expect("a command");
            assert_eq!(found, expected);
        }
        assert!(command(&container(&[], &["x"]), &variables, Path::new("/p")).is_err());
    }

    #[test]
    fn the_planes_own_program_is_found_also_below_a_folder_of_the_container() {
        let mounts = [Mount {
            source: "/pod/tmp".into(),
            target: "/tmp".into(),
            access: Access::ReadWrite,
        }];
        let words = |words: [&str; 2]| words.map(str::to_owned).to_vec();
        for (command, expected) in [
            (["/tmp/build/axon", "/tmp/x"], ["/tmp/build/axon", "/pod/tmp/x"]),
            (["/tmp/tool", "run"], ["/pod/tmp/tool", "run"]),
        ] {
            let found = translate_command(&mounts, words(command), Path::new("/tmp/build/axon"));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn only_the_copy_of_the_runner_needs_no_process() {
        assert!(installs_the_runner(&container(
            &[paths::IMAGE_RUNNER, "install", paths::BIN],
            &[]
        )));
        assert!(!installs_the_runner(&container(&[paths::RUNNER, "prepare"], &[])));
        assert!(!installs_the_runner(&container(&["install", "install"], &[])));
    }
}
