//! Makes everything that the agent needs, and decides which command it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use axon_api::agents::setup::{Setup, SetupForm};
use axon_api::agents::{self, Agent, PromptDelivery, Request};
use axon_api::run::RunDescription;
use axon_api::{paths, variables};

use crate::environment::{Environment, is_program};
use crate::failure::{AGENT_NOT_FOUND, AGENT_TYPE_UNSUPPORTED, Failure, SETUP_FAILED};
use crate::invocation::{Invocation, shell_quote};
use crate::private_directory::PrivateDirectory;
use crate::url::RepositoryUrl;
use crate::verdict::Proof;
use crate::{credential, files, git, setup, skills};

/// What custom images may have at their root, in the order of preference.
const ENTRYPOINTS: &[&str] = &["axon_entrypoint.sh", "kelos_entrypoint.sh"];

/// A longer prompt is no argument any more: Linux refuses one of 128 KiB.
const MAX_ARGUMENT: usize = 120 * 1024;

/// Variables of the runner that the agent does not see, under either name.
const HIDDEN: &[&str] = &[variables::RUN, variables::RUN_FILE, variables::TERMINATION_FILE];

/// An agent that is ready to be started.
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Environment,
    /// Where it starts.
    pub(crate) directory: PathBuf,
    /// What it reads from its standard input; `None` for nothing.
    pub(crate) input: Option<String>,
    /// Reads the events; absent when an entrypoint runs and the type is not in this build.
    pub(crate) agent: Option<&'static dyn Agent>,
    /// What makes its run a success.
    pub(crate) proof: Proof,
    /// Whether a block of outputs on its output is believed.
    pub(crate) believes_blocks: bool,
}

/// Makes the agent of `description` ready. `root` is the file system's root.
pub(crate) fn prepare(
    description: &RunDescription,
    original: &Environment,
    invocation: &Invocation,
    private: &PrivateDirectory,
    root: &Path,
) -> Result<Launch, Failure> {
    let workspace = original
        .path(variables::WORKSPACE_DIR)
        .ok_or_else(|| Failure::new(SETUP_FAILED, format!("`{}` is not set", variables::WORKSPACE_DIR)))?;
    let setup = setup::assemble(description, original, &workspace)?;
    let directory = directory(description, &workspace);
    let prompt_file = private.write("prompt", &description.prompt, 0o600)?;
    let mut environment = original.clone();
    hide_own_variables(&mut environment);
    environment.set(variables::PROMPT_FILE, &prompt_file);
    // Some agents believe this variable rather than ask the kernel where they are.
    environment.set("PWD", &directory);
    environment.remove("OLDPWD");
    if environment.path("HOME").is_none() {
        environment.set("HOME", private.path());
    }
    configure_git(description, &mut environment, invocation, private, &directory)?;
    wrap_gh(description, original, &mut environment, private)?;
    let agent = agents::find(&description.agent_type);
    let entrypoint = description.custom_image.then(|| entrypoint(root)).flatten();
    let mut launch = Launch {
        program: PathBuf::new(),
        arguments: Vec::new(),
        environment,
        directory,
        input: None,
        agent,
        proof: Proof::ExitCode,
        believes_blocks: description.custom_image,
    };
    match (entrypoint, agent) {
        (Some(entrypoint), _) => {
            launch.program = entrypoint;
            launch.arguments = vec![first_argument(&description.prompt).into()];
            setup::set_variables(&setup, &mut launch.environment, private)?;
        }
        (None, Some(agent)) => {
            if agent.setup_form() == SetupForm::Variables {
                setup::set_variables(&setup, &mut launch.environment, private)?;
            }
            launch.use_command_line(description, agent, &setup, &prompt_file)?;
        }
        (None, None) => return Err(unsupported(&description.agent_type)),
    }
    skills::forget(description, &workspace);
    add_kelos_names(&mut launch.environment);
    Ok(launch)
}

