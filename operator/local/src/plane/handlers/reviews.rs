//! Questions about who asks and what they may do: whoever reaches the plane is its owner.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Call};
use crate::plane::route::Target;
use crate::plane::status::Failure;

/// Answers a review; `None` when the path names none.
pub(super) fn answer(target: &Target, call: &Call) -> Option<Result<Answer, Failure>> {
    let group = target.group.as_str();
    let (kind, status) = match (group, target.version.as_str(), target.plural.as_str()) {
        ("authentication.k8s.io", "v1", "selfsubjectreviews") => (
            "SelfSubjectReview",
            json!({ "userInfo": { "username": owner(), "groups": ["system:authenticated"] } }),
        ),
        ("authorization.k8s.io", "v1", "selfsubjectaccessreviews") => (
            "SelfSubjectAccessReview",
            json!({
                "allowed": true,
                "reason": "whoever reaches the embedded control plane is its owner",
            }),
        ),
        _ => return None,
    };
    if call.method != http::Method::POST || target.name.is_some() {
        return Some(Err(Failure::method_not_allowed()));
    }
    // What is asked does not matter, and kubectl asks in a form that is not read here (protobuf).
    let review = json!({
        "apiVersion": format!("{group}/{}", target.version),
        "kind": kind,
        "metadata": {},
        "spec": serde_json::from_slice::<Value>(&call.body)
            .ok()
            .and_then(|asked| asked.get("spec").cloned())
            .unwrap_or_else(|| json!({})),
        "status": status,
    });
    Some(Ok(Answer::Json(StatusCode::CREATED, review, Vec::new())))
}

/// The user that serves the plane.
fn owner() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::current());
    user.ok()
        .flatten()
        .map_or_else(|| nix::unistd::Uid::current().to_string(), |user| user.name)
}
