//! `AgentProvider`: an endpoint of a model and the credential for it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::reference::KeyReference;

/// An endpoint of a model and the credential for it, which Tasks name.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "axon.io",
    version = "v1alpha1",
    kind = "AgentProvider",
    plural = "agentproviders",
    category = "axon",
    namespaced,
    status = "AgentProviderStatus",
    doc = "An endpoint of a model and the credential for it.",
    printcolumn = r#"{"name":"Display Name","type":"string","jsonPath":".spec.displayName"}"#,
    printcolumn = r#"{"name":"Ready","type":"boolean","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct AgentProviderSpec {
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub display_name: Option<String>,

    /// Agent types that may use the provider. Absent means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)))]
    pub agent_types: Vec<String>,

    /// Secret and key with the credential. Absent means that the endpoint needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_token_secret_ref: Option<KeyReference>,

    /// Variable in which the agent expects the credential. Absent means that of the agent type,
    /// such as ANTHROPIC_API_KEY; with a base URL, ANTHROPIC_AUTH_TOKEN for claude-code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub auth_token_env: Option<String>,

    /// Address of the endpoint. Absent means that of the agent type.
    #[serde(rename = "baseURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^https?://[^\s]+$"))]
    pub base_url: Option<String>,

    /// More variables for the agent, at most 64. podOverrides.env wins over them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub environment: BTreeMap<String, String>,
}

/// A provider written out in place.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InlineProvider {
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Secret and key with the credential. Absent means that the endpoint needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret_ref: Option<KeyReference>,

    /// Variable in which the agent expects the credential, as in AgentProvider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub auth_token_env: Option<String>,

    /// Address of the endpoint. Absent means that of the agent type.
    #[serde(rename = "baseURL", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^https?://[^\s]+$"))]
    pub base_url: Option<String>,

    /// More variables for the agent, at most 64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub environment: BTreeMap<String, String>,
}

/// What was found out about a provider. Written by the operator only.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentProviderStatus {
    /// Generation of the spec that this status is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Whether the Secret exists and has the key, and the agent types are known.
    #[serde(default)]
    pub ready: bool,

    /// Ready, with what is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
