//! The command line as a whole: global flags, the verbs, and what happens before and after one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
use crate::exit::Exit;
use crate::failure::Result;
use crate::{complete, invocation, output, verbs};

/// Run coding agents as Kubernetes Jobs, or on this machine with --local
#[derive(Parser)]
#[command(
    name = "axon",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = after_help()
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Where to begin, and what this build has.
fn after_help() -> String {
    let agents: Vec<&str> = axon_agents::AGENTS.iter().map(|agent| agent.name()).collect();
    let sources: Vec<&str> = axon_api::sources::SOURCES
        .iter()
        .map(|source| source.name)
        .collect();
    let lists = [("Agent types", agents), ("Sources of spawners", sources)];
    let lists = lists.into_iter().filter(|(_, names)| !names.is_empty());
    let begin = "Begin with `kubectl axon run --local -t shell -p 'echo hello' -w`, which needs no cluster and no key.\n";
    std::iter::once(begin.to_owned())
        .chain(lists.map(|(what, names)| format!("\n{what}: {}", names.join(", "))))
        .collect()
}

/// The flags that every verb has.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Global {
    /// Use the plane on this machine instead of a cluster
    #[arg(long, global = true, conflicts_with_all = ["kubeconfig", "context", "cluster", "server"])]
    pub(crate) local: bool,

    /// Namespace; default: the config file's, else the kubeconfig's
    #[arg(short, long, global = true, value_name = "NAME", add = complete::namespaces())]
    pub(crate) namespace: Option<String>,

    /// Config file; default: ~/.axon/config.yaml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) connection: Connection,
}

/// kubectl's flags for the connection to a cluster.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// Kubeconfig file; default: $KUBECONFIG, else ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) context: Option<String>,
    /// Cluster of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) cluster: Option<String>,
    /// User of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) user: Option<String>,
    /// Address of the API server
    #[arg(short, long, global = true, value_name = "URL", hide_short_help = true)]
    pub(crate) server: Option<String>,
    /// Bearer token for the API server
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    pub(crate) token: Option<String>,
    /// File with the API server's certificate authority
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// File with the client's certificate
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) client_certificate: Option<PathBuf>,
    /// File with the client's key
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) client_key: Option<PathBuf>,
    /// Name to look for in the API server's certificate
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) tls_server_name: Option<String>,
    /// Do not check the API server's certificate
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER", hide_short_help = true)]
    pub(crate) as_user: Option<String>,
    /// Group to impersonate; may be given more than once
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        hide_short_help = true
    )]
    pub(crate) as_group: Vec<String>,
    /// How long one request may take, such as 30s; 0 means without limit
    #[arg(long, global = true, value_name = "DURATION", hide_short_help = true)]
    pub(crate) request_timeout: Option<String>,
}

impl Global {
    /// The flags that a later command needs to find the same objects, with a space in front.
    fn place(&self) -> String {
        let kubeconfig = self
            .connection
            .kubeconfig
            .as_ref()
            .map(|path| path.display().to_string());
        let flags = [
            ("--kubeconfig", kubeconfig.as_ref()),
            ("--context", self.connection.context.as_ref()),
            ("-n", self.namespace.as_ref()),
        ];
        let local = if self.local { " --local" } else { "" };
        let given = flags
            .into_iter()
            .filter_map(|(flag, value)| Some(format!(" {flag} {}", value?)));
        std::iter::once(local.to_owned()).chain(given).collect()
    }
}

/// The verbs. Each has its file under `verbs`.
#[derive(Subcommand)]
enum Verb {
    Run(Box<verbs::run::RunArgs>),
    Create(verbs::create::CreateArgs),
    Get(verbs::get::GetArgs),
    Describe(verbs::describe::DescribeArgs),
    Logs(verbs::logs::LogsArgs),
    Wait(verbs::wait::WaitArgs),
    Approve(verbs::approve::ApproveArgs),
    Deny(verbs::approve::DenyArgs),
    Retry(verbs::retry::RetryArgs),
    Cancel(verbs::cancel::CancelArgs),
    Suspend(verbs::suspend::SuspendArgs),
    Resume(verbs::suspend::ResumeArgs),
    #[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
    Spawner(Box<verbs::spawner::SpawnerArgs>),
    Delete(verbs::delete::DeleteArgs),
    Convert(verbs::convert::ConvertArgs),
    Init(verbs::init::InitArgs),
    Version(verbs::version::VersionArgs),
    Completion(verbs::completion::CompletionArgs),
    Local(verbs::local::LocalArgs),
    Install(Box<verbs::install::InstallArgs>),
    Upgrade(Box<verbs::upgrade::UpgradeArgs>),
    Uninstall(verbs::uninstall::UninstallArgs),
    Doctor(verbs::doctor::DoctorArgs),
}

