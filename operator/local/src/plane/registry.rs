//! The resources that the plane serves, one entry each.

use std::sync::Arc;

use axon_api::crd;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::rules::Rules;
use super::status::qualified;

/// What a resource is, as far as its objects are treated differently.
#[derive(Clone, Debug)]
pub(crate) enum Nature {
    Namespace,
    Secret,
    ConfigMap,
    Pod,
    Job,
    /// `PersistentVolumeClaim`s, each of which is a folder of this machine.
    Claim,
    /// Events, which are stored in the form of the core group.
    Event(EventForm),
    Lease,
    /// `CustomResourceDefinition`s, which can be read only.
    Definition,
    /// Kinds that have a schema.
    Custom(Arc<Custom>),
}

/// The two groups in which an Event can be read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventForm {
    Core,
    Group,
}

/// A kind that is described by a definition.
#[derive(Debug)]
pub(crate) struct Custom {
    pub(crate) schema: Value,
    pub(crate) rules: Rules,
    /// `additionalPrinterColumns` of the definition.
    pub(crate) columns: Vec<Value>,
}

/// One resource.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// Empty for the core group.
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) subresources: Vec<String>,
    /// Where its objects are stored.
    pub(crate) storage: Arc<str>,
    pub(crate) nature: Nature,
}

impl Resource {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(crate) fn singular(&self) -> String {
        self.kind.to_lowercase()
    }

    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|name| name == subresource)
    }

    pub(crate) fn custom(&self) -> Option<&Custom> {
        match &self.nature {
            Nature::Custom(custom) => Some(custom),
            _ => None,
        }
    }

    /// Fields that objects can be selected by, beyond name and namespace.
    pub(crate) fn selectable(&self) -> &'static [&'static str] {
        match self.nature {
            Nature::Pod => &["status.phase", "spec.nodeName", "spec.restartPolicy"],
            Nature::Secret => &["type"],
            Nature::Namespace => &["status.phase"],
            Nature::Job => &["status.successful"],
            Nature::Event(EventForm::Core) => &[
                "involvedObject.kind",
                "involvedObject.namespace",
                "involvedObject.name",
                "involvedObject.uid",
                "involvedObject.apiVersion",
                "involvedObject.resourceVersion",
                "involvedObject.fieldPath",
                "reason",
                "reportingComponent",
                "source",
                "type",
            ],
            Nature::Event(EventForm::Group) => &[
                "regarding.kind",
                "regarding.namespace",
                "regarding.name",
                "regarding.uid",
                "reason",
                "reportingController",
                "type",
            ],
            Nature::ConfigMap | Nature::Claim | Nature::Lease | Nature::Definition | Nature::Custom(_) => &[],
        }
    }

    /// The verbs that discovery names.
    pub(crate) fn verbs(&self) -> &'static [&'static str] {
        if matches!(self.nature, Nature::Definition) {
            return &["get", "list", "watch"];
        }
        &[
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ]
    }
}

/// All resources.
#[derive(Clone, Debug)]
pub(crate) struct Registry {
    resources: Vec<Arc<Resource>>,
    definitions: Vec<Value>,
}

struct Entry {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    namespaced: bool,
    subresources: &'static [&'static str],
    nature: Nature,
}

const BUILT_IN: &[Entry] = &[
    Entry {
        group: "",
        version: "v1",
        kind: "Namespace",
        plural: "namespaces",
        short_names: &["ns"],
        namespaced: false,
        subresources: &[],
        nature: Nature::Namespace,
    },
    Entry {
        group: "",
        version: "v1",
        kind: "Secret",
        plural: "secrets",
        short_names: &[],
        namespaced: true,
        subresources: &[],
        nature: Nature::Secret,
    },
    Entry {
        group: "",
        version: "v1",
        kind: "ConfigMap",
        plural: "configmaps",
        short_names: &["cm"],
        namespaced: true,
        subresources: &[],
        nature: Nature::ConfigMap,
    },
    Entry {
        group: "",
        version: "v1",
        kind: "Pod",
        plural: "pods",
        short_names: &["po"],
        namespaced: true,
        subresources: &["status", "log"],
        nature: Nature::Pod,
    },
    Entry {
        group: "",
        version: "v1",
        kind: "PersistentVolumeClaim",
        plural: "persistentvolumeclaims",
        short_names: &["pvc"],
        namespaced: true,
        subresources: &["status"],
        nature: Nature::Claim,
    },
    Entry {
        group: "",
        version: "v1",
        kind: "Event",
        plural: "events",
        short_names: &["ev"],
        namespaced: true,
        subresources: &[],
        nature: Nature::Event(EventForm::Core),
    },
    Entry {
        group: "events.k8s.io",
        version: "v1",
        kind: "Event",
        plural: "events",
        short_names: &["ev"],
        namespaced: true,
        subresources: &[],
        nature: Nature::Event(EventForm::Group),
    },
    Entry {
        group: "batch",
        version: "v1",
        kind: "Job",
        plural: "jobs",
        short_names: &[],
        namespaced: true,
        subresources: &["status"],
        nature: Nature::Job,
    },
    Entry {
        group: "coordination.k8s.io",
        version: "v1",
        kind: "Lease",
        plural: "leases",
        short_names: &[],
        namespaced: true,
        subresources: &[],
        nature: Nature::Lease,
    },
    Entry {
        group: "apiextensions.k8s.io",
        version: "v1",
        kind: "CustomResourceDefinition",
        plural: "customresourcedefinitions",
        short_names: &["crd", "crds"],
        namespaced: false,
        subresources: &[],
        nature: Nature::Definition,
    },
];

