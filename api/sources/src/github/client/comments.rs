//! Comments in the conversation of an issue or pull request.

use http::Method;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::answer::Page;
use super::failure::Failure;
use super::wire::CommentWire;
use super::{PER_PAGE, Question, Repository};
use crate::github::facts::Comment;

/// Pages that are read of comments and reviews, of those that have the newest.
const MOST_PAGES: u32 = 10;

impl Repository {
    /// The comments of an issue or pull request, the oldest first: the newest thousand.
    pub async fn comments(&self, number: u64) -> Result<Vec<Comment>, Failure> {
        let url = self.url(&format!("/issues/{number}/comments?per_page={PER_PAGE}"));
        self.newest(url, "comments", |wire: CommentWire| wire.into())
            .await
    }

    /// One page of the comments of an issue or pull request, from 1 on, the oldest first.
    pub async fn comments_page(&self, number: u64, page: u32) -> Result<Page<Comment>, Failure> {
        let path = format!("/issues/{number}/comments?per_page={PER_PAGE}&page={page}");
        let answer = self.ask(Question::get(self.url(&path), "comments")).await?;
        answer.page(|wire: CommentWire| wire.into())
    }

    /// The newest comment that has `marker` in its text, among the newest thousand.
    pub async fn find_comment_with_marker(
        &self,
        number: u64,
        marker: &str,
    ) -> Result<Option<Comment>, Failure> {
        let comments = self.comments(number).await?;
        let is_marked = |comment: &Comment| comment.body.contains(marker);
        Ok(comments.into_iter().rev().find(is_marked))
    }

    /// Writes a comment.
    pub async fn create_comment(&self, number: u64, body: &str) -> Result<Comment, Failure> {
        let url = self.url(&format!("/issues/{number}/comments"));
        self.write_comment(Method::POST, url, body).await
    }

    /// Changes the comment with this ID.
    pub async fn update_comment(&self, id: u64, body: &str) -> Result<Comment, Failure> {
        let url = self.url(&format!("/issues/comments/{id}"));
        self.write_comment(Method::PATCH, url, body).await
    }

    async fn write_comment(&self, method: Method, url: String, body: &str) -> Result<Comment, Failure> {
        let question = Question::send(method, url, json!({ "body": body }), "comment");
        let wire: CommentWire = self.ask(question).await?.read()?;
        Ok(wire.into())
    }

    /// The last ten pages of a listing that has the oldest first.
    pub(super) async fn newest<T: DeserializeOwned, U>(
        &self,
        url: String,
        resource: &'static str,
        read: impl Fn(T) -> U,
    ) -> Result<Vec<U>, Failure> {
        let first = self.ask(Question::get(url.clone(), resource)).await?;
        let first: Page<U> = first.page(&read)?;
        let last = first.last.unwrap_or(1);
        let from = last.saturating_sub(MOST_PAGES - 1).max(1);
        let mut items = Vec::new();
        if from == 1 {
            items = first.items.unwrap_or_default();
        }
        for number in from.max(2)..=last {
            let url = format!("{url}&page={number}");
            let page = self.ask(Question::get(url, resource)).await?;
            items.extend(page.page(&read)?.items.unwrap_or_default());
        }
        Ok(items)
    }
}
