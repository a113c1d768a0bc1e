//! `OpenAPI` v3 of the kinds that are served, which `kubectl explain` and `apply` read.

use serde_json::{Map, Value, json};

use super::registry::{Registry, Resource};
use super::status::Failure;

fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

/// `/openapi/v3`: where the documents are.
pub(crate) fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = path_of(&group, &version);
            let url = format!("/openapi/v3/{path}?hash={}", env!("CARGO_PKG_VERSION"));
            paths.insert(path, json!({ "serverRelativeURL": url }));
        }
    }
    json!({ "paths": paths })
}

/// The document of one group and version.
pub(crate) fn document(registry: &Registry, group: &str, version: &str) -> Result<Value, Failure> {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for resource in registry.all() {
        if resource.group != group || resource.version != version {
            continue;
        }
        let name = schema_name(resource);
        paths.extend(paths_of(resource, &name));
        schemas.insert(name, schema(resource));
    }
    if schemas.is_empty() {
        return Err(Failure::page_not_found());
    }
    Ok(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "v1.34.0" },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

/// `io.axon.v1alpha1.Task`
fn schema_name(resource: &Resource) -> String {
    if resource.custom().is_none() {
        let group = resource.group.split('.').next().filter(|group| !group.is_empty());
        return format!(
            "io.k8s.api.{}.{}.{}",
            group.unwrap_or("core"),
            resource.version,
            resource.kind
        );
    }
    let mut parts: Vec<&str> = resource.group.split('.').rev().collect();
    parts.extend([resource.version.as_str(), resource.kind.as_str()]);
    parts.join(".")
}

fn kind_of(resource: &Resource) -> Value {
    json!({ "group": resource.group, "version": resource.version, "kind": resource.kind })
}

const API_VERSION: &str = "APIVersion defines the versioned schema of this representation of an object.";
const KIND: &str = "Kind is a string value representing the REST resource this object represents.";
const METADATA: &str = "Standard object's metadata.";

fn schema(resource: &Resource) -> Value {
    let mut schema = match resource.custom() {
        Some(custom) => custom.schema.clone(),
        None => json!({
            "type": "object",
            "description": format!("{} of {}.", resource.kind, resource.api_version()),
            "x-kubernetes-preserve-unknown-fields": true,
        }),
    };
    schema["x-kubernetes-group-version-kind"] = json!([kind_of(resource)]);
    let properties = schema["properties"].as_object().cloned().unwrap_or_default();
    let mut all = Map::new();
    all.insert(
        "apiVersion".to_owned(),
        json!({ "type": "string", "description": API_VERSION }),
    );
    all.insert(
        "kind".to_owned(),
        json!({ "type": "string", "description": KIND }),
    );
    all.insert(
        "metadata".to_owned(),
        json!({ "type": "object", "description": METADATA, "x-kubernetes-preserve-unknown-fields": true }),
    );
    all.extend(properties.into_iter().filter(|(name, _)| name != "metadata"));
    schema["properties"] = all.into();
    schema
}

fn paths_of(resource: &Resource, schema: &str) -> Vec<(String, Value)> {
    let root = format!("/{}", path_of(&resource.group, &resource.version));
    let list = if resource.namespaced {
        format!("{root}/namespaces/{{namespace}}/{}", resource.plural)
    } else {
        format!("{root}/{}", resource.plural)
    };
    let one = format!("{list}/{{name}}");
    let operation = |action: &str| {
        let mut operation = json!({
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind_of(resource),
            "parameters": parameters(action),
            "responses": { "200": {
                "description": "OK",
                "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } },
            } },
        });
        if action == "post" || action == "put" || action == "patch" {
            let media = if action == "patch" {
                "application/merge-patch+json"
            } else {
                "application/json"
            };
            operation["requestBody"] = json!({ "content": { media: {
                "schema": { "$ref": format!("#/components/schemas/{schema}") },
            } } });
        }
        operation
    };
    vec![
        (
            list,
            json!({ "get": operation("list"), "post": operation("post") }),
        ),
        (
            one,
            json!({
                "get": operation("get"),
                "put": operation("put"),
                "patch": operation("patch"),
                "delete": operation("delete"),
            }),
        ),
    ]
}

/// kubectl asks these to learn that dry runs and strict validation are understood.
fn parameters(action: &str) -> Value {
    let parameter = |name: &str| json!({ "name": name, "in": "query", "schema": { "type": "string", "uniqueItems": true } });
    match action {
        "post" | "put" | "patch" => json!([parameter("dryRun"), parameter("fieldValidation")]),
        "delete" => json!([parameter("dryRun")]),
        _ => json!([]),
    }
}
