//! The command line.

mod pods;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axon_operator::config::WebhookConfig;
use axon_operator::scope::SecretScope;
use axon_plan::Settings;
use clap::{Args, Parser, Subcommand, ValueEnum};

use self::pods::PodOptions;

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
    Crd {
        /// Print the policy too by which the server asks for the right to approve steps of pipelines
        #[arg(long)]
        with_admission: bool,
    },
    /// Print the agent types and the sources that this build has
    Features,
    /// Run a script as a Task on the cluster, and say whether it has succeeded
    Selftest(SelftestOptions),
    /// Print the version
    Version,
}

#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    images: ImageOptions,

    #[command(flatten)]
    pods: PodOptions,

    /// The only namespaces to look at, separated by commas; can be given many times [default: all]
    #[arg(
        long = "watch-namespace",
        env = "AXON_WATCH_NAMESPACE",
        value_name = "NAMESPACE",
        value_delimiter = ',',
        value_parser = namespace
    )]
    pub(crate) watch_namespaces: Vec<String>,

    /// The Secrets that may be read: all, none, or a list of NAMESPACE/NAME and NAMESPACE/* (all of a
    /// namespace) separated by commas
    #[arg(long, env = "AXON_SECRETS", value_name = "SECRETS", default_value = "all")]
    pub(crate) secrets: SecretScope,

    /// Features without which not to start, as `axon-operator features` names them, separated by commas
    #[arg(
        long,
        env = "AXON_EXPECT_FEATURES",
        value_name = "FEATURE",
        value_delimiter = ','
    )]
    pub(crate) expect_features: Vec<String>,

    /// Tasks that are worked on at once
    #[arg(long, env = "AXON_CONCURRENCY", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) concurrency: usize,

    #[command(flatten)]
    defaults: DefaultOptions,

    /// Base URL of GitHub's API, for tokens of GitHub Apps [default: `https://api.github.com` for
    /// repositories on github.com, else `https://HOST/api/v3`]
    #[arg(long, env = "AXON_GITHUB_API_URL", value_name = "URL", value_parser = http_url)]
    pub(crate) github_api_url: Option<String>,

    #[command(flatten)]
    pub(crate) lease: LeaseOptions,

    /// Where /healthz and /readyz are served
    #[arg(long, env = "AXON_HEALTH_ADDRESS", default_value = "0.0.0.0:8081")]
    pub(crate) health_address: SocketAddr,

    /// Where /metrics is served
    #[arg(long, env = "AXON_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub(crate) metrics_address: SocketAddr,

    #[command(flatten)]
    pub(crate) webhook: WebhookOptions,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

#[derive(Debug, Args)]
pub(crate) struct WebhookOptions {
    /// Where webhooks arrive, on every replica: /webhook/github and /webhook/SOURCE; none means
    /// nowhere
    #[arg(
        id = "webhook-address",
        long,
        env = "AXON_WEBHOOK_ADDRESS",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:8082",
        value_parser = webhook_address
    )]
    address: WebhookAddress,

    /// Folder with the keys that webhooks are signed with: a file github, and one for each other
    /// source, with a key a line [default: only TaskSpawners have keys]
    #[arg(
        id = "webhook-secrets",
        long,
        env = "AXON_WEBHOOK_SECRETS",
        value_name = "FOLDER"
    )]
    secrets: Option<PathBuf>,

    /// URL under which GitHub reaches /webhook/github, by which its hooks are known when they are
    /// asked for what they sent in vain [default: every URL that ends with /webhook/github]
    #[arg(id = "webhook-url", long, env = "AXON_WEBHOOK_URL", value_name = "URL", value_parser = http_url)]
    url: Option<String>,
}

/// Where webhooks arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WebhookAddress {
    Nowhere,
    At(SocketAddr),
}

#[derive(Debug, Args)]
pub(crate) struct SelftestOptions {
    /// The namespace of the Task
    #[arg(long, short = 'n', value_name = "NAMESPACE", default_value = "default")]
    pub(crate) namespace: String,

    /// How long the Task may take
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = time)]
    pub(crate) timeout: Duration,
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
struct DefaultOptions {
    /// Agent type of a Task for which neither it nor the namespace's TaskDefaults names one
    #[arg(
        long,
        env = "AXON_DEFAULT_TYPE",
        value_name = "TYPE",
        default_value = axon_api::kinds::task::DEFAULT_TYPE,
        value_parser = agent_type
    )]
    default_type: String,

    /// Timeout of a Task for which neither it nor the namespace's TaskDefaults has one, such as 1h
    /// [default: none]
    #[arg(long, env = "AXON_DEFAULT_TIMEOUT", value_name = "DURATION", value_parser = duration)]
    default_timeout: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LeaseOptions {
    /// Run without a Lease: only when there is one replica
    #[arg(long, env = "AXON_NO_LEADER_ELECTION")]
    pub(crate) no_leader_election: bool,

    /// Namespace of the operator's Lease and of those that keep branches [default: the pod's own, or
    /// axon-system outside of a cluster]
    #[arg(long, env = "AXON_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub(crate) lease_namespace: Option<String>,

    /// Name of the operator's Lease
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

impl WebhookOptions {
    /// Where webhooks arrive; `None` means nowhere.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self.address {
            WebhookAddress::Nowhere => None,
            WebhookAddress::At(address) => Some(address),
        }
    }

    /// What the controllers are told.
    pub(crate) fn config(&self) -> WebhookConfig {
        WebhookConfig {
            is_served: self.address().is_some(),
            secrets: self.secrets.clone(),
            url: self.url.clone(),
        }
    }
}

