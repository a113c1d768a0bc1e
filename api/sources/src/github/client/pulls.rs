//! What a pull request has beside what the list of issues tells: branches, reviews, files.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

use super::answer::Page;
use super::failure::{Failure, FailureKind};
use super::wire::{CommentWire, User, is_bot, login};
use super::{PER_PAGE, Question, Repository};
use crate::github::facts::{LineComment, PullFacts, Review, ReviewVerdict};

/// Pages of changed files that GitHub gives: 3,000 files.
const MOST_FILE_PAGES: usize = 30;

/// A pull request with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullPull {
    pub facts: PullFacts,
    /// Its text in Markdown; empty when it has none.
    pub body: String,
}

#[derive(Deserialize)]
struct PullWire {
    head: SideWire,
    base: SideWire,
    #[serde(default)]
    body: Option<String>,
}

#[derive(Deserialize)]
struct SideWire {
    #[serde(rename = "ref")]
    branch: String,
    sha: String,
    #[serde(default)]
    repo: Option<RepositoryWire>,
}

#[derive(Deserialize)]
struct RepositoryWire {
    full_name: String,
}

#[derive(Deserialize)]
struct ReviewWire {
    id: u64,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    commit_id: Option<String>,
    /// Absent while it is pending.
    #[serde(default)]
    submitted_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct LineCommentWire {
    #[serde(flatten)]
    comment: CommentWire,
    #[serde(default)]
    path: String,
    #[serde(default)]
    line: Option<u64>,
    #[serde(default)]
    commit_id: String,
}

#[derive(Deserialize)]
struct FileWire {
    filename: String,
    /// Of a renamed file.
    #[serde(default)]
    previous_filename: Option<String>,
}

impl ReviewWire {
    fn review(self) -> Option<Review> {
        Some(Review {
            id: self.id,
            author: login(self.user.as_ref()),
            is_bot: is_bot(self.user.as_ref()),
            state: match self.state.as_str() {
                "APPROVED" => ReviewVerdict::Approved,
                "CHANGES_REQUESTED" => ReviewVerdict::ChangesRequested,
                _ => ReviewVerdict::Neither,
            },
            body: self.body.unwrap_or_default(),
            commit: self.commit_id.unwrap_or_default(),
            submitted: self.submitted_at?,
        })
    }
}

impl Repository {
    /// One pull request.
    pub async fn pull(&self, number: u64) -> Result<FullPull, Failure> {
        let url = self.url(&format!("/pulls/{number}"));
        let wire: PullWire = self.ask(Question::get(url, "pull")).await?.read()?;
        Ok(FullPull {
            facts: PullFacts {
                head_branch: wire.head.branch,
                head_sha: wire.head.sha,
                base_branch: wire.base.branch,
                head_repository: wire.head.repo.map(|repository| repository.full_name),
            },
            body: wire.body.unwrap_or_default(),
        })
    }

    /// The reviews of a pull request that were submitted, the oldest first: the newest thousand.
    pub async fn reviews(&self, number: u64) -> Result<Vec<Review>, Failure> {
        let url = self.url(&format!("/pulls/{number}/reviews?per_page={PER_PAGE}"));
        let reviews = self.newest(url, "reviews", ReviewWire::review).await?;
        Ok(reviews.into_iter().flatten().collect())
    }

    /// The comments on lines of a pull request, the oldest first: the newest thousand.
    pub async fn line_comments(&self, number: u64) -> Result<Vec<LineComment>, Failure> {
        let url = self.url(&format!("/pulls/{number}/comments?per_page={PER_PAGE}"));
        self.newest(url, "line_comments", |wire: LineCommentWire| LineComment {
            comment: wire.comment.into(),
            path: wire.path,
            line: wire.line,
            commit: wire.commit_id,
        })
        .await
    }

    /// Paths of the files that a pull request changes; of a renamed one, the new and the old. GitHub tells of 3,000 at most; more are a
    /// failure, because a filter that sees only some of them would be wrong.
    pub async fn files(&self, number: u64) -> Result<Vec<String>, Failure> {
        let mut next = Some(self.url(&format!("/pulls/{number}/files?per_page={PER_PAGE}")));
        let mut files = Vec::new();
        let mut pages = 0;
        while let Some(url) = next {
            let answer = self.ask(Question::get(url, "files")).await?;
            let page: Page<FileWire> = answer.page(|wire| wire)?;
            for file in page.items.unwrap_or_default() {
                files.push(file.filename);
                files.extend(file.previous_filename);
            }
            next = page.next;
            pages += 1;
            if pages == MOST_FILE_PAGES && next.is_some() {
                return Err(Failure::new(
                    FailureKind::Refused,
                    format!("pull request {number} changes more files than GitHub lists"),
                ));
            }
        }
        Ok(files)
    }
}