/// What a verb may ask for.
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) config: Config,
}

/// The command line under the name by which it was started.
pub(crate) fn command() -> clap::Command {
    Cli::command().bin_name(invocation::name())
}

/// Runs the program with the arguments of this process.
pub(crate) fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // These are started by Axon itself and by kubectl, with arguments that clap must not look at.
    if let Some(exit) = verbs::local::inner_program(&arguments) {
        return exit;
    }
    if let Some(words) = verbs::completion::words_of_kubectl(&arguments) {
        return end(verbs::completion::complete(words));
    }
    if std::env::var_os("COMPLETE").is_some() {
        clap_complete::CompleteEnv::with_factory(command)
            .bin(invocation::program())
            .complete();
    }
    let cli = match command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        // Help and version come this way too, and are no mistake.
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Success
            }
            .into();
        }
    };
    end(run(cli))
}

/// Says what went wrong, if something did, and gives the exit code.
fn end(result: Result<Exit>) -> ExitCode {
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.is_silent() {
                output::note(failure.render().trim_end());
            }
            failure.exit().into()
        }
    }
}

fn run(cli: Cli) -> Result<Exit> {
    let global = cli.global;
    invocation::remember_place(global.place());
    match cli.verb {
        Verb::Run(args) => verbs::run::run(&context(global)?, &args),
        Verb::Create(args) => {
            let mut global = global;
            if args.takes_token() {
                // The flag is the repository's there, and clap gives it to both: the server must
                // not see it.
                global.connection.token = None;
            }
            verbs::create::create(&context(global)?, &args)
        }
        Verb::Get(args) => verbs::get::get(&context(global)?, &args),
        Verb::Describe(args) => verbs::describe::describe(&context(global)?, &args),
        Verb::Logs(args) => verbs::logs::logs(&context(global)?, &args),
        Verb::Wait(args) => verbs::wait::wait(&context(global)?, &args),
        Verb::Approve(args) => verbs::approve::approve(&context(global)?, &args),
        Verb::Deny(args) => verbs::approve::deny(&context(global)?, &args),
        Verb::Retry(args) => verbs::retry::retry(&context(global)?, &args),
        Verb::Cancel(args) => verbs::cancel::cancel(&context(global)?, &args),
        Verb::Suspend(args) => verbs::suspend::suspend(&context(global)?, &args),
        Verb::Resume(args) => verbs::suspend::resume(&context(global)?, &args),
        #[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
        Verb::Spawner(args) => verbs::spawner::spawner(&context(global)?, &args),
        Verb::Delete(args) => verbs::delete::delete(&context(global)?, &args),
        Verb::Convert(args) => verbs::convert::convert(&args),
        Verb::Init(args) => verbs::init::init(&global, &args),
        Verb::Version(args) => verbs::version::version(global, &args),
        Verb::Completion(args) => verbs::completion::completion(&args),
        Verb::Local(args) => verbs::local::local(&args),
        Verb::Install(args) => verbs::install::install(&context(global)?, &args),
        Verb::Upgrade(args) => verbs::upgrade::upgrade(&context(global)?, &args),
        Verb::Uninstall(args) => verbs::uninstall::uninstall(&context(global)?, &args),
        Verb::Doctor(args) => verbs::doctor::doctor(&context(global)?, &args),
    }
}

