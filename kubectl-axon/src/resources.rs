//! The kinds by the words that people use for them.

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::text::closest;

/// A kind that the command line reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Task,
    Workspace,
    /// Only written: secrets are never shown.
    Secret,
}

/// The words for the kinds that can be shown.
const WORDS: &[(&str, Kind)] = &[
    ("task", Kind::Task),
    ("tasks", Kind::Task),
    ("task.axon.io", Kind::Task),
    ("tasks.axon.io", Kind::Task),
    ("workspace", Kind::Workspace),
    ("workspaces", Kind::Workspace),
    ("ws", Kind::Workspace),
    ("workspace.axon.io", Kind::Workspace),
    ("workspaces.axon.io", Kind::Workspace),
];

impl Kind {
    /// The kind of an object that `run` can create.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        match (object["apiVersion"].as_str()?, object["kind"].as_str()?) {
            ("axon.io/v1alpha1", "Task") => Some(Self::Task),
            ("axon.io/v1alpha1", "Workspace") => Some(Self::Workspace),
            ("v1", "Secret") => Some(Self::Secret),
            _ => None,
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        WORDS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(_, kind)| *kind)
    }

    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Workspace => "workspace",
            Self::Secret => "secret",
        }
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Task => "tasks",
            Self::Workspace => "workspaces",
            Self::Secret => "secrets",
        }
    }

    /// The kind as it is spelled in objects.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Task => "Task",
            Self::Workspace => "Workspace",
            Self::Secret => "Secret",
        }
    }

    /// Group, a slash and version, or the version alone.
    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Self::Task | Self::Workspace => "axon.io/v1alpha1",
            Self::Secret => "v1",
        }
    }

    /// The URL of all objects of the kind in a namespace, or in all.
    pub(crate) fn url(self, namespace: Option<&str>) -> String {
        let root = match self {
            Self::Task | Self::Workspace => format!("/apis/{}", self.api_version()),
            Self::Secret => "/api/v1".to_owned(),
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural()),
            None => format!("{root}/{}", self.plural()),
        }
    }

    /// `task.axon.io`, as kubectl writes a kind before a name.
    pub(crate) fn with_group(self) -> String {
        match self {
            Self::Secret => self.singular().to_owned(),
            _ => format!("{}.{}", self.singular(), axon_api::GROUP),
        }
    }
}

/// What a command is about: objects of one kind, by name or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Targets {
    pub(crate) kind: Kind,
    pub(crate) names: Vec<String>,
}

/// Reads `tasks`, `task a b`, `task/a task/b`, or names alone, which are names of Tasks.
pub(crate) fn targets(words: &[String]) -> Result<Targets> {
    let Some((first, rest)) = words.split_first() else {
        return Ok(Targets {
            kind: Kind::Task,
            names: Vec::new(),
        });
    };
    if let Some(kind) = Kind::from_word(first) {
        let names = rest
            .iter()
            .map(|name| plain_name(name, kind))
            .collect::<Result<_>>()?;
        return Ok(Targets { kind, names });
    }
    let kind = match first.split_once('/') {
        Some((word, _)) => Kind::from_word(word).ok_or_else(|| unknown_kind(word))?,
        None => Kind::Task,
    };
    let names = words
        .iter()
        .map(|name| plain_name(name, kind))
        .collect::<Result<_>>()?;
    Ok(Targets { kind, names })
}

/// A name, with or without `kind/` in front.
pub(crate) fn plain_name(text: &str, kind: Kind) -> Result<String> {
    let name = match text.split_once('/') {
        None => text,
        Some((word, name)) => match Kind::from_word(word) {
            Some(named) if named == kind => name,
            Some(_) => {
                return Err(Failure::new(format!("`{text}` is not a {}", kind.singular()))
                    .hint("name objects of one kind at a time"));
            }
            None => return Err(unknown_kind(word)),
        },
    };
    if name.is_empty() || name.contains(['/', '?', '#', '%']) || name == "." || name == ".." {
        return Err(Failure::new(format!("invalid name `{name}`")));
    }
    Ok(name.to_owned())
}

fn unknown_kind(word: &str) -> Failure {
    let failure = Failure::new(format!("unknown kind `{word}`: must be one of task, workspace"));
    match closest(word, WORDS.iter().map(|(known, _)| *known)) {
        Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Targets> {
        targets(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn kinds_and_names_are_told_apart() {
        for (words, kind, names) in [
            (&[][..], Kind::Task, &[][..]),
            (&["tasks"], Kind::Task, &[]),
            (&["ws"], Kind::Workspace, &[]),
            (&["task", "a", "b"], Kind::Task, &["a", "b"]),
            (&["a"], Kind::Task, &["a"]),
            (&["task/a", "task.axon.io/b"], Kind::Task, &["a", "b"]),
            (&["workspace/w"], Kind::Workspace, &["w"]),
            (&["task/task"], Kind::Task, &["task"]),
        ] {
            let targets = read(words).expect("read");
            assert_eq!(
                (targets.kind, targets.names),
                (kind, names.iter().map(ToString::to_string).collect()),
                "{words:?}"
            );
        }
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for words in [
            &["task/a", "ws/b"][..],
            &["pod/a"],
            &["task", "../x"],
            &["task", ""],
            &["task", "a?b"],
        ] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}
