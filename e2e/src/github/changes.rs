//! What happens in a repository: each change bumps `updated_at` as GitHub does, and is written to
//! the history of the issue.

use k8s_openapi::jiff::Timestamp;

use super::model::{Comment, Event, Happened, Item, Pull, RepositoryState, Review, ReviewComment, State};
use super::new::{Issue, PullRequest, ReviewState};

impl State {
    /// Opens issues, each later than the one before and all behind us, and returns their numbers.
    pub(super) fn open_issues(&mut self, full_name: &str, issues: Vec<Issue>) -> Vec<u64> {
        self.clock.tick_back(issues.len());
        issues
            .into_iter()
            .map(|issue| {
                let now = self.clock.step();
                self.open(full_name, issue, None, now)
            })
            .collect()
    }

    pub(super) fn open_issue(&mut self, full_name: &str, issue: Issue) -> u64 {
        let now = self.clock.tick();
        self.open(full_name, issue, None, now)
    }

    pub(super) fn open_pull_request(&mut self, full_name: &str, pull: PullRequest) -> u64 {
        let now = self.clock.tick();
        let number = self.known(full_name).next_number();
        let owner = self.known(full_name).owner.clone();
        let opened = Pull {
            head: pull.head,
            base: pull.base,
            sha: pull.sha.unwrap_or_else(|| format!("{number:040x}")),
            head_owner: pull.fork.unwrap_or(owner),
            draft: pull.draft,
            merged: None,
            files: pull.files,
            reviews: Vec::new(),
            review_comments: Vec::new(),
        };
        self.open(full_name, pull.issue, Some(opened), now)
    }

    fn open(&mut self, full_name: &str, issue: Issue, pull: Option<Pull>, now: Timestamp) -> u64 {
        let id = self.next_id();
        let mut events = Vec::new();
        for label in &issue.labels {
            events.push(Event {
                id: self.next_id(),
                actor: issue.author.clone(),
                created: now,
                what: Happened::Labeled(label.clone()),
            });
        }
        let repository = self.known_mut(full_name);
        let number = repository.next_number();
        let item = Item {
            id,
            number,
            title: issue.title,
            body: issue.body,
            author: issue.author,
            labels: issue.labels,
            assignees: issue.assignees,
            created: now,
            updated: now,
            closed: None,
            comments: Vec::new(),
            events,
            pull,
        };
        repository.items.insert(number, item);
        number
    }

    /// Adds a label, unless it is there.
    pub(super) fn label(&mut self, full_name: &str, number: u64, label: &str, actor: &str) {
        let labels = &self.known(full_name).item(number).labels;
        if labels.iter().any(|has| has == label) {
            return;
        }
        let item = self.happen(full_name, number, actor, Happened::Labeled(label.to_owned()));
        item.labels.push(label.to_owned());
    }

    /// Takes a label off, unless it is not there.
    pub(super) fn unlabel(&mut self, full_name: &str, number: u64, label: &str, actor: &str) {
        let labels = &self.known(full_name).item(number).labels;
        if !labels.iter().any(|has| has == label) {
            return;
        }
        let item = self.happen(full_name, number, actor, Happened::Unlabeled(label.to_owned()));
        item.labels.retain(|has| has != label);
    }

    pub(super) fn close(&mut self, full_name: &str, number: u64, actor: &str) {
        let item = self.happen(full_name, number, actor, Happened::Closed);
        item.closed = Some(item.updated);
    }

    pub(super) fn reopen(&mut self, full_name: &str, number: u64, actor: &str) {
        self.happen(full_name, number, actor, Happened::Reopened).closed = None;
    }

    /// Merges a pull request, which closes it.
    pub(super) fn merge(&mut self, full_name: &str, number: u64, actor: &str) {
        let item = self.happen(full_name, number, actor, Happened::Closed);
        item.closed = Some(item.updated);
        let now = item.updated;
        item.pull_mut().merged = Some(now);
    }

