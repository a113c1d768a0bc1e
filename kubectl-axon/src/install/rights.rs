//! What the one who installs must be allowed to do, and what of it is not allowed.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::Value;

use super::present::AT_ONCE;
use super::server::resource;
use crate::failure::{Failure, Result};
use crate::invocation;

/// A verb on the objects of a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    pub(crate) group: String,
    /// The plural, with a subresource behind a slash.
    pub(crate) resource: String,
    pub(crate) verb: String,
    /// `None` means in the whole cluster.
    pub(crate) namespace: Option<String>,
    /// `None` means any object.
    pub(crate) name: Option<String>,
}

impl Right {
    /// The question about this right, as the server takes it.
    pub(crate) fn attributes(&self) -> ResourceAttributes {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            None => (self.resource.as_str(), None),
        };
        ResourceAttributes {
            group: Some(self.group.clone()),
            resource: Some(resource.to_owned()),
            subresource,
            verb: Some(self.verb.clone()),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            ..ResourceAttributes::default()
        }
    }

    /// `VERB RESOURCE.GROUP "NAME" in namespace NS`, as `kubectl auth can-i` has it.
    pub(crate) fn words(&self) -> String {
        let mut words = format!("{} {}", self.verb, self.resource);
        if !self.group.is_empty() {
            words = format!("{words}.{}", self.group);
        }
        if let Some(name) = &self.name {
            words = format!("{words} `{name}`");
        }
        match &self.namespace {
            Some(namespace) => format!("{words} in namespace `{namespace}`"),
            None => words,
        }
    }
}

/// The rights that doing `verbs` with each of the objects needs.
pub(crate) fn needed(objects: &[Value], verbs: &[&str]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for object in objects {
        let resource = resource(object);
        for verb in verbs {
            rights.insert(Right {
                group: resource.group.clone(),
                resource: resource.plural.clone(),
                verb: (*verb).to_owned(),
                namespace: object["metadata"]["namespace"].as_str().map(str::to_owned),
                name: None,
            });
        }
    }
    rights
}

/// Those of the rights that the user has not.
pub(crate) async fn missing(client: &Client, rights: BTreeSet<Right>) -> Result<Vec<Right>> {
    let all = Right {
        group: "*".to_owned(),
        resource: "*".to_owned(),
        verb: "*".to_owned(),
        namespace: None,
        name: None,
    };
    // Most who install may do everything, which is one question instead of many.
    if is_allowed(client, &all).await? {
        return Ok(Vec::new());
    }
    let questions: Vec<_> = rights
        .into_iter()
        .map(|right| async move { Ok::<_, Failure>((is_allowed(client, &right).await?, right)) })
        .collect();
    let answers: Vec<(bool, Right)> = futures::stream::iter(questions)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(answers
        .into_iter()
        .filter_map(|(allowed, right)| (!allowed).then_some(right))
        .collect())
}

/// Whether the user has the right.
async fn is_allowed(client: &Client, right: &Right) -> Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(right.attributes()),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = Api::all(client.clone())
        .create(&PostParams::default(), &review)
        .await
        .map_err(|error| Failure::api("ask for your rights", &error))?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Who the user is to the server; empty when it does not say.
pub(crate) async fn user(client: &Client) -> String {
    let answer = Api::all(client.clone())
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await;
    answer
        .ok()
        .and_then(|review: SelfSubjectReview| review.status?.user_info?.username)
        .unwrap_or_default()
}

/// Refuses when the user lacks what doing `verbs` with the objects needs, and lists it.
pub(crate) async fn check(client: &Client, objects: &[Value], verbs: &[&str], action: &str) -> Result<()> {
    let missing = missing(client, needed(objects, verbs)).await?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(refused(&user(client).await, action, &missing))
}

fn refused(user: &str, action: &str, missing: &[Right]) -> Failure {
    let mut list = String::new();
    for right in by_resource(missing) {
        list.push_str("\n  ");
        list.push_str(&right.words());
    }
    let rights = if missing.len() == 1 {
        "this right is"
    } else {
        "these rights are"
    };
    Failure::new(format!("user `{user}` may not {action}: {rights} missing:{list}")).hint(format!(
        "ask an administrator of the cluster to run {}, or for these rights",
        invocation::command(action)
    ))
}

/// Each resource once, with all its verbs.
fn by_resource(rights: &[Right]) -> Vec<Right> {
    let mut joined: Vec<Right> = Vec::new();
    for right in rights {
        let same = joined.iter_mut().find(|known| {
            Right {
                verb: right.verb.clone(),
                ..(*known).clone()
            } == *right
        });
        match same {
            Some(known) => known.verb = format!("{}, {}", known.verb, right.verb),
            None => joined.push(right.clone()),
        }
    }
    joined
}

/// The rights in one line; of many only the first.
pub(crate) fn in_short(missing: &[Right]) -> String {
    const SHOWN: usize = 3;
    let all = by_resource(missing);
    let mut words: Vec<String> = all.iter().take(SHOWN).map(Right::words).collect();
    if all.len() > SHOWN {
        words.push(format!("and {} more", all.len() - SHOWN));
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn right(resource: &str, verb: &str) -> Right {
        Right {
            group: "apps".to_owned(),
            resource: resource.to_owned(),
            verb: verb.to_owned(),
            namespace: Some("ns".to_owned()),
            name: None,
        }
    }

    #[test]
    fn each_right_is_asked_for_once() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "ns"}});
        let rights = needed(&[deployment.clone(), deployment], &["get", "patch"]);
        assert_eq!(
            rights.into_iter().collect::<Vec<_>>(),
            [right("deployments", "get"), right("deployments", "patch")]
        );
    }

    #[test]
    fn what_is_missing_is_listed_with_the_way_on() {
        let text = refused(
            "jane",
            "install",
            &[right("deployments", "patch"), right("deployments", "get")],
        )
        .render();
        assert!(
            text.starts_with(
                "error: user `jane` may not install: these rights are missing:\n  patch, get deployments.apps in namespace `ns`\n"
            ),
            "{text}"
        );
        assert!(text.contains("hint: ask an administrator"), "{text}");
    }

    #[test]
    fn a_subresource_is_asked_for_as_one() {
        let attributes = right("deployments/scale", "get").attributes();
        assert_eq!(attributes.resource.as_deref(), Some("deployments"));
        assert_eq!(attributes.subresource.as_deref(), Some("scale"));
    }

    #[test]
    fn a_long_list_is_cut() {
        let names = ["a", "b", "c", "d", "e"];
        let many: Vec<Right> = names.iter().map(|name| right(name, "get")).collect();
        assert!(in_short(&many).ends_with("; and 2 more"), "{}", in_short(&many));
    }
}
