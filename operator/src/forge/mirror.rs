//! What is known of the issues of a repository, without their texts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axon_sources::github::client::Scope;
use axon_sources::github::facts::IssueFacts;
use k8s_openapi::jiff::Timestamp;

/// The issues and pull requests of a repository, as last heard.
#[derive(Debug)]
pub(super) struct Mirror {
    scope: Scope,
    issues: HashMap<u64, Arc<IssueFacts>>,
    newest: Option<Timestamp>,
}

/// What hearing from a repository has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Numbers of those that are new or other than before, and of those that are no longer there.
    pub(super) touched: BTreeSet<u64>,
    /// Whether one was opened, closed or lost.
    pub(super) opens: bool,
}

impl Mirror {
    /// A mirror of nothing.
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            scope,
            issues: HashMap::new(),
            newest: None,
        }
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope
    }

    /// From when on changes have to be asked for; `None` while nothing is known.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// From here on changes are asked for, when nothing is known that says from when on.
    pub(super) fn begin_at(&mut self, moment: Timestamp) {
        self.newest = self.newest.or(Some(moment));
    }

    pub(super) fn get(&self, number: u64) -> Option<&Arc<IssueFacts>> {
        self.issues.get(&number)
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.issues.keys().copied()
    }

    /// Takes in what changed.
    pub(super) fn update(&mut self, heard: Vec<IssueFacts>) -> Changes {
        let mut changes = Changes::default();
        for issue in heard {
            self.take_in(issue, &mut changes);
        }
        changes
    }

    /// Takes in a complete listing. What it lacks is no longer there, but for `kept`.
    pub(super) fn replace(&mut self, scope: Scope, heard: Vec<IssueFacts>, kept: &BTreeSet<u64>) -> Changes {
        self.scope = scope;
        let listed: BTreeSet<u64> = heard.iter().map(|issue| issue.number).collect();
        let mut changes = self.update(heard);
        let is_there = |number: &u64| listed.contains(number) || kept.contains(number);
        let lost: Vec<u64> = self.numbers().filter(|number| !is_there(number)).collect();
        for number in lost {
            self.remove(number, &mut changes);
        }
        changes
    }

    /// Numbers of those that a complete listing lacks.
    pub(super) fn missing_in(&self, scope: Scope, heard: &[IssueFacts]) -> Vec<u64> {
        let listed: BTreeSet<u64> = heard.iter().map(|issue| issue.number).collect();
        let is_expected = |issue: &IssueFacts| scope == Scope::All || issue.is_open;
        let expected = self.issues.values().filter(|issue| is_expected(issue));
        let mut missing: Vec<u64> = expected.map(|issue| issue.number).collect();
        missing.retain(|number| !listed.contains(number));
        missing.sort_unstable();
        missing
    }

    fn take_in(&mut self, issue: IssueFacts, changes: &mut Changes) {
        self.newest = self.newest.max(Some(issue.updated));
        let number = issue.number;
        if !issue.is_open && self.scope == Scope::Open {
            self.remove(number, changes);
            return;
        }
        let before = self.issues.get(&number);
        // An answer that is older than what is known tells nothing.
        if before.is_some_and(|before| **before == issue || before.updated > issue.updated) {
            return;
        }
        changes.opens |= before.map(|before| before.is_open) != Some(issue.is_open);
        changes.touched.insert(number);
        self.issues.insert(number, Arc::new(issue));
    }

    fn remove(&mut self, number: u64, changes: &mut Changes) {
        if self.issues.remove(&number).is_some() {
            changes.touched.insert(number);
            changes.opens = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn issue(number: u64, updated: i64) -> IssueFacts {
        IssueFacts {
            number,
            is_pull_request: false,
            is_open: true,
            title: "a title".to_owned(),
            labels: vec!["bug".to_owned()],
            author: "grace".to_owned(),
            assignees: Vec::new(),
            is_draft: false,
            url: String::new(),
            created: at(0),
            updated: at(updated),
            closed: None,
        }
    }

    fn closed(number: u64, updated: i64) -> IssueFacts {
        IssueFacts {
            is_open: false,
            ..issue(number, updated)
        }
    }

    fn mirror(issues: Vec<IssueFacts>) -> Mirror {
        let mut mirror = Mirror::new(Scope::Open);
        mirror.update(issues);
        mirror
    }

    fn touched(changes: &Changes) -> Vec<u64> {
        changes.touched.iter().copied().collect()
    }

    #[test]
    fn only_what_is_other_than_before_is_touched() {
        let mut mirror = mirror(vec![issue(1, 10), issue(2, 20)]);
        let changes = mirror.update(vec![issue(2, 20), issue(1, 30), issue(3, 31)]);
        assert_eq!(touched(&changes), [1, 3]);
        assert!(changes.opens);
        assert_eq!(mirror.newest(), Some(at(31)));
    }

    #[test]
    fn what_is_older_than_what_is_known_tells_nothing() {
        let mut mirror = mirror(vec![issue(1, 10)]);
        assert_eq!(mirror.update(vec![issue(1, 9)]), Changes::default());
        assert_eq!(mirror.get(1).map(|issue| issue.updated), Some(at(10)));
    }

    #[test]
    fn a_closed_one_leaves_a_mirror_of_open_ones_and_stays_in_one_of_all() {
        let mut open = mirror(vec![issue(1, 10)]);
        let changes = open.update(vec![closed(1, 20), closed(2, 21)]);
        assert_eq!((touched(&changes), changes.opens), (vec![1], true));
        assert!(open.get(1).is_none());
        let mut all = Mirror::new(Scope::All);
        all.update(vec![closed(1, 20)]);
        assert!(all.get(1).is_some());
    }

    #[test]
    fn a_complete_listing_finds_renamed_labels_and_what_is_gone() {
        let mut mirror = mirror(vec![issue(1, 10), issue(2, 20), issue(3, 30)]);
        let renamed = IssueFacts {
            labels: vec!["defect".to_owned()],
            ..issue(1, 10)
        };
        let heard = vec![renamed];
        assert_eq!(mirror.missing_in(Scope::Open, &heard), [2, 3]);
        let changes = mirror.replace(Scope::Open, heard, &BTreeSet::from([3]));
        assert_eq!(touched(&changes), [1, 2]);
        assert!(mirror.get(3).is_some(), "it is known to be there all the same");
    }
}
