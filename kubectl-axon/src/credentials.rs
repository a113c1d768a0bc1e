//! Which agent runs, and with whose credential: flags first, then the config file, then what the
//! namespace's `TaskDefaults` say.

use axon_agents::{Agent, CredentialKind};
use axon_api::TaskDefaultsSpec;
use axon_api::kinds::reference::LocalReference;
use axon_api::kinds::task::{Credentials, CredentialsType, DEFAULT_TYPE};

use crate::config::{Config, ConfigCredential};
use crate::failure::{Failure, Result};
use crate::invocation;
use crate::parts::{named, reference, secret};
use crate::run_objects::Wanted;
use crate::text::closest;

/// Name of the Secret that is made from the config file's key or token.
const CREDENTIALS: &str = "axon-credentials";

/// What the flags say about agent and credential.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chosen<'a> {
    pub(crate) agent_type: Option<&'a str>,
    pub(crate) secret: Option<&'a String>,
    pub(crate) credential_type: Option<CredentialsType>,
    pub(crate) provider: Option<&'a String>,
}

/// What a Task or pipeline gets for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Access {
    /// Absent when the namespace's default is meant.
    pub(crate) type_: Option<String>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) provider_ref: Option<LocalReference>,
}

/// Whether flags and file leave something open that the namespace's `TaskDefaults` may answer.
pub(crate) fn leaves_open(chosen: Chosen<'_>, config: &Config) -> bool {
    let names_type = chosen.agent_type.is_some() || config.type_.is_some();
    let names_access = chosen.secret.is_some()
        || chosen.provider.is_some()
        || chosen.credential_type == Some(CredentialsType::None)
        || config.names_credential();
    let needs_none = agent(chosen, config, None).is_ok_and(|agent| !takes_credentials(agent));
    !names_type || !(names_access || needs_none)
}

/// Finds agent and credential, and adds the Secret that is made for it, if one is.
pub(crate) fn access(
    chosen: Chosen<'_>,
    config: &Config,
    defaults: Option<&TaskDefaultsSpec>,
    wanted: &mut Vec<Wanted>,
) -> Result<Access> {
    let agent = agent(chosen, config, defaults)?;
    let is_default = chosen.agent_type.is_none()
        && config.type_.is_none()
        && defaults.is_some_and(|defaults| defaults.type_.is_some());
    let mut access = Access {
        type_: (!is_default).then(|| agent.name().to_owned()),
        ..Access::default()
    };
    let no_credential_named = chosen.secret.is_none() && chosen.credential_type.is_none();
    let provider = chosen.provider.or(if no_credential_named {
        config.provider.as_ref()
    } else {
        None
    });
    if provider.is_some() {
        access.provider_ref = reference(provider);
        return Ok(access);
    }
    if no_credential_named && !config.names_credential() && answers(defaults, agent) {
        return Ok(access);
    }
    access.credentials = credentials(agent, chosen, config, wanted)?;
    Ok(access)
}

/// Whether the namespace's defaults have a credential for this agent.
fn answers(defaults: Option<&TaskDefaultsSpec>, agent: &dyn Agent) -> bool {
    defaults.is_some_and(|defaults| {
        defaults.credentials.is_some() || defaults.providers.contains_key(agent.name())
    })
}

/// The agent type, or why this build cannot run it.
fn agent(
    chosen: Chosen<'_>,
    config: &Config,
    defaults: Option<&TaskDefaultsSpec>,
) -> Result<&'static dyn Agent> {
    let name = chosen
        .agent_type
        .or(config.type_.as_deref())
        .or(defaults.and_then(|defaults| defaults.type_.as_deref()))
        .unwrap_or(DEFAULT_TYPE);
    find(name)
}

/// The agent type of this name, or why this build cannot run it.
pub(crate) fn find(name: &str) -> Result<&'static dyn Agent> {
    if let Some(agent) = axon_agents::find(name) {
        return Ok(agent);
    }
    if axon_agents::NAMES.contains(&name) {
        return Err(Failure::new(format!("agent type `{name}` is not in this build"))
            .hint(format!("build with the cargo feature `{name}`")));
    }
    let failure = Failure::new(format!(
        "unknown agent type `{name}`: must be one of {}",
        axon_agents::NAMES.join(", ")
    ));
    Err(match closest(name, axon_agents::NAMES.iter().copied()) {
        Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
        None => failure,
    })
}

