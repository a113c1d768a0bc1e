//! `TaskDefaults`: what a namespace's Tasks have when they do not say otherwise.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::storage::Storage;
use super::task::Credentials;

/// What a namespace's Tasks have when they do not say otherwise. One object, named default.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "axon.io",
    version = "v1alpha1",
    kind = "TaskDefaults",
    plural = "taskdefaults",
    category = "axon",
    namespaced,
    doc = "What a namespace's Tasks have when they do not say otherwise.",
    validation = Rule::new("self.metadata.name == 'default'").message("the one TaskDefaults of a namespace is named default"),
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Timeout","type":"string","jsonPath":".spec.timeout"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefaultsSpec {
    /// Agent type of a Task that names none.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: Option<String>,

    /// AgentProvider for each agent type, for Tasks without credentials and provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub providers: BTreeMap<String, String>,

    /// Credentials for Tasks that have neither credentials nor provider, when providers has none
    /// for their agent type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,

    /// Model of a Task that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub model: Option<String>,

    /// Container image of a Task that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,

    /// Timeout of a Task that has none, as a Go duration such as 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"))]
    pub timeout: Option<String>,

    /// CPU and memory of the agent container, where podOverrides.resources is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Storage of workspaces that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,

    /// More variables for the agent container, at most 128. A variable of the Task or of its
    /// provider wins over one of the same name here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    pub env: Vec<EnvVar>,
}
