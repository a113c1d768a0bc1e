//! `suspend` and `resume`: whether a spawner makes new Tasks.

use axon_api::TaskSpawner;
use clap::Args;
use serde_json::json;

use crate::cli::Context;
use crate::cluster::{self, Cluster};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::resources::{Kind, plain_name};
use crate::{complete, invocation, objects, output};

/// Pause spawners: they make no new tasks, and those that are there go on
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon suspend taskspawner fix-bugs
  kubectl axon suspend taskspawner --all")]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    which: Which,
}

/// Let paused spawners make tasks again
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon resume taskspawner fix-bugs
  kubectl axon resume taskspawner --all")]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// `taskspawner` and names, or names alone
    #[arg(value_name = "taskspawner | NAME", required = true, add = complete::spawners())]
    words: Vec<String>,

    /// All spawners of the namespace
    #[arg(long)]
    all: bool,
}

/// What a verb makes of a spawner.
#[derive(Clone, Copy)]
enum Wanted {
    Suspended,
    Running,
}

impl Wanted {
    fn word(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Running => "resumed",
        }
    }

    fn suspend(self) -> bool {
        matches!(self, Self::Suspended)
    }
}

pub(crate) fn suspend(context: &Context, args: &SuspendArgs) -> Result<Exit> {
    set(context, &args.which, Wanted::Suspended)
}

pub(crate) fn resume(context: &Context, args: &ResumeArgs) -> Result<Exit> {
    set(context, &args.which, Wanted::Running)
}

fn set(context: &Context, which: &Which, wanted: Wanted) -> Result<Exit> {
    let names = names(&which.words, which.all)?;
    cluster::block_on(async {
        let cluster = cluster::connect(context).await?;
        let names = if which.all { all(&cluster).await? } else { names };
        let mut exit = Exit::Success;
        for name in &names {
            if let Err(failure) = set_one(&cluster, name, wanted).await {
                if failure.is_silent() {
                    return Err(failure);
                }
                output::note(failure.render().trim_end());
                exit = Exit::Failure;
            }
        }
        Ok(exit)
    })
}

/// The names that were given; none with `--all`, which stands for them.
fn names(words: &[String], all: bool) -> Result<Vec<String>> {
    let rest = match words.split_first() {
        Some((first, rest)) if Kind::from_word(first) == Some(Kind::TaskSpawner) => rest,
        _ => words,
    };
    let names: Vec<String> = rest
        .iter()
        .map(|word| plain_name(word, Kind::TaskSpawner))
        .collect::<Result<_>>()?;
    match (all, names.is_empty()) {
        (true, false) => Err(Failure::new("--all and names are mutually exclusive")),
        (false, true) => Err(Failure::new("no taskspawner named").hint(format!(
            "name one, or all of the namespace with --all; {} lists them",
            invocation::command("get taskspawners")
        ))),
        _ => Ok(names),
    }
}

async fn all(cluster: &Cluster) -> Result<Vec<String>> {
    let api = objects::api(cluster, Kind::TaskSpawner);
    let found = objects::list(&api, kube::api::ListParams::default(), "list taskspawners").await?;
    let names = found.into_iter().filter_map(|object| object.metadata.name);
    Ok(names.collect())
}

async fn set_one(cluster: &Cluster, name: &str, wanted: Wanted) -> Result<()> {
    let kind = Kind::TaskSpawner;
    let spawner: TaskSpawner = objects::typed(cluster, kind, name).await?;
    if spawner.is_suspended() == wanted.suspend() {
        return output::print(format!("{}/{name} unchanged\n", kind.with_group()));
    }
    let patch = json!({
        "metadata": { "uid": spawner.metadata.uid },
        "spec": { "suspend": wanted.suspend() },
    });
    let action = if wanted.suspend() { "suspend" } else { "resume" };
    objects::patch(cluster, kind, name, patch)
        .await
        .map_err(|error| Failure::api(&format!("{action} taskspawner `{name}`"), &error))?;
    output::print(format!("{}/{name} {}\n", kind.with_group(), wanted.word()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], all: bool) -> Result<Vec<String>> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        names(&words, all)
    }

    #[test]
    fn a_spawner_is_named_with_or_without_its_kind() {
        for words in [
            &["taskspawner", "a"][..],
            &["ts", "a"],
            &["taskspawner/a"],
            &["a"],
        ] {
            assert_eq!(read(words, false), Ok(vec!["a".to_owned()]), "{words:?}");
        }
        assert!(read(&["task/a"], false).is_err());
    }

    #[test]
    fn all_stands_for_names() {
        assert_eq!(read(&["taskspawners"], true), Ok(Vec::new()));
        assert!(read(&["taskspawners"], false).is_err());
        assert!(read(&["ts", "a"], true).is_err());
    }
}
