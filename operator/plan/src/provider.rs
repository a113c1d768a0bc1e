//! Endpoints of models and the credentials for them: whether a provider is ready, and what the
//! agent's container gets.

use std::collections::BTreeMap;

use axon_api::agents::{self, Agent, CredentialKind};
use axon_api::kinds::reference::KeyReference;
use axon_api::kinds::task::{Credentials, CredentialsType};
use axon_api::{AgentProvider, TaskDefaults};
use k8s_openapi::api::core::v1::EnvVar;

use crate::effective::{Inherited, Origin};
use crate::environment::{from_secret, is_reserved, plain, unexpanded};
use crate::observed::{Found, Observed, SecretKeys};
use crate::references;
use crate::requirements::{Blocked, Lasting, forever, namespace, secret_has, sets_itself, waiting};

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

/// What the agent's container gets to reach its model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Endpoint {
    /// Credential and address: they win over variables of users.
    pub(crate) own: Vec<EnvVar>,
    /// The provider's environment, over which podOverrides.env wins.
    pub(crate) environment: Vec<EnvVar>,
}

/// A provider's terms, in place or an object of its own.
struct Terms<'a> {
    /// How messages call it.
    subject: String,
    secret: Option<&'a KeyReference>,
    token_variable: Option<&'a str>,
    base_url: Option<&'a str>,
    environment: &'a BTreeMap<String, String>,
}

/// Finds credential and address: the Task's own, else the provider of the namespace's defaults for
/// the agent type, else the credentials of the defaults.
pub(crate) fn resolve(
    observed: &Observed<'_>,
    defaults: Option<&TaskDefaults>,
    agent: &dyn Agent,
    inherited: &mut Inherited,
) -> Result<Endpoint, Blocked> {
    let spec = &observed.task.spec;
    if let Some(credentials) = &spec.credentials {
        return by_credentials(observed, credentials, agent, Place::Task);
    }
    if let Some(provider) = &spec.provider {
        let name = provider.name.as_deref().map(|name| format!(" `{name}`"));
        let terms = Terms {
            subject: format!("the provider{} in place", name.unwrap_or_default()),
            secret: provider.auth_secret_ref.as_ref(),
            token_variable: provider.auth_token_env.as_deref(),
            base_url: provider.base_url.as_deref(),
            environment: &provider.environment,
        };
        return by_terms(observed, &terms, agent);
    }
    if let Some(name) = references::provider(observed.task, defaults, agent.name()) {
        let resolved = by_name(observed, name, agent);
        if spec.provider_ref.is_some() {
            return resolved.inspect(|endpoint| record(observed, inherited, name, endpoint));
        }
        inherited.record("providerRef", name, Origin::Defaults);
        return match resolved {
            Ok(endpoint) => {
                record(observed, inherited, name, &endpoint);
                Ok(endpoint)
            }
            // The Task did not ask for it, and the defaults can be corrected.
            Err(blocked) if blocked.lasting == Lasting::Forever => Err(waiting(
                blocked.reason,
                format!(
                    "waits for TaskDefaults `default` to be corrected: {}",
                    blocked.message
                ),
            )),
            Err(blocked) => Err(blocked),
        };
    }
    let Some(credentials) = defaults.and_then(|defaults| defaults.spec.credentials.as_ref()) else {
        return Ok(Endpoint::default());
    };
    let endpoint = by_credentials(observed, credentials, agent, Place::Defaults)?;
    if endpoint.own.is_empty() && credentials.type_ != CredentialsType::None {
        return Ok(endpoint);
    }
    let spelled = match &credentials.secret_ref {
        Some(secret) => format!("{} of Secret {}", spelled(credentials.type_), secret.name),
        None => spelled(credentials.type_).to_owned(),
    };
    inherited.record("credentials", spelled, Origin::Defaults);
    Ok(endpoint)
}

fn by_name(observed: &Observed<'_>, name: &str, agent: &dyn Agent) -> Result<Endpoint, Blocked> {
    let provider = named(observed, name, agent)?;
    by_terms(observed, &terms_of(name, provider), agent)
}

/// Records what the agent has from an AgentProvider.
fn record(observed: &Observed<'_>, inherited: &mut Inherited, provider: &str, endpoint: &Endpoint) {
    let environment = endpoint.environment.iter();
    let inherits = environment.filter(|variable| !sets_itself(observed, &variable.name));
    let all = endpoint.own.iter().chain(inherits);
    let names: Vec<&str> = all.map(|variable| variable.name.as_str()).collect();
    if !names.is_empty() {
        inherited.record("podOverrides.env", names.join(", "), Origin::Provider(provider));
    }
}

