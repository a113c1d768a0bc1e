//! Files of the repository, read, and compared with what is generated.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace")
        .to_path_buf()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files of a folder whose names end so, in the order of names.
pub(crate) fn list(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// Fails unless the file has this text, or writes it when `make docs` asks for that.
pub(crate) fn compare(path: &Path, text: &str) {
    if std::env::var("AXON_DOCS").is_ok_and(|wish| wish == "write") {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
        return;
    }
    let is = std::fs::read_to_string(path).unwrap_or_default();
    let differing = is.lines().zip(text.lines()).position(|(is, should)| is != should);
    assert!(
        is == text,
        "{} is not what the code says, from line {} on\nhint: make docs",
        path.display(),
        differing.unwrap_or_else(|| is.lines().count().min(text.lines().count())) + 1
    );
}

/// The documents of a YAML text that are objects.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    all.into_iter().filter(Value::is_object).collect()
}
