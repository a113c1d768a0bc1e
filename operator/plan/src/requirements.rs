//! Whether a Task can start: all that it names, in the order in which people are told of it.

use std::borrow::Cow;
use std::time::Duration;

use axon_api::kinds::task::EffectiveSetting;
use axon_api::run::RunLimits;
use axon_api::{Phase, TaskDefaults, units};
use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};

use crate::agent_config::{self, Configuration};
use crate::dependencies;
use crate::effective::{self, Image, Inherited, Origin};
use crate::observed::{Found, Observed, SecretKeys};
use crate::overrides;
use crate::provider::{self, Endpoint};
use crate::repository::{self, Repository};

/// How long a pod may take to start the agent, when the Task does not say.
const DEFAULT_START_TIMEOUT: Duration = Duration::from_mins(10);

/// All that a Task names, found and read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Requirements<'a> {
    pub(crate) agent_type: &'a str,
    pub(crate) prompt: Cow<'a, str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) image: Image<'a>,
    pub(crate) endpoint: Endpoint,
    pub(crate) repository: Option<Repository<'a>>,
    pub(crate) configuration: Configuration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) start_timeout: Duration,
    pub(crate) limits: RunLimits,
    pub(crate) resources: Option<&'a ResourceRequirements>,
    /// The variables of the namespace's TaskDefaults.
    pub(crate) default_env: &'a [EnvVar],
    /// What is not from the Task itself.
    pub(crate) effective: Vec<EffectiveSetting>,
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
    /// It may pass without anything that can be watched, so it is looked at again.
    Retried,
    /// This build cannot run the Task; another may.
    Unsupported,
    /// The spec cannot change, so it never passes.
    Forever,
}

impl Lasting {
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Waiting | Self::Retried | Self::Unsupported => Phase::Waiting,
            Self::Forever => Phase::Failed,
        }
    }
}

/// Looks up all that the Task names. The first thing that is not there is told.
pub(crate) fn check<'a>(observed: &'a Observed<'_>) -> Result<Requirements<'a>, Blocked> {
    let task = observed.task;
    let mut inherited = Inherited::default();
    let defaults = effective::defaults(observed)?;
    let agent = effective::agent(observed, defaults, &mut inherited)?;
    let agent_type = agent.name();
    let model = effective::model(task, defaults, &mut inherited);
    let image = effective::image(observed, defaults, agent_type, &mut inherited)?;
    overrides::check(task.spec.pod_overrides.as_ref())?;
    let timeout = timeout(observed, defaults, &mut inherited)?;
    let start_timeout = start_timeout(observed)?;
    let limits = limits(observed)?;
    dependencies::check(observed)?;
    let prompt = dependencies::prompt(observed)?;
    let repository = repository::resolve(observed, defaults, &mut inherited)?;
    let endpoint = provider::resolve(observed, defaults, agent, &mut inherited)?;
    let configuration = agent_config::merge(observed)?;
    let default_env = default_env(observed, defaults, &endpoint, &mut inherited);
    let resources = resources(observed, defaults, agent_type, &mut inherited);
    Ok(Requirements {
        agent_type,
        prompt,
        model,
        image,
        endpoint,
        repository,
        configuration,
        timeout,
        start_timeout,
        limits,
        resources,
        default_env,
        effective: inherited.into_settings(),
    })
}

/// The time in which the agent must have started; the default where the spec's cannot be read,
/// which [`check`] has told already.
pub(crate) fn start_timeout_or_default(observed: &Observed<'_>) -> Duration {
    start_timeout(observed).unwrap_or(DEFAULT_START_TIMEOUT)
}

fn timeout(
    observed: &Observed<'_>,
    defaults: Option<&TaskDefaults>,
    inherited: &mut Inherited,
) -> Result<Option<Duration>, Blocked> {
    let spec = &observed.task.spec;
    if let Some(text) = &spec.timeout {
        return match duration(text) {
            Some(timeout) => Ok(Some(timeout)),
            None => Err(not_a_duration("timeout", text)),
        };
    }
    let overrides = spec.pod_overrides.as_ref();
    if let Some(seconds) = overrides.and_then(|overrides| overrides.active_deadline_seconds) {
        let seconds_in_range = u64::try_from(seconds)
            .ok()
            .filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
        return match seconds_in_range {
            Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
            None => Err(forever(
                "InvalidTimeout",
                format!(
                    "spec.podOverrides.activeDeadlineSeconds is {seconds}, and must be from 1 to {MAX_SECONDS}"
                ),
            )),
        };
    }
    let of_defaults = defaults.and_then(|defaults| defaults.spec.timeout.as_deref());
    let (text, origin, place) = match (of_defaults, observed.settings.default_timeout.as_deref()) {
        (Some(text), _) => (text, Origin::Defaults, "timeout of TaskDefaults `default`"),
        (None, Some(text)) => (text, Origin::Operator, "default timeout of the operator"),
        (None, None) => return Ok(None),
    };
    let Some(timeout) = duration(text) else {
        return Err(waiting(
            "InvalidTimeout",
            format!("waits for the {place} to be corrected: `{text}` is {NOT_A_DURATION}"),
        ));
    };
    inherited.record("timeout", text, origin);
    Ok(Some(timeout))
}

