//! `webhook`: signed requests of any system. Spec, filters, and what a request is for templates.

mod path;
mod requests;

pub use path::Path;
pub use requests::{Read, Request, read};

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::secret::SecretReference;

/// Signed requests of any system to /webhook/SOURCE of the operator's webhook address. The body is
/// JSON, and X-Hub-Signature-256 or X-Axon-Signature-256 is sha256= and the HMAC-SHA256 of the body.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("'id' in self.fieldMapping").message("fieldMapping must have id, which tells one event from another"))]
pub struct GenericWebhook {
    /// Last part of the path, such as sentry for /webhook/sentry; not github.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    #[x_kube(validation = Rule::new("self != 'github'").message("github is the path of githubWebhook"))]
    pub source: String,

    /// Variables of the templates and where they are in the body, as a JSONPath such as
    /// $.event.title. id is required: two requests with the same id are the same event.
    #[schemars(extend("maxProperties" = 64))]
    pub field_mapping: BTreeMap<String, String>,

    /// All of these must hold. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub filters: Vec<FieldFilter>,

    /// None of these may hold. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub exclude_filters: Vec<FieldFilter>,

    /// Secret of the same namespace whose key WEBHOOK_SECRET the requests are signed with. Absent
    /// means the operator's own for this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
}

/// What a field of the body must be.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.pattern)").message("one of value and pattern is required"))]
pub struct FieldFilter {
    /// JSONPath of the field.
    #[schemars(length(min = 1, max = 1024))]
    pub field: String,

    /// What it must be exactly, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub value: Option<String>,

    /// Regular expression (RE2) that must be found in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub pattern: Option<String>,
}
