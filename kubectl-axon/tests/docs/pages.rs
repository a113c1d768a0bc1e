//! The pages: their manifests are taken by a server, and their links lead somewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files;
use super::manifests::Server;

/// README, the guides, and the READMEs of the examples.
fn pages() -> Vec<PathBuf> {
    let root = files::root();
    let mut pages = vec![root.join("README.md")];
    pages.extend(files::list(&root.join("docs"), "md"));
    pages.extend(files::list(&root.join("docs/reference"), "md"));
    pages.extend(files::list(&root.join("examples"), "md"));
    let examples = std::fs::read_dir(root.join("examples")).expect("examples");
    pages.extend(examples.flat_map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files::list(&path, "md")
        } else {
            Vec::new()
        }
    }));
    pages
}

/// The blocks of a page that are marked as this language, with the number of their first line.
fn blocks(page: &str, language: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, bool, String)> = None;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(mark)) => open = Some((index + 2, mark.trim() == language, String::new())),
            (Some((start, is_wanted, text)), Some(_)) => {
                if *is_wanted {
                    blocks.push((*start, std::mem::take(text)));
                }
                open = None;
            }
            (Some((_, _, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

#[tokio::test]
async fn every_manifest_of_a_page_is_taken_by_a_server_that_ignores_nothing() {
    let server = Server::start();
    let mut count = 0;
    for path in pages() {
        let page = files::read(&path);
        for (line, text) in blocks(&page, "yaml") {
            let objects: Vec<_> = files::documents(&text)
                .into_iter()
                .filter(|object| object["kind"].is_string())
                .collect();
            count += objects.len();
            let created = server.create(&format!("block-{count}-{line}"), &objects).await;
            created.unwrap_or_else(|why| panic!("{}:{line}: {why}", path.display()));
        }
    }
    assert!(count > 5, "the manifests were found: {count}");
}

/// What a heading is called in an address, as GitHub does it.
fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    plain
        .chars()
        .filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            other => other.is_alphanumeric().then_some(other),
        })
        .collect()
}

fn anchors(page: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code && line.starts_with('#') {
            anchors.insert(anchor(line));
        }
    }
    anchors
}

/// The targets of `[text](target)` and `src="target"`, but those on other servers.
fn links(page: &str) -> Vec<String> {
    let of = |mark: &'static str, end: char| {
        page.match_indices(mark)
            .filter_map(move |(at, _)| page.get(at + mark.len()..)?.split(end).next())
    };
    of("](", ')')
        .chain(of("src=\"", '"'))
        .chain(of("srcset=\"", '"'))
        .filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let mut broken = Vec::new();
    for path in pages() {
        for link in links(&files::read(&path)) {
            let (file, wanted) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap_or(Path::new(".")).join(file)
            };
            let leads =
                target.exists() && (wanted.is_empty() || anchors(&files::read(&target)).contains(wanted));
            if !leads {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_is_reached_from_the_readme() {
    let root = files::root();
    let readme = files::read(&root.join("README.md"));
    let index = files::read(&root.join("docs/README.md"));
    for path in files::list(&root.join("docs"), "md") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(
            name == "README.md"
                || index.contains(&format!("]({name}"))
                || readme.contains(&format!("](docs/{name}")),
            "{name} is linked from neither README.md nor docs/README.md"
        );
    }
    for entry in std::fs::read_dir(root.join("examples")).expect("examples") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let index = files::read(&root.join("examples/README.md"));
        assert!(!path.is_dir() || index.contains(&format!("]({name}/)")), "{name}");
    }
}
