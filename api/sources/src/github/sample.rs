//! Facts that tests start from.

use k8s_openapi::jiff::Timestamp;

use super::facts::{Comment, IssueFacts, LineComment, PullFacts, Review, ReviewVerdict};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

pub(crate) fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) fn issue() -> IssueFacts {
    IssueFacts {
        number: 42,
        is_pull_request: false,
        is_open: true,
        title: "Crash on start".to_owned(),
        labels: owned(&["bug", "help wanted"]),
        author: "Ada".to_owned(),
        assignees: owned(&["grace"]),
        is_draft: false,
        url: "https://github.com/org/repo/issues/42".to_owned(),
        created: at(100),
        updated: at(200),
        closed: None,
    }
}

pub(crate) fn pull_request() -> IssueFacts {
    IssueFacts {
        number: 7,
        is_pull_request: true,
        url: "https://github.com/org/repo/pull/7".to_owned(),
        ..issue()
    }
}

pub(crate) fn pull() -> PullFacts {
    PullFacts {
        head_branch: "fix/crash".to_owned(),
        head_sha: "head".to_owned(),
        base_branch: "main".to_owned(),
        head_repository: Some("org/repo".to_owned()),
    }
}

/// A comment whose ID is its second.
pub(crate) fn comment(author: &str, body: &str, second: u32) -> Comment {
    Comment {
        id: u64::from(second),
        author: author.to_owned(),
        is_bot: author.ends_with("[bot]"),
        body: body.to_owned(),
        url: format!("https://github.com/org/repo/issues/42#issuecomment-{second}"),
        created: at(i64::from(second)),
        updated: at(i64::from(second)),
    }
}

pub(crate) fn line_comment(author: &str, body: &str, second: u32, commit: &str) -> LineComment {
    LineComment {
        comment: comment(author, body, second),
        path: "src/main.rs".to_owned(),
        line: Some(12),
        commit: commit.to_owned(),
    }
}

pub(crate) fn review(author: &str, state: ReviewVerdict, second: u32) -> Review {
    Review {
        id: u64::from(second),
        author: author.to_owned(),
        is_bot: false,
        state,
        body: String::new(),
        commit: "head".to_owned(),
        submitted: at(i64::from(second)),
    }
}
