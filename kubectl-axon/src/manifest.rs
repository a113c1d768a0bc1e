//! Manifests: YAML or JSON documents of Axon's kinds and Secrets, read strictly.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, Result};
use crate::resources::Kind;
use crate::schema;

/// The objects of all files, in the order in which they are to be created: what a Task names
/// comes before it.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in files {
        let (text, shown) = if file.as_os_str() == "-" {
            (read_stdin()?, "stdin".to_owned())
        } else {
            (read_file(file)?, file.display().to_string())
        };
        objects.extend(parse(&text, &shown)?);
    }
    if objects.is_empty() {
        return Err(Failure::new("the manifest has no objects"));
    }
    objects.sort_by_key(|object| match Kind::of(object) {
        Some(Kind::Secret) => 0,
        Some(Kind::AgentProvider | Kind::TaskDefaults) => 1,
        Some(Kind::Workspace | Kind::AgentConfig) => 2,
        Some(Kind::Task | Kind::TaskPipeline | Kind::TaskSpawner) | None => 3,
    });
    Ok(objects)
}

fn read_file(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        Failure::new(format!(
            "failed to read the manifest `{}`: {error}",
            file.display()
        ))
    })
}

fn read_stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("failed to read the manifest from stdin: {error}")))?;
    Ok(text)
}

/// Reads the documents of one file. `shown` names it in messages.
pub(crate) fn parse(text: &str, shown: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        Failure::new(format!(
            "failed to parse the manifest `{shown}`: {}",
            error.without_snippet()
        ))
    })?;
    let mut objects = Vec::new();
    for document in documents {
        match document.get("kind").and_then(Value::as_str) {
            Some("List") => objects.extend(document["items"].as_array().cloned().unwrap_or_default()),
            _ if document.is_null() => {}
            _ => objects.push(document),
        }
    }
    for object in &objects {
        check(object, shown)?;
    }
    Ok(objects)
}

fn check(object: &Value, shown: &str) -> Result<()> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let Some(known) = Kind::of(object) else {
        return Err(Failure::new(format!(
            "the manifest `{shown}` has an object of kind `{kind}` and apiVersion `{version}`, which `run` does not create"
        ))
        .hint("`run -f` takes the kinds of axon.io/v1alpha1 and Secret of v1; `kubectl apply -f` takes anything"));
    };
    let metadata = &object["metadata"];
    let named = ["name", "generateName"]
        .iter()
        .any(|key| metadata[*key].as_str().is_some_and(|name| !name.is_empty()));
    if !named {
        return Err(Failure::new(format!(
            "the manifest `{shown}` has a {kind} without metadata.name"
        )));
    }
    schema::check(known, object).map_err(|problem| {
        let failure = Failure::new(format!(
            "the manifest `{shown}` has a mistake in {kind} `{}`: unknown field `{}`",
            metadata["name"].as_str().unwrap_or_default(),
            problem.path
        ));
        match problem.meant {
            Some(meant) => failure.hint(format!("did you mean `{meant}`?")),
            None => failure,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str =
        "apiVersion: axon.io/v1alpha1\nkind: Task\nmetadata: {name: a}\nspec: {prompt: hello}\n";

    #[test]
    fn several_documents_and_lists_are_read() {
        let list =
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n";
        let objects = parse(&format!("{TASK}---\n{list}---\n# nothing\n"), "f").expect("read");
        let kinds: Vec<_> = objects
            .iter()
            .filter_map(|object| object["kind"].as_str())
            .collect();
        assert_eq!(kinds, ["Task", "Secret"]);
    }

    #[test]
    fn what_a_task_names_is_created_before_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let workspace = "apiVersion: axon.io/v1alpha1\nkind: Workspace\nmetadata: {name: w}\nspec: {repo: 'https://x/y'}\n";
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n";
        std::fs::write(file.path(), format!("{TASK}---\n{workspace}---\n{secret}")).expect("written");
        let objects = read(&[file.path().to_owned()]).expect("read");
        let kinds: Vec<_> = objects
            .iter()
            .filter_map(|object| object["kind"].as_str())
            .collect();
        assert_eq!(kinds, ["Secret", "Workspace", "Task"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, message) in [
            (
                TASK.replace("prompt: hello", "promt: hello"),
                "unknown field `spec.promt`",
            ),
            (TASK.replace("name: a", "nam: a"), "without metadata.name"),
            (TASK.replace("Task", "Pod"), "kind `Pod`"),
            (TASK.replace("v1alpha1", "v9"), "apiVersion `axon.io/v9`"),
            ("kind: [".to_owned(), "failed to parse the manifest `f`"),
        ] {
            let failure = parse(&text, "f").expect_err("a mistake");
            assert!(failure.message().contains(message), "{failure:?}");
        }
    }

    #[test]
    fn an_empty_manifest_is_an_error() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(read(&[file.path().to_owned()]).is_err());
    }
}
