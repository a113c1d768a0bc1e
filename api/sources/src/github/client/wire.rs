//! Parts of GitHub's answers that many of them share. What is not named here is skipped while an
//! answer is read.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use crate::github::facts::Comment;

/// A user; of one who is gone, GitHub says `null`.
#[derive(Deserialize)]
pub(super) struct User {
    pub(super) login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

/// The name that GitHub shows for users who are gone.
const GONE: &str = "ghost";

/// Login of a user.
pub(super) fn login(user: Option<&User>) -> String {
    user.map_or(GONE, |user| &user.login).to_owned()
}

/// Whether a user is a bot or an App.
pub(super) fn is_bot(user: Option<&User>) -> bool {
    user.is_some_and(|user| user.kind == "Bot" || user.login.ends_with("[bot]"))
}

/// A comment, in a conversation or on a line.
#[derive(Deserialize)]
pub(super) struct CommentWire {
    id: u64,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    html_url: String,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<CommentWire> for Comment {
    fn from(wire: CommentWire) -> Self {
        Self {
            id: wire.id,
            author: login(wire.user.as_ref()),
            is_bot: is_bot(wire.user.as_ref()),
            body: wire.body.unwrap_or_default(),
            url: wire.html_url,
            created: wire.created_at,
            updated: wire.updated_at,
        }
    }
}
