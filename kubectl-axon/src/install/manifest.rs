//! What an installation consists of: the chart as it renders by default, the definitions and the
//! admission policy of this version, with what flags change. Pure.

use axon_api::{admission, crd, labels};
use serde_json::{Map, Value, json};

use super::images::Images;
use super::{DEPLOYMENT, NAMESPACE, VERSION};
use crate::failure::{Failure, Result};
use crate::parts::MANAGER;

/// The chart as it renders with its default values for release `axon` in [`NAMESPACE`].
const CHART: &str = include_str!("../../../charts/axon/install.yaml");

/// The label with the version of what is installed.
pub(crate) const VERSION_LABEL: &str = "app.kubernetes.io/version";

/// What is to be installed, as flags say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The namespace of the operator.
    pub(crate) namespace: String,
    pub(crate) parts: Parts,
    pub(crate) images: Images,
    /// Replicas of the operator; `None` means as the chart has it.
    pub(crate) replicas: Option<u32>,
    /// The only namespace that the operator looks at; `None` means all.
    pub(crate) watch_namespace: Option<String>,
}

/// Which parts of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    All,
    /// The definitions alone.
    Definitions,
    /// All but the definitions.
    Operator,
}

impl Wanted {
    /// The whole of this version in `namespace`, without any flag.
    pub(crate) fn standard(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            parts: Parts::All,
            images: Images::default(),
            replicas: None,
            watch_namespace: None,
        }
    }

    /// The objects in the order in which they are applied.
    pub(crate) fn objects(&self) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        if self.parts != Parts::Definitions {
            objects.extend(chart()?);
            add_missing(&mut objects, admission::objects());
        }
        if self.parts != Parts::Operator {
            objects.extend(definitions()?);
        }
        for object in &mut objects {
            rename_namespace(object, &self.namespace);
            mark(object, &self.namespace, self.version());
            if is_operator(object) {
                self.adapt(object);
            }
        }
        objects.sort_by_key(rank);
        Ok(objects)
    }

    /// The version that is installed.
    pub(crate) fn version(&self) -> &str {
        self.images.version.as_deref().unwrap_or(VERSION)
    }

    /// Brings flags to the operator's Deployment.
    fn adapt(&self, deployment: &mut Value) {
        if let Some(replicas) = self.replicas {
            deployment["spec"]["replicas"] = json!(replicas);
        }
        let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
        let chart = container["image"].as_str().unwrap_or_default().to_owned();
        container["image"] = json!(self.images.operator(&chart));
        if let Some(policy) = &self.images.pull_policy {
            container["imagePullPolicy"] = json!(policy);
        }
        for (flag, value) in self.images.flags(&chart) {
            set_flag(container, &flag, &value);
        }
        if let Some(namespace) = &self.watch_namespace {
            set_flag(container, "watch-namespace", namespace);
        }
    }
}

/// The chart's objects. A hook is no part of an installation, but of an act of Helm.
fn chart() -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(CHART)
        .map_err(|error| Failure::new(format!("failed to read this program's own manifest: {error}")))?;
    Ok(documents
        .into_iter()
        .filter(|object| object.is_object() && object["metadata"]["annotations"]["helm.sh/hook"].is_null())
        .collect())
}

/// The definitions of this version.
pub(crate) fn definitions() -> Result<Vec<Value>> {
    crd::all()
        .into_iter()
        .map(|definition| {
            let mut object = serde_json::to_value(definition)
                .map_err(|error| Failure::new(format!("failed to write JSON: {error}")))?;
            object["apiVersion"] = json!("apiextensions.k8s.io/v1");
            object["kind"] = json!("CustomResourceDefinition");
            if let Some(fields) = object.as_object_mut() {
                fields.remove("status");
            }
            Ok(object)
        })
        .collect()
}

