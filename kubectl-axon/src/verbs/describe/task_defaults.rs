//! The description of a namespace's `TaskDefaults`.

use axon_api::TaskDefaults;

use super::credentials_word;
use super::page::Page;
use super::workspace::storage_text;

pub(super) fn text(defaults: &TaskDefaults) -> String {
    let spec = &defaults.spec;
    let mut page = Page::default();
    page.head(&defaults.metadata);
    page.line_if("Type", spec.type_.as_ref());
    page.list(
        "Providers",
        spec.providers
            .iter()
            .map(|(agent_type, name)| format!("{agent_type}: {name}")),
    );
    if let Some(credentials) = &spec.credentials {
        page.line("Credential Type", credentials_word(credentials.type_));
        page.line_if(
            "Secret",
            credentials.secret_ref.as_ref().map(|secret| &secret.name),
        );
    }
    page.line_if("Model", spec.model.as_ref());
    page.line_if("Image", spec.image.as_ref());
    page.line_if("Timeout", spec.timeout.as_ref());
    if let Some(resources) = &spec.resources {
        for (title, quantities) in [("Requests", &resources.requests), ("Limits", &resources.limits)] {
            page.list(
                title,
                quantities
                    .iter()
                    .flatten()
                    .map(|(name, quantity)| format!("{name}={}", quantity.0)),
            );
        }
    }
    page.line_if("Storage", spec.storage.as_ref().map(storage_text));
    page.list(
        "Environment",
        spec.env.iter().map(|variable| match &variable.value {
            Some(value) => format!("{}={value}", variable.name),
            None => format!("{} from elsewhere", variable.name),
        }),
    );
    page.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_defaults_of_a_namespace_are_described() {
        let defaults: TaskDefaults = serde_json::from_value(json!({
            "apiVersion": "axon.io/v1alpha1", "kind": "TaskDefaults",
            "metadata": {"name": "default", "namespace": "n"},
            "spec": {
                "type": "gemini", "providers": {"claude-code": "a", "gemini": "b"},
                "credentials": {"type": "api-key", "secretRef": {"name": "s"}},
                "timeout": "1h", "resources": {"limits": {"cpu": "4", "memory": "8Gi"}},
                "storage": {}, "env": [{"name": "A", "value": "b"}],
            },
        }))
        .expect("defaults");
        assert_eq!(
            text(&defaults),
            "\
Name:               default
Namespace:          n
Labels:             <none>
Annotations:        <none>
Type:               gemini
Providers:          claude-code: a
                    gemini: b
Credential Type:    api-key
Secret:             s
Timeout:            1h
Limits:             cpu=4
                    memory=8Gi
Storage:            10Gi, one per Task
Environment:        A=b
"
        );
    }
}
