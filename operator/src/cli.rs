//! The command line.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axon_plan::Settings;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Runs coding agents as Kubernetes Jobs: the controllers.
#[derive(Debug, Parser)]
#[command(name = "axon-operator", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the controllers, in a cluster or on the one that KUBECONFIG names
    Run(Box<RunOptions>),
    /// Print the custom resource definitions as YAML, for kubectl apply -f
    Crd,
    /// Print the agent types that this build has
    Features,
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    images: ImageOptions,

    /// The only namespace to look at [default: all]
    #[arg(long, env = "AXON_WATCH_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) watch_namespace: Option<String>,

    /// Tasks that are worked on at once
    #[arg(long, env = "AXON_CONCURRENCY", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) concurrency: usize,

    #[command(flatten)]
    pub(crate) lease: LeaseOptions,

    /// Where /healthz and /readyz are served
    #[arg(long, env = "AXON_HEALTH_ADDRESS", default_value = "0.0.0.0:8081")]
    pub(crate) health_address: SocketAddr,

    /// Where /metrics is served
    #[arg(long, env = "AXON_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) metrics_address: SocketAddr,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

#[derive(Debug, Args)]
struct ImageOptions {
    /// The operator's own image, from which the runner is copied into pods
    #[arg(long, env = "AXON_RUNNER_IMAGE", value_name = "IMAGE")]
    runner_image: Option<String>,

    /// The image with git that prepares the checkout
    #[arg(long, env = "AXON_GIT_IMAGE", value_name = "IMAGE")]
    git_image: Option<String>,

    /// The image of an agent type, such as codex=registry/codex:1; can be given many times
    #[arg(
        long = "agent-image",
        env = "AXON_AGENT_IMAGES",
        value_name = "TYPE=IMAGE",
        value_delimiter = ',',
        value_parser = agent_image
    )]
    agent_images: Vec<(String, String)>,

    /// When images are pulled [default: as Kubernetes does]
    #[arg(long, env = "AXON_IMAGE_PULL_POLICY", value_enum)]
    image_pull_policy: Option<PullPolicy>,
}

#[derive(Debug, Args)]
pub(crate) struct LeaseOptions {
    /// Run without a Lease: only when there is one replica
    #[arg(long, env = "AXON_NO_LEADER_ELECTION")]
    pub(crate) no_leader_election: bool,

    /// Namespace of the Lease [default: the pod's own, or axon-system outside of a cluster]
    #[arg(long, env = "AXON_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) lease_namespace: Option<String>,

    /// Name of the Lease
    #[arg(
        long,
        env = "AXON_LEASE_NAME",
        default_value = "axon-operator",
        value_name = "NAME"
    )]
    pub(crate) lease_name: String,
}

#[derive(Debug, Args)]
pub(crate) struct LogOptions {
    /// How lines on stderr look
    #[arg(long, env = "AXON_LOG_FORMAT", value_enum, default_value = "json")]
    pub(crate) log_format: LogFormat,

    /// What is logged: error, warn, info, debug, trace, or filters such as kube=debug
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log_level: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Json,
    Text,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl RunOptions {
    /// What plans depend on: this version's images, but for those that were named.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::default();
        let images = &self.images;
        if let Some(image) = &images.runner_image {
            settings.runner_image.clone_from(image);
        }
        if let Some(image) = &images.git_image {
            settings.git_image.clone_from(image);
        }
        let named: BTreeMap<String, String> = images.agent_images.iter().cloned().collect();
        settings.agent_images.extend(named);
        settings.image_pull_policy = images.image_pull_policy.map(|policy| {
            match policy {
                PullPolicy::Always => "Always",
                PullPolicy::IfNotPresent => "IfNotPresent",
                PullPolicy::Never => "Never",
            }
            .to_owned()
        });
        settings
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn agent_image(text: &str) -> Result<(String, String), String> {
    let Some((name, image)) = text.split_once('=') else {
        return Err("must be TYPE=IMAGE".to_owned());
    };
    let names = axon_api::agents::NAMES;
    if !names.contains(&name) {
        return Err(format!("no agent type `{name}`: there are {}", names.join(", ")));
    }
    if image.is_empty() {
        return Err(format!("no image for `{name}`"));
    }
    Ok((name.to_owned(), image.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<RunOptions, clap::Error> {
        let all = ["axon-operator", "run"].iter().chain(arguments);
        match Arguments::try_parse_from(all)?.command {
            Command::Run(options) => Ok(*options),
            other => panic!("not run: {other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn an_image_of_one_type_leaves_the_others_as_they_are() {
        let options = run(&["--agent-image", "codex=a/b:1", "--image-pull-policy", "Never"]);
        let settings = options.expect("options").settings();
        let default = Settings::default();
        assert_eq!(settings.agent_images["codex"], "a/b:1");
        assert_eq!(settings.agent_images["gemini"], default.agent_images["gemini"]);
        assert_eq!(settings.image_pull_policy.as_deref(), Some("Never"));
    }

    #[test]
    fn images_of_unknown_types_and_without_a_name_are_refused() {
        for image in ["cobol=a", "codex", "codex="] {
            assert!(run(&["--agent-image", image]).is_err(), "{image}");
        }
    }
}
