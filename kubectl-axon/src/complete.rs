//! Completion of live names. Silent on every failure: a prompt is no place for errors.

use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, ListParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::cli::Global;
use crate::cluster::{self, Cluster};
use crate::config::Config;
use crate::resources::{self, Kind};

/// How long a person who pressed Tab waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// Completes names of Tasks.
pub(crate) fn tasks() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names_of(Kind::Task))
}

/// Completes names of Workspaces.
pub(crate) fn workspaces() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names_of(Kind::Workspace))
}

/// Completes names of `AgentConfig`s.
pub(crate) fn agent_configs() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names_of(Kind::AgentConfig))
}

/// Completes names of `AgentProvider`s.
pub(crate) fn agent_providers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names_of(Kind::AgentProvider))
}

/// Completes names of `TaskPipeline`s.
pub(crate) fn pipelines() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names_of(Kind::TaskPipeline))
}

/// Completes names of `TaskSpawner`s.
pub(crate) fn spawners() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names_of(Kind::TaskSpawner))
}

/// Completes names of Secrets.
pub(crate) fn secrets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| names_of(Kind::Secret))
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

/// Completes kinds, and names of Tasks, which may stand in their place; after a kind, its names.
pub(crate) fn targets() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let words: Vec<String> = std::env::args().collect();
        match kind_so_far(&words) {
            Some(kind) => names_of(kind),
            None => resources::kinds()
                .map(|kind| CompletionCandidate::new(kind.plural()))
                .chain(names_of(Kind::Task))
                .collect(),
        }
    })
}

/// The kind of the unfinished command line, such as `get ws `: the word behind the verb. The last
/// word is the one that is being typed.
fn kind_so_far(words: &[String]) -> Option<Kind> {
    const VERBS: &[&str] = &["get", "describe", "delete", "wait"];
    let verb = words.iter().position(|word| VERBS.contains(&word.as_str()))?;
    let typed = words.len().checked_sub(1)?;
    words
        .get(verb + 1..typed)?
        .iter()
        .find_map(|word| Kind::from_word(word))
}

fn names_of(kind: Kind) -> Vec<CompletionCandidate> {
    ask(async |cluster: Cluster| {
        let api: Api<DynamicObject> =
            Api::namespaced_with(cluster.client, &cluster.namespace, &kind.resource());
        list(&api).await
    })
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

    #[test]
    fn names_are_of_the_kind_that_was_typed() {
        let kind =
            |words: &[&str]| kind_so_far(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(kind(&["axon", "get", "ac", ""]), Some(Kind::AgentConfig));
        assert_eq!(
            kind(&["axon", "-n", "ws", "get", "task", "a", ""]),
            Some(Kind::Task)
        );
        assert_eq!(kind(&["axon", "get", "w"]), None);
        assert_eq!(kind(&["axon", "logs", ""]), None);
    }
}
