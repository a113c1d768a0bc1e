//! What the operator is told.

use std::path::PathBuf;

use axon_plan::Settings;

use crate::scope::SecretScope;

/// What the operator is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What plans depend on, such as images and the namespace of Leases.
    pub settings: Settings,
    /// The only namespaces to look at; none named means all.
    pub watch_namespaces: Vec<String>,
    /// The Secrets that may be read in them.
    pub secrets: SecretScope,
    /// Tasks that are worked on at once; at least 1.
    pub concurrency: usize,
    /// Who wrote an event, such as the name of the operator's pod.
    pub instance: String,
    /// Base URL of GitHub's API for all repositories; `None` means that of each one's server.
    pub github_api_url: Option<String>,
    /// How webhooks arrive.
    pub webhook: WebhookConfig,
}

/// How webhooks arrive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Whether there is a webhook address.
    pub is_served: bool,
    /// Folder with a file of keys for each source; `None` means that only spawners have keys.
    pub secrets: Option<PathBuf>,
    /// URL under which GitHub reaches the address, by which its hooks are known; `None` means every
    /// URL that ends with /webhook/github.
    pub url: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            watch_namespaces: Vec::new(),
            secrets: SecretScope::default(),
            concurrency: 32,
            instance: "axon-operator".to_owned(),
            github_api_url: None,
            webhook: WebhookConfig::default(),
        }
    }
}
