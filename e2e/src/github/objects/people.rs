//! Users, bots and the App.

use serde_json::{Value, json};

use super::{node_id, number_of};
use crate::github::model::State;

/// A user, or a bot by its login.
pub(crate) fn user(base: &str, login: &str) -> Value {
    let id = number_of(login);
    let bot = login.strip_suffix("[bot]");
    // A bot has no brackets in its URLs, and its page is that of its App.
    let url = match bot {
        Some(app) => format!("{base}/users/{app}%5Bbot%5D"),
        None => format!("{base}/users/{login}"),
    };
    let web = match bot {
        Some(app) => format!("{base}/apps/{app}"),
        None => format!("{base}/{login}"),
    };
    json!({
        "login": login,
        "id": id,
        "node_id": node_id("U", id),
        "avatar_url": format!("{base}/avatars/{id}"),
        "gravatar_id": "",
        "url": url,
        "html_url": web,
        "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"),
        "type": if bot.is_some() { "Bot" } else { "User" },
        "user_view_type": "public",
        "site_admin": false,
    })
}

/// A user as they see themselves.
pub(crate) fn private_user(state: &State, login: &str) -> Value {
    let mut shown = state.reference.description.example("private-user").clone();
    if let (Some(shown), Value::Object(own)) = (shown.as_object_mut(), user(&state.base, login)) {
        shown.extend(own);
    }
    shown
}

/// The App.
pub(crate) fn app(state: &State) -> Value {
    let app = &state.app;
    let base = &state.base;
    json!({
        "id": app.id,
        "slug": app.slug,
        "client_id": format!("Iv1.{:016x}", app.id),
        "node_id": node_id("A", app.id),
        "owner": user(base, "axon"),
        "name": app.slug,
        "description": "",
        "external_url": base,
        "html_url": format!("{base}/apps/{}", app.slug),
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "permissions": app.permissions,
        "events": ["issues", "issue_comment", "pull_request", "pull_request_review"],
    })
}
