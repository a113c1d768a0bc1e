//! The classes: one YAML file for each README, by line.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What something that a README shows is to Axon.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub(crate) enum Class {
    /// Applies after `convert`, and does what its README says.
    Manifest(Manifest),
    /// Is a part of the manifest of another line, and is proven inside of it.
    Fragment(Fragment),
    /// Is a config file of the command line.
    Config(Ran),
    /// Is run, as it is or changed.
    Command(Ran),
    /// Is a verb that this program has too.
    Verb(Verb),
    /// Is a flag of a verb.
    Flag(Flag),
    /// Is not done by Axon.
    Deviation(Deviation),
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) line: usize,
    /// Exit code of `convert`.
    #[serde(default)]
    pub(crate) exit: i32,
    /// What is put in by hand, because the README shows a part only and `convert` says that it lacks:
    /// a JSON merge patch of the one object.
    #[serde(default)]
    pub(crate) by_hand: Option<Value>,
    /// What the operator makes of its objects.
    pub(crate) plans: Vec<Promise>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fragment {
    pub(crate) line: usize,
    /// The line of the manifest in which it stands.
    pub(crate) of: usize,
    pub(crate) plans: Vec<Promise>,
}

/// What the operator makes of one object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Promise {
    /// `Kind/name`. What is no Task is used by a Task that says nothing else.
    pub(crate) of: String,
    /// The phase that is written; Pending comes with a Job.
    #[serde(default = "pending")]
    pub(crate) phase: String,
    /// What the Job, its Secret and its volumes have: `path=value`, or a part of that.
    #[serde(default)]
    pub(crate) has: Vec<String>,
}

fn pending() -> String {
    "Pending".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ran {
    pub(crate) line: usize,
    /// What is run instead; then `why` says why.
    #[serde(default)]
    pub(crate) run: Option<String>,
    #[serde(default)]
    pub(crate) why: Option<String>,
    /// Flags that are added, so that nothing is waited for and nothing outside is needed.
    #[serde(default)]
    pub(crate) add: String,
    /// What is run before.
    #[serde(default)]
    pub(crate) before: Vec<String>,
    /// Lines of manifests that it reads, by the names of their files.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, usize>,
    #[serde(default)]
    pub(crate) exit: i32,
    /// What it prints, in parts.
    #[serde(default)]
    pub(crate) shows: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verb {
    pub(crate) line: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flag {
    pub(crate) line: usize,
    /// The verbs that have it.
    pub(crate) verbs: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deviation {
    pub(crate) line: usize,
    pub(crate) why: String,
    /// A verb that this build does not have; when it comes, the class has to change.
    #[serde(default)]
    pub(crate) no_verb: Option<String>,
    /// A kind that this build does not have; when it comes, the class has to change.
    #[serde(default)]
    pub(crate) no_kind: Option<String>,
}

impl Class {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Manifest(_) => "manifest",
            Self::Fragment(_) => "fragment",
            Self::Config(_) => "config",
            Self::Command(_) => "command",
            Self::Verb(_) => "verb",
            Self::Flag(_) => "flag",
            Self::Deviation(_) => "deviation",
        }
    }

    fn line(&self) -> usize {
        match self {
            Self::Manifest(class) => class.line,
            Self::Fragment(class) => class.line,
            Self::Config(class) | Self::Command(class) => class.line,
            Self::Verb(class) => class.line,
            Self::Flag(class) => class.line,
            Self::Deviation(class) => class.line,
        }
    }
}

/// The classes of what a README shows, by line.
pub(crate) fn of(seed: &str) -> BTreeMap<usize, Class> {
    let path = format!("{}/tests/seeds/table/{seed}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("a table");
    let entries: Vec<Value> = serde_saphyr::from_str(&text).expect("YAML");
    let mut table = BTreeMap::new();
    for entry in entries {
        let shown = entry.to_string();
        let class: Class =
            serde_json::from_value(entry).unwrap_or_else(|error| panic!("{seed}: {error}: {shown}"));
        let line = class.line();
        assert!(
            table.insert(line, class).is_none(),
            "{seed}:{line} is there twice"
        );
    }
    table
}
