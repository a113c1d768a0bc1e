//! GitHub's own description of its REST API and its examples of webhooks, from npm.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::description::Description;
use super::schema;
use crate::npm::Packages;

const PACKAGES: Packages = Packages {
    // The number is counted up when something else is kept of the packages.
    name: "github-1",
    what: "GitHub's description of its API",
    package: include_str!("../../github/package.json"),
    lock: include_str!("../../github/package-lock.json"),
};

/// The description of api.github.com, as JSON Schema has it and without its prose.
const DESCRIPTION: &str = "description.json";
/// The payload of the first example of each event and action.
const EXAMPLES: &str = "examples.json";

/// Both, read once by a process.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) description: Description,
    examples: BTreeMap<String, Value>,
}

impl Reference {
    /// GitHub's example of the payload of a webhook; `action` is empty for an event that has none.
    pub(super) fn example(&self, event: &str, action: &str) -> Option<&Value> {
        self.examples.get(&key(event, action))
    }
}

/// What GitHub says, installed when it is not there: the first time takes about 10 seconds, and
/// leaves 10 MiB below `~/.cache/axon-e2e`.
pub(super) async fn reference() -> anyhow::Result<Arc<Reference>> {
    static READ: OnceCell<Arc<Reference>> = OnceCell::const_new();
    READ.get_or_try_init(read).await.cloned()
}

async fn read() -> anyhow::Result<Arc<Reference>> {
    let prefix = PACKAGES.install(keep_what_is_used).await?;
    tokio::task::spawn_blocking(move || {
        Ok(Arc::new(Reference {
            description: Description::new(read_json(&prefix.join(DESCRIPTION))?),
            examples: serde_json::from_value(read_json(&prefix.join(EXAMPLES))?)?,
        }))
    })
    .await?
}

/// The packages hold the API of every edition of GitHub, each twice: 400 MiB, of which this needs
/// little.
fn keep_what_is_used(prefix: &Path) -> anyhow::Result<()> {
    let modules = prefix.join("node_modules");
    let packages = modules.join("@octokit");
    let mut description = read_json(&packages.join("openapi/generated/api.github.com.json"))?;
    schema::from_open_api(&mut description);
    write_json(&prefix.join(DESCRIPTION), &description)?;
    let all = read_json(&packages.join("webhooks-examples/api.github.com/index.json"))?;
    let examples = serde_json::to_value(first_of_each(&all))?;
    write_json(&prefix.join(EXAMPLES), &examples)?;
    std::fs::remove_dir_all(&modules)?;
    Ok(())
}

fn first_of_each(events: &Value) -> BTreeMap<String, Value> {
    let mut examples = BTreeMap::new();
    for event in events.as_array().into_iter().flatten() {
        let name = event["name"].as_str().unwrap_or_default();
        for payload in event["examples"].as_array().into_iter().flatten() {
            let action = payload["action"].as_str().unwrap_or_default();
            examples
                .entry(key(name, action))
                .or_insert_with(|| payload.clone());
        }
    }
    examples
}

fn key(event: &str, action: &str) -> String {
    format!("{event}/{action}")
}

fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("failed to read `{}` as JSON", path.display()))
}

fn write_json(path: &Path, value: &Value) -> anyhow::Result<()> {
    std::fs::write(path, value.to_string()).with_context(|| format!("failed to write `{}`", path.display()))
}
