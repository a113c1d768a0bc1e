//! Whether the server asks for the right to approve.

use axon_api::admission;
use kube::Client;

use super::report::Check;
use crate::install::present;
use crate::install::present::Place;
use crate::invocation;

pub(super) async fn check(client: &Client) -> Check {
    match present::look(client, &admission::objects()).await {
        Ok(places) => judge(&places),
        Err(failure) => Check::unseen("admission", &failure),
    }
}

fn judge(places: &[Place]) -> Check {
    let missing = places.iter().find(|place| place.present.is_none());
    if let Some(place) = missing {
        let kind = place.wanted["kind"].as_str().unwrap_or_default();
        return Check::warn(
            "admission",
            format!(
                "there is no {kind} `{}`: whoever may change a pipeline may approve its steps",
                admission::NAME
            ),
        )
        .hint(format!("{} brings it", invocation::command("install")));
    }
    let rules = |place: &Place, field: &str| place.wanted["spec"][field] == *spec(place, field);
    if places
        .iter()
        .all(|place| rules(place, "validations") && rules(place, "validationActions"))
    {
        Check::ok("admission", "approvals of pipelines need the right to approve")
    } else {
        Check::warn("admission", "the policy about approvals is not this program's").hint(format!(
            "{} brings this program's",
            invocation::command("upgrade")
        ))
    }
}

fn spec<'a>(place: &'a Place, field: &str) -> &'a serde_json::Value {
    const NOTHING: serde_json::Value = serde_json::Value::Null;
    place
        .present
        .as_ref()
        .and_then(|present| present["spec"].get(field))
        .unwrap_or(&NOTHING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Verdict;

    fn places() -> Vec<Place> {
        admission::objects()
            .into_iter()
            .map(|wanted| Place {
                present: Some(wanted.clone()),
                wanted,
            })
            .collect()
    }

    #[test]
    fn a_policy_that_is_gone_or_changed_is_told() {
        assert_eq!(judge(&places()).verdict, Verdict::Ok);
        let mut gone = places();
        gone[1].present = None;
        assert!(judge(&gone).message.contains("ValidatingAdmissionPolicyBinding"));
        let mut audited = places();
        if let Some(binding) = &mut audited[1].present {
            binding["spec"]["validationActions"] = serde_json::json!(["Audit"]);
        }
        assert_eq!(judge(&audited).verdict, Verdict::Warn);
    }
}
