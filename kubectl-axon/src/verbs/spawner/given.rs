//! Which spawner is meant, and what it names: from the cluster, or from a file alone.

use std::path::PathBuf;

use axon_api::kinds::task::DEFAULT_TYPE;
use axon_api::{TaskDefaults, TaskSpawner, Workspace};
use clap::Args;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::seen::{self, Seen};
use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::failure::{Failure, Result};
#[cfg(any(feature = "github", feature = "cron"))]
use crate::output;
use crate::resources::{Kind, plain_name};
use crate::{complete, manifest, objects};

/// Which spawner.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Which {
    /// Name of the spawner; with -f, of the one in the file
    #[arg(value_name = "NAME", required_unless_present = "filename", add = complete::spawners())]
    name: Option<String>,

    /// Take the spawner from this manifest, and what it names if that is there; `-` for stdin
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    filename: Option<PathBuf>,
}

/// A spawner, and where what it names is found.
pub(super) struct Given {
    pub(super) spawner: TaskSpawner,
    from: From,
}

enum From {
    Cluster(Cluster),
    File {
        objects: Vec<Value>,
        /// Where what the file lacks is looked for.
        beside: Option<Cluster>,
    },
}

impl Which {
    /// Finds the spawner.
    pub(super) async fn find(&self, context: &Context) -> Result<Given> {
        let name = self.name.as_deref();
        let name = name.map(|name| plain_name(name, Kind::TaskSpawner)).transpose()?;
        if let Some(file) = &self.filename {
            let objects = manifest::read(std::slice::from_ref(file))?;
            let spawner = only_spawner(&objects, name.as_deref())?;
            return Ok(Given {
                spawner,
                from: From::File {
                    objects,
                    beside: None,
                },
            });
        }
        let cluster = cluster::connect(context).await?;
        let spawner = objects::typed(&cluster, Kind::TaskSpawner, &name.unwrap_or_default()).await?;
        Ok(Given {
            spawner,
            from: From::Cluster(cluster),
        })
    }
}

/// The spawner of this name in a file, or the only one.
fn only_spawner(objects: &[Value], name: Option<&str>) -> Result<TaskSpawner> {
    let mut found = objects.iter().filter(|object| {
        let is_named = name.is_none_or(|name| object["metadata"]["name"] == name);
        Kind::of(object) == Some(Kind::TaskSpawner) && is_named
    });
    match (found.next(), found.next(), name) {
        (Some(spawner), None, _) => read(spawner),
        (None, _, Some(name)) => Err(Failure::new(format!("the manifest has no TaskSpawner `{name}`"))),
        (None, _, None) => Err(Failure::new("the manifest has no TaskSpawner")),
        (Some(_), Some(_), _) => Err(Failure::new("the manifest has more than one TaskSpawner")
            .hint("name the one that is meant, in front of -f")),
    }
}

fn read<K: DeserializeOwned>(object: &Value) -> Result<K> {
    serde_json::from_value(object.clone()).map_err(|error| {
        Failure::new(format!(
            "failed to read {} `{}`: {error}",
            object["kind"].as_str().unwrap_or_default(),
            object["metadata"]["name"].as_str().unwrap_or_default()
        ))
    })
}

impl Given {
    /// Lets what the file names and lacks be looked for in the cluster, if there is one.
    #[cfg(any(feature = "github", feature = "cron"))]
    pub(super) async fn reach(&mut self, context: &Context) {
        let From::File { objects, beside } = &mut self.from else {
            return;
        };
        let named = workspace_name(&self.spawner);
        let is_there = |kind, name: &str| {
            let mut objects = objects.iter();
            objects.any(|object| Kind::of(object) == Some(kind) && object["metadata"]["name"] == name)
        };
        if named.is_empty() || is_there(Kind::Workspace, named) {
            return;
        }
        match cluster::connect(context).await {
            Ok(cluster) => *beside = Some(cluster),
            Err(failure) => output::note(failure.render().trim_end()),
        }
    }

    /// What is remembered and there of the spawner. One in a file is as new.
    pub(super) async fn seen(&self) -> Result<Seen> {
        match &self.from {
            From::Cluster(cluster) => seen::read(cluster, &self.spawner).await,
            From::File { .. } => Ok(Seen::default()),
        }
    }

    /// Agent type of a Task that names none.
    pub(super) async fn default_type(&self) -> Result<String> {
        let defaults: Option<TaskDefaults> = match self.look(Kind::TaskDefaults, "default").await {
            Ok(found) => found,
            Err(Unread::Api(kube::Error::Api(status))) if matches!(status.code, 403 | 404) => None,
            Err(error) => return Err(error.into_failure("get taskdefaults `default`")),
        };
        let type_ = defaults.and_then(|defaults| defaults.spec.type_);
        Ok(type_.unwrap_or_else(|| DEFAULT_TYPE.to_owned()))
    }