impl Registry {
    /// Everything that this build serves.
    pub(crate) fn new() -> Self {
        let mut resources: Vec<Arc<Resource>> =
            BUILT_IN.iter().map(|entry| Arc::new(built_in(entry))).collect();
        let mut definitions = Vec::new();
        for definition in crd::all() {
            resources.extend(custom(&definition).into_iter().map(Arc::new));
            definitions.push(serde_json::to_value(&definition).unwrap_or_default());
        }
        Self {
            resources,
            definitions,
        }
    }

    pub(crate) fn all(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// The `CustomResourceDefinition`s, as they are installed.
    pub(crate) fn definitions(&self) -> &[Value] {
        &self.definitions
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.resources.iter().find(|resource| {
            resource.group == group && resource.version == version && resource.plural == plural
        })
    }

    /// The resource of a kind, as references name it.
    pub(crate) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        self.resources
            .iter()
            .find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    /// The resource by which stored objects are read, updated and deleted on the plane's behalf.
    pub(crate) fn stored_as(&self, storage: &str) -> Option<&Arc<Resource>> {
        self.resources
            .iter()
            .find(|resource| &*resource.storage == storage)
    }

    /// Groups and their versions, the core group first, each once.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for resource in &self.resources {
            match groups.iter_mut().find(|(group, _)| *group == resource.group) {
                Some((_, versions)) if versions.contains(&resource.version) => {}
                Some((_, versions)) => versions.push(resource.version.clone()),
                None => groups.push((resource.group.clone(), vec![resource.version.clone()])),
            }
        }
        groups
    }
}

fn built_in(entry: &Entry) -> Resource {
    let storage = match entry.nature {
        Nature::Event(_) => "events".to_owned(),
        _ => qualified(entry.group, entry.plural),
    };
    Resource {
        group: entry.group.to_owned(),
        version: entry.version.to_owned(),
        kind: entry.kind.to_owned(),
        plural: entry.plural.to_owned(),
        short_names: entry.short_names.iter().map(|name| (*name).to_owned()).collect(),
        categories: if matches!(entry.nature, Nature::Pod | Nature::Job) {
            vec!["all".to_owned()]
        } else {
            Vec::new()
        },
        namespaced: entry.namespaced,
        subresources: entry.subresources.iter().map(|name| (*name).to_owned()).collect(),
        storage: storage.into(),
        nature: entry.nature.clone(),
    }
}

fn custom(definition: &CustomResourceDefinition) -> Vec<Resource> {
    let names = &definition.spec.names;
    let mut resources = Vec::new();
    for version in definition.spec.versions.iter().filter(|version| version.served) {
        let described = serde_json::to_value(version).unwrap_or_default();
        let schema = described
            .pointer("/schema/openAPIV3Schema")
            .cloned()
            .unwrap_or_else(|| json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }));
        let columns = described
            .get("additionalPrinterColumns")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let has_status = described.pointer("/subresources/status").is_some();
        resources.push(Resource {
            group: definition.spec.group.clone(),
            version: version.name.clone(),
            kind: names.kind.clone(),
            plural: names.plural.clone(),
            short_names: names.short_names.clone().unwrap_or_default(),
            categories: names.categories.clone().unwrap_or_default(),
            namespaced: definition.spec.scope == "Namespaced",
            subresources: if has_status {
                vec!["status".to_owned()]
            } else {
                Vec::new()
            },
            storage: qualified(&definition.spec.group, &names.plural).into(),
            nature: Nature::Custom(Arc::new(Custom {
                rules: Rules::compile(&schema),
                schema,
                columns,
            })),
        });
    }
    resources
}
