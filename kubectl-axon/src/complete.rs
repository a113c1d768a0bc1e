//! Completion of live names. Silent on every failure: a prompt is no place for errors.

use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::cli::Global;
use crate::cluster::{self, Cluster};
use crate::config::Config;

/// How long a person who pressed Tab waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Completes names of Tasks.
pub(crate) fn tasks() -> ArgValueCandidates {
    ArgValueCandidates::new(names::<axon_api::Task>)
}

/// Completes names of Workspaces.
pub(crate) fn workspaces() -> ArgValueCandidates {
    ArgValueCandidates::new(names::<axon_api::Workspace>)
}

/// Completes names of Secrets.
pub(crate) fn secrets() -> ArgValueCandidates {
    ArgValueCandidates::new(names::<Secret>)
}

/// Completes names of namespaces.
pub(crate) fn namespaces() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        ask(async |cluster: Cluster| {
            let api: Api<Namespace> = Api::all(cluster.client);
            list(&api).await
        })
    })
}

/// Completes agent types.
pub(crate) fn agent_types() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        axon_agents::AGENTS
            .iter()
            .map(|agent| CompletionCandidate::new(agent.name()).help(Some(agent.summary().into())))
            .collect()
    })
}

/// Completes kinds, and names of Tasks, which may stand in their place.
pub(crate) fn targets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let mut candidates: Vec<CompletionCandidate> = ["tasks", "workspaces"]
            .into_iter()
            .map(CompletionCandidate::new)
            .collect();
        let is_about_workspaces =
            std::env::args().any(|word| matches!(word.as_str(), "ws" | "workspace" | "workspaces"));
        candidates.extend(if is_about_workspaces {
            names::<axon_api::Workspace>()
        } else {
            names::<axon_api::Task>()
        });
        candidates
    })
}

fn names<K>() -> Vec<CompletionCandidate>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + std::fmt::Debug,
    K::DynamicType: Default,
{
    ask(async |cluster: Cluster| list(&cluster.api::<K>()).await)
}

async fn list<K>(api: &Api<K>) -> Vec<CompletionCandidate>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let Ok(found) = api.list_metadata(&ListParams::default().limit(500)).await else {
        return Vec::new();
    };
    found
        .items
        .iter()
        .map(|item| CompletionCandidate::new(item.name_any()))
        .collect()
}

fn ask(question: impl AsyncFnOnce(Cluster) -> Vec<CompletionCandidate>) -> Vec<CompletionCandidate> {
    let global = flags_so_far(&std::env::args().collect::<Vec<_>>());
    let answer = cluster::block_on(async {
        let work = async {
            let (config, _) = Config::load(None).unwrap_or_default();
            match cluster::connect_with(&global, &config).await {
                Ok(cluster) => question(cluster).await,
                Err(_) => Vec::new(),
            }
        };
        Ok(tokio::time::timeout(PATIENCE, work).await.unwrap_or_default())
    });
    answer.unwrap_or_default()
}

/// The flags of the unfinished command line that say where the names are.
fn flags_so_far(words: &[String]) -> Global {
    let value = |names: &[&str]| {
        words.iter().enumerate().rev().find_map(|(index, word)| {
            if names.contains(&word.as_str()) {
                return words.get(index + 1).cloned();
            }
            let (name, value) = word.split_once('=')?;
            names.contains(&name).then(|| value.to_owned())
        })
    };
    let mut global = Global {
        local: words.iter().any(|word| word == "--local"),
        namespace: value(&["-n", "--namespace"]),
        ..Global::default()
    };
    global.connection.kubeconfig = value(&["--kubeconfig"]).map(Into::into);
    global.connection.context = value(&["--context"]);
    global
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_are_typed_already_say_where_to_look() {
        let words = ["axon", "logs", "-n", "a", "--context=c", "--local", ""].map(str::to_owned);
        let global = flags_so_far(&words);
        assert!(global.local);
        assert_eq!(global.namespace.as_deref(), Some("a"));
        assert_eq!(global.connection.context.as_deref(), Some("c"));
    }
}
