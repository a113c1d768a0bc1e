//! The description of an `AgentProvider`.

use axon_api::AgentProvider;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::page::Page;
use crate::text::without_hints;

pub(super) fn text(provider: &AgentProvider, now: Timestamp) -> String {
    let spec = &provider.spec;
    let status = provider.status.clone().unwrap_or_default();
    let mut page = Page::beginning_with(&sentence(provider));
    page.head(&provider.metadata);
    page.line_if("Display Name", spec.display_name.as_ref());
    page.line(
        "Agent Types",
        if spec.agent_types.is_empty() {
            "all".to_owned()
        } else {
            spec.agent_types.join(", ")
        },
    );
    page.line_if(
        "Secret",
        spec.auth_token_secret_ref
            .as_ref()
            .map(|secret| format!("{}, key {}", secret.name, secret.key)),
    );
    page.line_if("Variable", spec.auth_token_env.as_ref());
    page.line_if("Base URL", spec.base_url.as_ref());
    page.list(
        "Environment",
        spec.environment
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    page.conditions(&status.conditions, now);
    page.0
}

fn sentence(provider: &AgentProvider) -> String {
    let name = provider.name_any();
    let ready = provider.status.as_ref().and_then(|status| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready")
    });
    match ready {
        None => format!("Provider `{name}` is not looked at yet: no operator has seen it."),
        Some(ready) if ready.status == "True" => format!("Provider `{name}` is ready."),
        Some(ready) => format!(
            "Provider `{name}` is not ready: {}",
            without_hints(&ready.message).0
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_sentence_says_what_is_missing() {
        let provider: AgentProvider = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "AgentProvider",
            "metadata": {"name": "p", "namespace": "n"},
            "spec": {"authTokenSecretRef": {"name": "s", "key": "k"}, "environment": {"A": "b"}},
            "status": {"conditions": [{
                "type": "Ready", "status": "False", "reason": "SecretNotFound",
                "message": "Secret `s` not found", "lastTransitionTime": "2026-01-01T00:09:00Z",
            }]},
        }))
        .expect("a provider");
        assert_eq!(
            text(&provider, "2026-01-01T00:10:00Z".parse().expect("a time")),
            "\
Provider `p` is not ready: Secret `s` not found

Name:               p
Namespace:          n
Labels:             <none>
Annotations:        <none>
Agent Types:        all
Secret:             s, key k
Environment:        A=b
Conditions:
  TYPE    STATUS   SINCE   REASON           MESSAGE
  Ready   False    60s     SecretNotFound   Secret `s` not found
"
        );
    }
}
