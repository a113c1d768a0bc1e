//! Looks into an item as far as somebody's filters and templates ask for, and no further.

use std::collections::BTreeSet;

use tokio::sync::OnceCell;

use super::failure::Failure;
use super::issues::FullIssue;
use super::people::People;
use super::{Repository, pulls::FullPull};
use crate::comment_policy::{Authority, CommentPolicy, Permission, Standing};
use crate::github::examined::{Examined, Known, Need};
use crate::github::facts::{Comment, IssueFacts, LineComment, PullFacts, Review};
use crate::github::issues::{self, GitHubIssues};
use crate::github::items::{self, Origin};
use crate::github::pull_requests::{self, GitHubPullRequests};
use crate::item::{Candidate, WorkItem};

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Issues(GitHubIssues),
    PullRequests(GitHubPullRequests),
}

/// What templates use of an item, beside what is always there. Of the rest they get nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// `.Comments` is used.
    pub comments: bool,
    /// `.ReviewState` or `.ReviewComments` is used.
    pub reviews: bool,
}

/// What an item was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Match(Candidate),
    /// It does not match: why, as a fragment.
    NoMatch(String),
    /// It cannot be told now: why.
    Unknown(String),
}

/// An item that is looked into. What was fetched is shared by all that look.
pub struct Look<'a> {
    repository: &'a Repository,
    people: &'a People,
    own_login: Option<&'a str>,
    issue: &'a IssueFacts,
    parts: Parts,
}

#[derive(Default)]
struct Parts {
    pull: OnceCell<PullFacts>,
    files: OnceCell<Vec<String>>,
    reviews: OnceCell<Vec<Review>>,
    body: OnceCell<String>,
    comments: OnceCell<Vec<Comment>>,
    line_comments: OnceCell<Vec<LineComment>>,
}

impl What {
    /// What the list of issues alone tells of an item. [`Examined::Ask`] means that more must be
    /// fetched to tell.
    pub fn listed(&self, issue: &IssueFacts) -> Examined {
        let authority = Authority::default();
        self.candidate(issue, &Known::nothing(&authority))
    }

    /// Whether the list has to have closed items too.
    pub fn wants_closed(&self) -> bool {
        let state = match self {
            Self::Issues(spec) => spec.state,
            Self::PullRequests(spec) => spec.state,
        };
        state.unwrap_or_default() != issues::StateFilter::Open
    }

    /// Whether who wrote a comment matters, so that one's own must be known.
    pub fn has_policy(&self) -> bool {
        self.with_policy(|policy| policy.is_some())
    }

    /// Whether a team's members must be known.
    pub fn asks_teams(&self) -> bool {
        self.with_policy(|policy| policy.is_some_and(|policy| !policy.allowed_teams.is_empty()))
    }

    fn with_policy<T>(&self, read: impl FnOnce(Option<&CommentPolicy>) -> T) -> T {
        match self {
            Self::Issues(spec) => read(spec.policy().as_deref()),
            Self::PullRequests(spec) => read(spec.policy().as_deref()),
        }
    }

    fn candidate<'a>(&self, issue: &'a IssueFacts, known: &Known<'a>) -> Examined {
        match self {
            Self::Issues(spec) => issues::candidate(spec, issue, known),
            Self::PullRequests(spec) => pull_requests::candidate(spec, issue, known),
        }
    }
}

impl<'a> Look<'a> {
    /// A look at `issue` of `repository`. Comments of `own_login` ask for nothing.
    pub fn at(
        repository: &'a Repository,
        people: &'a People,
        own_login: Option<&'a str>,
        issue: &'a IssueFacts,
    ) -> Self {
        Self {
            repository,
            people,
            own_login,
            issue,
            parts: Parts::default(),
        }
    }

    /// The same look, when the item was fetched with its text.
    pub fn at_full(
        repository: &'a Repository,
        people: &'a People,
        own_login: Option<&'a str>,
        issue: &'a FullIssue,
    ) -> Self {
        let mut look = Self::at(repository, people, own_login, &issue.facts);
        look.parts.body = OnceCell::from(issue.body.clone());
        look
    }

