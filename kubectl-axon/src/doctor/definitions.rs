//! Whether the definitions are there, are served, and are this program's.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use serde_json::Value;

use super::report::Check;
use crate::failure::Failure;
use crate::install::process::is_established;
use crate::install::schemas::{Difference, compare};
use crate::install::{VERSION, manifest, present, server};
use crate::invocation;

/// One check for all that is well, and one for each that is not.
pub(super) async fn checks(client: &Client) -> Vec<Check> {
    let wanted = match manifest::definitions() {
        Ok(wanted) => wanted,
        Err(failure) => return vec![Check::failed("definitions", &failure)],
    };
    match present::look(client, &wanted).await {
        Ok(places) => judge(&places),
        Err(failure) => vec![served(client, &failure).await],
    }
}

/// What anyone may see: which kinds the server serves.
async fn served(client: &Client, failure: &Failure) -> Check {
    let version = format!("{}/{}", axon_api::GROUP, axon_api::VERSION);
    let kinds: Vec<String> = match client.list_api_group_resources(&version).await {
        Ok(list) => list.resources.into_iter().map(|resource| resource.name).collect(),
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(_) => return Check::unseen("definitions", failure),
    };
    let wanted: Vec<String> = axon_api::crd::all()
        .into_iter()
        .map(|definition| definition.spec.names.plural)
        .collect();
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|plural| !kinds.contains(plural))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Check::unknown(
            "definitions",
            format!(
                "all {} kinds are served; you may not see whether their fields are this program's",
                wanted.len()
            ),
        );
    }
    Check::fail(
        "definitions",
        format!("the cluster does not serve {}", missing.join(", ")),
    )
    .hint(format!(
        "ask an administrator of the cluster to run `{} install`",
        invocation::name()
    ))
}

fn judge(places: &[present::Place]) -> Vec<Check> {
    let missing: Vec<&str> = places
        .iter()
        .filter(|place| place.present.is_none())
        .map(|place| server::name(&place.wanted))
        .collect();
    let mut checks = Vec::new();
    if !missing.is_empty() {
        let are = if missing.len() == 1 { "is" } else { "are" };
        checks.push(
            Check::fail(
                "definitions",
                format!("{} {are} not on the cluster", missing.join(", ")),
            )
            .hint(format!(
                "{} brings them",
                invocation::command("install --crds-only")
            )),
        );
    }
    let problems: Vec<Check> = places.iter().filter_map(problem).collect();
    let well = places.len() - missing.len() - problems.len();
    if well > 0 {
        checks.push(Check::ok(
            "definitions",
            format!("{well} of {} are served as this program knows them", places.len()),
        ));
    }
    checks.extend(problems);
    checks
}

/// What is wrong with a definition that is there.
fn problem(place: &present::Place) -> Option<Check> {
    let present = place.present.as_ref()?;
    let name = server::name(&place.wanted);
    let upgrade = format!(
        "{} brings this program's",
        invocation::command("upgrade --crds-only")
    );
    if let Some(why) = not_served(present) {
        return Some(
            Check::fail("definitions", format!("{name} is not served: {why}"))
                .hint(format!("`kubectl describe crd {name}` says more")),
        );
    }
    match compare(&place.wanted, present) {
        Difference::None => None,
        Difference::Lacks(fields) => Some(
            Check::fail(
                "definitions",
                format!(
                    "{name} is older than this program ({VERSION}): the server drops {}",
                    in_short(&fields)
                ),
            )
            .hint(upgrade),
        ),
        Difference::Newer { version, fields } => {
            let version = version.map_or_else(
                || format!("it has {}", in_short(&fields)),
                |version| format!("it is {version}"),
            );
            Some(
                Check::warn(
                    "definitions",
                    format!("{name} is newer than this program ({VERSION}): {version}"),
                )
                .hint("get a newer kubectl-axon"),
            )
        }
        Difference::Details => Some(
            Check::warn(
                "definitions",
                format!("{name} has the fields of this program, but other rules, columns or descriptions"),
            )
            .hint(upgrade),
        ),
    }
}

fn not_served(present: &Value) -> Option<String> {
    let definition: CustomResourceDefinition = serde_json::from_value(present.clone()).ok()?;
    if definition.metadata.deletion_timestamp.is_some() {
        return Some("it is being deleted".to_owned());
    }
    if is_established(&definition) {
        return None;
    }
    let conditions = definition.status.and_then(|status| status.conditions);
    let why = conditions
        .into_iter()
        .flatten()
        .filter(|condition| condition.status == "False")
        .find_map(|condition| condition.message);
    Some(why.unwrap_or_else(|| "it is not established yet".to_owned()))
}

/// The first fields, and how many more there are.
fn in_short(fields: &[String]) -> String {
    const SHOWN: usize = 3;
    let mut words: Vec<String> = fields
        .iter()
        .take(SHOWN)
        .map(|field| format!("`{field}`"))
        .collect();
    if fields.len() > SHOWN {
        words.push(format!("{} more", fields.len() - SHOWN));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;
    use crate::install::present::Place;
    use serde_json::json;

    fn places(present: impl Fn(usize, Value) -> Option<Value>) -> Vec<Place> {
        let wanted = manifest::definitions().expect("definitions");
        wanted
            .into_iter()
            .enumerate()
            .map(|(index, wanted)| {
                let mut served = wanted.clone();
                served["status"] = json!({
                    "conditions": [{"type": "Established", "status": "True"}],
                    "acceptedNames": {"kind": "K", "plural": "k"}, "storedVersions": [],
                });
                Place {
                    wanted,
                    present: present(index, served),
                }
            })
            .collect()
    }

    #[test]
    fn all_that_is_well_is_one_line() {
        let checks = judge(&places(|_, served| Some(served)));
        assert_eq!(checks.len(), 1);
        assert_eq!(checks[0].verdict, Verdict::Ok);
    }

    #[test]
    fn missing_unserved_and_older_ones_are_each_named() {
        let checks = judge(&places(|index, mut served| match index {
            0 => None,
            1 => {
                served["status"]["conditions"] =
                    json!([{"type": "NamesAccepted", "status": "False", "message": "taken"}]);
                Some(served)
            }
            2 => {
                served
                    .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties")?
                    .as_object_mut()?
                    .remove("skills");
                Some(served)
            }
            _ => Some(served),
        }));
        let failed: Vec<&str> = checks
            .iter()
            .filter(|check| check.verdict == Verdict::Fail)
            .map(|check| check.message.as_str())
            .collect();
        assert_eq!(failed.len(), 3, "{failed:?}");
        assert!(failed[0].contains("tasks.axon.io is not on the cluster"));
        assert!(failed[1].ends_with("is not served: taken"));
        assert!(failed[2].contains("`spec.skills`"), "{}", failed[2]);
        assert!(
            checks
                .iter()
                .all(|check| check.verdict == Verdict::Ok || !check.hints.is_empty())
        );
    }
}
