//! What the operator was told by its flags.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;

/// What the operator was told by its flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The operator's own image, from which the runner is copied.
    pub runner_image: String,
    /// The image with git that prepares the checkout.
    pub git_image: String,
    /// The image of each agent type.
    pub agent_images: BTreeMap<String, String>,
    /// `Always`, `IfNotPresent` or `Never`, for all of them; absent means Kubernetes' default.
    pub image_pull_policy: Option<String>,
    /// Namespace of the Leases that keep branches: the operator's own.
    pub lease_namespace: String,
    /// Agent type of a Task for which neither it nor the namespace's TaskDefaults names one.
    pub default_type: Option<String>,
    /// Timeout of a Task for which neither it nor the namespace's TaskDefaults has one, as a Go
    /// duration.
    pub default_timeout: Option<String>,
    /// Variables of the clones and agents of all Tasks, by name, such as those of a proxy. Whoever
    /// else sets one of the name wins.
    pub pod_env: BTreeMap<String, String>,
    /// The certificates that clones and agents trust instead of their images'.
    pub pod_ca: Option<CaBundle>,
    /// Resources of the agent's container by agent type, where neither Task nor TaskDefaults has any.
    pub agent_resources: BTreeMap<String, ResourceRequirements>,
}

/// Certificates in a `ConfigMap` that is in every namespace with Tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaBundle {
    /// Name of the `ConfigMap`.
    pub config_map: String,
    /// Its key with the certificates in PEM.
    pub key: String,
}

impl Default for Settings {
    /// The images of this version.
    fn default() -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let agents = axon_api::agents::NAMES.iter().filter(|name| **name != "shell");
        let mut agent_images: BTreeMap<String, String> = agents
            .map(|name| ((*name).to_owned(), format!("axon/{name}:{version}")))
            .collect();
        // The image with git has all that a script needs, so `shell` has none of its own.
        agent_images.insert("shell".to_owned(), format!("axon/git:{version}"));
        Self {
            runner_image: format!("axon/operator:{version}"),
            git_image: format!("axon/git:{version}"),
            agent_images,
            image_pull_policy: None,
            lease_namespace: "axon-system".to_owned(),
            default_type: Some(axon_api::kinds::task::DEFAULT_TYPE.to_owned()),
            default_timeout: None,
            pod_env: BTreeMap::new(),
            pod_ca: None,
            agent_resources: BTreeMap::new(),
        }
    }
}