    pub(super) fn comment(&mut self, full_name: &str, number: u64, author: &str, body: &str) -> u64 {
        let id = self.next_id();
        let item = self.touch(full_name, number);
        item.comments.push(Comment {
            id,
            author: author.to_owned(),
            body: body.to_owned(),
            created: item.updated,
            updated: item.updated,
        });
        id
    }

    /// Edits a comment; nothing happens when there is none.
    pub(super) fn edit_comment(&mut self, full_name: &str, id: u64, body: &str) {
        let Some(repository) = self.repository(full_name) else {
            return;
        };
        let has_it = |item: &&Item| item.comments.iter().any(|comment| comment.id == id);
        let Some(number) = repository.items.values().find(has_it).map(|item| item.number) else {
            return;
        };
        let item = self.touch(full_name, number);
        let now = item.updated;
        for comment in item.comments.iter_mut().filter(|comment| comment.id == id) {
            body.clone_into(&mut comment.body);
            comment.updated = now;
        }
    }

    pub(super) fn review(
        &mut self,
        full_name: &str,
        number: u64,
        author: &str,
        state: ReviewState,
        body: &str,
    ) -> u64 {
        let id = self.next_id();
        let item = self.touch(full_name, number);
        let submitted = item.updated;
        let pull = item.pull_mut();
        pull.reviews.push(Review {
            id,
            author: author.to_owned(),
            state,
            body: body.to_owned(),
            sha: pull.sha.clone(),
            submitted,
        });
        id
    }

    pub(super) fn review_comment(
        &mut self,
        full_name: &str,
        number: u64,
        author: &str,
        path: &str,
        body: &str,
    ) -> u64 {
        let id = self.next_id();
        let review = self.review(full_name, number, author, ReviewState::Commented, "");
        let item = self.known_mut(full_name).item_mut(number);
        let created = item.updated;
        let pull = item.pull_mut();
        pull.review_comments.push(ReviewComment {
            id,
            review,
            author: author.to_owned(),
            body: body.to_owned(),
            path: path.to_owned(),
            line: 1,
            sha: pull.sha.clone(),
            created,
        });
        id
    }

    /// The issue or pull request after a change, which it tells of nothing but its time.
    pub(super) fn touch(&mut self, full_name: &str, number: u64) -> &mut Item {
        let now = self.clock.tick();
        let item = self.known_mut(full_name).item_mut(number);
        item.updated = now;
        item
    }

    fn happen(&mut self, full_name: &str, number: u64, actor: &str, what: Happened) -> &mut Item {
        let id = self.next_id();
        let item = self.touch(full_name, number);
        item.events.push(Event {
            id,
            actor: actor.to_owned(),
            created: item.updated,
            what,
        });
        item
    }

    /// A repository that the test has made. The end of the test when it has not.
    pub(super) fn known(&self, full_name: &str) -> &RepositoryState {
        self.repository(full_name)
            .unwrap_or_else(|| panic!("the test made no repository `{full_name}`"))
    }

    pub(super) fn known_mut(&mut self, full_name: &str) -> &mut RepositoryState {
        self.repository_mut(full_name)
            .unwrap_or_else(|| panic!("the test made no repository `{full_name}`"))
    }
}

impl RepositoryState {
    fn next_number(&self) -> u64 {
        self.items.last_key_value().map_or(1, |(number, _)| number + 1)
    }

    pub(super) fn item(&self, number: u64) -> &Item {
        self.items
            .get(&number)
            .unwrap_or_else(|| panic!("the test opened no issue {number}"))
    }

    pub(super) fn item_mut(&mut self, number: u64) -> &mut Item {
        self.items
            .get_mut(&number)
            .unwrap_or_else(|| panic!("the test opened no issue {number}"))
    }
}

impl Item {
    pub(super) fn pull_mut(&mut self) -> &mut Pull {
        let number = self.number;
        self.pull
            .as_mut()
            .unwrap_or_else(|| panic!("{number} is an issue, and no pull request"))
    }
}