/// The credentials by the order of precedence: flag, the file's Secret, the file's value.
fn credentials(
    agent: &dyn Agent,
    chosen: Chosen<'_>,
    config: &Config,
    wanted: &mut Vec<Wanted>,
) -> Result<Option<Credentials>> {
    if chosen.credential_type == Some(CredentialsType::None) {
        return match chosen.secret {
            Some(_) => Err(Failure::new(
                "--secret cannot be used with --credential-type none",
            )),
            None => Ok(Some(Credentials::default())),
        };
    }
    if !takes_credentials(agent) {
        return match chosen.secret {
            Some(_) => Err(
                Failure::new(format!("agent type `{}` takes no credentials", agent.name()))
                    .hint("leave --secret out; --env gives a script what it needs"),
            ),
            None => Ok(None),
        };
    }
    if let Some(secret) = chosen.secret.or(config.secret.as_ref()) {
        let kind = match (chosen.credential_type, chosen.secret, &config.credential_type) {
            (Some(kind), _, _) => kind,
            // The file's credentialType speaks of the file's Secret.
            (None, None, Some(text)) => credentials_type(text)?,
            _ => CredentialsType::ApiKey,
        };
        key(agent, kind)?;
        return Ok(Some(Credentials {
            type_: kind,
            secret_ref: reference(Some(secret)),
        }));
    }
    if chosen.credential_type.is_some() {
        return Err(Failure::new("--credential-type needs a Secret").hint("name one with --secret"));
    }
    if config.credential_type.as_deref() == Some("none") {
        return Ok(Some(Credentials::default()));
    }
    let Some(ConfigCredential { kind, value }) = config.credential()? else {
        return Err(Failure::new(
            "no credentials configured (set oauthToken/apiKey in config file, or use --secret flag)",
        )
        .hint(format!("`{} init` writes a config file", invocation::name()))
        .hint(format!(
            "`{} create taskdefaults --secret NAME` is for a whole namespace",
            invocation::name()
        ))
        .hint("--credential-type none runs the agent without credentials; -t shell needs none"));
    };
    let Some(value) = value else {
        return Ok(Some(Credentials::default()));
    };
    let key = key(agent, kind)?;
    wanted.push(Wanted::Ensure(secret(CREDENTIALS, [(key, value)])?));
    Ok(Some(Credentials {
        type_: kind,
        secret_ref: Some(named(CREDENTIALS)),
    }))
}

/// Reads `credentialType` of the config file.
fn credentials_type(text: &str) -> Result<CredentialsType> {
    match text {
        "api-key" => Ok(CredentialsType::ApiKey),
        "oauth" => Ok(CredentialsType::OAuth),
        "none" => Ok(CredentialsType::None),
        _ => Err(Failure::new(format!(
            "unknown credentialType `{text}` in the config file: must be one of api-key, oauth, none"
        ))),
    }
}

fn takes_credentials(agent: &dyn Agent) -> bool {
    [CredentialKind::ApiKey, CredentialKind::OAuth]
        .into_iter()
        .any(|kind| agent.credential(kind).is_some())
}

/// The key in the Secret for a credential of this kind.
pub(crate) fn key(agent: &dyn Agent, kind: CredentialsType) -> Result<&'static str> {
    let (wanted, name) = match kind {
        CredentialsType::ApiKey => (CredentialKind::ApiKey, "api-key"),
        CredentialsType::OAuth => (CredentialKind::OAuth, "oauth"),
        CredentialsType::None => return Ok(""),
    };
    match agent.credential(wanted) {
        Some(credential) => Ok(credential.variable),
        None => Err(Failure::new(format!(
            "agent type `{}` has no credentials of type {name}",
            agent.name()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn defaults(value: serde_json::Value) -> TaskDefaultsSpec {
        serde_json::from_value(value).expect("defaults")
    }

    fn found(chosen: Chosen<'_>, defaults: &TaskDefaultsSpec) -> Access {
        access(chosen, &Config::default(), Some(defaults), &mut Vec::new()).expect("access")
    }

    #[test]
    fn what_the_namespace_says_is_left_to_it() {
        let all = defaults(json!({"type": "codex", "credentials": {"type": "none"}}));
        assert_eq!(found(Chosen::default(), &all), Access::default());
        let claude = Chosen {
            agent_type: Some("claude-code"),
            ..Chosen::default()
        };
        assert_eq!(
            found(claude, &all),
            Access {
                type_: Some("claude-code".into()),
                ..Access::default()
            }
        );
        let of_codex = defaults(json!({"providers": {"codex": "p"}}));
        assert!(access(claude, &Config::default(), Some(&of_codex), &mut Vec::new()).is_err());
    }

    #[test]
    fn a_provider_takes_the_place_of_credentials() {
        let name = "p".to_owned();
        let chosen = Chosen {
            provider: Some(&name),
            ..Chosen::default()
        };
        let access = access(chosen, &Config::default(), None, &mut Vec::new()).expect("access");
        assert_eq!(access.provider_ref, Some(named("p")));
        assert_eq!(access.credentials, None);
    }

    #[test]
    fn the_namespace_is_asked_only_when_something_is_open() {
        let name = "s".to_owned();
        for (agent_type, secret, open) in [
            (None, None, true),
            (Some("claude-code"), None, true),
            (None, Some(&name), true),
            (Some("claude-code"), Some(&name), false),
            (Some("shell"), None, false),
        ] {
            let chosen = Chosen {
                agent_type,
                secret,
                ..Chosen::default()
            };
            assert_eq!(leaves_open(chosen, &Config::default()), open, "{chosen:?}");
        }
    }
}