impl RunOptions {
    /// What plans depend on: this version's images, but for those that were named.
    /// `own_namespace` finds the operator's own.
    pub(crate) fn settings(&self, own_namespace: impl FnOnce() -> String) -> Settings {
        let lease_namespace = self.lease.lease_namespace.clone();
        let mut settings = Settings {
            lease_namespace: lease_namespace.unwrap_or_else(own_namespace),
            default_type: Some(self.defaults.default_type.clone()),
            default_timeout: self.defaults.default_timeout.clone(),
            ..Settings::default()
        };
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
        self.pods.put_into(&mut settings);
        settings
    }
}

fn namespace(text: &str) -> Result<String, String> {
    // An empty one would be all of them, which nobody who names some wants.
    if text.is_empty() || text.contains('/') {
        return Err("must be the name of a namespace".to_owned());
    }
    Ok(text.to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let time = axon_api::units::parse_go_duration(text);
    time.ok_or_else(|| "must be a duration such as 30s or 3m".to_owned())
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

fn agent_type(text: &str) -> Result<String, String> {
    let names = axon_api::agents::NAMES;
    if !names.contains(&text) {
        return Err(format!("no agent type `{text}`: there are {}", names.join(", ")));
    }
    Ok(text.to_owned())
}

fn duration(text: &str) -> Result<String, String> {
    match axon_api::units::parse_go_duration(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("must be a duration such as 30m or 1h30m".to_owned()),
    }
}

fn webhook_address(text: &str) -> Result<WebhookAddress, String> {
    if text == "none" {
        return Ok(WebhookAddress::Nowhere);
    }
    let address = text.parse();
    address
        .map(WebhookAddress::At)
        .map_err(|_| "must be an address such as 0.0.0.0:8082, or none".to_owned())
}

fn http_url(text: &str) -> Result<String, String> {
    let url: axum::http::Uri = text.parse().map_err(|error| format!("{error}"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err("must be a URL such as https://github.example.com/api/v3".to_owned());
    }
    Ok(text.to_owned())
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

    fn own() -> String {
        "own".to_owned()
    }

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
        let settings = options.expect("options").settings(own);
        let default = Settings::default();
        assert_eq!(settings.agent_images["codex"], "a/b:1");
        assert_eq!(settings.agent_images["gemini"], default.agent_images["gemini"]);
        assert_eq!(settings.image_pull_policy.as_deref(), Some("Never"));
    }

    #[test]
    fn namespaces_are_given_many_times_or_with_commas() {
        let watched = |arguments: &[&str]| run(arguments).map(|options| options.watch_namespaces);
        assert_eq!(watched(&[]).expect("options"), [""; 0]);
        let arguments = ["--watch-namespace=a,b", "--watch-namespace=c"];
        assert_eq!(watched(&arguments).expect("options"), ["a", "b", "c"]);
        assert!(watched(&["--watch-namespace="]).is_err());
        assert!(run(&["--secrets=a"]).is_err());
        assert_eq!(run(&[]).expect("options").secrets, SecretScope::All);
    }

    #[test]
    fn leases_are_in_the_operators_own_namespace_unless_another_is_named() {
        let namespace = |arguments| run(arguments).expect("options").settings(own).lease_namespace;
        assert_eq!(namespace(&[]), "own");
        assert_eq!(namespace(&["--lease-namespace", "other"]), "other");
    }

    #[test]
    fn defaults_are_told_only_as_plans_can_use_them() {
        let options = run(&["--default-type", "codex", "--default-timeout", "1h30m"]);
        let settings = options.expect("options").settings(own);
        assert_eq!(settings.default_type.as_deref(), Some("codex"));
        assert_eq!(settings.default_timeout.as_deref(), Some("1h30m"));
        assert_eq!(
            run(&[]).expect("options").settings(own),
            Settings {
                lease_namespace: own(),
                ..Settings::default()
            }
        );
        for arguments in [
            ["--default-type", "cobol"],
            ["--default-timeout", "1w"],
            ["--default-timeout", "-1h"],
            ["--github-api-url", "ghe.example.com"],
        ] {
            assert!(run(&arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn webhooks_arrive_at_their_address_unless_it_is_none() {
        let options = |arguments: &[&str]| run(arguments).map(|options| options.webhook);
        let default = options(&[]).expect("options");
        assert_eq!(default.address(), "0.0.0.0:8082".parse().ok());
        assert!(default.config().is_served);
        let none = options(&["--webhook-address", "none"]).expect("options");
        assert_eq!(none.address(), None);
        assert_eq!(none.config(), WebhookConfig::default());
        for arguments in [
            ["--webhook-address", "here"],
            ["--webhook-url", "axon.example.com"],
        ] {
            assert!(options(&arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn images_of_unknown_types_and_without_a_name_are_refused() {
        for image in ["cobol=a", "codex", "codex="] {
            assert!(run(&["--agent-image", image]).is_err(), "{image}");
        }
    }
}