/// Adds those that the chart does not have itself.
fn add_missing(objects: &mut Vec<Value>, more: impl IntoIterator<Item = Value>) {
    for object in more {
        let same = |other: &Value| {
            other["kind"] == object["kind"] && other["metadata"]["name"] == object["metadata"]["name"]
        };
        if !objects.iter().any(same) {
            objects.push(object);
        }
    }
}

/// Whether this is the operator's Deployment.
pub(crate) fn is_operator(object: &Value) -> bool {
    object["kind"] == "Deployment" && object["metadata"]["name"] == DEPLOYMENT
}

/// What others need comes first, and the operator, which needs all the others, last.
pub(crate) fn rank(object: &Value) -> usize {
    const ORDER: &[&str] = &[
        "Namespace",
        "CustomResourceDefinition",
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "ClusterRole",
        "Role",
        "ClusterRoleBinding",
        "RoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "NetworkPolicy",
        "Service",
        "PodDisruptionBudget",
    ];
    let kind = object["kind"].as_str().unwrap_or_default();
    ORDER
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(ORDER.len())
}

/// The objects of the chart are of [`NAMESPACE`], which many of them name; where they do, it is now
/// `namespace`.
fn rename_namespace(value: &mut Value, namespace: &str) {
    match value {
        Value::String(text) if text.contains(NAMESPACE) => *text = renamed(text, namespace),
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| rename_namespace(item, namespace)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|field| rename_namespace(field, namespace)),
        _ => {}
    }
}

/// The text with [`NAMESPACE`] replaced where it is a whole name, as in `x.axon-system.svc`.
fn renamed(text: &str, namespace: &str) -> String {
    let in_name = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(NAMESPACE) {
        let (before, found) = rest.split_at(start);
        let after = found.strip_prefix(NAMESPACE).unwrap_or_default();
        result.push_str(before);
        let is_whole = !result.ends_with(in_name) && !after.starts_with(in_name);
        result.push_str(if is_whole { namespace } else { NAMESPACE });
        rest = after;
    }
    result.push_str(rest);
    result
}

/// Says on the object whose it is. What Helm says of itself would be a lie here.
fn mark(object: &mut Value, namespace: &str, version: &str) {
    if object["kind"] == "CustomResourceDefinition" {
        // The definitions are this program's, whatever the images are.
        set_label(object, VERSION_LABEL, VERSION);
        set_label(object, labels::MANAGED_BY, MANAGER);
        return;
    }
    set_label(object, VERSION_LABEL, version);
    set_label(object, labels::MANAGED_BY, MANAGER);
    set_label(object, labels::INSTALLATION, namespace);
    for fields in ["/metadata/labels", "/metadata/annotations"] {
        if let Some(fields) = object.pointer_mut(fields).and_then(Value::as_object_mut) {
            fields.retain(|key, _| !key.contains("helm.sh/"));
        }
    }
    let template = object.pointer_mut("/spec/template/metadata/labels");
    for (key, value) in template.and_then(Value::as_object_mut).into_iter().flatten() {
        match key.as_str() {
            VERSION_LABEL => *value = json!(version),
            labels::MANAGED_BY => *value = json!(MANAGER),
            _ => {}
        }
    }
}

fn set_label(object: &mut Value, key: &str, value: &str) {
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = Value::Object(Map::new());
    }
    object["metadata"]["labels"][key] = json!(value);
}

/// Gives a container's program a flag, in place of what it had. A flag of the command line wins
/// over a variable. `agent-image` may be there many times, once for each type.
fn set_flag(container: &mut Value, flag: &str, value: &str) {
    let start = match value.split_once('=') {
        Some((name, _)) if flag == "agent-image" => format!("--{flag}={name}="),
        _ => format!("--{flag}="),
    };
    if !container["args"].is_array() {
        container["args"] = json!([]);
    }
    if let Some(arguments) = container["args"].as_array_mut() {
        arguments.retain(|argument| {
            !argument
                .as_str()
                .is_some_and(|argument| argument.starts_with(&start))
        });
        arguments.push(json!(format!("--{flag}={value}")));
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
