//! `spawner`: what a spawner would do, before it does it, and a Task of it by hand.

mod forecast;
mod given;
mod page;
mod seen;

#[cfg(feature = "cron")]
mod cron;
#[cfg(any(feature = "github", feature = "webhook"))]
mod event;
#[cfg(feature = "github")]
mod github;
#[cfg(any(feature = "github", feature = "cron"))]
mod preview;
#[cfg(any(feature = "github", feature = "webhook"))]
mod test;
#[cfg(any(feature = "github", feature = "cron"))]
mod trigger;

use axon_api::TaskSpawner;
use axon_api::sources::{NAMES, SOURCES};
use clap::{Args, Subcommand};
use kube::ResourceExt;

use crate::cli::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::text::without_hints;

/// See what a spawner would make of its items, or have it make a task now
#[derive(Args)]
#[command(after_help = examples())]
pub(crate) struct SpawnerArgs {
    #[command(subcommand)]
    verb: SpawnerVerb,
}

/// One example for each verb of this build.
fn examples() -> String {
    let examples: &[&str] = &[
        #[cfg(any(feature = "github", feature = "cron"))]
        "  kubectl axon spawner preview fix-bugs --prompts\n",
        #[cfg(any(feature = "github", feature = "webhook"))]
        "  kubectl axon spawner test -f spawner.yaml --event issue.json\n",
        #[cfg(any(feature = "github", feature = "cron"))]
        "  kubectl axon spawner trigger fix-bugs 42 -w\n",
    ];
    format!("Examples:\n{}", examples.concat())
}

#[derive(Subcommand)]
enum SpawnerVerb {
    #[cfg(any(feature = "github", feature = "cron"))]
    Preview(preview::PreviewArgs),
    #[cfg(any(feature = "github", feature = "webhook"))]
    Test(test::TestArgs),
    #[cfg(any(feature = "github", feature = "cron"))]
    Trigger(trigger::TriggerArgs),
}

pub(crate) fn spawner(context: &Context, args: &SpawnerArgs) -> Result<Exit> {
    match &args.verb {
        #[cfg(any(feature = "github", feature = "cron"))]
        SpawnerVerb::Preview(args) => preview::preview(context, args),
        #[cfg(any(feature = "github", feature = "webhook"))]
        SpawnerVerb::Test(args) => test::test(context, args),
        #[cfg(any(feature = "github", feature = "cron"))]
        SpawnerVerb::Trigger(args) => trigger::trigger(context, args),
    }
}

/// The source of a spawner, when this program has it and the spawner tells it all that it needs.
fn source(spawner: &TaskSpawner) -> Result<&'static str> {
    let name = spawner.name_any();
    let when = &spawner.spec.when;
    let Some(source) = when.source() else {
        let why = "spec.when has no source that this version knows";
        return Err(would_make_none(spawner, why).hint(format!("the sources are {}", NAMES.join(", "))));
    };
    if !SOURCES.iter().any(|known| known.name == source) {
        return Err(Failure::new(format!(
            "this program is without the source `{source}` of spawner `{name}`"
        ))
        .hint(format!(
            "build it with `--features {}`",
            when.feature().unwrap_or_default()
        )));
    }
    axon_api::sources::check(when).map_err(|why| would_make_none(spawner, &format!("spec.when.{why}")))?;
    Ok(source)
}

/// The spawner makes no Tasks whatever its items.
fn would_make_none(spawner: &TaskSpawner, why: &str) -> Failure {
    let (why, hints) = without_hints(why);
    let failure = Failure::new(format!(
        "spawner `{}` would make no tasks: {why}",
        spawner.name_any()
    ));
    hints.iter().fold(failure, |failure, hint| {
        failure.hint(hint.trim_start_matches("hint: "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;
    use axon_plan::spawner::{SourceSeen, SpawnerObserved};
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_manifest_of_the_page_on_spawners_is_one_that_works() {
        let page = include_str!("../../../../docs/spawners.md");
        let blocks = page
            .split("```yaml\n")
            .skip(1)
            .filter_map(|rest| rest.split("```").next());
        let mut sources = BTreeSet::new();
        for block in blocks {
            let objects = manifest::parse(block, "the page").expect("a manifest");
            let object = objects.into_iter().next().expect("an object");
            let mut spawner: TaskSpawner = serde_json::from_value(object).expect("a TaskSpawner");
            axon_api::sources::check(&spawner.spec.when).expect("a source that is told all");
            sources.extend(spawner.spec.when.source());
            spawner.metadata.uid = Some("uid".to_owned());
            let plan = axon_plan::spawner::plan(&SpawnerObserved {
                now: k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
                spawner: &spawner,
                workspace: axon_plan::Found::NotNamed,
                default_type: "claude-code",
                memory: &axon_plan::spawner::memory::Memory::default(),
                source: SourceSeen {
                    heard: Some(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
                    ..SourceSeen::default()
                },
                tasks: &[],
                gone: &BTreeSet::new(),
                refused: &BTreeMap::new(),
            });
            let is_ready = |status: &axon_api::TaskSpawnerStatus| {
                let mut conditions = status.conditions.iter();
                conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
            };
            let is_built = SOURCES
                .iter()
                .any(|known| Some(known.name) == spawner.spec.when.source());
            assert_eq!(is_ready(&plan.status), is_built, "{block}\n{:#?}", plan.status);
        }
        assert_eq!(sources, NAMES.iter().copied().collect());
    }
}
