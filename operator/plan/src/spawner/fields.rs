//! What templates may use of an item, by its source.

use std::collections::BTreeSet;

use axon_api::sources::When;

/// Of sources that are polled and of cron: all of them are always there.
const POLLED: &[&str] = &[
    "ID",
    "Number",
    "Title",
    "Body",
    "URL",
    "Labels",
    "Comments",
    "Kind",
    "Branch",
    "ReviewState",
    "ReviewComments",
    "Time",
    "Schedule",
];

/// Of events of GitHub, beside those above.
const EVENTS: &[&str] = &[
    "Event",
    "Action",
    "Sender",
    "Ref",
    "Repository",
    "RepositoryOwner",
    "RepositoryName",
    "Payload",
    "ChangedFiles",
    "CommentBody",
    "CommentURL",
    "Tag",
    "RefType",
    "CheckName",
    "Conclusion",
    "CheckRunURL",
    "HeadSHA",
    "CheckApp",
];

/// Of signed requests, beside those of `fieldMapping`.
const REQUESTS: &[&str] = &["Kind", "Payload", "ID", "Title", "Body", "URL"];

/// Names of the variables that items of the source may have. `None` when the source is not known.
pub(crate) fn of(when: &When) -> Option<BTreeSet<String>> {
    let mut names: BTreeSet<String> = match when.source()? {
        "githubWebhook" => POLLED.iter().chain(EVENTS).map(ToString::to_string).collect(),
        "webhook" => REQUESTS.iter().map(ToString::to_string).collect(),
        _ => POLLED.iter().map(ToString::to_string).collect(),
    };
    if let Some(webhook) = &when.webhook {
        names.extend(webhook.field_mapping.keys().cloned());
    }
    Some(names)
}