impl Launch {
    /// The agent type's own command line.
    fn use_command_line(
        &mut self,
        description: &RunDescription,
        agent: &'static dyn Agent,
        setup: &Setup,
        prompt_file: &Path,
    ) -> Result<(), Failure> {
        if let Some(why) = agent.refuses(setup) {
            return Err(Failure::new(setup::AGENT_CONFIG_UNSUPPORTED, why));
        }
        let home = self
            .environment
            .path("HOME")
            .unwrap_or_else(|| PathBuf::from("/"));
        let home_text = home.to_string_lossy();
        let variable = |name: &str| self.environment.text(name);
        let wanted = agent.launch(&Request {
            prompt: &description.prompt,
            model: description.model.as_deref(),
            effort: description.effort.as_deref(),
            setup,
            home: home_text.trim_end_matches('/'),
            variable: &variable,
        });
        for file in &wanted.files {
            files::write_into_home(&home, file)?;
        }
        for directory in &wanted.directories {
            skills::copy(&directory.from, &home.join(&directory.path))?;
        }
        for name in &wanted.unset {
            self.environment.remove(name);
        }
        for (name, value) in &wanted.set {
            self.environment.set(name, value);
        }
        let mut words = wanted.argv.iter();
        let name = words.next().map_or(agent.program(), String::as_str);
        self.program = self
            .environment
            .find_program(name)
            .ok_or_else(|| not_found(name, agent))?;
        self.arguments = words.map(OsString::from).collect();
        match wanted.prompt {
            PromptDelivery::Stdin => self.input = Some(description.prompt.clone()),
            PromptDelivery::File => self.arguments.push(prompt_file.into()),
        }
        self.proof = if agent.needs_ending() {
            Proof::ExitCodeAndEnding
        } else {
            Proof::ExitCode
        };
        Ok(())
    }
}

/// Where the agent starts: in its checkout if there is one.
fn directory(description: &RunDescription, workspace: &Path) -> PathBuf {
    let below = description
        .checkout
        .as_ref()
        .map(|checkout| checkout.directory.as_str())
        .filter(|directory| !directory.is_empty())
        .unwrap_or(paths::REPOSITORY);
    let checkout = workspace.join(below);
    if checkout.is_dir() {
        checkout
    } else {
        workspace.to_owned()
    }
}

fn entrypoint(root: &Path) -> Option<PathBuf> {
    ENTRYPOINTS
        .iter()
        .map(|name| root.join(name))
        .find(|path| is_program(path))
}

/// The prompt as an argument, or nothing where it cannot be one.
fn first_argument(prompt: &str) -> &str {
    if prompt.len() > MAX_ARGUMENT || prompt.contains('\0') {
        return "";
    }
    prompt
}

fn unsupported(agent_type: &str) -> Failure {
    let known = agents::NAMES.contains(&agent_type);
    let had: Vec<&str> = agents::AGENTS.iter().map(|agent| agent.name()).collect();
    let message = if known {
        format!(
            "this build of the runner lacks the agent type `{agent_type}`: it needs the feature `{agent_type}`"
        )
    } else {
        format!(
            "there is no agent type `{agent_type}`: this build has {}",
            had.join(", ")
        )
    };
    Failure::new(AGENT_TYPE_UNSUPPORTED, message)
}

fn not_found(program: &str, agent: &dyn Agent) -> Failure {
    Failure::new(
        AGENT_NOT_FOUND,
        format!(
            "the program `{program}` of agent type `{}` is not on the PATH of the image\n\
             hint: name an image that has it in `spec.image`, or one with an executable `/axon_entrypoint.sh`",
            agent.name()
        ),
    )
}

fn hide_own_variables(environment: &mut Environment) {
    for name in HIDDEN {
        environment.remove(name);
        if let Some(name) = variables::kelos_name(name) {
            environment.remove(&name);
        }
    }
    setup::hide_secret_directories(environment);
}

/// Sets each `AXON_` variable under its `KELOS_` name too, where that is not set.
fn add_kelos_names(environment: &mut Environment) {
    let twins: Vec<(String, OsString)> = environment
        .iter()
        .filter_map(|(name, value)| Some((variables::kelos_name(name.to_str()?)?, value.clone())))
        .filter(|(name, _)| environment.get(name).is_none())
        .collect();
    for (name, value) in twins {
        environment.set(name, value);
    }
}

/// Makes git find the workspace's token, trust the checkout and know who commits.
///
/// Who commits is a default, and must lose against whatever the user, the image, the repository or
/// the agent itself configures. Settings in the environment win over every file, so the default is
/// put into the lowest place there is: a file in place of the system's configuration, which
/// includes that one after its own lines. Only the credential helper is set by environment, where
/// no file takes it away.
fn configure_git(
    description: &RunDescription,
    environment: &mut Environment,
    invocation: &Invocation,
    private: &PrivateDirectory,
    directory: &Path,
) -> Result<(), Failure> {
    environment.set("GIT_TERMINAL_PROMPT", "0");
    let repo = description
        .checkout
        .as_ref()
        .map_or("", |checkout| checkout.repo.as_str());
    let settings = credential::settings(repo, environment, invocation);
    if !settings.is_empty() {
        environment.add_git_settings(&settings);
    }
    if environment.get("GIT_CONFIG_SYSTEM").is_none() && environment.get("GIT_CONFIG_NOSYSTEM").is_none() {
        let text = format!(
            "[user]\n\tname = Axon\n\temail = axon@localhost\n{}[include]\n\tpath = /etc/gitconfig\n",
            git::safe_directories(repo, Some(directory)),
        );
        environment.set("GIT_CONFIG_SYSTEM", private.write("gitconfig", &text, 0o600)?);
    }
    Ok(())
}