fn start_timeout(observed: &Observed<'_>) -> Result<Duration, Blocked> {
    match &observed.task.spec.start_timeout {
        Some(text) => duration(text).ok_or_else(|| not_a_duration("startTimeout", text)),
        None => Ok(DEFAULT_START_TIMEOUT),
    }
}

/// Ten years: what is longer is as good as no limit, and would not fit where seconds are counted
/// in 32 bits.
const MAX_SECONDS: u64 = 10 * 365 * 24 * 3600;

/// What a text is that is no duration.
const NOT_A_DURATION: &str = "not a duration such as 30m or 1h30m, longer than 0 and at most ten years";

fn duration(text: &str) -> Option<Duration> {
    units::parse_go_duration(text).filter(|duration| !duration.is_zero() && duration.as_secs() <= MAX_SECONDS)
}

fn not_a_duration(field: &str, text: &str) -> Blocked {
    forever(
        "InvalidTimeout",
        format!("spec.{field} is `{text}`, which is {NOT_A_DURATION}"),
    )
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

fn resources<'a>(
    observed: &Observed<'a>,
    defaults: Option<&'a TaskDefaults>,
    agent_type: &str,
    inherited: &mut Inherited,
) -> Option<&'a ResourceRequirements> {
    let overrides = observed.task.spec.pod_overrides.as_ref();
    if let Some(own) = overrides.and_then(|overrides| overrides.resources.as_ref()) {
        return Some(own);
    }
    let of_defaults = defaults.and_then(|defaults| defaults.spec.resources.as_ref());
    let (resources, origin) = match of_defaults {
        Some(resources) => (resources, Origin::Defaults),
        None => (
            observed.settings.agent_resources.get(agent_type)?,
            Origin::Operator,
        ),
    };
    let spelled = serde_json::to_string(resources).unwrap_or_default();
    inherited.record("podOverrides.resources", spelled, origin);
    Some(resources)
}

/// The variables of the defaults. Only those are recorded that nobody else sets.
fn default_env<'a>(
    observed: &Observed<'a>,
    defaults: Option<&'a TaskDefaults>,
    endpoint: &Endpoint,
    inherited: &mut Inherited,
) -> &'a [EnvVar] {
    let env = defaults.map(|defaults| defaults.spec.env.as_slice());
    let env = env.unwrap_or_default();
    let names: Vec<&str> = env
        .iter()
        .map(|variable| variable.name.as_str())
        .filter(|name| !sets_itself(observed, name))
        .filter(|name| !endpoint.environment.iter().any(|other| other.name == *name))
        .collect();
    if !names.is_empty() {
        inherited.record("podOverrides.env", names.join(", "), Origin::Defaults);
    }
    env
}

/// Whether the Task has the variable in its podOverrides.
pub(crate) fn sets_itself(observed: &Observed<'_>, name: &str) -> bool {
    let overrides = observed.task.spec.pod_overrides.as_ref();
    overrides.is_some_and(|overrides| overrides.env.iter().any(|variable| variable.name == name))
}

/// The keys of a Secret that the Task names.
pub(crate) fn secret_keys<'a>(observed: &Observed<'a>, name: &str) -> Result<&'a SecretKeys, Blocked> {
    match observed.secrets.get(name).unwrap_or(&Found::Missing) {
        Found::Present(keys) => Ok(keys),
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

/// Whether a Secret that the Task names has a value under the key.
pub(crate) fn secret_has(observed: &Observed<'_>, name: &str, key: &str) -> Result<(), Blocked> {
    if secret_keys(observed, name)?.contains(key) {
        return Ok(());
    }
    Err(waiting(
        SECRET_KEY_MISSING,
        format!("waits for Secret `{name}` to have a value under the key `{key}`"),
    ))
}

/// A Secret is there and lacks a key.
pub(crate) const SECRET_KEY_MISSING: &str = "SecretKeyMissing";

pub(crate) fn namespace<'a>(observed: &Observed<'a>) -> &'a str {
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
