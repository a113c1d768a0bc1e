//! What `run`, `create` and `retry` share: they write objects, or only show what they would write.

use std::io::{IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::apply::{self, Change, Keep};
use crate::cli::Context;
use crate::cluster::Cluster;
use crate::failure::{Failure, Result};
use crate::output::{self, Format};
use crate::resources::Kind;
use crate::run_objects::Wanted;

/// The flags of verbs that write objects.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WriteArgs {
    /// Only show what would be created: without asking the server, or as it would answer
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    pub(crate) dry_run: Option<DryRun>,

    /// Print the object as yaml, json, name or jsonpath=TEMPLATE
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::parse)]
    pub(crate) output: Option<Format>,

    /// Do not ask before changing an object that someone else made
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// A value of `--dry-run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DryRun {
    /// Print the objects without asking the server
    Client,
    /// Ask the server what it would do
    Server,
}

/// Which of the objects a command is about: stdout names these, and what they need is told beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    All,
    Kind(Kind),
}

/// Whether the objects that were written are printed now, as `-o` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    Now,
    /// They are watched, and printed at their end.
    AtTheEnd,
}

/// The objects of one command.
pub(crate) struct Writing<'a> {
    pub(crate) wanted: &'a [Wanted],
    pub(crate) about: About,
    pub(crate) show: Show,
    pub(crate) args: &'a WriteArgs,
}

impl Writing<'_> {
    /// Asks the server about each object without keeping it: of several objects none is written
    /// when one would be refused.
    pub(crate) async fn check(&self, cluster: &Cluster) -> Result<()> {
        if self.wanted.len() < 2 {
            return Ok(());
        }
        for object in self.wanted {
            apply::write(cluster, object, Keep::No, &|object| {
                may_overwrite(object, self.args.yes)
            })
            .await?;
        }
        Ok(())
    }

    /// Writes the objects and says so, and gives them as the server has them.
    pub(crate) async fn write(&self, cluster: &Cluster, keep: Keep) -> Result<Vec<Value>> {
        let suffix = match keep {
            Keep::Yes => "",
            Keep::No => " (server dry run)",
        };
        // The check has asked already, and asking once is enough.
        let asked = self.wanted.len() > 1 && keep == Keep::Yes;
        let mut written = Vec::new();
        for object in self.wanted {
            let (value, change) = apply::write(cluster, object, keep, &|object| {
                may_overwrite(object, self.args.yes || asked)
            })
            .await?;
            let line = format!("{} {}{suffix}", output::kind_and_name(&value), change.word());
            match (&self.args.output, self.is_about(&value)) {
                (None, true) => output::print(line + "\n")?,
                (_, false) => {
                    if change != Change::Unchanged {
                        output::note(line);
                    }
                }
                (Some(format), true) if self.show == Show::Now => show(&value, format)?,
                (Some(_), true) => {}
            }
            written.push(value);
        }
        Ok(written)
    }

    /// Writes the objects, or shows what would be written, as the flags say; `None` when nothing
    /// was kept.
    pub(crate) async fn run(&self, cluster: &Cluster) -> Result<Option<Vec<Value>>> {
        if self.args.dry_run == Some(DryRun::Server) {
            self.write(cluster, Keep::No).await?;
            return Ok(None);
        }
        self.check(cluster).await?;
        self.write(cluster, Keep::Yes).await.map(Some)
    }

    fn is_about(&self, object: &Value) -> bool {
        match self.about {
            About::All => true,
            About::Kind(kind) => Kind::of(object) == Some(kind),
        }
    }
}

fn show(object: &Value, format: &Format) -> Result<()> {
    let object = hidden_secrets(&output::without_managed_fields(object.clone()));
    match format {
        Format::Json => output::print(output::to_json(&object)),
        Format::Yaml | Format::Wide => output::print(output::to_yaml(&object)?),
        Format::Name => output::print(output::kind_and_name(&object) + "\n"),
        Format::JsonPath(template) => output::print(template.render(&object)),
    }
}