/// Puts a `gh` first on `PATH` that reads the token's file at each call: the token of a GitHub App
/// lasts for an hour, and the variable that the container was started with keeps the old one.
fn wrap_gh(
    description: &RunDescription,
    original: &Environment,
    environment: &mut Environment,
    private: &PrivateDirectory,
) -> Result<(), Failure> {
    let (Some(gh), Some(_)) = (
        original.find_program("gh"),
        original.path(variables::GITHUB_TOKEN_FILE),
    ) else {
        return Ok(());
    };
    let host = description
        .checkout
        .as_ref()
        .and_then(|checkout| RepositoryUrl::parse(&checkout.repo).host);
    let variable = token_variable(host.as_deref());
    let script = format!(
        "#!/bin/sh\nif token=$(cat \"${}\" 2>/dev/null) && [ -n \"$token\" ]; then\n  export {variable}=\"$token\"\nfi\nexec {} \"$@\"\n",
        variables::GITHUB_TOKEN_FILE,
        shell_quote(&gh)
    );
    let wrapper = private.write("bin/gh", &script, 0o700)?;
    let mut directories = vec![wrapper.parent().map(Path::to_path_buf).unwrap_or_default()];
    if let Some(path) = original.get("PATH") {
        directories.extend(std::env::split_paths(path));
    }
    let path = std::env::join_paths(directories)
        .map_err(|error| Failure::new(SETUP_FAILED, format!("failed to extend PATH: {error}")))?;
    environment.set("PATH", path);
    Ok(())
}

