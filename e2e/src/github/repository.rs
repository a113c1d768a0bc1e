//! A repository, as a test scripts it.

use serde_json::Value;

use super::hooks::HookId;
use super::model::State;
use super::new::{Issue, PullRequest, ReviewState, Role};
use super::objects::{self, View};
use super::{GitHub, payloads};

/// A repository of the fake. What a test does with an issue or pull request that it has not opened
/// ends the test.
#[derive(Clone, Copy, Debug)]
pub struct Repository<'a> {
    pub(super) github: &'a GitHub,
    pub(super) full_name: &'a str,
}

impl Repository<'_> {
    /// Opens an issue, and returns its number.
    pub fn open_issue(&self, issue: Issue) -> u64 {
        self.with(|state, name| state.open_issue(name, issue))
    }

    /// Opens many at once. Each has a later second than the one before, and none lies in the future
    /// because there are many.
    pub fn open_issues(&self, issues: impl IntoIterator<Item = Issue>) -> Vec<u64> {
        self.with(|state, name| state.open_issues(name, issues.into_iter().collect()))
    }

    /// Opens a pull request, and returns its number.
    pub fn open_pull_request(&self, pull_request: impl Into<PullRequest>) -> u64 {
        self.with(|state, name| state.open_pull_request(name, pull_request.into()))
    }

    /// Someone adds a label.
    pub fn label(&self, number: u64, label: &str, actor: &str) {
        self.with(|state, name| state.label(name, number, label, actor));
    }

    /// Someone takes a label off.
    pub fn unlabel(&self, number: u64, label: &str, actor: &str) {
        self.with(|state, name| state.unlabel(name, number, label, actor));
    }

    pub fn close(&self, number: u64, actor: &str) {
        self.with(|state, name| state.close(name, number, actor));
    }

    pub fn reopen(&self, number: u64, actor: &str) {
        self.with(|state, name| state.reopen(name, number, actor));
    }

    /// Merges a pull request, which closes it.
    pub fn merge(&self, number: u64, actor: &str) {
        self.with(|state, name| state.merge(name, number, actor));
    }

    pub fn assign(&self, number: u64, login: &str) {
        self.with(|state, name| state.touch(name, number).assignees.push(login.to_owned()));
    }

    /// Comments on an issue or pull request, and returns the comment's id.
    pub fn comment(&self, number: u64, author: &str, body: &str) -> u64 {
        self.with(|state, name| state.comment(name, number, author, body))
    }

    /// Edits a comment, by its id.
    pub fn edit_comment(&self, id: u64, body: &str) {
        self.with(|state, name| state.edit_comment(name, id, body));
    }

    /// Edits the body of an issue or pull request.
    pub fn edit_body(&self, number: u64, body: &str) {
        self.with(|state, name| state.touch(name, number).body = Some(body.to_owned()));
    }

    /// Edits the title of an issue or pull request.
    pub fn edit_title(&self, number: u64, title: &str) {
        self.with(|state, name| title.clone_into(&mut state.touch(name, number).title));
    }

    /// Reviews a pull request, and returns the review's id.
    pub fn review(&self, number: u64, author: &str, review: ReviewState, body: &str) -> u64 {
        self.with(|state, name| state.review(name, number, author, review, body))
    }

    /// Comments on a line of a file of a pull request, and returns the comment's id.
    pub fn review_comment(&self, number: u64, author: &str, path: &str, body: &str) -> u64 {
        self.with(|state, name| state.review_comment(name, number, author, path, body))
    }

    /// Someone pushes this commit to the head of a pull request.
    pub fn push(&self, number: u64, sha: &str) {
        self.with(|state, name| {
            sha.clone_into(&mut state.touch(name, number).pull_mut().sha);
        });
    }

    /// A draft is ready for review.
    pub fn ready_for_review(&self, number: u64) {
        self.with(|state, name| state.touch(name, number).pull_mut().draft = false);
    }

    /// Gives someone a role. Without one, anyone may read a public repository.
    pub fn set_permission(&self, login: &str, role: Role) {
        self.with(|state, name| {
            let roles = &mut state.known_mut(name).roles;
            roles.insert(login.to_owned(), role);
        });
    }

    /// Lets git find, below the repository's URL, what is at this URL of a git server.
    pub fn serve_git(&self, url: &str) {
        self.with(|state, name| state.known_mut(name).git = Some(url.to_owned()));
    }

    /// Makes a hook that sends these events to a URL. The fake sends what a test delivers, by
    /// [`GitHub::deliver`], and nothing by itself.
    pub fn create_hook(&self, url: &str, secret: &str, events: &[&str]) -> HookId {
        self.with(|state, name| {
            // The name as it was made, and not as this handle spells it.
            let name = state.known(name).full_name();
            state.create_hook(Some(name), url, secret, events)
        })
    }

    /// The comments on an issue or pull request as the API shows them, the oldest first.
    pub fn comments(&self, number: u64) -> Vec<Value> {
        self.view(|view| {
            let item = view.repository.item(number);
            let shown = |comment| objects::comment(view, item, comment);
            item.comments.iter().map(shown).collect()
        })
    }

    /// The check runs of a commit as the API shows them, the oldest first.
    pub fn check_runs(&self, sha: &str) -> Vec<Value> {
        self.view(|view| {
            let runs = view.repository.check_runs.iter();
            runs.filter(|run| run.sha == sha)
                .map(|run| objects::check_run(view, run))
                .collect()
        })
    }

    /// An issue, or a pull request as an issue, as the API shows it.
    pub fn issue(&self, number: u64) -> Value {
        self.view(|view| objects::issue(view, view.repository.item(number)))
    }

    /// The payload of event `issues` with an action such as `opened`, `labeled` or `closed`.
    pub fn issue_payload(&self, action: &str, number: u64, sender: &str) -> Value {
        self.view(|view| payloads::issue(view, action, number, sender))
    }

    /// The payload of event `issues`, action `labeled`.
    pub fn issue_labeled_payload(&self, number: u64, label: &str, sender: &str) -> Value {
        self.view(|view| payloads::issue_labeled(view, number, label, sender))
    }

    /// The payload of event `issue_comment`, action `created`, of a comment that was made.
    pub fn issue_comment_payload(&self, number: u64, comment: u64) -> Value {
        self.view(|view| payloads::issue_comment(view, number, comment))
    }

    /// The payload of event `pull_request` with an action such as `opened` or `synchronize`.
    pub fn pull_request_payload(&self, action: &str, number: u64, sender: &str) -> Value {
        self.view(|view| payloads::pull_request(view, action, number, sender))
    }

    /// The payload of event `pull_request`, action `labeled`.
    pub fn pull_request_labeled_payload(&self, number: u64, label: &str, sender: &str) -> Value {
        self.view(|view| payloads::pull_request_labeled(view, number, label, sender))
    }

    /// The payload of event `pull_request_review`, action `submitted`, of a review that was made.
    pub fn review_payload(&self, number: u64, review: u64) -> Value {
        self.view(|view| payloads::review(view, number, review))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State, &str) -> T) -> T {
        change(&mut self.github.state(), self.full_name)
    }

    fn view<T>(&self, look: impl FnOnce(View<'_>) -> T) -> T {
        let state = self.github.state();
        look(View {
            state: &state,
            repository: state.known(self.full_name),
        })
    }
}
