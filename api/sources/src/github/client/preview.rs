//! Which items of a repository match now, and what they would be for templates.

use super::Repository;
use super::failure::Failure;
use super::issues::{Listing, Scope};
use super::look::{Found, Look, Wanted, What};
use super::people::People;
use crate::github::facts::IssueFacts;
use crate::item::WorkItem;

/// Pages of a listing that are read at most: 30,000 issues.
const MOST_PAGES: usize = 300;

/// An item, and what was found of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Previewed {
    pub issue: IssueFacts,
    pub found: Found,
    /// Of an item that matches.
    pub item: Option<WorkItem>,
}

impl Repository {
    /// All items of a listing, each once, the one that changed last first; the 30,000 that changed
    /// last when there are more.
    pub async fn all_issues(&self, listing: Listing) -> Result<Vec<IssueFacts>, Failure> {
        let mut page = self.issues(listing, None).await?;
        let mut seen = std::collections::HashSet::new();
        let mut issues = Vec::new();
        for _ in 0..MOST_PAGES {
            let items = page.items.unwrap_or_default().into_iter();
            // What changes meanwhile moves to the front, and others come once more.
            issues.extend(items.filter(|issue| seen.insert(issue.number)));
            let Some(next) = page.next else { break };
            page = self.more_issues(&next).await?;
        }
        Ok(issues)
    }

    /// Looks at every item once. Comments of `own_login` ask for nothing.
    pub async fn preview(
        &self,
        what: &What,
        wanted: Wanted,
        own_login: Option<&str>,
    ) -> Result<Vec<Previewed>, Failure> {
        let scope = if what.wants_closed() {
            Scope::All
        } else {
            Scope::Open
        };
        let people = People::default();
        let mut previewed = Vec::new();
        for issue in self.all_issues(Listing { scope, since: None }).await? {
            let look = Look::at(self, &people, own_login, &issue);
            let found = look.examine(what).await?;
            let item = match &found {
                Found::Match(candidate) => Some(look.item(what, wanted, candidate).await?),
                Found::NoMatch(_) | Found::Unknown(_) => None,
            };
            previewed.push(Previewed { issue, found, item });
        }
        Ok(previewed)
    }
}
