//! `uninstall`: removes the operator, and the definitions with all objects if that is asked for.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::cli::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::install::flags::namespace;
use crate::install::removal::{self, Removal};
use crate::install::{Definitions, Wait, process, rights};
use crate::parts::seconds;
use crate::{cluster, invocation, output, writing};

/// Remove the operator from the cluster; tasks and all other objects stay, unless --crds
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon uninstall
  kubectl axon uninstall --dry-run
  kubectl axon uninstall -n agents -y
  kubectl axon uninstall --crds -y      # also all tasks, workspaces and so on, in all namespaces

Agents that run go on; nobody records their ends until an operator is installed again, which then
does. The namespace goes too, if this program made it and nothing else is in it.

Exit codes: 0 removed or not there, 1 an error, 14 --timeout passed before all was gone.")]
pub(crate) struct UninstallArgs {
    /// Also the definitions, and with them all of Axon's objects in all namespaces
    #[arg(long)]
    crds: bool,

    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,

    /// Whether to wait until everything is gone
    #[arg(long, value_enum, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true")]
    wait: Wait,

    /// How long to wait, such as 5m
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: String,
}

pub(crate) fn uninstall(context: &Context, args: &UninstallArgs) -> Result<Exit> {
    process::refuse_local(context, "uninstall")?;
    let namespace = namespace(context);
    let timeout = seconds("--timeout", &args.timeout)?;
    let timeout = Duration::from_secs(u64::try_from(timeout).unwrap_or_default());
    let definitions = if args.crds {
        Definitions::Go
    } else {
        Definitions::Stay
    };
    cluster::block_on(async {
        let cluster = process::reach(context).await?;
        let client = &cluster.client;
        let removal = removal::plan(client, &namespace, definitions).await?;
        if removal.is_empty() {
            output::note(format!("Axon is not installed in namespace `{namespace}`"));
            return Ok(Exit::Success);
        }
        rights::check(client, &removal.objects(), &["delete"], "uninstall").await?;
        if args.dry_run {
            for object in removal.objects() {
                deleted(&object, " (dry run)")?;
            }
            output::note(consequences(&removal));
            return Ok(Exit::Success);
        }
        may_remove(&removal, args.yes)?;
        let work = removal::remove(client, &removal, args.wait, &|object| deleted(object, ""));
        let Ok(ended) = tokio::time::timeout(timeout, work).await else {
            output::note(format!(
                "error: not everything is gone after {} s\nhint: {} goes on with it",
                timeout.as_secs(),
                invocation::command("uninstall")
            ));
            return Ok(Exit::WaitedTooLong);
        };
        if let Some(why) = ended? {
            output::note(why);
        }
        Ok(Exit::Success)
    })
}

fn deleted(object: &Value, more: &str) -> Result<()> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let kind = output::kind_and_name(object);
    let kind = kind.strip_suffix(&format!("/{name}")).unwrap_or(&kind);
    output::print(format!("{kind} \"{name}\" deleted{more}\n"))
}

/// What goes and what stays, for people.
fn consequences(removal: &Removal) -> String {
    let counted = if removal.counts.is_empty() {
        "no objects".to_owned()
    } else {
        removal.counts.join(", ")
    };
    if removal.definitions.is_empty() {
        format!("the definitions stay, and with them {counted}")
    } else {
        format!("the definitions go, and with them {counted} of all namespaces, with their jobs and pods")
    }
}

/// Asks, unless told not to.
fn may_remove(removal: &Removal, yes: bool) -> Result<()> {
    if yes {
        output::note(consequences(removal));
        return Ok(());
    }
    let question = format!(
        "Remove Axon from namespace `{}` ({})?",
        removal.namespace,
        consequences(removal)
    );
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(format!("nobody is there to be asked: {question}"))
            .hint("-y does it without asking"));
    }
    if writing::confirmed(&question) {
        Ok(())
    } else {
        Err(Failure::new("aborted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn removal(definitions: Vec<Value>) -> Removal {
        Removal {
            namespace: "axon-system".to_owned(),
            operator: Vec::new(),
            definitions,
            counts: vec!["3 tasks".to_owned(), "1 taskpipeline".to_owned()],
        }
    }

    #[test]
    fn the_question_says_what_goes_with_the_definitions() {
        assert_eq!(
            consequences(&removal(Vec::new())),
            "the definitions stay, and with them 3 tasks, 1 taskpipeline"
        );
        let all = consequences(&removal(vec![json!({})]));
        assert!(
            all.starts_with("the definitions go, and with them 3 tasks"),
            "{all}"
        );
    }

    #[test]
    fn without_a_terminal_nothing_is_removed_unasked() {
        assert!(may_remove(&removal(Vec::new()), true).is_ok());
        if !std::io::stdin().is_terminal() {
            let failure = may_remove(&removal(Vec::new()), false).expect_err("refused");
            assert!(failure.render().contains("hint: -y"), "{}", failure.render());
        }
    }
}
