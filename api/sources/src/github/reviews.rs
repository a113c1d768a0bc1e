//! What the reviews of a pull request come to.

use std::collections::BTreeMap;

use super::facts::{Review, ReviewVerdict};
use super::pull_requests::ReviewState;

/// What all reviews of one commit come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReviewSummary {
    /// [`ReviewState::Any`] when nobody approved it or asked for changes.
    pub state: ReviewState,
    /// ID of the newest review that counts: that is the latest of its reviewer that approves or asks
    /// for changes, and says what the state is.
    pub newest: Option<u64>,
}

/// Sums up the reviews of `head_sha`: of each reviewer the latest that approves or asks for changes
/// counts, and one that asks for changes outweighs all that approve.
pub fn summarize(reviews: &[Review], head_sha: &str) -> ReviewSummary {
    let mut latest: BTreeMap<String, &Review> = BTreeMap::new();
    for review in reviews {
        if review.commit != head_sha || review.state == ReviewVerdict::Neither {
            continue;
        }
        let reviewer = review.author.to_lowercase();
        let is_newer = latest
            .get(&reviewer)
            .is_none_or(|other| (other.submitted, other.id) < (review.submitted, review.id));
        if is_newer {
            latest.insert(reviewer, review);
        }
    }
    let newest_of = |state| {
        latest
            .values()
            .filter(|review| review.state == state)
            .map(|review| review.id)
            .max()
    };
    let changes_requested = newest_of(ReviewVerdict::ChangesRequested);
    let approved = newest_of(ReviewVerdict::Approved);
    match (changes_requested, approved) {
        (Some(_), _) => ReviewSummary {
            state: ReviewState::ChangesRequested,
            newest: changes_requested,
        },
        (None, Some(_)) => ReviewSummary {
            state: ReviewState::Approved,
            newest: approved,
        },
        (None, None) => ReviewSummary {
            state: ReviewState::Any,
            newest: None,
        },
    }
}

/// As it is spelled: `approved`, `changes_requested`, or nothing.
pub fn state_name(state: ReviewState) -> &'static str {
    match state {
        ReviewState::Approved => "approved",
        ReviewState::ChangesRequested => "changes_requested",
        ReviewState::Any => "",
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::ReviewVerdict::{Approved, ChangesRequested, Neither};
    use super::*;

    /// Reviews as (author, verdict, commit), in the order of time and ID.
    fn reviews(all: &[(&str, ReviewVerdict, &str)]) -> Vec<Review> {
        all.iter()
            .zip(1_u32..)
            .map(|((author, state, commit), number)| Review {
                id: u64::from(number),
                author: (*author).to_owned(),
                is_bot: false,
                state: *state,
                body: String::new(),
                commit: (*commit).to_owned(),
                submitted: Timestamp::from_second(i64::from(number)).expect("a time"),
            })
            .collect()
    }

    #[test]
    fn the_latest_of_each_reviewer_on_the_head_counts_and_changes_outweigh_approvals() {
        for (all, state, newest) in [
            (vec![], ReviewState::Any, None),
            (vec![("ada", Approved, "head")], ReviewState::Approved, Some(1)),
            (
                vec![("ada", ChangesRequested, "head"), ("eve", Approved, "head")],
                ReviewState::ChangesRequested,
                Some(1),
            ),
            (
                vec![("ada", ChangesRequested, "head"), ("Ada", Approved, "head")],
                ReviewState::Approved,
                Some(2),
            ),
            (
                vec![("ada", Approved, "head"), ("ada", Neither, "head")],
                ReviewState::Approved,
                Some(1),
            ),
            (
                vec![("ada", ChangesRequested, "old"), ("eve", Neither, "head")],
                ReviewState::Any,
                None,
            ),
            (
                vec![
                    ("ada", ChangesRequested, "head"),
                    ("eve", ChangesRequested, "head"),
                    ("ada", Approved, "head"),
                ],
                ReviewState::ChangesRequested,
                Some(2),
            ),
        ] {
            let expected = ReviewSummary { state, newest };
            assert_eq!(summarize(&reviews(&all), "head"), expected, "{all:?}");
        }
    }

    #[test]
    fn the_order_in_which_they_are_listed_does_not_matter() {
        let mut all = reviews(&[("ada", ChangesRequested, "head"), ("ada", Approved, "head")]);
        all.reverse();
        assert_eq!(summarize(&all, "head").state, ReviewState::Approved);
    }
}
