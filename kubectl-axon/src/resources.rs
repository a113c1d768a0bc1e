//! The kinds by the words that people use for them.

use kube::core::ApiResource;
use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::text::closest;

/// A kind that the command line reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Task,
    Workspace,
    AgentConfig,
    AgentProvider,
    TaskDefaults,
    TaskPipeline,
    TaskSpawner,
    /// Only written: secrets are never shown.
    Secret,
}

/// The words for one kind.
struct Words {
    kind: Kind,
    /// As it is spelled in objects.
    name: &'static str,
    singular: &'static str,
    plural: &'static str,
    /// What else people may say.
    aliases: &'static [&'static str],
}

/// The kinds that can be shown, in the order of help texts. Everything else about their words is
/// derived from here.
const KINDS: &[Words] = &[
    Words {
        kind: Kind::Task,
        name: "Task",
        singular: "task",
        plural: "tasks",
        aliases: &[],
    },
    Words {
        kind: Kind::Workspace,
        name: "Workspace",
        singular: "workspace",
        plural: "workspaces",
        aliases: &["ws"],
    },
    Words {
        kind: Kind::AgentConfig,
        name: "AgentConfig",
        singular: "agentconfig",
        plural: "agentconfigs",
        aliases: &["ac"],
    },
    Words {
        kind: Kind::AgentProvider,
        name: "AgentProvider",
        singular: "agentprovider",
        plural: "agentproviders",
        aliases: &["ap", "provider", "providers"],
    },
    Words {
        kind: Kind::TaskDefaults,
        name: "TaskDefaults",
        singular: "taskdefaults",
        plural: "taskdefaults",
        aliases: &["td", "defaults"],
    },
    Words {
        kind: Kind::TaskPipeline,
        name: "TaskPipeline",
        singular: "taskpipeline",
        plural: "taskpipelines",
        aliases: &["tp", "pipeline", "pipelines"],
    },
    Words {
        kind: Kind::TaskSpawner,
        name: "TaskSpawner",
        singular: "taskspawner",
        plural: "taskspawners",
        aliases: &["ts", "spawner", "spawners"],
    },
];

const SECRET: Words = Words {
    kind: Kind::Secret,
    name: "Secret",
    singular: "secret",
    plural: "secrets",
    aliases: &[],
};

/// The kinds that can be shown.
pub(crate) fn kinds() -> impl Iterator<Item = Kind> {
    KINDS.iter().map(|words| words.kind)
}

/// The words of all kinds for help texts and errors: `task, workspace, ...`.
pub(crate) fn singulars() -> String {
    let words: Vec<&str> = KINDS.iter().map(|words| words.singular).collect();
    words.join(", ")
}

/// The kinds with their short words, for help texts, one in a line.
pub(crate) fn help() -> String {
    let lines = KINDS.iter().map(|words| {
        let aliases = match words.aliases {
            [] => String::new(),
            aliases => format!(", or {}", aliases.join(", ")),
        };
        format!("  {}{aliases}", words.plural)
    });
    format!("Kinds:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

impl Kind {
    fn words(self) -> &'static Words {
        KINDS.iter().find(|words| words.kind == self).unwrap_or(&SECRET)
    }

    /// The kind of an object that the command line can create.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let (version, name) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        KINDS
            .iter()
            .chain([&SECRET])
            .find(|words| words.name == name && words.kind.api_version() == version)
            .map(|words| words.kind)
    }

    /// The kind by singular, plural, short word, or one of the first two with the group behind.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        let plain = word
            .strip_suffix(axon_api::GROUP)
            .and_then(|word| word.strip_suffix('.'));
        KINDS
            .iter()
            .find(|words| {
                let names = [words.singular, words.plural];
                names.contains(&plain.unwrap_or(&word)) || words.aliases.contains(&word.as_str())
            })
            .map(|words| words.kind)
    }

    pub(crate) fn singular(self) -> &'static str {
        self.words().singular
    }

    pub(crate) fn plural(self) -> &'static str {
        self.words().plural
    }

    /// The kind as it is spelled in objects.
    pub(crate) fn name(self) -> &'static str {
        self.words().name
    }

    /// Group, a slash and version, or the version alone.
    pub(crate) fn api_version(self) -> &'static str {
        match self {
            Self::Secret => "v1",
            _ => "axon.io/v1alpha1",
        }
    }

    /// The URL of all objects of the kind in a namespace, or in all.
    pub(crate) fn url(self, namespace: Option<&str>) -> String {
        let root = match self {
            Self::Secret => "/api/v1".to_owned(),
            _ => format!("/apis/{}", self.api_version()),
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

    /// What the library needs to know for untyped objects of the kind.
    pub(crate) fn resource(self) -> ApiResource {
        let (group, version) = match self {
            Self::Secret => ("", "v1"),
            _ => (axon_api::GROUP, axon_api::VERSION),
        };
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: self.api_version().to_owned(),
            kind: self.name().to_owned(),
            plural: self.plural().to_owned(),
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
    let failure = Failure::new(format!("unknown kind `{word}`: must be one of {}", singulars()));
    let known = KINDS.iter().flat_map(|words| [words.singular, words.plural]);
    match closest(word, known) {
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
            (&["agentconfigs"], Kind::AgentConfig, &[]),
            (&["ac", "a"], Kind::AgentConfig, &["a"]),
            (&["provider/p"], Kind::AgentProvider, &["p"]),
            (&["taskdefaults"], Kind::TaskDefaults, &[]),
            (&["TaskPipelines.axon.io"], Kind::TaskPipeline, &[]),
            (&["tp/x", "pipeline/y"], Kind::TaskPipeline, &["x", "y"]),
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

    #[test]
    fn every_kind_is_one_that_is_served() {
        let served: Vec<_> = axon_api::crd::all()
            .into_iter()
            .map(|definition| (definition.spec.names.kind, definition.spec.names.plural))
            .collect();
        let known: Vec<_> = KINDS
            .iter()
            .map(|words| (words.name.to_owned(), words.plural.to_owned()))
            .collect();
        for kind in &served {
            assert!(known.contains(kind), "{kind:?} is missing");
        }
        assert_eq!(served.len(), known.len());
    }

    #[test]
    fn no_word_means_two_kinds() {
        let mut seen = std::collections::BTreeSet::new();
        for words in KINDS {
            let mut own = vec![words.singular, words.plural];
            own.extend(words.aliases);
            own.dedup();
            for word in own {
                assert!(seen.insert(word), "{word}");
                assert_eq!(Kind::from_word(word), Some(words.kind));
            }
        }
    }
}