/// Prints the objects that would be created, as documents that `kubectl apply -f -` takes.
pub(crate) fn show_unsent(wanted: &[Wanted], format: Option<&Format>) -> Result<()> {
    let objects: Vec<Value> = wanted
        .iter()
        .map(|wanted| hidden_secrets(wanted.object()))
        .collect();
    output::print(unsent(&objects, format)?)
}

/// Objects as documents, or as `format` says.
pub(crate) fn unsent(objects: &[Value], format: Option<&Format>) -> Result<String> {
    Ok(match format {
        Some(Format::Json) => match objects {
            [one] => output::to_json(one),
            _ => output::to_json(&output::list_of(objects)),
        },
        Some(Format::Name) => {
            let names: Vec<String> = objects
                .iter()
                .map(|object| output::kind_and_name(object) + "\n")
                .collect();
            names.concat()
        }
        Some(Format::JsonPath(template)) => {
            let last = objects.last().cloned().unwrap_or_default();
            template.render(&last)
        }
        Some(Format::Yaml | Format::Wide) | None => {
            let mut documents = Vec::new();
            for object in objects {
                let comment = match Kind::of(object) {
                    Some(Kind::Secret) => "# The values of this Secret are not shown.\n",
                    _ => "",
                };
                documents.push(format!("{comment}{}", output::to_yaml(object)?));
            }
            documents.join("---\n")
        }
    })
}

/// The object with the values of a Secret blotted out: they have no business on a terminal.
fn hidden_secrets(object: &Value) -> Value {
    let mut object = object.clone();
    if Kind::of(&object) == Some(Kind::Secret) {
        for field in ["data", "stringData"] {
            for (_, value) in object[field].as_object_mut().into_iter().flatten() {
                // Not base64, so that no server takes it for the value.
                *value = Value::from("(not shown)");
            }
        }
        if let Some(fields) = object.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
    }
    object
}

/// The namespace of a manifest must be the flag's, as with kubectl.
pub(crate) fn check_namespaces(wanted: &[Wanted], context: &Context) -> Result<()> {
    let Some(flag) = &context.global.namespace else {
        return Ok(());
    };
    for wanted in wanted {
        let object = wanted.object();
        if let Some(own) = object["metadata"]["namespace"].as_str().filter(|own| own != flag) {
            return Err(Failure::new(format!(
                "the namespace `{own}` of {} in the manifest is not the namespace `{flag}` of --namespace",
                output::kind_and_name(object)
            )));
        }
    }
    Ok(())
}

/// Asks on a terminal whether an object that someone else made may be changed.
fn may_overwrite(object: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(format!("{object} exists with other content")).hint("--yes changes it"));
    }
    if confirmed(&format!("{object} exists with other content. Change it?")) {
        Ok(())
    } else {
        Err(Failure::new("aborted"))
    }
}

/// Asks a question on the terminal.
pub(crate) fn confirmed(question: &str) -> bool {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question} [y/N]: ");
    let _ = stderr.flush();
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_secrets_are_not_shown() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "data": {"KEY": "c2VjcmV0"}});
        assert_eq!(hidden_secrets(&secret)["data"]["KEY"], "(not shown)");
    }

    #[test]
    fn several_unsent_objects_are_documents_or_a_list() {
        let objects = [
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}),
            json!({"apiVersion": "axon.io/v1alpha1", "kind": "Task", "metadata": {"name": "t"}}),
        ];
        let text = |format: Option<Format>| unsent(&objects, format.as_ref()).expect("shown");
        assert_eq!(text(Some(Format::Name)), "secret/s\ntask.axon.io/t\n");
        assert!(text(Some(Format::Json)).contains("\"kind\": \"List\""));
        assert_eq!(text(None).matches("---\n").count(), 1);
    }
}
