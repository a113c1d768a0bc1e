//! What a Task is run with where its spec does not say: Task before TaskDefaults before the
//! operator. What is inherited is recorded, with where it is from.

use std::fmt::Display;

use axon_api::agents;
use axon_api::kinds::task::EffectiveSetting;
use axon_api::{Task, TaskDefaults, TaskStatus};

use crate::bounded;
use crate::observed::{Found, Observed};
use crate::references;
use crate::requirements::{Blocked, forever, unsupported, waiting};

/// Bytes of a recorded value.
const VALUE_BYTES: usize = 256;
/// How many settings are recorded.
const MAX_SETTINGS: usize = 16;
/// The field of the agent type.
const TYPE: &str = "type";

/// Where a setting is from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin<'a> {
    /// The namespace's TaskDefaults.
    Defaults,
    /// The AgentProvider of this name.
    Provider(&'a str),
    /// The operator's flags.
    Operator,
}

/// The settings that a Task has from elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Inherited(Vec<EffectiveSetting>);

impl Inherited {
    /// Records that the field of the Task's spec has its value from elsewhere.
    pub(crate) fn record(&mut self, field: &str, value: impl Display, origin: Origin<'_>) {
        if self.0.len() >= MAX_SETTINGS {
            return;
        }
        self.0.push(EffectiveSetting {
            field: field.to_owned(),
            value: bounded::line(&value.to_string(), VALUE_BYTES),
            from: match origin {
                Origin::Defaults => "TaskDefaults/default".to_owned(),
                Origin::Provider(name) => format!("AgentProvider/{name}"),
                Origin::Operator => "operator".to_owned(),
            },
        });
    }

    /// What was recorded.
    pub(crate) fn into_settings(self) -> Vec<EffectiveSetting> {
        self.0
    }
}

/// The namespace's TaskDefaults, if there are any.
pub(crate) fn defaults<'a>(observed: &Observed<'a>) -> Result<Option<&'a TaskDefaults>, Blocked> {
    match observed.defaults {
        Found::Present(defaults) => Ok(Some(defaults)),
        Found::Missing | Found::NotNamed => Ok(None),
        Found::Invalid(why) => Err(waiting(
            "TaskDefaultsInvalid",
            format!("waits for TaskDefaults `default` to be corrected: {why}"),
        )),
    }
}

/// The agent type, which this build has.
pub(crate) fn agent<'a>(
    observed: &Observed<'a>,
    defaults: Option<&'a TaskDefaults>,
    inherited: &mut Inherited,
) -> Result<&'static dyn agents::Agent, Blocked> {
    let task = observed.task;
    let fallback = observed.settings.default_type.as_deref();
    let Some(name) = references::agent_type(task, defaults, fallback) else {
        return Err(waiting(
            "AgentTypeMissing",
            "spec.type is absent, and so it is in the namespace's TaskDefaults; waits for TaskDefaults `default` to name one"
                .to_owned(),
        ));
    };
    if task.spec.type_.is_none() {
        let of_defaults = defaults.is_some_and(|defaults| defaults.spec.type_.is_some());
        let origin = if of_defaults {
            Origin::Defaults
        } else {
            Origin::Operator
        };
        inherited.record(TYPE, name, origin);
    }
    if let Some(agent) = agents::find(name) {
        return Ok(agent);
    }
    if agents::NAMES.contains(&name) {
        return Err(unsupported(
            "FeatureMissing",
            format!(
                "this build of the operator does not have agent type `{name}`; it needs one that was built with the cargo feature `{name}`"
            ),
        ));
    }
    let message = format!(
        "agent type `{name}` is not known; the types are {}",
        agents::NAMES.join(", ")
    );
    Err(if task.spec.type_.is_some() {
        forever("UnknownAgentType", message)
    } else {
        waiting(
            "UnknownAgentType",
            format!("waits for a type to be corrected: {message}"),
        )
    })
}

/// The agent type of a Task whose Job was made, for people.
pub(crate) fn recorded_type<'a>(task: &'a Task, status: &'a TaskStatus) -> &'a str {
    let recorded = status.effective.iter().find(|setting| setting.field == TYPE);
    let recorded = || recorded.map(|setting| setting.value.as_str());
    task.spec.type_.as_deref().or_else(recorded).unwrap_or("agent")
}

/// The model, if one is named.
pub(crate) fn model<'a>(
    task: &'a Task,
    defaults: Option<&'a TaskDefaults>,
    inherited: &mut Inherited,
) -> Option<&'a str> {
    if let Some(model) = &task.spec.model {
        return Some(model);
    }
    let model = defaults?.spec.model.as_deref()?;
    inherited.record("model", model, Origin::Defaults);
    Some(model)
}

/// The image of the agent container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image<'a> {
    /// The agent type's own.
    Own(&'a str),
    /// One that a user has named: it keeps its home and may have an entrypoint.
    Users(&'a str),
}

impl<'a> Image<'a> {
    pub(crate) fn name(self) -> &'a str {
        let (Self::Own(name) | Self::Users(name)) = self;
        name
    }

    pub(crate) fn is_users(self) -> bool {
        matches!(self, Self::Users(_))
    }
}

/// The image of the agent container.
pub(crate) fn image<'a>(
    observed: &Observed<'a>,
    defaults: Option<&'a TaskDefaults>,
    agent_type: &str,
    inherited: &mut Inherited,
) -> Result<Image<'a>, Blocked> {
    if let Some(image) = &observed.task.spec.image {
        return Ok(Image::Users(image));
    }
    if let Some(image) = defaults.and_then(|defaults| defaults.spec.image.as_deref()) {
        inherited.record("image", image, Origin::Defaults);
        return Ok(Image::Users(image));
    }
    let Some(image) = observed.settings.agent_images.get(agent_type) else {
        return Err(unsupported(
            "ImageNotConfigured",
            format!("the operator was given no image for agent type `{agent_type}`; spec.image can name one"),
        ));
    };
    inherited.record("image", image, Origin::Operator);
    Ok(Image::Own(image))
}
