//! What an event is to a spawner, by its payload alone: pure.

use axon_api::TaskSpawner;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::forecast::{Found, Item};

/// An event, as its sender sends it.
pub(super) enum Event<'a> {
    #[cfg(feature = "github")]
    GitHub {
        /// What GitHub calls the event; `None` means the only one that the spawner takes.
        name: Option<&'a str>,
        delivery: &'a str,
        payload: &'a Value,
        received: Timestamp,
    },
    #[cfg(feature = "webhook")]
    Request { payload: &'a Value, received: Timestamp },
}

/// What an event was found to be.
pub(super) struct Looked {
    pub(super) item: Item,
    /// What was taken for granted, one sentence each.
    pub(super) notes: Vec<String>,
}

/// Looks at an event. `repository` is the URL of the template's workspace, when it is known.
///
/// # Errors
/// When it cannot be told which event it is, as a fragment.
#[cfg_attr(
    not(feature = "github"),
    expect(clippy::unnecessary_wraps, reason = "only GitHub has events of several kinds")
)]
pub(super) fn look(
    spawner: &TaskSpawner,
    repository: Option<&str>,
    event: &Event<'_>,
) -> Result<Looked, String> {
    match event {
        #[cfg(feature = "github")]
        Event::GitHub {
            name,
            delivery,
            payload,
            received,
        } => {
            let spec = spawner.spec.when.github_webhook.clone().unwrap_or_default();
            let name = match (name, spec.events.as_slice()) {
                (Some(name), _) => *name,
                (None, [only]) => only.as_str(),
                (None, events) => {
                    return Err(format!(
                        "it takes the events {}, and nobody says which one this is\nhint: say it with --event-name",
                        events.join(", ")
                    ));
                }
            };
            let delivery = axon_api::sources::github::webhook::Delivery {
                event: name,
                id: delivery,
                received: *received,
                payload,
            };
            Ok(github(&spec, repository, &delivery))
        }
        #[cfg(feature = "webhook")]
        Event::Request { payload, received } => {
            let _ = repository;
            let spec = spawner.spec.when.webhook.clone().unwrap_or_default();
            Ok(request(&spec, payload, *received))
        }
    }
}

#[cfg(feature = "github")]
fn github(
    spec: &axon_api::sources::github::webhook::GitHubWebhook,
    repository: Option<&str>,
    delivery: &axon_api::sources::github::webhook::Delivery<'_>,
) -> Looked {
    use axon_api::sources::comment_policy::{Authority, Permission, Standing};
    use axon_api::sources::github::examined::{Examined, Known, Need};
    use axon_api::sources::github::repository::parse;
    use axon_api::sources::github::webhook::{candidate, item};

    let mut notes = Vec::new();
    let of_event = delivery.payload.pointer("/repository/full_name");
    let of_event = of_event.and_then(Value::as_str).unwrap_or_default();
    let workspace = match repository {
        Some(url) => parse(url)
            .map(|found| format!("{}/{}", found.owner, found.name))
            .ok(),
        None if spec.repository.is_none() && !of_event.is_empty() => {
            notes.push(format!(
                "the Workspace is not known: it is taken to be of `{of_event}`, as the event is"
            ));
            Some(of_event.to_owned())
        }
        None => None,
    };
    let mut authority = Authority::default();
    let mut assumed = String::new();
    let found = loop {
        let known = Known::nothing(&authority);
        match candidate(spec, workspace.as_deref(), delivery, &known) {
            Examined::Match(candidate) => {
                let item = item(delivery, &known, candidate);
                break Found::Match(Box::new(item), assumed);
            }
            Examined::NoMatch(why) => break Found::NoMatch(why),
            Examined::Unknown(why) => break Found::Unknown(why),
            Examined::Ask(Need::People(people)) => {
                let names: Vec<String> = people.iter().map(|login| format!("`{login}`")).collect();
                assumed = format!("{} may ask, which GitHub has to tell", names.join(" and "));
                let policy = spec.comment_policy.clone().unwrap_or_default();
                for login in &people {
                    let standing = Standing::Known {
                        permission: Some(Permission::Admin),
                        teams: policy.allowed_teams.iter().cloned().collect(),
                    };
                    authority.record(login, standing);
                }
            }
            Examined::Ask(need) => {
                break Found::Unknown(format!(
                    "GitHub has to tell {} first, which a test does not ask",
                    needed(&need)
                ));
            }
        }
    };
    let (key, title) = match &found {
        Found::Match(item, _) => {
            let title = item.variables.get("Title").and_then(Value::as_str);
            (item.candidate.key.clone(), title.unwrap_or_default().to_owned())
        }
        _ => (format!("delivery-{}", delivery.id), delivery.event.to_owned()),
    };
    let url = match &found {
        Found::Match(item, _) => item.variables.get("URL").and_then(Value::as_str),
        _ => None,
    };
    Looked {
        item: Item {
            key,
            title,
            url: url.unwrap_or_default().to_owned(),
            found,
        },
        notes,
    }
}

/// What has to be known, for people.
#[cfg(feature = "github")]
fn needed(need: &axon_api::sources::github::examined::Need) -> &'static str {
    use axon_api::sources::github::examined::Need;
    match need {
        Need::Pull => "the branch of the pull request",
        Need::Files => "which files the pull request changes",
        Need::Reviews => "the reviews",
        Need::Body => "the text",
        Need::Comments => "the comments",
        Need::LineComments => "the comments on lines",
        Need::People(_) => "who may ask",
    }
}

#[cfg(feature = "webhook")]
fn request(
    spec: &axon_api::sources::webhook::GenericWebhook,
    payload: &Value,
    received: Timestamp,
) -> Looked {
    use axon_api::sources::webhook::{Read, Request, read};

    let request = Request {
        body: payload,
        received,
    };
    let (key, title, url, found) = match read(spec, &request) {
        Read::Match(item) => {
            let text = |name: &str| {
                let value = item.variables.get(name).and_then(Value::as_str);
                value.unwrap_or_default().to_owned()
            };
            let (key, title, url) = (item.candidate.key.clone(), text("Title"), text("URL"));
            (key, title, url, Found::Match(item, String::new()))
        }
        Read::NoMatch(why) => nameless(spec, Found::NoMatch(why)),
        Read::Unreadable(why) => nameless(spec, Found::NoMatch(format!("is answered with 422: {why}"))),
    };
    Looked {
        item: Item {
            key,
            title,
            url,
            found,
        },
        notes: Vec::new(),
    }
}

#[cfg(feature = "webhook")]
fn nameless(
    spec: &axon_api::sources::webhook::GenericWebhook,
    found: Found,
) -> (String, String, String, Found) {
    (
        format!("/webhook/{}", spec.source),
        String::new(),
        String::new(),
        found,
    )
}
