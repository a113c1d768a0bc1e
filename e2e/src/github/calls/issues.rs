//! <https://docs.github.com/en/rest/issues>

use std::cmp::Reverse;

use super::{Call, Outcome};
use crate::github::answer::Answer;
use crate::github::model::{Comment, Item};
use crate::github::objects;

pub(super) fn list(call: &Call<'_>) -> Outcome {
    let view = call.view()?;
    let state = call.text("state").unwrap_or("open");
    let labels: Vec<&str> = call.text("labels").map_or_else(Vec::new, |labels| {
        labels.split(',').filter(|label| !label.is_empty()).collect()
    });
    let since = call.since();
    let mut found: Vec<&Item> = view
        .repository
        .items
        .values()
        .filter(|item| state == "all" || item.state() == state)
        .filter(|item| has_labels(item, &labels))
        .filter(|item| is_assigned(item, call.text("assignee")))
        .filter(|item| {
            call.text("creator")
                .is_none_or(|login| item.author.eq_ignore_ascii_case(login))
        })
        .filter(|item| since.is_none_or(|since| item.updated >= since))
        .collect();
    match call.text("sort") {
        Some("updated") => found.sort_by_key(|item| Reverse(item.updated)),
        Some("comments") => found.sort_by_key(|item| Reverse(item.comments.len())),
        _ => found.sort_by_key(|item| Reverse(item.created)),
    }
    if call.text("direction") == Some("asc") {
        found.reverse();
    }
    Ok(call.page(&found, |item| objects::issue(view, item)))
}

/// Labels are the same in any case.
fn has_labels(item: &Item, wanted: &[&str]) -> bool {
    wanted
        .iter()
        .all(|wanted| item.labels.iter().any(|label| label.eq_ignore_ascii_case(wanted)))
}

fn is_assigned(item: &Item, wanted: Option<&str>) -> bool {
    match wanted {
        None => true,
        Some("*") => !item.assignees.is_empty(),
        Some("none") => item.assignees.is_empty(),
        Some(login) => item
            .assignees
            .iter()
            .any(|assignee| assignee.eq_ignore_ascii_case(login)),
    }
}

pub(super) fn get(call: &Call<'_>) -> Outcome {
    let (view, item) = call.item("issue_number")?;
    Ok(Answer::ok(objects::issue(view, item)))
}

pub(super) fn list_comments(call: &Call<'_>) -> Outcome {
    let (view, item) = call.item("issue_number")?;
    let since = call.since();
    let found: Vec<&Comment> = item
        .comments
        .iter()
        .filter(|comment| since.is_none_or(|since| comment.updated >= since))
        .collect();
    Ok(call.page(&found, |comment| objects::comment(view, item, comment)))
}

pub(super) fn get_comment(call: &Call<'_>) -> Outcome {
    let view = call.view()?;
    let id = call.id("comment_id");
    let (item, comment) = view
        .repository
        .items
        .values()
        .find_map(|item| Some((item, item.comments.iter().find(|comment| comment.id == id)?)))
        .ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(objects::comment(view, item, comment)))
}

pub(super) fn create_comment(call: &mut Call<'_>) -> Outcome {
    call.item("issue_number")?;
    let author = call.caller.login(&call.state.app);
    let body = call.body["body"].as_str().unwrap_or_default().to_owned();
    let number = call.id("issue_number");
    let full_name = call.full_name();
    call.state.comment(&full_name, number, &author, &body);
    let (view, item) = call.item("issue_number")?;
    let comment = item.comments.last().ok_or_else(Answer::not_found)?;
    Ok(Answer::created(objects::comment(view, item, comment)))
}

pub(super) fn update_comment(call: &mut Call<'_>) -> Outcome {
    let id = call.id("comment_id");
    let body = call.body["body"].as_str().unwrap_or_default().to_owned();
    let full_name = call.full_name();
    // An unknown one is refused below.
    call.state.edit_comment(&full_name, id, &body);
    get_comment(call)
}

pub(super) fn list_events(call: &Call<'_>) -> Outcome {
    let (view, item) = call.item("issue_number")?;
    Ok(call.page(&item.events, |event| objects::event(view, event)))
}

pub(super) fn list_timeline(call: &Call<'_>) -> Outcome {
    let (view, item) = call.item("issue_number")?;
    Ok(call.page(&objects::timeline(view, item), Clone::clone))
}
