//! What each operation of the API does, by its name in GitHub's description: one entry an
//! operation.

mod apps;
mod checks;
mod hooks;
mod issues;
mod people;
mod pulls;

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::access::Caller;
use super::answer::Answer;
use super::model::{Item, RepositoryState, State};
use super::objects::View;

/// A request that is valid and that its caller may make.
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) caller: &'a Caller,
    /// The parameters of the path.
    pub(super) parameters: &'a BTreeMap<String, String>,
    pub(super) query: &'a [(String, String)],
    pub(super) body: &'a Value,
    /// The URL that was asked, without its query.
    pub(super) url: &'a str,
    /// The rate limit of the caller, as `/rate_limit` shows it.
    pub(super) rate: Value,
}

/// An answer, or a refusal.
type Outcome = Result<Answer, Answer>;

/// Does what an operation asks; `None` when the fake does not have it.
pub(super) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    let outcome = match operation {
        "repos/get" => people::get_repository(call),
        "repos/get-collaborator-permission-level" => people::get_permission(call),
        "teams/get-membership-for-user-in-org" => people::get_membership(call),
        "users/get-authenticated" => people::get_authenticated(call),
        "rate-limit/get" => Ok(people::get_rate_limit(call)),
        "issues/list-for-repo" => issues::list(call),
        "issues/get" => issues::get(call),
        "issues/list-comments" => issues::list_comments(call),
        "issues/get-comment" => issues::get_comment(call),
        "issues/create-comment" => issues::create_comment(call),
        "issues/update-comment" => issues::update_comment(call),
        "issues/list-events" => issues::list_events(call),
        "issues/list-events-for-timeline" => issues::list_timeline(call),
        "pulls/list" => pulls::list(call),
        "pulls/get" => pulls::get(call),
        "pulls/list-files" => pulls::list_files(call),
        "pulls/list-reviews" => pulls::list_reviews(call),
        "pulls/list-review-comments" => pulls::list_comments(call),
        "checks/create" => checks::create(call),
        "checks/get" => checks::get(call),
        "checks/update" => checks::update(call),
        "checks/list-for-ref" => checks::list(call),
        "repos/list-webhooks" => hooks::list(call),
        "repos/list-webhook-deliveries" | "apps/list-webhook-deliveries" => hooks::list_deliveries(call),
        "repos/get-webhook-delivery" | "apps/get-webhook-delivery" => hooks::get_delivery(call),
        "repos/redeliver-webhook-delivery" | "apps/redeliver-webhook-delivery" => hooks::redeliver(call),
        "apps/get-webhook-config-for-app" => hooks::get_app_config(call),
        "apps/get-authenticated" => Ok(apps::get_authenticated(call)),
        "apps/create-installation-access-token" => apps::create_token(call),
        _ => return None,
    };
    Some(outcome)
}

impl Call<'_> {
    /// A parameter of the query.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    /// A number of the query.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok()
    }

    /// A parameter of the path.
    fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// A parameter of the path that is a number; the description says that it is one.
    fn id(&self, name: &str) -> u64 {
        self.parameter(name).parse().unwrap_or_default()
    }

    /// The time from which on changes are asked for.
    fn since(&self) -> Option<Timestamp> {
        self.text("since")?.parse().ok()
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.parameter("owner"), self.parameter("repo"))
    }

    fn view(&self) -> Result<View<'_>, Answer> {
        let repository = self.state.repository(&self.full_name());
        Ok(View {
            state: self.state,
            repository: repository.ok_or_else(Answer::not_found)?,
        })
    }

    fn repository_mut(&mut self) -> Result<&mut RepositoryState, Answer> {
        let full_name = self.full_name();
        self.state
            .repository_mut(&full_name)
            .ok_or_else(Answer::not_found)
    }

    /// The issue or pull request of the path, by the name of its parameter.
    fn item(&self, name: &str) -> Result<(View<'_>, &Item), Answer> {
        let view = self.view()?;
        let item = view.repository.items.get(&self.id(name));
        Ok((view, item.ok_or_else(Answer::not_found)?))
    }
}
