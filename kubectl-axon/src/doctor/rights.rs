//! Whether the operator and the user may do what they need to.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::{SubjectAccessReview, SubjectAccessReviewSpec};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::Value;

use super::report::Check;
use super::{Place, flag, repair};
use crate::failure::{Failure, Result};
use crate::install::manifest::Wanted;
use crate::install::present::AT_ONCE;
use crate::install::rights::{self, Right, in_short};

/// The operator's rights, as the manifest gives them to its service account.
pub(super) async fn operators(place: &Place<'_>, deployment: &Deployment) -> Check {
    let account = account(deployment);
    let watched = flag(deployment, "watch-namespace");
    let secrets = flag(deployment, "secrets");
    let scope = Scope {
        namespaces: &watched,
        reads_all_secrets: secrets.is_empty() || secrets == ["all"],
    };
    let objects = match Wanted::standard(place.operators).objects() {
        Ok(objects) => objects,
        Err(failure) => return Check::failed("rights", &failure),
    };
    let needed = needed(&objects, &scope);
    match missing(place.client, place.operators, &account, needed).await {
        Ok((0, _)) => Check::unknown("rights", "the manifest gives the operator no rights"),
        Ok((count, missing)) if missing.is_empty() => Check::ok(
            "rights",
            format!("service account `{account}` has the {count} rights that the operator needs"),
        ),
        Ok((_, missing)) => Check::fail(
            "rights",
            format!("service account `{account}` may not {}", in_short(&missing)),
        )
        .hint(repair(deployment)),
        Err(failure) => Check::unseen("rights", &failure),
    }
}

fn account(deployment: &Deployment) -> String {
    let pod = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.template.spec.as_ref());
    pod.and_then(|pod| pod.service_account_name.clone())
        .unwrap_or_else(|| "default".to_owned())
}

/// Where the operator works, as its flags say.
struct Scope<'a> {
    /// The namespaces that it watches; none means all.
    namespaces: &'a [String],
    /// Whether it reads all Secrets there, or only some that are named elsewhere.
    reads_all_secrets: bool,
}

/// The rights that the roles of the manifest give to the operator. The other roles of it are for
/// people, and are bound to nobody.
fn needed(objects: &[Value], scope: &Scope<'_>) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for binding in objects {
        let places: Vec<Option<String>> = match binding["kind"].as_str() {
            Some("ClusterRoleBinding") if scope.namespaces.is_empty() => vec![None],
            Some("ClusterRoleBinding") => scope.namespaces.iter().cloned().map(Some).collect(),
            Some("RoleBinding") => vec![binding["metadata"]["namespace"].as_str().map(str::to_owned)],
            _ => continue,
        };
        let reference = &binding["roleRef"];
        let role = objects.iter().find(|object| {
            object["kind"] == reference["kind"] && object["metadata"]["name"] == reference["name"]
        });
        let rules: Vec<PolicyRule> = role
            .and_then(|role| serde_json::from_value(role["rules"].clone()).ok())
            .unwrap_or_default();
        let is_home = binding["kind"] == "RoleBinding";
        for rule in rules {
            for place in &places {
                rights.extend(of_rule(&rule, place.as_ref()).filter(|right| {
                    is_home
                        || scope.reads_all_secrets
                        || right.resource != "secrets"
                        || right.verb == "create"
                }));
            }
        }
    }
    rights
}

fn of_rule<'a>(rule: &'a PolicyRule, namespace: Option<&'a String>) -> impl Iterator<Item = Right> + 'a {
    let groups = rule.api_groups.iter().flatten();
    groups.flat_map(move |group| {
        let resources = rule.resources.iter().flatten();
        resources.flat_map(move |resource| {
            rule.verbs.iter().map(move |verb| Right {
                group: group.clone(),
                resource: resource.clone(),
                verb: verb.clone(),
                namespace: namespace.cloned(),
                name: rule.resource_names.iter().flatten().next().cloned(),
            })
        })
    })
}

/// How many rights were asked for, and those that the service account has not.
async fn missing(
    client: &Client,
    namespace: &str,
    account: &str,
    needed: BTreeSet<Right>,
) -> Result<(usize, Vec<Right>)> {
    let count = needed.len();
    let questions: Vec<_> = needed
        .into_iter()
        .map(|right| async move {
            let review = review(namespace, account, &right);
            let answer: SubjectAccessReview = Api::all(client.clone())
                .create(&PostParams::default(), &review)
                .await
                .map_err(|error| Failure::api("ask for the operator's rights", &error))?;
            let is_allowed = answer.status.is_some_and(|status| status.allowed);
            Ok::<_, Failure>((!is_allowed).then_some(right))
        })
        .collect();
    let answers: Vec<Option<Right>> = futures::stream::iter(questions)
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok((count, answers.into_iter().flatten().collect()))
}

fn review(namespace: &str, account: &str, right: &Right) -> SubjectAccessReview {
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(format!("system:serviceaccount:{namespace}:{account}")),
            groups: Some(vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ]),
            resource_attributes: Some(right.attributes()),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}

/// What running tasks needs of the user: group, resource, verbs.
const OWN: &[(&str, &str, &[&str])] = &[
    (
        "axon.io",
        "tasks",
        &["create", "get", "list", "watch", "patch", "delete"],
    ),
    ("", "pods", &["get", "list", "watch"]),
    ("", "pods/log", &["get"]),
];

/// The user's rights in the current namespace.
pub(super) async fn own(place: &Place<'_>) -> Check {
    let needed = OWN
        .iter()
        .flat_map(|(group, resource, verbs)| {
            verbs.iter().map(|verb| Right {
                group: (*group).to_owned(),
                resource: (*resource).to_owned(),
                verb: (*verb).to_owned(),
                namespace: Some(place.current.to_owned()),
                name: None,
            })
        })
        .collect();
    match rights::missing(place.client, needed).await {
        Ok(missing) if missing.is_empty() => Check::ok(
            "you",
            format!("you may run tasks in namespace `{}`", place.current),
        ),
        Ok(missing) => {
            let user = rights::user(place.client).await;
            Check::warn("you", format!("user `{user}` may not {}", in_short(&missing))).hint(format!(
                "an administrator gives you the rights with `kubectl create rolebinding axon-users --clusterrole edit --user '{user}' -n {}`",
                place.current
            ))
        }
        Err(failure) => Check::unseen("you", &failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights_of(namespaces: &[String], reads_all_secrets: bool) -> Vec<String> {
        let objects = Wanted::standard("home").objects().expect("objects");
        let scope = Scope {
            namespaces,
            reads_all_secrets,
        };
        needed(&objects, &scope).iter().map(Right::words).collect()
    }

    #[test]
    fn the_rights_are_those_of_the_roles_that_are_bound() {
        let rights = rights_of(&[], true);
        for right in [
            "create jobs.batch",
            "patch tasks/status.axon.io",
            "get pods/log",
            "update leases.coordination.k8s.io in namespace `home`",
        ] {
            assert!(rights.iter().any(|known| known == right), "{right}: {rights:?}");
        }
        // That is the right of people.
        assert!(!rights.iter().any(|right| right.starts_with("approve ")));
    }

    #[test]
    fn an_operator_of_some_namespaces_needs_its_rights_there() {
        let rights = rights_of(&["a".to_owned(), "b".to_owned()], false);
        let has = |right: &str| rights.iter().any(|known| known == right);
        assert!(has("create jobs.batch in namespace `a`") && has("create jobs.batch in namespace `b`"));
        assert!(!has("create jobs.batch"));
        assert!(has("create secrets in namespace `a`") && !has("list secrets in namespace `a`"));
    }
}
