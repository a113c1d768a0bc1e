//! Whether a Task can start: all that it names, in the order in which people are told of it.

use std::borrow::Cow;
use std::time::Duration;

use axon_api::agents::{self, CredentialKind};
use axon_api::kinds::task::CredentialsType;
use axon_api::run::RunLimits;
use axon_api::{Phase, WorkspaceSpec, paths, units};

use crate::dependencies;
use crate::observed::{Found, Observed, SecretKeys};

/// How long a pod may take to start the agent, when the Task does not say.
const DEFAULT_START_TIMEOUT: Duration = Duration::from_mins(10);

/// All that a Task names, found and read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Requirements<'a> {
    pub(crate) image: &'a str,
    /// What the agent is to do: the Task's prompt with what its dependencies produced.
    pub(crate) prompt: Cow<'a, str>,
    pub(crate) workspace: Option<&'a WorkspaceSpec>,
    /// Secret with the token of the workspace.
    pub(crate) workspace_secret: Option<&'a str>,
    pub(crate) credential: Option<CredentialSource<'a>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) start_timeout: Duration,
    pub(crate) limits: RunLimits,
}

/// Where the agent's credential comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CredentialSource<'a> {
    pub(crate) secret: &'a str,
    /// The key in the Secret, and the variable of the container.
    pub(crate) variable: &'static str,
}

/// Why a Task cannot start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// What can come right leaves the Task waiting; what cannot ends it.
    pub(crate) lasting: Lasting,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Whether what blocks a Task can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// It passes when the thing named appears.
    Waiting,
    /// This build cannot run the Task; another may.
    Unsupported,
    /// The spec cannot change, so it never passes.
    Forever,
}

impl Lasting {
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Waiting | Self::Unsupported => Phase::Waiting,
            Self::Forever => Phase::Failed,
        }
    }
}

/// Looks up all that the Task names. The first thing that is not there is told.
pub(crate) fn check<'a>(observed: &'a Observed<'_>) -> Result<Requirements<'a>, Blocked> {
    let image = supported(observed)?;
    let timeout = timeout(observed)?;
    let start_timeout = start_timeout(observed)?;
    let limits = limits(observed)?;
    dependencies::check(observed)?;
    let prompt = dependencies::prompt(observed)?;
    let workspace = workspace(observed)?;
    let workspace_secret = workspace_secret(observed, workspace)?;
    let credential = credential(observed)?;
    Ok(Requirements {
        image,
        prompt,
        workspace,
        workspace_secret,
        credential,
        timeout,
        start_timeout,
        limits,
    })
}

/// The time in which the agent must have started; the default where the spec's cannot be read,
/// which [`check`] has told already.
pub(crate) fn start_timeout_or_default(observed: &Observed<'_>) -> Duration {
    start_timeout(observed).unwrap_or(DEFAULT_START_TIMEOUT)
}

fn supported<'a>(observed: &'a Observed<'_>) -> Result<&'a str, Blocked> {
    let spec = &observed.task.spec;
    let name = spec.agent_type();
    if !agents::NAMES.contains(&name) {
        return Err(forever(
            "UnknownAgentType",
            format!(
                "agent type `{name}` is not known; the types are {}",
                agents::NAMES.join(", ")
            ),
        ));
    }
    if agents::find(name).is_none() {
        return Err(unsupported(
            "FeatureMissing",
            format!(
                "this build of the operator does not have agent type `{name}`; it needs one that was built with the cargo feature `{name}`"
            ),
        ));
    }
    if let Some(config) = &spec.agent_config_ref {
        return Err(unsupported(
            "AgentConfigUnsupported",
            format!(
                "this version of the operator does not have the kind AgentConfig, which `{}` would be",
                config.name
            ),
        ));
    }
    if let Some(image) = &spec.image {
        return Ok(image);
    }
    observed
        .settings
        .agent_images
        .get(name)
        .map(String::as_str)
        .ok_or_else(|| {
            unsupported(
                "ImageNotConfigured",
                format!("the operator was given no image for agent type `{name}`; spec.image can name one"),
            )
        })
}

fn timeout(observed: &Observed<'_>) -> Result<Option<Duration>, Blocked> {
    let spec = &observed.task.spec;
    if let Some(text) = &spec.timeout {
        return duration("timeout", text).map(Some);
    }
    let Some(seconds) = spec
        .pod_overrides
        .as_ref()
        .and_then(|overrides| overrides.active_deadline_seconds)
    else {
        return Ok(None);
    };
    u64::try_from(seconds)
        .ok()
        .filter(|seconds| (1..=MAX_SECONDS).contains(seconds))
        .map(|seconds| Some(Duration::from_secs(seconds)))
        .ok_or_else(|| {
            forever(
                "InvalidTimeout",
                format!("spec.podOverrides.activeDeadlineSeconds is {seconds}, and must be from 1 to {MAX_SECONDS}"),
            )
        })
}

fn start_timeout(observed: &Observed<'_>) -> Result<Duration, Blocked> {
    match &observed.task.spec.start_timeout {
        Some(text) => duration("startTimeout", text),
        None => Ok(DEFAULT_START_TIMEOUT),
    }
}

/// Ten years: what is longer is as good as no limit, and would not fit where seconds are counted
/// in 32 bits.
const MAX_SECONDS: u64 = 10 * 365 * 24 * 3600;

