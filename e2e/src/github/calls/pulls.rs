//! <https://docs.github.com/en/rest/pulls>

use std::cmp::Reverse;

use super::{Call, Outcome};
use crate::github::answer::Answer;
use crate::github::model::{Item, Pull, ReviewComment};
use crate::github::objects::{self, View};

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let view = call.view()?;
    let state = call.text("state").unwrap_or("open");
    let mut found: Vec<(&Item, &Pull)> = view
        .repository
        .items
        .values()
        .filter_map(|item| Some((item, item.pull.as_ref()?)))
        .filter(|(item, _)| state == "all" || item.state() == state)
        .filter(|(_, pull)| call.text("base").is_none_or(|base| pull.base == base))
        .filter(|(_, pull)| {
            call.text("head")
                .is_none_or(|head| format!("{}:{}", pull.head_owner, pull.head) == head)
        })
        .collect();
    match call.text("sort") {
        Some("updated") => found.sort_by_key(|(item, _)| item.updated),
        Some("popularity") => found.sort_by_key(|(item, _)| item.comments.len()),
        _ => found.sort_by_key(|(item, _)| item.created),
    }
    // Without a direction, the newest come first, and of all other orders the least.
    let sort = call.text("sort").unwrap_or("created");
    let descends = match call.text("direction") {
        Some(direction) => direction == "desc",
        None => sort == "created",
    };
    if descends {
        found.reverse();
    }
    Ok(call.page(&found, |(item, pull)| {
        objects::pull_request_summary(view, item, pull)
    }))
}

pub(super) fn get(call: &Call<'_>) -> Outcome {
    let (view, item, pull) = pull(call)?;
    Ok(Answer::ok(objects::pull_request(view, item, pull)))
}

pub(super) fn list_files(call: &Call<'_>) -> Outcome {
    let (view, _, pull) = pull(call)?;
    Ok(call.page(&pull.files, |file| objects::file(view, pull, file)))
}

pub(super) fn list_reviews(call: &Call<'_>) -> Outcome {
    let (view, item, pull) = pull(call)?;
    Ok(call.page(&pull.reviews, |review| objects::review(view, item, review)))
}

pub(super) fn list_comments(call: &Call<'_>) -> Outcome {
    let (view, item, pull) = pull(call)?;
    let since = call.since();
    let mut found: Vec<&ReviewComment> = pull
        .review_comments
        .iter()
        .filter(|comment| since.is_none_or(|since| comment.created >= since))
        .collect();
    if call.text("direction") == Some("desc") {
        found.sort_by_key(|comment| Reverse(comment.id));
    }
    Ok(call.page(&found, |comment| objects::review_comment(view, item, comment)))
}

fn pull<'a>(call: &'a Call<'_>) -> Result<(View<'a>, &'a Item, &'a Pull), Answer> {
    let (view, item) = call.item("pull_number")?;
    let pull = item.pull.as_ref().ok_or_else(Answer::not_found)?;
    Ok((view, item, pull))
}
