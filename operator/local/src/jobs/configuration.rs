//! Secrets and `ConfigMap`s as pods use them: what a reference gives, and the kubelet's words when it
//! gives nothing.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};

use super::obstacle::Obstacle;

/// The two kinds whose content pods use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Secret,
    ConfigMap,
}

impl Source {
    fn lower(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::ConfigMap => "configmap",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// What one Secret or `ConfigMap` holds.
pub(super) type Content = BTreeMap<String, Vec<u8>>;

/// The content of the object, `None` if there is no such object.
pub(super) async fn read(
    client: &Client,
    namespace: &str,
    source: Source,
    name: &str,
) -> kube::Result<Option<Content>> {
    match source {
        Source::Secret => {
            let secret = Api::<Secret>::namespaced(client.clone(), namespace)
                .get_opt(name)
                .await?;
            Ok(secret.map(|secret| {
                let data = secret.data.unwrap_or_default();
                data.into_iter().map(|(key, value)| (key, value.0)).collect()
            }))
        }
        Source::ConfigMap => {
            let map = Api::<ConfigMap>::namespaced(client.clone(), namespace)
                .get_opt(name)
                .await?;
            Ok(map.map(|map| {
                let text = map.data.unwrap_or_default();
                let binary = map.binary_data.unwrap_or_default();
                text.into_iter()
                    .map(|(key, value)| (key, value.into_bytes()))
                    .chain(binary.into_iter().map(|(key, value)| (key, value.0)))
                    .collect()
            }))
        }
    }
}

/// The value of one key for a variable. `Ok(None)` when it is absent and may be.
pub(super) fn value(
    content: Option<&Content>,
    source: Source,
    namespace: &str,
    name: &str,
    key: &str,
    optional: Option<bool>,
) -> Result<Option<String>, Obstacle> {
    let optional = optional.unwrap_or(false);
    match (content, content.and_then(|content| content.get(key))) {
        (_, Some(value)) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
        (_, None) if optional => Ok(None),
        (None, _) => Err(Obstacle::configuration(format!(
            "{} \"{name}\" not found",
            source.lower()
        ))),
        (Some(_), None) => Err(Obstacle::configuration(format!(
            "couldn't find key {key} in {} {namespace}/{name}",
            source.kind()
        ))),
    }
}

/// The message for a volume whose object is not there.
pub(super) fn missing_volume(volume: &str, source: Source, name: &str) -> Obstacle {
    Obstacle::creating(format!(
        "MountVolume.SetUp failed for volume \"{volume}\" : {} \"{name}\" not found",
        source.lower()
    ))
}

/// The message for a volume whose object lacks a key that is asked for.
pub(super) fn missing_item(volume: &str, key: &str) -> Obstacle {
    Obstacle::creating(format!(
        "MountVolume.SetUp failed for volume \"{volume}\" : references non-existent secret key: {key}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_in_the_kubelets_words() {
        let content = Content::from([("there".to_owned(), b"1".to_vec())]);
        let ask = |content, key, optional| value(content, Source::Secret, "default", "token", key, optional);
        assert_eq!(ask(Some(&content), "there", None), Ok(Some("1".to_owned())));
        assert_eq!(ask(Some(&content), "absent", Some(true)), Ok(None));
        assert_eq!(ask(None, "absent", Some(true)), Ok(None));
        assert_eq!(
            ask(None, "there", Some(false)),
            Err(Obstacle::configuration("secret \"token\" not found"))
        );
        assert_eq!(
            ask(Some(&content), "absent", None),
            Err(Obstacle::configuration(
                "couldn't find key absent in Secret default/token"
            ))
        );
    }
}