fn named<'a>(observed: &Observed<'a>, name: &str, agent: &dyn Agent) -> Result<&'a AgentProvider, Blocked> {
    let provider = match observed.provider {
        Found::Present(provider) => provider,
        Found::Invalid(why) => {
            return Err(waiting(
                "ProviderInvalid",
                format!("waits for AgentProvider `{name}` to be corrected: {why}"),
            ));
        }
        Found::Missing | Found::NotNamed => {
            return Err(waiting(
                "ProviderNotFound",
                format!(
                    "waits for AgentProvider `{name}`, which does not exist in namespace `{}`",
                    namespace(observed)
                ),
            ));
        }
    };
    let types = &provider.spec.agent_types;
    if types.is_empty() || types.iter().any(|type_| type_ == agent.name()) {
        return Ok(provider);
    }
    Err(forever(
        "ProviderNotForType",
        format!(
            "AgentProvider `{name}` is for agent types {}, and not for `{}`",
            types.join(", "),
            agent.name()
        ),
    ))
}

fn terms_of<'a>(name: &str, provider: &'a AgentProvider) -> Terms<'a> {
    let spec = &provider.spec;
    Terms {
        subject: format!("AgentProvider `{name}`"),
        secret: spec.auth_token_secret_ref.as_ref(),
        token_variable: spec.auth_token_env.as_deref(),
        base_url: spec.base_url.as_deref(),
        environment: &spec.environment,
    }
}

fn by_terms(observed: &Observed<'_>, terms: &Terms<'_>, agent: &dyn Agent) -> Result<Endpoint, Blocked> {
    let subject = &terms.subject;
    let mut own = Vec::new();
    if let Some(reference) = terms.secret {
        secret_has(observed, &reference.name, &reference.key)?;
        let variable = token_variable(terms, agent)?;
        own.push(from_secret(variable, &reference.name, &reference.key));
    }
    if let Some(url) = terms.base_url {
        let Some(variable) = agent.base_url_variable() else {
            return Err(forever(
                "ProviderNotForType",
                format!(
                    "agent type `{}` takes no address of an endpoint, which the field baseURL of {subject} names",
                    agent.name()
                ),
            ));
        };
        own.push(plain(variable, &unexpanded(url)));
    }
    let environment = terms.environment.iter();
    Ok(Endpoint {
        own,
        environment: environment
            .map(|(name, value)| plain(name, &unexpanded(value)))
            .collect(),
    })
}

/// The variable in which the agent expects the credential of a provider.
fn token_variable<'a>(terms: &Terms<'a>, agent: &dyn Agent) -> Result<&'a str, Blocked> {
    let subject = &terms.subject;
    if let Some(variable) = terms.token_variable {
        if is_reserved(variable) {
            return Err(forever(
                "InvalidProvider",
                format!("the field authTokenEnv of {subject} is `{variable}`, a variable of Axon's own"),
            ));
        }
        return Ok(variable);
    }
    let has_url = terms.base_url.is_some()
        || agent
            .base_url_variable()
            .is_some_and(|variable| terms.environment.contains_key(variable));
    let of_provider = agent.provider_token_variable().filter(|_| has_url);
    let of_key = || Some(agent.credential(CredentialKind::ApiKey)?.variable);
    of_provider.or_else(of_key).ok_or_else(|| {
        forever(
            "CredentialsUnsupported",
            format!(
                "agent type `{}` takes no credential; the field authTokenEnv of {subject} can name a variable for it",
                agent.name()
            ),
        )
    })
}

/// Where credentials are written down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Task,
    Defaults,
}

fn by_credentials(
    observed: &Observed<'_>,
    credentials: &Credentials,
    agent: &dyn Agent,
    place: Place,
) -> Result<Endpoint, Blocked> {
    let spelled = spelled(credentials.type_);
    let kind = match credentials.type_ {
        CredentialsType::None => return Ok(Endpoint::default()),
        CredentialsType::ApiKey => CredentialKind::ApiKey,
        CredentialsType::OAuth => CredentialKind::OAuth,
    };
    let Some(credential) = agent.credential(kind) else {
        // Credentials of the defaults are for the types that take them.
        if place == Place::Defaults {
            return Ok(Endpoint::default());
        }
        return Err(forever(
            "CredentialsUnsupported",
            format!(
                "agent type `{}` takes no credentials of type {spelled}",
                agent.name()
            ),
        ));
    };
    let Some(reference) = &credentials.secret_ref else {
        let message = format!("credentials of type {spelled} need");
        return Err(match place {
            Place::Task => forever("SecretNotNamed", format!("{message} spec.credentials.secretRef")),
            Place::Defaults => waiting(
                "SecretNotNamed",
                format!("waits for TaskDefaults `default` to be corrected: {message} secretRef"),
            ),
        });
    };
    let variable = credential.variable;
    secret_has(observed, &reference.name, variable)?;
    Ok(Endpoint {
        own: vec![from_secret(variable, &reference.name, variable)],
        environment: Vec::new(),
    })
}

fn spelled(type_: CredentialsType) -> &'static str {
    match type_ {
        CredentialsType::None => "none",
        CredentialsType::ApiKey => "api-key",
        CredentialsType::OAuth => "oauth",
    }
}
