//! Pull requests, their files and reviews.

use serde_json::{Value, json};

use super::issues::labels;
use super::{View, node_id};
use crate::github::model::{Item, Pull, Review, ReviewComment};
use crate::github::new::ChangedFile;

/// A pull request as it is in a list.
pub(crate) fn pull_request_summary(view: View<'_>, item: &Item, pull: &Pull) -> Value {
    let number = item.number;
    let url = view.api(&format!("/pulls/{number}"));
    let issue_url = view.api(&format!("/issues/{number}"));
    let web = view.web(&format!("/pull/{number}"));
    let statuses = view.api(&format!("/statuses/{}", pull.sha));
    let comment = view.api("/pulls/comments{/number}");
    let assignees: Vec<Value> = item.assignees.iter().map(|login| view.user(login)).collect();
    let link = |href: &str| json!({"href": href});
    json!({
        "url": url,
        "id": item.id,
        "node_id": node_id("PR", item.id),
        "html_url": web,
        "diff_url": format!("{web}.diff"),
        "patch_url": format!("{web}.patch"),
        "issue_url": issue_url,
        "commits_url": format!("{url}/commits"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": comment,
        "comments_url": format!("{issue_url}/comments"),
        "statuses_url": statuses,
        "number": number,
        "state": item.state(),
        "locked": false,
        "title": item.title,
        "user": view.user(&item.author),
        "body": item.body,
        "labels": labels(view, item),
        "milestone": null,
        "active_lock_reason": null,
        "created_at": item.created.to_string(),
        "updated_at": item.updated.to_string(),
        "closed_at": item.closed.map(|time| time.to_string()),
        "merged_at": pull.merged.map(|time| time.to_string()),
        "merge_commit_sha": null,
        "assignee": assignees.first(),
        "assignees": assignees,
        "requested_reviewers": [],
        "requested_teams": [],
        "head": head(view, pull),
        "base": side(view, &view.repository.owner, &pull.base, &"0".repeat(40)),
        "_links": {
            "self": link(&url),
            "html": link(&web),
            "issue": link(&issue_url),
            "comments": link(&format!("{issue_url}/comments")),
            "review_comments": link(&format!("{url}/comments")),
            "review_comment": link(&comment),
            "commits": link(&format!("{url}/commits")),
            "statuses": link(&statuses),
        },
        "author_association": view.association(&item.author),
        "auto_merge": null,
        "draft": pull.draft,
    })
}

/// A pull request by itself.
pub(crate) fn pull_request(view: View<'_>, item: &Item, pull: &Pull) -> Value {
    let mut shown = pull_request_summary(view, item, pull);
    let additions: u64 = pull.files.iter().map(|file| file.additions).sum();
    let deletions: u64 = pull.files.iter().map(|file| file.deletions).sum();
    let more = json!({
        "merged": pull.merged.is_some(),
        "mergeable": true,
        "rebaseable": true,
        "mergeable_state": "clean",
        "merged_by": null,
        "comments": item.comments.len(),
        "review_comments": pull.review_comments.len(),
        "maintainer_can_modify": false,
        "commits": 1,
        "additions": additions,
        "deletions": deletions,
        "changed_files": pull.files.len(),
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    shown
}

fn head(view: View<'_>, pull: &Pull) -> Value {
    let mut shown = side(view, &pull.head_owner, &pull.head, &pull.sha);
    if pull.head_owner != view.repository.owner {
        let own = view.repository.full_name();
        let fork = format!("{}/{}", pull.head_owner, view.repository.name);
        shown["repo"]["full_name"] = fork.clone().into();
        shown["repo"]["fork"] = true.into();
        shown["repo"]["owner"] = view.user(&pull.head_owner);
        shown["repo"]["id"] = super::number_of(&fork).into();
        for field in ["html_url", "url", "clone_url", "ssh_url", "git_url"] {
            if let Some(url) = shown["repo"][field].as_str() {
                shown["repo"][field] = url.replace(&own, &fork).into();
            }
        }
    }
    shown
}

fn side(view: View<'_>, owner: &str, branch: &str, sha: &str) -> Value {
    json!({
        "label": format!("{owner}:{branch}"),
        "ref": branch,
        "sha": sha,
        "user": view.user(owner),
        "repo": view.repository.json,
    })
}

pub(crate) fn file(view: View<'_>, pull: &Pull, file: &ChangedFile) -> Value {
    let (path, sha) = (&file.path, &pull.sha);
    json!({
        "sha": format!("{:040x}", super::number_of(path)),
        "filename": path,
        "status": "modified",
        "additions": file.additions,
        "deletions": file.deletions,
        "changes": file.additions + file.deletions,
        "blob_url": view.web(&format!("/blob/{sha}/{path}")),
        "raw_url": view.web(&format!("/raw/{sha}/{path}")),
        "contents_url": view.api(&format!("/contents/{path}?ref={sha}")),
        "patch": "@@ -1 +1 @@\n-before\n+after",
    })
}

pub(crate) fn review(view: View<'_>, item: &Item, review: &Review) -> Value {
    let web = view.web(&format!("/pull/{}#pullrequestreview-{}", item.number, review.id));
    let pull = view.api(&format!("/pulls/{}", item.number));
    json!({
        "id": review.id,
        "node_id": node_id("PRR", review.id),
        "user": view.user(&review.author),
        "body": review.body,
        "state": review.state.name(),
        "html_url": web,
        "pull_request_url": pull,
        "author_association": view.association(&review.author),
        "_links": {"html": {"href": web}, "pull_request": {"href": pull}},
        "submitted_at": review.submitted.to_string(),
        "commit_id": review.sha,
    })
}

pub(crate) fn review_comment(view: View<'_>, item: &Item, comment: &ReviewComment) -> Value {
    let url = view.api(&format!("/pulls/comments/{}", comment.id));
    let web = view.web(&format!("/pull/{}#discussion_r{}", item.number, comment.id));
    let pull = view.api(&format!("/pulls/{}", item.number));
    json!({
        "url": url,
        "pull_request_review_id": comment.review,
        "id": comment.id,
        "node_id": node_id("PRRC", comment.id),
        "diff_hunk": "@@ -1 +1 @@",
        "path": comment.path,
        "commit_id": comment.sha,
        "original_commit_id": comment.sha,
        "user": view.user(&comment.author),
        "body": comment.body,
        "created_at": comment.created.to_string(),
        "updated_at": comment.created.to_string(),
        "html_url": web,
        "pull_request_url": pull,
        "author_association": view.association(&comment.author),
        "_links": {
            "self": {"href": url}, "html": {"href": web}, "pull_request": {"href": pull},
        },
        "reactions": super::reactions(&url),
        "start_line": null,
        "original_start_line": null,
        "start_side": null,
        "line": comment.line,
        "original_line": comment.line,
        "side": "RIGHT",
        "position": 1,
        "original_position": 1,
        "subject_type": "line",
    })
}