fn context(global: Global) -> Result<Context> {
    let (config, warnings) = Config::load(global.config.as_deref())?;
    for warning in warnings {
        output::note(warning);
    }
    Ok(Context { global, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn hints_lead_to_the_same_objects() {
        let cli = Cli::try_parse_from(["axon", "get", "-n", "a", "--context", "c"]).expect("read");
        assert_eq!(cli.global.place(), " --context c -n a");
        let cli = Cli::try_parse_from(["axon", "--local", "get"]).expect("read");
        assert_eq!(cli.global.place(), " --local");
    }

    #[test]
    fn the_token_of_a_repository_is_not_the_servers() {
        let cli = Cli::try_parse_from([
            "axon",
            "create",
            "workspace",
            "w",
            "--repo",
            "https://h/r",
            "--token",
            "ghp",
        ])
        .expect("read");
        let Verb::Create(args) = &cli.verb else {
            panic!("another verb");
        };
        assert!(args.takes_token());
        let provider =
            Cli::try_parse_from(["axon", "create", "provider", "p", "--token", "t"]).expect("read");
        assert_eq!(provider.global.connection.token.as_deref(), Some("t"));
        assert!(matches!(&provider.verb, Verb::Create(args) if !args.takes_token()));
    }

    #[test]
    fn every_verb_and_flag_is_described() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(
                    argument.get_help().is_some(),
                    "{} of {}",
                    argument.get_id(),
                    command.get_name()
                );
            }
            for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
                assert!(verb.get_about().is_some(), "{}", verb.get_name());
                check(verb);
            }
        }
        check(&command());
    }

    #[test]
    fn only_the_sources_of_the_build_are_offered() {
        let (github, cron, webhook) = (
            cfg!(feature = "github"),
            cfg!(feature = "cron"),
            cfg!(feature = "webhook"),
        );
        let command = command();
        let find = |path: &[&str]| {
            let mut verbs = path.iter();
            verbs.try_fold(&command, |found, verb| found.find_subcommand(verb))
        };
        for (verb, is_built) in [
            (&["create", "taskspawner"][..], github || cron || webhook),
            (&["spawner", "preview"], github || cron),
            (&["spawner", "test"], github || webhook),
            (&["spawner", "trigger"], github || cron),
        ] {
            assert_eq!(find(verb).is_some(), is_built, "{verb:?}");
        }
        for (verb, flag, is_built) in [
            (&["create", "taskspawner"][..], "issues", github),
            (&["create", "taskspawner"], "pull-requests", github),
            (&["create", "taskspawner"], "github-event", github),
            (&["create", "taskspawner"], "label", github),
            (&["create", "taskspawner"], "cron", cron),
            (&["create", "taskspawner"], "time-zone", cron),
            (&["create", "taskspawner"], "webhook", webhook),
            (&["create", "taskspawner"], "map", webhook),
            (&["spawner", "preview"], "github-token", github),
            (&["spawner", "test"], "event-name", github),
        ] {
            let mut flags = find(verb).into_iter().flat_map(clap::Command::get_arguments);
            let is_there = flags.any(|argument| argument.get_long() == Some(flag));
            assert_eq!(is_there, is_built, "{verb:?} --{flag}");
        }
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        for source in axon_api::sources::NAMES {
            let words: Vec<&str> = help.split([' ', ',', '\n']).collect();
            let is_built = axon_api::sources::SOURCES
                .iter()
                .any(|known| known.name == *source);
            assert_eq!(words.contains(source), is_built, "{source} in {help}");
        }
    }

    /// The words of a command line, as a shell splits them.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut word: Option<String> = None;
        let mut quote: Option<char> = None;
        for character in line.chars() {
            match (quote, character) {
                (Some(open), _) if character == open => quote = None,
                (None, '\'' | '"') => {
                    quote = Some(character);
                    word.get_or_insert_default();
                }
                (None, ' ') => words.extend(word.take()),
                _ => word.get_or_insert_default().push(character),
            }
        }
        words.extend(word);
        words
    }

    /// The commands of the section `Examples:`, each in one line.
    fn examples(help: &str) -> Vec<String> {
        help.replace("\\\n", " ")
            .lines()
            .skip_while(|line| *line != "Examples:")
            .map(str::trim)
            .filter(|line| line.starts_with("kubectl axon "))
            .map(|line| {
                let command = line.split(" #").next().unwrap_or(line);
                command.split(" | jq").next().unwrap_or(command).trim().to_owned()
            })
            .collect()
    }

    #[test]
    fn every_verb_shows_examples_that_are_understood() {
        fn check(command: &clap::Command) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let examples = examples(&help);
            assert!(!examples.is_empty(), "{} shows none", command.get_name());
            for example in examples {
                let words = words(&example).split_off(1);
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{example}\n{error}");
                }
            }
        }
        // `convert` shows what its exit codes mean instead.
        let shown = |verb: &&clap::Command| !verb.is_hide_set() && verb.get_name() != "convert";
        for verb in command().get_subcommands().filter(shown) {
            check(verb);
            if ["create", "spawner"].contains(&verb.get_name()) {
                verb.get_subcommands().for_each(check);
            }
        }
    }

    #[cfg(all(feature = "github", feature = "cron", feature = "webhook"))]
    #[test]
    fn the_commands_of_the_page_on_spawners_are_understood() {
        let page = include_str!("../../docs/spawners.md");
        let commands = page
            .lines()
            .filter(|line| line.trim().starts_with("kubectl axon "));
        let commands: Vec<&str> = commands.map(str::trim).collect();
        assert!(commands.len() > 8, "{commands:?}");
        for command in commands {
            if let Err(error) = Cli::try_parse_from(words(command).split_off(1)) {
                panic!("{command}\n{error}");
            }
        }
    }
}
