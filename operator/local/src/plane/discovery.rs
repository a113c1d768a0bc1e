//! What the plane says it serves.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Body;
use super::handlers::body;
use super::registry::{Registry, Resource};
use super::status::Failure;

/// `/version`: that of the API which the plane keeps to.
pub(crate) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "34",
        "gitVersion": concat!("v1.34.0+axon-", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

pub(crate) fn core_versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [],
    })
}

fn group_of(name: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    json!({
        "name": name,
        "versions": versions,
        "preferredVersion": versions.first(),
    })
}

pub(crate) fn groups(registry: &Registry) -> Value {
    let groups: Vec<Value> = registry
        .groups()
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, versions)| group_of(name, versions))
        .collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

pub(crate) fn group(registry: &Registry, name: &str) -> Result<Value, Failure> {
    let groups = registry.groups();
    let found = groups
        .iter()
        .find(|(group, _)| group == name && !group.is_empty());
    let (name, versions) = found.ok_or_else(Failure::page_not_found)?;
    let mut value = group_of(name, versions);
    value["kind"] = "APIGroup".into();
    value["apiVersion"] = "v1".into();
    Ok(value)
}

pub(crate) fn resources(registry: &Registry, group: &str, version: &str) -> Result<Value, Failure> {
    let mut entries = Vec::new();
    for resource in of_version(registry, group, version) {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular(),
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": resource.verbs(),
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = resource.short_names.clone().into();
        }
        if !resource.categories.is_empty() {
            entry["categories"] = resource.categories.clone().into();
        }
        entries.push(entry);
        for subresource in &resource.subresources {
            entries.push(json!({
                "name": format!("{}/{subresource}", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": subresource_verbs(subresource),
            }));
        }
    }
    if entries.is_empty() {
        return Err(Failure::page_not_found());
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Ok(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": entries,
    }))
}

fn subresource_verbs(name: &str) -> &'static [&'static str] {
    if name == "log" {
        &["get"]
    } else {
        &["get", "patch", "update"]
    }
}

fn of_version<'a>(
    registry: &'a Registry,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Resource> {
    registry
        .all()
        .iter()
        .map(AsRef::as_ref)
        .filter(move |resource| resource.group == group && resource.version == version)
}

/// The two roots of discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// `/api`
    Core,
    /// `/apis`
    Groups,
}

/// All of one root in one document (`apidiscovery.k8s.io/v2`).
pub(crate) fn aggregated(registry: &Registry, root: Root) -> Response<Body> {
    let wanted = |name: &str| name.is_empty() == (root == Root::Core);
    let items: Vec<Value> = registry
        .groups()
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = of_version(registry, name, version).map(described).collect();
                    json!({ "version": version, "freshness": "Current", "resources": resources })
                })
                .collect();
            json!({ "metadata": { "name": name, "creationTimestamp": null }, "versions": versions })
        })
        .collect();
    let document = json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    });
    let mut response = Response::new(body(document.to_string()));
    *response.status_mut() = StatusCode::OK;
    let media =
        HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

fn described(resource: &Resource) -> Value {
    let kind = json!({ "group": resource.group, "version": resource.version, "kind": resource.kind });
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|name| json!({ "subresource": name, "responseKind": kind, "verbs": subresource_verbs(name) }))
        .collect();
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": kind,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular(),
        "verbs": resource.verbs(),
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = resource.short_names.clone().into();
    }
    if !resource.categories.is_empty() {
        entry["categories"] = resource.categories.clone().into();
    }
    if !subresources.is_empty() {
        entry["subresources"] = subresources.into();
    }
    entry
}
