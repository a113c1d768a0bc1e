//! What can be wrong with a spawner before any item is looked at.

use axon_api::TaskSpawner;
use axon_api::sources::{SOURCES, Source};

use super::fields;
use super::observed::SpawnerObserved;
use crate::observed::Found;
use crate::template::{self, Template};

/// The agent type whose prompt is a script.
pub(crate) const SHELL: &str = "shell";

/// What is wrong with a spawner: a word and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Whether this build has the source.
pub(crate) fn supported(spawner: &TaskSpawner) -> Result<(), Fault> {
    supported_by(SOURCES, spawner)
}

fn supported_by(sources: &[Source], spawner: &TaskSpawner) -> Result<(), Fault> {
    let when = &spawner.spec.when;
    let (Some(name), Some(feature)) = (when.source(), when.feature()) else {
        return Err(Fault::new(
            "UnknownSource",
            "`spec.when` has no source that this version knows",
        ));
    };
    if sources.iter().any(|source| source.name == name) {
        return Ok(());
    }
    let message = format!(
        "this build of the operator is without the source `{name}`\nhint: install the full image, or build with `--features {feature}`"
    );
    Err(Fault::new("SourceNotInBuild", message))
}

/// Whether templates and workspace are as they have to be.
pub(crate) fn ready(observed: &SpawnerObserved<'_>) -> Result<(), Fault> {
    templates(observed.spawner, observed.default_type)?;
    let name = || {
        let reference = observed.spawner.spec.task_template.workspace_ref.as_ref();
        reference.map_or("", |reference| reference.name.as_str())
    };
    match observed.workspace {
        Found::Missing => Err(Fault::new(
            "WorkspaceNotFound",
            format!("waits for Workspace `{}`, which does not exist", name()),
        )),
        Found::Invalid(why) => Err(Fault::new(
            "WorkspaceInvalid",
            format!("Workspace `{}` cannot be read: {why}", name()),
        )),
        Found::NotNamed | Found::Present(_) => Ok(()),
    }
}

/// The agent type of the Tasks.
pub(crate) fn agent_type<'a>(spawner: &'a TaskSpawner, default_type: &'a str) -> &'a str {
    spawner
        .spec
        .task_template
        .type_
        .as_deref()
        .unwrap_or(default_type)
}

/// Whether all templates can be read and use what items of the source have, and whether nothing that
/// strangers write becomes part of a script.
fn templates(spawner: &TaskSpawner, default_type: &str) -> Result<(), Fault> {
    let spec = &spawner.spec.task_template;
    if agent_type(spawner, default_type) == SHELL {
        script(spec.prompt_template.as_deref())?;
    }
    let known = fields::of(&spawner.spec.when);
    let fixed = [
        ("promptTemplate", &spec.prompt_template),
        ("nameTemplate", &spec.name_template),
        ("branch", &spec.branch),
    ];
    for (field, source) in fixed {
        if let Some(source) = source {
            check(field, source, known.as_ref())?;
        }
    }
    let metadata = spec.metadata.as_ref();
    let labels = metadata.into_iter().flat_map(|metadata| &metadata.labels);
    let labels = labels.map(|pair| ("labels", pair));
    let annotations = metadata.into_iter().flat_map(|metadata| &metadata.annotations);
    let annotations = annotations.map(|pair| ("annotations", pair));
    for (kind, (key, source)) in labels.chain(annotations) {
        if is_reserved(key) {
            let message =
                format!("taskTemplate.metadata.{kind} has `{key}`, and keys of axon.io are Axon's own");
            return Err(Fault::new("ReservedKey", message));
        }
        check(&format!("metadata.{kind}[{key}]"), source, known.as_ref())?;
    }
    Ok(())
}

/// Whether a label or annotation is Axon's own.
pub(crate) fn is_reserved(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    prefix == axon_api::GROUP || prefix.ends_with(".axon.io") || key == axon_api::labels::MANAGED_BY
}

fn check(field: &str, source: &str, known: Option<&std::collections::BTreeSet<String>>) -> Result<(), Fault> {
    let template = parse(field, source)?;
    let Some(known) = known else {
        return Ok(());
    };
    for used in template.uses() {
        if let Some(name) = &used.field
            && !known.contains(name)
        {
            let names: Vec<&str> = known.iter().map(String::as_str).collect();
            let message = format!(
                "taskTemplate.{field}, line {}, column {}: items of this source have no `.{name}`; they have {}",
                used.line,
                used.column,
                names.join(", ")
            );
            return Err(Fault::new("TemplateInvalid", message));
        }
    }
    Ok(())
}

fn parse(field: &str, source: &str) -> Result<Template, Fault> {
    template::parse(source)
        .map_err(|error| Fault::new("TemplateInvalid", format!("taskTemplate.{field}, {error}")))
}

/// A script may use nothing of the item but by its variables.
fn script(source: Option<&str>) -> Result<(), Fault> {
    let Some(source) = source else {
        return Err(Fault::new(
            "ShellTemplate",
            "type `shell` needs taskTemplate.promptTemplate, which is the script",
        ));
    };
    let template = parse("promptTemplate", source)?;
    let Some(used) = template.uses().into_iter().next() else {
        return Ok(());
    };
    let field = used.field.as_deref();
    let spelled = field.map_or_else(|| "all of the item".to_owned(), |field| format!("`.{field}`"));
    let variables = axon_api::variables::item::ALL.iter();
    let instead = variables
        .filter(|(_, name)| Some(*name) == field)
        .map(|(variable, _)| *variable)
        .next()
        .unwrap_or(axon_api::variables::item::TITLE);
    let message = format!(
        "taskTemplate.promptTemplate, line {}, column {}: a script may not have {spelled} in it, which strangers write\nhint: use the variable, as in \"${instead}\"",
        used.line, used.column,
    );
    Err(Fault::new("ShellTemplate", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_the_source_says_how_to_get_it() {
        let mut spawner = TaskSpawner::new("s", axon_api::TaskSpawnerSpec::default());
        spawner.spec.when.cron = Some(axon_api::sources::cron::CronSource::default());
        let fault = supported_by(&[], &spawner).expect_err("a fault");
        assert_eq!(fault.reason, "SourceNotInBuild");
        assert!(fault.message.contains("`cron`") && fault.message.contains("--features cron"));
    }

    #[test]
    fn keys_of_axon_are_reserved_and_those_that_look_alike_are_not() {
        for key in ["axon.io/item", "x.axon.io/y", "app.kubernetes.io/managed-by"] {
            assert!(is_reserved(key), "{key}");
        }
        for key in [
            "axon.io.example/item",
            "notaxon.io/x",
            "team",
            "app.kubernetes.io/name",
        ] {
            assert!(!is_reserved(key), "{key}");
        }
    }
}
