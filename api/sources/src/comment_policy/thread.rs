//! What was said about an item, by whom and when.

use std::borrow::Cow;

use k8s_openapi::jiff::Timestamp;

use crate::github::facts::{Comment, IssueFacts, LineComment, Review};

/// All that was said about an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread<'a> {
    pub body: Body<'a>,
    /// In the order of their time.
    pub said: Vec<Said<'a>>,
    /// Login that we comment with, whose comments ask for nothing.
    pub own_login: Option<&'a str>,
}

/// The text of the item itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<'a> {
    pub author: &'a str,
    pub text: &'a str,
    pub created: Timestamp,
    /// When it was last edited, if that is known. GitHub's REST API does not tell: an issue's
    /// `updated` moves with every label and comment. Its GraphQL API does, as `lastEditedAt`.
    pub edited: Option<Timestamp>,
}

/// A comment, a comment on a line, or the text of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Grows from one to the next that is newer. See [`Thread::of_issue`] and [`Thread::of_pull`].
    pub order: u64,
    pub author: &'a str,
    pub is_bot: bool,
    pub text: &'a str,
    /// What it is on, such as `src/main.rs:12`, if it is not on the whole.
    pub place: Option<Cow<'a, str>>,
    /// Commit that a comment on a line is about.
    pub commit: Option<&'a str>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl<'a> Thread<'a> {
    /// The thread of an issue. The order of a comment is its ID, which GitHub counts up.
    pub fn of_issue(
        issue: &'a IssueFacts,
        body: &'a str,
        comments: &'a [Comment],
        own_login: Option<&'a str>,
    ) -> Self {
        let said = comments.iter().map(|comment| Said::of(comment, comment.id));
        Self::new(issue, body, said.collect(), own_login)
    }

    /// The thread of a pull request, with comments on lines and texts of reviews. GitHub counts these
    /// three apart, so that their IDs have no order among them: the order is the time of creation, as
    /// milliseconds since 1970 to whole seconds, plus the last three digits of the ID.
    pub fn of_pull(
        issue: &'a IssueFacts,
        body: &'a str,
        comments: &'a [Comment],
        line_comments: &'a [LineComment],
        reviews: &'a [Review],
        own_login: Option<&'a str>,
    ) -> Self {
        let conversation = comments
            .iter()
            .map(|comment| Said::of(comment, in_time(comment.created, comment.id)));
        let on_lines = line_comments.iter().map(|on_line| {
            let comment = &on_line.comment;
            let mut said = Said::of(comment, in_time(comment.created, comment.id));
            said.place = Some(match on_line.line {
                Some(line) => Cow::Owned(format!("{}:{line}", on_line.path)),
                None => Cow::Borrowed(on_line.path.as_str()),
            });
            said.commit = Some(&on_line.commit);
            said
        });
        let of_reviews = reviews
            .iter()
            .filter(|review| !review.body.trim().is_empty())
            .map(|review| Said {
                order: in_time(review.submitted, review.id),
                author: &review.author,
                is_bot: review.is_bot,
                text: &review.body,
                place: None,
                commit: None,
                created: review.submitted,
                updated: review.submitted,
            });
        let said = conversation.chain(on_lines).chain(of_reviews).collect();
        Self::new(issue, body, said, own_login)
    }

    fn new(
        issue: &'a IssueFacts,
        text: &'a str,
        mut said: Vec<Said<'a>>,
        own_login: Option<&'a str>,
    ) -> Self {
        said.sort_by_key(|said| (said.created, said.order));
        Self {
            body: Body {
                author: &issue.author,
                text,
                created: issue.created,
                edited: None,
            },
            said,
            own_login,
        }
    }

    /// The thread as it was when something asked for work at `at`: without what was said or edited
    /// later, so that nobody can put words into it that were not there when it was asked for. The
    /// comment that asks (by its order) stays though it was edited: only its author, who may ask, and
    /// people with write access can do that.
    ///
    /// The body goes only when it is known to have been edited later ([`Body::edited`]). A comment
    /// that was edited both before and after cannot be told from one edited after, and is left out.
    #[must_use]
    pub fn text_up_to(&self, at: Timestamp, asking: Option<u64>) -> Self {
        let is_settled = |said: &&Said<'_>| {
            let asks = asking == Some(said.order);
            asks || (said.created <= at && said.updated <= at)
        };
        let mut body = self.body;
        if body.edited.is_some_and(|edited| edited > at) {
            body.text = "";
        }
        Self {
            body,
            said: self.said.iter().filter(is_settled).cloned().collect(),
            own_login: self.own_login,
        }
    }
}

impl<'a> Said<'a> {
    fn of(comment: &'a Comment, order: u64) -> Self {
        Self {
            order,
            author: &comment.author,
            is_bot: comment.is_bot,
            text: &comment.body,
            place: None,
            commit: None,
            created: comment.created,
            updated: comment.updated,
        }
    }
}

fn in_time(created: Timestamp, id: u64) -> u64 {
    u64::try_from(created.as_second()).unwrap_or_default() * 1000 + id % 1000
}
