//! Providers of models: whether one is ready, and what it brings into the agent's container.

use axon_api::AgentProvider;
use axon_api::agents;
use axon_api::kinds::reference::KeyReference;

use crate::observed::{Found, SecretKeys};

/// Whether Tasks may use an AgentProvider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub ready: bool,
    /// One word, such as `SecretNotFound`.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// Whether Tasks may use the provider. `secret` is the one that `authTokenSecretRef` names, or
/// [`Found::NotNamed`].
pub fn readiness(provider: &AgentProvider, secret: &Found<'_, SecretKeys>) -> Readiness {
    let spec = &provider.spec;
    let unknown = spec
        .agent_types
        .iter()
        .find(|name| !agents::NAMES.contains(&name.as_str()));
    if let Some(name) = unknown {
        let message = format!(
            "agent type `{name}` of spec.agentTypes is not known; the types are {}",
            agents::NAMES.join(", ")
        );
        return Readiness {
            ready: false,
            reason: "UnknownAgentType",
            message,
        };
    }
    let Some(reference) = &spec.auth_token_secret_ref else {
        return Readiness {
            ready: true,
            reason: "NoCredentialNeeded",
            message: "the endpoint needs no credential".to_owned(),
        };
    };
    let KeyReference { name, key } = reference;
    let (ready, reason, message) = match secret {
        Found::Present(keys) if keys.contains(key) => {
            (true, "Found", format!("Secret `{name}` has the key `{key}`"))
        }
        Found::Present(_) => (
            false,
            "SecretKeyMissing",
            format!("Secret `{name}` has no value under the key `{key}`"),
        ),
        Found::Invalid(why) => (
            false,
            "SecretInvalid",
            format!("Secret `{name}` cannot be read: {why}"),
        ),
        Found::Missing | Found::NotNamed => (
            false,
            "SecretNotFound",
            format!(
                "Secret `{name}` does not exist in namespace `{}`",
                provider.metadata.namespace.as_deref().unwrap_or("default")
            ),
        ),
    };
    Readiness {
        ready,
        reason,
        message,
    }
}