    /// The Workspace that the template names, if it is there.
    pub(super) async fn workspace(&self) -> Result<Named> {
        let name = workspace_name(&self.spawner);
        if name.is_empty() {
            return Ok(Named::None);
        }
        let found = self.look(Kind::Workspace, name).await;
        let found = found.map_err(|error| error.into_failure(&format!("get workspace `{name}`")))?;
        Ok(match found {
            Some(workspace) => Named::Found(Box::new(workspace)),
            None => Named::Missing,
        })
    }

    /// A Secret that is named, if it may be read. The sentence says why not.
    #[cfg(feature = "github")]
    pub(super) async fn secret(&self, name: &str) -> Result<k8s_openapi::api::core::v1::Secret, String> {
        match self.look(Kind::Secret, name).await {
            Ok(Some(secret)) => Ok(secret),
            Ok(None) => Err(format!("Secret `{name}` does not exist")),
            Err(Unread::Api(kube::Error::Api(status))) if status.code == 403 => {
                Err(format!("you may not read Secret `{name}`"))
            }
            Err(Unread::Api(error)) => Err(format!("Secret `{name}` cannot be read: {error}")),
            Err(Unread::File(failure)) => Err(failure.render()),
        }
    }

    /// An object, from the file before the cluster.
    async fn look<K>(&self, kind: Kind, name: &str) -> Result<Option<K>, Unread>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let beside = match &self.from {
            From::Cluster(cluster) => Some(cluster),
            From::File { objects, beside } => {
                if let Some(found) = in_file(objects, kind, name).map_err(Unread::File)? {
                    return Ok(Some(found));
                }
                beside.as_ref()
            }
        };
        match beside {
            None => Ok(None),
            Some(cluster) => cluster.api().get_opt(name).await.map_err(Unread::Api),
        }
    }

    /// Whether it is from a file alone.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.from, From::File { beside: None, .. })
    }
}

/// Why an object could not be read.
enum Unread {
    File(Failure),
    Api(kube::Error),
}

impl Unread {
    fn into_failure(self, action: &str) -> Failure {
        match self {
            Self::File(failure) => failure,
            Self::Api(error) => Failure::api(action, &error),
        }
    }
}

fn in_file<K: DeserializeOwned>(objects: &[Value], kind: Kind, name: &str) -> Result<Option<K>> {
    let found = objects
        .iter()
        .find(|object| Kind::of(object) == Some(kind) && object["metadata"]["name"] == name);
    found.map(read).transpose()
}

/// The Workspace that a template names.
pub(super) enum Named {
    /// It names none.
    None,
    Missing,
    Found(Box<Workspace>),
}

impl Named {
    /// As a decision sees it.
    pub(super) fn seen(&self) -> axon_plan::Found<'_, Workspace> {
        match self {
            Self::None => axon_plan::Found::NotNamed,
            Self::Missing => axon_plan::Found::Missing,
            Self::Found(workspace) => axon_plan::Found::Present(workspace),
        }
    }

    /// The repository and how to check it out, from the template itself or from what it names.
    #[cfg(any(feature = "github", feature = "webhook"))]
    pub(super) fn spec<'a>(&'a self, spawner: &'a TaskSpawner) -> Option<&'a axon_api::WorkspaceSpec> {
        let own = spawner.spec.task_template.workspace.as_ref();
        own.or(match self {
            Self::Found(workspace) => Some(&workspace.spec),
            Self::None | Self::Missing => None,
        })
    }
}

/// The name of the Workspace that the template names.
pub(super) fn workspace_name(spawner: &TaskSpawner) -> &str {
    let reference = spawner.spec.task_template.workspace_ref.as_ref();
    reference.map_or("", |reference| reference.name.as_str())
}

/// How the spawner is called in messages.
pub(super) fn called(spawner: &TaskSpawner) -> String {
    format!("spawner `{}`", spawner.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, name: &str) -> Value {
        json!({
            "apiVersion": "axon.io/v1alpha1", "kind": kind, "metadata": { "name": name },
            "spec": { "when": { "cron": { "schedule": "@daily" } }, "taskTemplate": {} },
        })
    }

    #[test]
    fn the_spawner_of_a_file_is_the_only_one_or_the_one_that_is_named() {
        let (a, b, task) = (
            object("TaskSpawner", "a"),
            object("TaskSpawner", "b"),
            object("Task", "a"),
        );
        for (objects, name, expected) in [
            (vec![&task, &a], None, Ok("a")),
            (vec![&a, &b], Some("b"), Ok("b")),
            (vec![&a, &b], None, Err("has more than one TaskSpawner")),
            (vec![&task], None, Err("has no TaskSpawner")),
            (vec![&a], Some("c"), Err("has no TaskSpawner `c`")),
        ] {
            let objects: Vec<Value> = objects.into_iter().cloned().collect();
            match (only_spawner(&objects, name), expected) {
                (Ok(spawner), Ok(expected)) => assert_eq!(spawner.name_any(), expected),
                (Err(failure), Err(expected)) => {
                    assert!(failure.message().ends_with(expected), "{failure:?}");
                }
                (found, expected) => panic!("{found:?} is not {expected:?}"),
            }
        }
    }
}
