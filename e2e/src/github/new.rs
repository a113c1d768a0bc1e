//! What a test makes: issues, pull requests, and the words of which they are made.

/// An issue to open. Its fields have defaults that do not matter to most tests.
#[derive(Clone, Debug)]
pub struct Issue {
    pub title: String,
    /// No body is `null` in the API, as for an issue that was opened without text.
    pub body: Option<String>,
    pub labels: Vec<String>,
    pub assignees: Vec<String>,
    /// The login; one that ends with `[bot]` is a bot. Default: `octocat`.
    pub author: String,
}

/// A pull request to open.
#[derive(Clone, Debug)]
pub struct PullRequest {
    /// What it shares with an issue.
    pub issue: Issue,
    pub draft: bool,
    /// The branch with the changes. Default: `topic`.
    pub head: String,
    /// The branch that they are for. Default: `main`.
    pub base: String,
    /// The commit at the tip of the head. Default: made of the number.
    pub sha: Option<String>,
    /// The owner of the fork that has the head. Default: none, it is in the repository itself.
    pub fork: Option<String>,
    pub files: Vec<ChangedFile>,
}

/// A file that a pull request changes.
#[derive(Clone, Debug)]
pub struct ChangedFile {
    pub path: String,
    pub additions: u64,
    pub deletions: u64,
}

/// What someone may do in a repository, the least first, or is in a team (`Maintain` is a
/// maintainer of the team, all else a member).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Nothing, and nothing is seen of a private repository.
    None,
    Read,
    Triage,
    Write,
    Maintain,
    Admin,
}

/// What a review says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReviewState {
    Approved,
    ChangesRequested,
    Commented,
    Dismissed,
}

impl Issue {
    pub fn new(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            body: None,
            labels: Vec::new(),
            assignees: Vec::new(),
            author: "octocat".to_owned(),
        }
    }

    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    /// Adds a label, which was there from the start.
    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.labels.push(label.to_owned());
        self
    }

    #[must_use]
    pub fn author(mut self, login: &str) -> Self {
        login.clone_into(&mut self.author);
        self
    }

    #[must_use]
    pub fn assignee(mut self, login: &str) -> Self {
        self.assignees.push(login.to_owned());
        self
    }
}

impl PullRequest {
    pub fn new(title: &str) -> Self {
        Issue::new(title).into()
    }

    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.issue = self.issue.body(body);
        self
    }

    #[must_use]
    pub fn label(mut self, label: &str) -> Self {
        self.issue = self.issue.label(label);
        self
    }

    #[must_use]
    pub fn author(mut self, login: &str) -> Self {
        self.issue = self.issue.author(login);
        self
    }

    #[must_use]
    pub fn draft(mut self) -> Self {
        self.draft = true;
        self
    }

    #[must_use]
    pub fn head(mut self, branch: &str) -> Self {
        branch.clone_into(&mut self.head);
        self
    }

    #[must_use]
    pub fn base(mut self, branch: &str) -> Self {
        branch.clone_into(&mut self.base);
        self
    }

    #[must_use]
    pub fn sha(mut self, sha: &str) -> Self {
        self.sha = Some(sha.to_owned());
        self
    }

    /// The head is in the fork of this owner.
    #[must_use]
    pub fn from_fork_of(mut self, owner: &str) -> Self {
        self.fork = Some(owner.to_owned());
        self
    }

    /// Adds a changed file.
    #[must_use]
    pub fn file(mut self, path: &str) -> Self {
        self.files.push(ChangedFile {
            path: path.to_owned(),
            additions: 1,
            deletions: 0,
        });
        self
    }
}

impl From<Issue> for PullRequest {
    fn from(issue: Issue) -> Self {
        Self {
            issue,
            draft: false,
            head: "topic".to_owned(),
            base: "main".to_owned(),
            sha: None,
            fork: None,
            files: Vec::new(),
        }
    }
}

impl Role {
    /// The name of the role.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// The one of four permissions that it amounts to.
    pub(super) fn permission(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

impl ReviewState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Approved => "APPROVED",
            Self::ChangesRequested => "CHANGES_REQUESTED",
            Self::Commented => "COMMENTED",
            Self::Dismissed => "DISMISSED",
        }
    }
}
