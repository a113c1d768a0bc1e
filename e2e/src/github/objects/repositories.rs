//! Repositories.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{node_id, user};
use crate::github::model::State;

/// A repository, made of GitHub's example of one: it has more than a hundred fields, of which
/// Axon reads none.
pub(crate) fn repository(
    state: &State,
    id: u64,
    owner: &str,
    name: &str,
    visibility: &str,
) -> anyhow::Result<Value> {
    let example = state
        .reference
        .description
        .example("full-repository-default-response");
    let text = example
        .to_string()
        .replace("https://api.github.com", &state.base)
        .replace("https://github.com", &state.base)
        .replace("octocat/Hello-World", &format!("{owner}/{name}"))
        .replace("\"Hello-World\"", &json!(name).to_string());
    let mut shown: Value = serde_json::from_str(&text)?;
    let fields = shown
        .as_object_mut()
        .context("GitHub's example of a repository is no object")?;
    for other in ["template_repository", "parent", "source", "organization"] {
        fields.remove(other);
    }
    let now = state.clock.now().to_string();
    let own = json!({
        "id": id,
        "node_id": node_id("R", id),
        "owner": user(&state.base, owner),
        "name": name,
        "full_name": format!("{owner}/{name}"),
        "private": visibility == "private",
        "visibility": visibility,
        "fork": false,
        "default_branch": "main",
        "language": "Rust",
        "created_at": now,
        "updated_at": now,
        "pushed_at": now,
    });
    if let Value::Object(own) = own {
        fields.extend(own);
    }
    Ok(shown)
}
