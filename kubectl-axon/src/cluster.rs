//! The connection to a cluster, or to the plane on this machine.

use std::future::Future;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource};

use crate::cli::{Connection, Context, Global};
use crate::config::Config as Defaults;
use crate::failure::{Failure, Result, root_cause};
use crate::{invocation, local};

/// How long to wait for a connection before the cluster counts as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client and the namespace that it works in.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) namespace: String,
}

/// What a client talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Cluster,
    /// The plane on this machine.
    Local,
}

impl Cluster {
    /// Starts the plane on this machine again if it has ended, as when it was killed; a cluster has
    /// its own people for that. Whoever waits for it tries again anyway.
    pub(crate) async fn revive(&self) {
        if self.server == Server::Local {
            let _ = local::client().await;
        }
    }

    /// The objects of one kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// Runs a verb's work that talks to a cluster.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("failed to start: {error}")))?
        .block_on(work)
}

/// Runs the work of a server, which has more than one thing to do at a time.
pub(crate) fn block_on_all_cores<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("failed to start: {error}")))?
        .block_on(work)
}

/// Connects to what the flags name.
pub(crate) async fn connect(context: &Context) -> Result<Cluster> {
    connect_with(&context.global, &context.config).await
}

/// Connects to what the flags and defaults name.
pub(crate) async fn connect_with(global: &Global, defaults: &Defaults) -> Result<Cluster> {
    if let Some(name) = namespace(global, defaults) {
        check_namespace(name)?;
    }
    let server = if global.local {
        Server::Local
    } else {
        Server::Cluster
    };
    let client = if server == Server::Local {
        local::client().await?
    } else {
        // Fails when a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = client_config(&global.connection).await?;
        Client::try_from(config).map_err(|error| {
            Failure::new(format!("failed to set up the connection: {}", root_cause(&error)))
        })?
    };
    let namespace =
        namespace(global, defaults).map_or_else(|| client.default_namespace().to_owned(), str::to_owned);
    Ok(Cluster {
        client,
        server,
        namespace,
    })
}

/// Names of namespaces are DNS-1123 labels; anything else would be part of a URL.
fn check_namespace(name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let bare = !name.starts_with('-') && !name.ends_with('-');
    if (1..=63).contains(&name.len()) && bare && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Failure::new(format!("invalid namespace `{name}`"))
        .hint("a namespace has at most 63 characters: lowercase letters, digits and `-`"))
}

/// The namespace as far as flags and config file name one.
pub(crate) fn namespace<'a>(global: &'a Global, defaults: &'a Defaults) -> Option<&'a str> {
    global.namespace.as_deref().or(defaults.namespace.as_deref())
}

async fn client_config(flags: &Connection) -> Result<Config> {
    let options = KubeConfigOptions {
        context: flags.context.clone(),
        cluster: flags.cluster.clone(),
        user: flags.user.clone(),
    };
    let mut config = match kubeconfig(flags)? {
        Some(kubeconfig) => {
            let kubeconfig = with_flags(kubeconfig, flags, &options);
            Config::from_custom_kubeconfig(kubeconfig, &options)
                .await
                .map_err(|error| broken_kubeconfig(&error))?
        }
        None => match (&flags.server, Config::incluster()) {
            (Some(server), _) => Config::new(server.parse().map_err(|error| {
                Failure::new(format!(
                    "failed to read the address `{server}` of --server: {error}"
                ))
            })?),
            (None, Ok(config)) => config,
            (None, Err(_)) => return Err(no_cluster("no cluster is configured: there is no kubeconfig")),
        },
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    if let Some(server) = &flags.server {
        config.cluster_url = server.parse().map_err(|error| {
            Failure::new(format!(
                "failed to read the address `{server}` of --server: {error}"
            ))
        })?;
    }
    if flags.insecure_skip_tls_verify {
        config.accept_invalid_certs = true;
    }
    if let Some(name) = &flags.tls_server_name {
        config.tls_server_name = Some(name.clone());
    }
    if let Some(user) = &flags.as_user {
        config.auth_info.impersonate = Some(user.clone());
    }
    if !flags.as_group.is_empty() {
        config.auth_info.impersonate_groups = Some(flags.as_group.clone());
    }
    if let Some(timeout) = &flags.request_timeout {
        config.read_timeout = request_timeout(timeout)?;
    }
    Ok(config)
}

/// kubectl takes a number of seconds or a Go duration; zero means without limit.
fn request_timeout(text: &str) -> Result<Option<Duration>> {
    let read = match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => axon_api::units::parse_go_duration(text),
    };
    let timeout = read.ok_or_else(|| {
        Failure::new(format!(
            "the duration `{text}` of --request-timeout cannot be read"
        ))
        .hint("write it like 30s or 2m; 0 means without limit")
    })?;
    Ok(Some(timeout).filter(|timeout| !timeout.is_zero()))
}

/// The kubeconfig that flags or `KUBECONFIG` name, else `~/.kube/config`; `None` if there is none.
fn kubeconfig(flags: &Connection) -> Result<Option<Kubeconfig>> {
    if let Some(path) = &flags.kubeconfig {
        return Kubeconfig::read_from(path)
            .map(Some)
            .map_err(|error| broken_kubeconfig(&error).hint(format!("the file is `{}`", path.display())));
    }
    if let Some(merged) = Kubeconfig::from_env().map_err(|error| broken_kubeconfig(&error))? {
        return Ok(Some(merged));
    }
    let Some(path) = std::env::home_dir().map(|home| home.join(".kube").join("config")) else {
        return Ok(None);
    };
    if !path.exists() {
        return Ok(None);
    }
    Kubeconfig::read_from(&path)
        .map(Some)
        .map_err(|error| broken_kubeconfig(&error).hint(format!("the file is `{}`", path.display())))
}

