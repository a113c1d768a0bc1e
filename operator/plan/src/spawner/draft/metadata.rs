//! Labels and annotations of a Task.

use std::collections::BTreeMap;

use axon_api::kinds::task_spawner::SpawnerCredential;
use axon_api::report::ReportTarget;
use axon_api::sources::WorkItem;
use axon_api::sources::reporting::Reporting;
use axon_api::{TaskSpawner, labels, names};
use kube::ResourceExt;
use serde_json::Value;

use super::super::check::is_reserved;
use super::super::plan::Spawn;
use super::{Refusal, render};

/// Bytes that all annotations of an object may have together
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/>).
const MAX_ANNOTATION_BYTES: usize = 256 * 1024;
/// Characters that the value of a label may have.
const MAX_LABEL: usize = 63;

/// The labels: those of the template, then Axon's own.
pub(super) fn labels(
    spawner: &TaskSpawner,
    credential: Option<&SpawnerCredential>,
    data: &Value,
) -> Result<BTreeMap<String, String>, Refusal> {
    let metadata = spawner.spec.task_template.metadata.as_ref();
    let mut all = BTreeMap::new();
    for (key, source) in metadata.into_iter().flat_map(|metadata| &metadata.labels) {
        refuse_reserved(key)?;
        let value = render(&format!("metadata.labels[{key}]"), source, data)?;
        all.insert(key.clone(), label_value(&value));
    }
    all.insert(
        labels::SPAWNER.to_owned(),
        names::label_value(&spawner.name_any()),
    );
    all.insert(labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned());
    if let Some(credential) = credential {
        all.insert(labels::SPAWNER_CREDENTIAL.to_owned(), credential.name.clone());
    }
    Ok(all)
}

/// The annotations: those of the template, then Axon's own.
pub(super) fn annotations(
    spawner: &TaskSpawner,
    spawn: &Spawn,
    item: &WorkItem,
    data: &Value,
) -> Result<BTreeMap<String, String>, Refusal> {
    let metadata = spawner.spec.task_template.metadata.as_ref();
    let mut all = BTreeMap::new();
    for (key, source) in metadata.into_iter().flat_map(|metadata| &metadata.annotations) {
        refuse_reserved(key)?;
        let value = render(&format!("metadata.annotations[{key}]"), source, data)?;
        all.insert(key.clone(), value);
    }
    let own = [
        (labels::ITEM, spawn.candidate.key.clone()),
        (labels::TRIGGER, spawn.trigger.clone()),
        (labels::ITEM_RUN, spawn.run.to_string()),
    ];
    all.extend(own.map(|(key, value)| (key.to_owned(), value)));
    if let Some(target) = report(spawner, item) {
        all.insert(labels::REPORT.to_owned(), target.to_annotation());
    }
    // In which sandbox agents run on one machine is said on the spawner for all its Tasks.
    if let Some(sandbox) = spawner.annotations().get(labels::SANDBOX) {
        all.insert(labels::SANDBOX.to_owned(), sandbox.clone());
    }
    let bytes: usize = all.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > MAX_ANNOTATION_BYTES {
        let message = format!("the annotations have {bytes} bytes, and {MAX_ANNOTATION_BYTES} are allowed");
        return Err(Refusal::new("AnnotationsTooLarge", message));
    }
    Ok(all)
}

fn refuse_reserved(key: &str) -> Result<(), Refusal> {
    if is_reserved(key) {
        let message = format!("taskTemplate.metadata has `{key}`, and keys of axon.io are Axon's own");
        return Err(Refusal::new("ReservedKey", message));
    }
    Ok(())
}

/// Where to report to, when that is wanted and there is somewhere.
fn report(spawner: &TaskSpawner, item: &WorkItem) -> Option<ReportTarget> {
    let reporting = reporting(spawner)?;
    let name = spawner.name_any();
    let check = reporting.checks.as_ref().map(|checks| {
        let named = checks.name.clone();
        named.unwrap_or_else(|| format!("Axon: {name}"))
    });
    let target = ReportTarget::of(&name, item.subject.as_ref()?, reporting.comment_mode(), check);
    target.is_wanted().then_some(target)
}

fn reporting(spawner: &TaskSpawner) -> Option<&Reporting> {
    let when = &spawner.spec.when;
    let issues = when
        .github_issues
        .as_ref()
        .and_then(|source| source.reporting.as_ref());
    let pulls = when.github_pull_requests.as_ref();
    let pulls = pulls.and_then(|source| source.reporting.as_ref());
    let events = when
        .github_webhook
        .as_ref()
        .and_then(|source| source.reporting.as_ref());
    issues.or(pulls).or(events)
}

/// The text as the value of a label: a dash for what it cannot have, 63 characters at most, letters
/// and digits at both ends. Nothing may be left of it, which is a value too.
fn label_value(text: &str) -> String {
    let plain = text.chars().map(|c| {
        let may_stay = c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if may_stay { c } else { '-' }
    });
    let plain: String = plain.collect();
    let is_end = |c: char| !c.is_ascii_alphanumeric();
    let cut: String = plain.trim_start_matches(is_end).chars().take(MAX_LABEL).collect();
    cut.trim_end_matches(is_end).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_label_is_made_of_what_it_may_have() {
        for (text, value) in [
            ("area/storage, bug", "area-storage--bug"),
            ("🎉🎉", ""),
            ("-x-", "x"),
            ("a_b.c", "a_b.c"),
        ] {
            assert_eq!(label_value(text), value, "{text}");
        }
        assert_eq!(label_value(&"x".repeat(300)).len(), 63);
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_is_the_value_of_a_label(text in "\\PC{0,300}") {
            let value = label_value(&text);
            let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            prop_assert!(value.len() <= 63 && value.chars().all(is_inner));
            let is_end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
            prop_assert!(is_end(value.chars().next()) && is_end(value.chars().last()));
        }
    }
}