/// The variable from which `gh` takes the token for a host (`gh help environment`).
pub(crate) fn token_variable(host: Option<&str>) -> &'static str {
    match host {
        None | Some("github.com") => "GH_TOKEN",
        Some(host) if host.ends_with(".ghe.com") => "GH_TOKEN",
        Some(_) => "GH_ENTERPRISE_TOKEN",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use axon_api::agents::setup::McpServer;
    use axon_api::run::RunMcpServer;

    use super::*;

    struct Place {
        root: tempfile::TempDir,
        environment: Environment,
    }

    impl Place {
        fn new() -> Self {
            let root = tempfile::tempdir().expect("a directory");
            let mut environment = Environment::of_process();
            for (name, folder) in [
                ("HOME", "home"),
                ("TMPDIR", "tmp"),
                (variables::WORKSPACE_DIR, "workspace"),
            ] {
                fs::create_dir(root.path().join(folder)).expect("made");
                environment.set(name, root.path().join(folder));
            }
            environment.set(variables::RUN, "{}");
            environment.set(variables::TERMINATION_FILE, "/t");
            environment.set(variables::TASK, "fix");
            Self { root, environment }
        }

        fn add_program(&self, name: &str) {
            let path = self.root.path().join(name);
            fs::write(&path, "#!/bin/sh\n").expect("written");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("set");
        }

        fn prepare(&self, description: &RunDescription) -> Result<Launch, Failure> {
            let private = PrivateDirectory::create(&self.environment)?;
            self.prepare_in(description, &private)
        }

        fn prepare_in(
            &self,
            description: &RunDescription,
            private: &PrivateDirectory,
        ) -> Result<Launch, Failure> {
            prepare(
                description,
                &self.environment,
                &Invocation::of_process(&[]),
                private,
                self.root.path(),
            )
        }
    }

    fn description(agent_type: &str, prompt: &str) -> RunDescription {
        RunDescription {
            agent_type: agent_type.into(),
            prompt: prompt.into(),
            ..RunDescription::default()
        }
    }

    #[test]
    fn the_runners_own_variables_are_hidden_and_the_others_have_two_names() {
        let launch = Place::new()
            .prepare(&description("shell", "true"))
            .expect("ready");
        for name in [
            "AXON_RUN",
            "KELOS_RUN",
            "AXON_TERMINATION_FILE",
            "KELOS_TERMINATION_FILE",
        ] {
            assert_eq!(launch.environment.get(name), None, "{name}");
        }
        assert_eq!(launch.environment.text("KELOS_TASK").as_deref(), Some("fix"));
        assert_eq!(
            launch.environment.get("KELOS_PROMPT_FILE"),
            launch.environment.get("AXON_PROMPT_FILE")
        );
    }

    #[test]
    fn a_type_that_is_missing_is_named() {
        let place = Place::new();
        let failure = place.prepare(&description("clippy", "x")).err().expect("refused");
        assert_eq!(failure.reason, AGENT_TYPE_UNSUPPORTED);
        assert!(failure.message.contains("clippy"), "{failure}");
    }

    #[test]
    fn the_entrypoint_of_a_custom_image_gets_the_prompt() {
        let place = Place::new();
        place.add_program("kelos_entrypoint.sh");
        let custom = RunDescription {
            custom_image: true,
            ..description("anything", "-p \"$(x)\"")
        };
        let launch = place.prepare(&custom).expect("ready");
        assert_eq!(launch.program, place.root.path().join("kelos_entrypoint.sh"));
        assert_eq!(launch.arguments, ["-p \"$(x)\""]);
        assert!(launch.believes_blocks);
        place.add_program("axon_entrypoint.sh");
        let launch = place.prepare(&custom).expect("ready");
        assert_eq!(launch.program, place.root.path().join("axon_entrypoint.sh"));
    }

    #[test]
    fn an_entrypoint_gets_the_setup_by_variables_and_a_built_in_type_does_not() {
        let mut place = Place::new();
        place.add_program("axon_entrypoint.sh");
        fs::write(place.root.path().join("home/TOKEN"), "a-secret").expect("written");
        place
            .environment
            .set("AXON_SECRET_DIR_0", place.root.path().join("home"));
        let server = McpServer {
            name: "local".into(),
            ..McpServer::default()
        };
        let description = RunDescription {
            instructions: Some("Be brief.".into()),
            mcp_servers: vec![RunMcpServer {
                server,
                secret: Some(0),
            }],
            custom_image: true,
            ..description("anything", "hi")
        };
        let private = PrivateDirectory::create(&place.environment).expect("made");
        let launch = place.prepare_in(&description, &private).expect("ready");
        let text = |name: &str| launch.environment.text(name).unwrap_or_default();
        let expected =
            r#"{"mcpServers":{"local":{"args":[],"command":"","env":{"TOKEN":"a-secret"},"type":"stdio"}}}"#;
        assert_eq!(text("AXON_MCP_SERVERS"), expected);
        assert_eq!(text("KELOS_MCP_SERVERS"), expected);
        assert_eq!(
            fs::read_to_string(text("AXON_MCP_SERVERS_FILE")).expect("there"),
            expected
        );
        assert_eq!(text("KELOS_AGENTS_MD"), "Be brief.");
        assert_eq!(launch.environment.get("AXON_SECRET_DIR_0"), None);

        place.add_program("claude");
        place.environment.set("PATH", place.root.path());
        let built_in = RunDescription {
            agent_type: "claude-code".into(),
            custom_image: false,
            ..description
        };
        let launch = place.prepare(&built_in).expect("ready");
        for name in ["AXON_MCP_SERVERS", "AXON_MCP_SERVERS_FILE", "AXON_AGENTS_MD"] {
            assert_eq!(launch.environment.get(name), None, "{name}");
        }
    }

    #[test]
    fn the_entrypoint_of_a_built_in_image_is_not_looked_for() {
        let place = Place::new();
        place.add_program("axon_entrypoint.sh");
        let launch = place.prepare(&description("shell", "true")).expect("ready");
        assert!(launch.program.ends_with("sh"), "{:?}", launch.program);
        assert!(!launch.believes_blocks);
    }

    #[test]
    fn a_prompt_that_cannot_be_an_argument_is_left_to_its_file() {
        assert_eq!(first_argument("a"), "a");
        assert_eq!(first_argument(&"a".repeat(MAX_ARGUMENT + 1)), "");
        assert_eq!(first_argument("a\0b"), "");
    }

    #[test]
    fn another_host_than_githubs_has_its_own_variable() {
        assert_eq!(token_variable(Some("github.com")), "GH_TOKEN");
        assert_eq!(token_variable(Some("git.example.com")), "GH_ENTERPRISE_TOKEN");
    }
}