/// Puts the flags with files and tokens into the parts of the kubeconfig that the context selects,
/// where the library reads them.
fn with_flags(mut kubeconfig: Kubeconfig, flags: &Connection, options: &KubeConfigOptions) -> Kubeconfig {
    let context_name = options
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone());
    let context = kubeconfig
        .contexts
        .iter()
        .find(|context| Some(&context.name) == context_name.as_ref())
        .and_then(|context| context.context.clone());
    let cluster = options
        .cluster
        .clone()
        .or_else(|| context.as_ref().map(|context| context.cluster.clone()));
    let user = options
        .user
        .clone()
        .or_else(|| context.and_then(|context| context.user));
    let path = |path: &std::path::PathBuf| Some(path.to_string_lossy().into_owned());
    for named in &mut kubeconfig.clusters {
        let selected = Some(&named.name) == cluster.as_ref();
        if let (true, Some(cluster), Some(file)) =
            (selected, &mut named.cluster, &flags.certificate_authority)
        {
            cluster.certificate_authority = path(file);
            cluster.certificate_authority_data = None;
        }
    }
    for named in &mut kubeconfig.auth_infos {
        let (true, Some(info)) = (Some(&named.name) == user.as_ref(), &mut named.auth_info) else {
            continue;
        };
        if let Some(token) = &flags.token {
            info.token = Some(token.clone().into());
            info.token_file = None;
            info.exec = None;
        }
        if let Some(file) = &flags.client_certificate {
            info.client_certificate = path(file);
            info.client_certificate_data = None;
        }
        if let Some(file) = &flags.client_key {
            info.client_key = path(file);
            info.client_key_data = None;
        }
    }
    kubeconfig
}

/// The parser's words about a kubeconfig, without the lines of the file that it quotes.
fn broken_kubeconfig(error: &kube::config::KubeconfigError) -> Failure {
    use kube::config::KubeconfigError;
    match error {
        KubeconfigError::CurrentContextNotSet => no_cluster("the kubeconfig has no current context"),
        KubeconfigError::ReadConfig(cause, path) => no_cluster(&format!(
            "failed to read the kubeconfig `{}`: {cause}",
            path.display()
        )),
        KubeconfigError::LoadContext(name) => Failure::new(format!("the kubeconfig has no context `{name}`"))
            .hint("`kubectl config get-contexts` lists those that it has"),
        KubeconfigError::Parse(cause) => no_cluster(&format!(
            "failed to parse the kubeconfig: {}",
            cause.without_snippet()
        )),
        _ => no_cluster(&format!("failed to use the kubeconfig: {error}")),
    }
}

fn no_cluster(message: &str) -> Failure {
    Failure::new(message).hint(format!(
        "name a kubeconfig with --kubeconfig or KUBECONFIG, or run without a cluster: `{} run --local`",
        invocation::name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_wins_over_the_config_file() {
        let (defaults, _) =
            Defaults::parse("namespace: from-file", std::path::Path::new("c")).unwrap_or_default();
        let mut global = Global::default();
        assert_eq!(namespace(&global, &defaults), Some("from-file"));
        global.namespace = Some("from-flag".into());
        assert_eq!(namespace(&global, &defaults), Some("from-flag"));
        assert_eq!(namespace(&Global::default(), &Defaults::default()), None);
    }

    #[test]
    fn a_namespace_cannot_lead_elsewhere() {
        for (name, valid) in [
            ("default", true),
            ("a-1", true),
            ("", false),
            ("a/b", false),
            ("-a", false),
            ("A", false),
        ] {
            assert_eq!(check_namespace(name).is_ok(), valid, "{name:?}");
        }
    }

    #[test]
    fn a_request_timeout_is_seconds_or_a_duration() {
        assert_eq!(request_timeout("30").ok(), Some(Some(Duration::from_secs(30))));
        assert_eq!(request_timeout("2m").ok(), Some(Some(Duration::from_mins(2))));
        assert_eq!(request_timeout("0").ok(), Some(None));
        assert!(request_timeout("soon").is_err());
    }

    #[test]
    fn a_malformed_kubeconfig_is_a_short_error_with_the_way_out() {
        let error = Kubeconfig::from_yaml("clusters: [\n").expect_err("malformed");
        let text = broken_kubeconfig(&error).render();
        assert!(
            text.starts_with("error: failed to parse the kubeconfig: "),
            "{text}"
        );
        assert!(text.contains("--local"), "{text}");
    }

    #[test]
    fn credentials_of_flags_replace_those_of_the_selected_user_only() {
        let kubeconfig = Kubeconfig::from_yaml(
            "current-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n\
             clusters: [{name: c, cluster: {server: https://x}}]\n\
             users: [{name: u, user: {tokenFile: /t}}, {name: v, user: {tokenFile: /t}}]\n",
        )
        .expect("a kubeconfig");
        let flags = Connection {
            token: Some("flag".into()),
            ..Connection::default()
        };
        let changed = with_flags(kubeconfig, &flags, &KubeConfigOptions::default());
        let files: Vec<bool> = changed
            .auth_infos
            .iter()
            .map(|user| {
                user.auth_info
                    .as_ref()
                    .is_some_and(|info| info.token_file.is_some())
            })
            .collect();
        assert_eq!(files, [false, true]);
    }
}
