//! Reading the documents of files, folders and stdin.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::{Failure, Result};

/// One document and where it was.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// File and number, counted from 1: `tasks.yaml:2`.
    pub(crate) place: String,
    pub(crate) object: Value,
}

/// What a folder's manifests end with.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json"];

/// How deep folders may lie in each other; links may make a circle.
const DEEPEST: usize = 32;

/// The documents of all files, in their order; `-` is stdin, and a folder is all its manifests in
/// the order of their names, with those of its folders.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            documents.extend(parse(&stdin()?, "stdin")?);
            continue;
        }
        let mut files = Vec::new();
        collect(path, 0, &mut files)?;
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
            documents.extend(parse(&text, &file.display().to_string())?);
        }
    }
    if documents.is_empty() {
        return Err(Failure::new("there is no document to convert"));
    }
    Ok(documents)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "failed to read the manifest `{}`: {error}",
        path.display()
    ))
}

fn stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("failed to read the manifest from stdin: {error}")))?;
    Ok(text)
}

/// The files of a path: itself, or the manifests in it when it is a folder.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let about = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    if !about.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth == DEEPEST {
        return Err(Failure::new(format!(
            "failed to read the folder `{}`: folders lie more than {DEEPEST} deep",
            path.display()
        )));
    }
    let mut entries = std::fs::read_dir(path)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .map_err(|error| unreadable(path, &error))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_manifest = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| EXTENSIONS.contains(&extension));
        if is_manifest || path.is_dir() {
            collect(&path, depth + 1, files)?;
        }
    }
    Ok(())
}

/// The documents of one text. The objects of a list are documents of their own.
pub(crate) fn parse(text: &str, shown: &str) -> Result<Vec<Document>> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        Failure::new(format!(
            "failed to parse the manifest `{shown}`: {}",
            error.without_snippet()
        ))
    })?;
    let mut documents = Vec::new();
    for value in values {
        add(value, shown, &mut documents);
    }
    Ok(documents)
}

fn add(mut value: Value, shown: &str, documents: &mut Vec<Document>) {
    if value.is_null() {
        return;
    }
    let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    match value.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => {
            for item in items {
                add(item, shown, documents);
            }
        }
        taken => {
            if let (Some(items), Some(fields)) = (taken, value.as_object_mut()) {
                fields.insert("items".to_owned(), items);
            }
            documents.push(Document {
                place: format!("{shown}:{}", documents.len() + 1),
                object: value,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(documents: &[Document]) -> Vec<String> {
        documents
            .iter()
            .map(|document| {
                format!(
                    "{} {}",
                    document.place,
                    document.object["kind"].as_str().unwrap_or("?")
                )
            })
            .collect()
    }

    #[test]
    fn documents_lists_and_json_are_read() {
        let text = "kind: A\n---\n# nothing\n---\nkind: TaskList\nitems: [{kind: B}, {kind: C}]\n---\n{\"kind\": \"D\"}\n";
        assert_eq!(
            kinds(&parse(text, "f").expect("read")),
            ["f:1 A", "f:2 B", "f:3 C", "f:4 D"]
        );
        assert_eq!(
            kinds(&parse("kind: Menu\nitems: [x]\n", "f").expect("read")),
            ["f:1 Menu"]
        );
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("b")).expect("made");
        for (name, kind) in [
            ("c.yml", "C"),
            ("a.yaml", "A"),
            ("b/x.json", "B"),
            ("README.md", "no"),
        ] {
            std::fs::write(folder.path().join(name), format!("{{\"kind\": \"{kind}\"}}")).expect("written");
        }
        let found = read(&[folder.path().to_owned()]).expect("read");
        let found: Vec<&str> = found
            .iter()
            .filter_map(|document| document.object["kind"].as_str())
            .collect();
        assert_eq!(found, ["A", "B", "C"]);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_names_it() {
        for (result, message) in [
            (
                read(&["/nowhere".into()]),
                "failed to read the manifest `/nowhere`",
            ),
            (parse("a: [", "f"), "failed to parse the manifest `f`"),
        ] {
            let failure = result.expect_err("an error");
            assert!(failure.message().starts_with(message), "{failure:?}");
        }
    }
}