fn duration(field: &str, text: &str) -> Result<Duration, Blocked> {
    units::parse_go_duration(text)
        .filter(|duration| !duration.is_zero() && duration.as_secs() <= MAX_SECONDS)
        .ok_or_else(|| {
            forever(
                "InvalidTimeout",
                format!("spec.{field} is `{text}`, which is not a duration such as 30m or 1h30m, longer than 0 and at most ten years"),
            )
        })
}

fn limits(observed: &Observed<'_>) -> Result<RunLimits, Blocked> {
    let Some(limits) = &observed.task.spec.limits else {
        return Ok(RunLimits::default());
    };
    let cost_usd = match &limits.cost_usd {
        None => None,
        Some(text) => match text.parse::<f64>() {
            Ok(cost) if cost.is_finite() && cost >= 0.0 => Some(cost),
            _ => {
                return Err(forever(
                    "InvalidLimits",
                    format!("spec.limits.costUSD is `{text}`, which is not a decimal such as 2.50"),
                ));
            }
        },
    };
    Ok(RunLimits {
        cost_usd,
        tokens: limits.tokens.and_then(|tokens| u64::try_from(tokens).ok()),
        turns: limits.turns.and_then(|turns| u32::try_from(turns).ok()),
    })
}

fn workspace<'a>(observed: &'a Observed<'_>) -> Result<Option<&'a WorkspaceSpec>, Blocked> {
    let spec = &observed.task.spec;
    let Some(reference) = &spec.workspace_ref else {
        return Ok(spec.workspace.as_ref());
    };
    let name = &reference.name;
    match observed.workspace {
        Found::Present(workspace) => Ok(Some(&workspace.spec)),
        Found::Invalid(why) => Err(waiting(
            "WorkspaceInvalid",
            format!("waits for Workspace `{name}` to be corrected: {why}"),
        )),
        Found::Missing | Found::NotNamed => Err(waiting(
            "WorkspaceNotFound",
            format!(
                "waits for Workspace `{name}`, which does not exist in namespace `{}`",
                namespace(observed)
            ),
        )),
    }
}

fn workspace_secret<'a>(
    observed: &Observed<'_>,
    workspace: Option<&'a WorkspaceSpec>,
) -> Result<Option<&'a str>, Blocked> {
    let Some(reference) = workspace.and_then(|workspace| workspace.secret_ref.as_ref()) else {
        return Ok(None);
    };
    has_key(
        observed,
        secret(observed, &reference.name),
        &reference.name,
        paths::GIT_TOKEN_KEY,
    )?;
    Ok(Some(&reference.name))
}

fn credential<'a>(observed: &'a Observed<'_>) -> Result<Option<CredentialSource<'a>>, Blocked> {
    let spec = &observed.task.spec;
    let Some(credentials) = &spec.credentials else {
        return Ok(None);
    };
    let (kind, spelled) = match credentials.type_ {
        CredentialsType::None => return Ok(None),
        CredentialsType::ApiKey => (CredentialKind::ApiKey, "api-key"),
        CredentialsType::OAuth => (CredentialKind::OAuth, "oauth"),
    };
    let name = spec.agent_type();
    let Some(credential) = agents::find(name).and_then(|agent| agent.credential(kind)) else {
        return Err(forever(
            "CredentialsUnsupported",
            format!("agent type `{name}` takes no credentials of type {spelled}"),
        ));
    };
    let Some(reference) = &credentials.secret_ref else {
        return Err(forever(
            "SecretNotNamed",
            format!("credentials of type {spelled} need spec.credentials.secretRef"),
        ));
    };
    has_key(
        observed,
        secret(observed, &reference.name),
        &reference.name,
        credential.variable,
    )?;
    Ok(Some(CredentialSource {
        secret: &reference.name,
        variable: credential.variable,
    }))
}

/// A Secret that the Task names.
fn secret<'a>(observed: &'a Observed<'_>, name: &str) -> &'a Found<'a, SecretKeys> {
    observed.secrets.get(name).unwrap_or(&Found::Missing)
}

fn has_key(
    observed: &Observed<'_>,
    secret: &Found<'_, SecretKeys>,
    name: &str,
    key: &str,
) -> Result<(), Blocked> {
    match secret {
        Found::Present(keys) if keys.contains(key) => Ok(()),
        Found::Present(_) => Err(waiting(
            "SecretKeyMissing",
            format!("waits for Secret `{name}` to have a value under the key `{key}`"),
        )),
        Found::Invalid(why) => Err(waiting(
            "SecretInvalid",
            format!("waits for Secret `{name}` to be corrected: {why}"),
        )),
        Found::Missing | Found::NotNamed => Err(waiting(
            "SecretNotFound",
            format!(
                "waits for Secret `{name}`, which does not exist in namespace `{}`",
                namespace(observed)
            ),
        )),
    }
}

pub(crate) fn namespace<'a>(observed: &'a Observed<'_>) -> &'a str {
    observed.task.metadata.namespace.as_deref().unwrap_or("default")
}

pub(crate) fn waiting(reason: &'static str, message: String) -> Blocked {
    Blocked {
        lasting: Lasting::Waiting,
        reason,
        message,
    }
}

pub(crate) fn unsupported(reason: &'static str, message: String) -> Blocked {
    Blocked {
        lasting: Lasting::Unsupported,
        reason,
        message,
    }
}

pub(crate) fn forever(reason: &'static str, message: String) -> Blocked {
    Blocked {
        lasting: Lasting::Forever,
        reason,
        message,
    }
}
