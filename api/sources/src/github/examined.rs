//! How far an item was looked into: what is decided, or what must be fetched to go on.
//!
//! Looking is done in steps, so that the cheap is decided first: whoever looks calls `candidate` with
//! what it knows, fetches what [`Examined::Ask`] names, and calls again, until something is decided.
//! Each call asks for something that was not known before, so that it ends.

use std::collections::BTreeSet;

use super::facts::{Comment, LineComment, PullFacts, Review};
use crate::comment_policy::Authority;
use crate::item::Candidate;

/// What became of looking at an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// It matches.
    Match(Candidate),
    /// It does not: why, as a fragment such as "has the label `wontfix`, which is excluded".
    NoMatch(String),
    /// It cannot be told now: why. The item is neither due, nor does it count as one that does not
    /// match; the next look tells.
    Unknown(String),
    /// This must be known to go on.
    Ask(Need),
}

/// What must be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// What a pull request has beside what the list of issues tells.
    Pull,
    /// Paths of the files that a pull request changes.
    Files,
    Reviews,
    /// Text of the issue or pull request.
    Body,
    /// Comments of the conversation.
    Comments,
    /// Comments on lines of the pull request.
    LineComments,
    /// What these people may do, by login in lower case.
    People(BTreeSet<String>),
}

/// What is known of an item so far, beside the facts of the issue.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub pull: Option<&'a PullFacts>,
    /// Paths; of a renamed file, the new one and the old one.
    pub files: Option<&'a [String]>,
    pub reviews: Option<&'a [Review]>,
    pub body: Option<&'a str>,
    pub comments: Option<&'a [Comment]>,
    pub line_comments: Option<&'a [LineComment]>,
    pub authority: &'a Authority,
    /// Login that we comment with, whose comments ask for nothing.
    pub own_login: Option<&'a str>,
}

impl<'a> Known<'a> {
    /// Nothing is known yet but what was found out about people.
    pub fn nothing(authority: &'a Authority) -> Self {
        Self {
            pull: None,
            files: None,
            reviews: None,
            body: None,
            comments: None,
            line_comments: None,
            authority,
            own_login: None,
        }
    }
}