    /// Whether the item matches. Only what the filters need is fetched, the cheap first.
    pub async fn examine(&self, what: &What) -> Result<Found, Failure> {
        let mut authority = Authority::default();
        loop {
            let examined = what.candidate(self.issue, &self.parts.known(&authority, self.own_login));
            match examined {
                Examined::Match(candidate) => return Ok(Found::Match(candidate)),
                Examined::NoMatch(why) => return Ok(Found::NoMatch(why)),
                Examined::Unknown(why) => return Ok(Found::Unknown(why)),
                Examined::Ask(Need::People(people)) => self.ask_for(what, &people, &mut authority).await,
                Examined::Ask(need) => self.fetch(&need).await?,
            }
        }
    }

    /// The item for templates, with what they want of it. Whether it matches is not looked at.
    pub async fn item(
        &self,
        what: &What,
        wanted: Wanted,
        candidate: &Candidate,
    ) -> Result<WorkItem, Failure> {
        if !wanted.comments && !what.has_policy() {
            let _ = self.parts.comments.set(Vec::new());
        }
        if !wanted.comments && !wanted.reviews && !what.has_policy() {
            let _ = self.parts.line_comments.set(Vec::new());
            let _ = self.parts.reviews.set(Vec::new());
        }
        let endpoint = self.repository.endpoint();
        let origin = Origin {
            api_url: Some(&endpoint.api),
            owner: &endpoint.owner,
            name: &endpoint.repository,
        };
        let authority = Authority::default();
        loop {
            let known = self.parts.known(&authority, self.own_login);
            let candidate = candidate.clone();
            let item = match what {
                What::Issues(spec) => items::of_issue(spec, origin, self.issue, &known, candidate),
                What::PullRequests(spec) => items::of_pull(spec, origin, self.issue, &known, candidate),
            };
            match item {
                Ok(item) => return Ok(item),
                Err(need) => self.fetch(&need).await?,
            }
        }
    }

    async fn fetch(&self, need: &Need) -> Result<(), Failure> {
        let number = self.issue.number;
        let Self {
            repository, parts, ..
        } = self;
        match need {
            Need::Pull => {
                let pull = repository.pull(number).await?;
                let FullPull { facts, body } = pull;
                let _ = parts.pull.set(facts);
                let _ = parts.body.set(body);
            }
            Need::Files => {
                parts.files.get_or_try_init(|| repository.files(number)).await?;
            }
            Need::Reviews => {
                parts
                    .reviews
                    .get_or_try_init(|| repository.reviews(number))
                    .await?;
            }
            Need::Body => {
                let _ = parts.body.set(repository.issue(number).await?.body);
            }
            Need::Comments => {
                parts
                    .comments
                    .get_or_try_init(|| repository.comments(number))
                    .await?;
            }
            Need::LineComments => {
                parts
                    .line_comments
                    .get_or_try_init(|| repository.line_comments(number))
                    .await?;
            }
            Need::People(_) => {}
        }
        Ok(())
    }

    /// Finds out what people may do. What cannot be found out is recorded as that.
    async fn ask_for(&self, what: &What, people: &BTreeSet<String>, authority: &mut Authority) {
        let (asks_permission, teams) = what.with_policy(|policy| {
            policy.map_or((false, Vec::new()), |policy| {
                (policy.minimum_permission.is_some(), policy.allowed_teams.clone())
            })
        });
        for login in people {
            let standing = self.standing(login, asks_permission, &teams).await;
            authority.record(
                login,
                standing.unwrap_or_else(|failure| Standing::Failed(failure.message)),
            );
        }
    }

    async fn standing(
        &self,
        login: &str,
        asks_permission: bool,
        teams: &[String],
    ) -> Result<Standing, Failure> {
        let mut permission: Option<Permission> = None;
        if asks_permission {
            permission = self.people.permission(self.repository, login).await?;
        }
        let mut member_of = BTreeSet::new();
        for team in teams {
            if self.people.is_member(self.repository, team, login).await? {
                member_of.insert(team.clone());
            }
        }
        Ok(Standing::Known {
            permission,
            teams: member_of,
        })
    }
}

impl Parts {
    fn known<'a>(&'a self, authority: &'a Authority, own_login: Option<&'a str>) -> Known<'a> {
        Known {
            pull: self.pull.get(),
            files: self.files.get().map(Vec::as_slice),
            reviews: self.reviews.get().map(Vec::as_slice),
            body: self.body.get().map(String::as_str),
            comments: self.comments.get().map(Vec::as_slice),
            line_comments: self.line_comments.get().map(Vec::as_slice),
            authority,
            own_login,
        }
    }
}
