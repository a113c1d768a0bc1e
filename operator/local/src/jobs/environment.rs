//! The environment of a container: what the pod says, over a minimal base of the machine.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use k8s_openapi::api::core::v1::{Container, EnvVar, Pod};
use kube::{Client, ResourceExt as _};

use super::configuration::{Content, Source, read, value};
use super::expansion::expand;
use super::obstacle::Obstacle;

/// What a container gets of the user's environment. Keys and tokens that lie around in it are not
/// for agents: those come from Secrets.
const FROM_MACHINE: &[&str] = &[
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TZ",
    "USER",
    "LOGNAME",
    "SHELL",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Those of [`FROM_MACHINE`] that name a file or folder which the programs read.
pub(super) const CERTIFICATES: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
];

/// Where programs are looked for when the machine's environment does not say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The part of an environment that containers start from.
pub(super) fn base(machine: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let mut base: BTreeMap<String, String> = machine
        .into_iter()
        .filter(|(name, _)| FROM_MACHINE.contains(&name.as_str()))
        .collect();
    base.entry("PATH".to_owned())
        .or_insert_with(|| DEFAULT_PATH.to_owned());
    base
}

/// The variables of the container by name, without the base.
pub(super) async fn of_container(
    client: &Client,
    pod: &Pod,
    container: &Container,
) -> Result<BTreeMap<String, String>, Obstacle> {
    let namespace = pod.namespace().unwrap_or_default();
    if container.env_from.as_ref().is_some_and(|from| !from.is_empty()) {
        return Err(Obstacle::unsupported(format!(
            "container `{}` has `envFrom`, which does not exist on this machine: only `env` does",
            container.name
        )));
    }
    let mut contents: HashMap<(bool, String), Option<Content>> = HashMap::new();
    for (source, name) in container.env.iter().flatten().filter_map(reference) {
        let key = (source == Source::Secret, name.to_owned());
        if let Entry::Vacant(entry) = contents.entry(key) {
            entry.insert(read(client, &namespace, source, name).await?);
        }
    }
    let lookup = |source: Source, name: &str| {
        contents
            .get(&(source == Source::Secret, name.to_owned()))
            .and_then(Option::as_ref)
    };
    resolve(pod, container, &namespace, lookup)
}

fn reference(variable: &EnvVar) -> Option<(Source, &str)> {
    let from = variable.value_from.as_ref()?;
    if let Some(secret) = &from.secret_key_ref {
        return Some((Source::Secret, &secret.name));
    }
    let map = from.config_map_key_ref.as_ref()?;
    Some((Source::ConfigMap, &map.name))
}

fn resolve<'a>(
    pod: &Pod,
    container: &Container,
    namespace: &str,
    content: impl Fn(Source, &str) -> Option<&'a Content>,
) -> Result<BTreeMap<String, String>, Obstacle> {
    let mut resolved = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let Some(from) = &variable.value_from else {
            let text = variable.value.as_deref().unwrap_or_default();
            let expanded = expand(text, |name| resolved.get(name).cloned());
            resolved.insert(variable.name.clone(), expanded);
            continue;
        };
        let found = if let Some(key) = &from.secret_key_ref {
            let secret = content(Source::Secret, &key.name);
            value(
                secret,
                Source::Secret,
                namespace,
                &key.name,
                &key.key,
                key.optional,
            )?
        } else if let Some(key) = &from.config_map_key_ref {
            let map = content(Source::ConfigMap, &key.name);
            value(
                map,
                Source::ConfigMap,
                namespace,
                &key.name,
                &key.key,
                key.optional,
            )?
        } else if let Some(field) = &from.field_ref {
            Some(self::field(pod, &field.field_path)?)
        } else {
            return Err(Obstacle::unsupported(format!(
                "variable `{}` of container `{}` comes from something that does not exist on this machine",
                variable.name, container.name
            )));
        };
        if let Some(found) = found {
            resolved.insert(variable.name.clone(), found);
        }
    }
    Ok(resolved)
}

/// A field of the pod, as the downward API gives it.
fn field(pod: &Pod, path: &str) -> Result<String, Obstacle> {
    let spec = pod.spec.as_ref();
    let found = match path {
        "metadata.name" => Some(pod.name_any()),
        "metadata.namespace" => pod.namespace(),
        "metadata.uid" => pod.uid(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        _ => {
            return labelled(pod, path).ok_or_else(|| {
                Obstacle::unsupported(format!("field `{path}` of a pod does not exist on this machine"))
            });
        }
    };
    Ok(found.unwrap_or_default())
}

/// `metadata.labels['NAME']` and `metadata.annotations['NAME']`.
fn labelled(pod: &Pod, path: &str) -> Option<String> {
    let (map, rest) = path
        .strip_prefix("metadata.labels['")
        .map(|rest| (pod.labels(), rest))
        .or_else(|| {
            let rest = path.strip_prefix("metadata.annotations['")?;
            Some((pod.annotations(), rest))
        })?;
    let name = rest.strip_suffix("']")?;
    Some(map.get(name).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resolved(env: serde_json::Value) -> Result<BTreeMap<String, String>, Obstacle> {
        let mut pod = json!({
            "metadata": {"name": "p", "namespace": "ns", "labels": {"a/b": "label"}},
            "spec": {"containers": [{"name": "agent"}]}
        });
        pod["spec"]["containers"][0]["env"] = env;
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let content = Content::from([("key".to_owned(), b"secret value".to_vec())]);
        let container = &pod.spec.as_ref().expect("a spec").containers[0];
        resolve(&pod, container, "ns", |source, name| {
            (source == Source::Secret && name == "there").then_some(&content)
        })
    }

    fn variable(env: serde_json::Value) -> Result<Option<String>, Obstacle> {
        Ok(resolved(env)?.remove("X"))
    }

    #[test]
    fn variables_come_from_values_secrets_and_fields() {
        let secret = |name: &str, key: &str, optional: bool| json!([{"name": "X", "valueFrom": {"secretKeyRef": {"name": name, "key": key, "optional": optional}}}]);
        let field = |path: &str| json!([{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}]);
        for (env, expected) in [
            (json!([{"name": "X", "value": "1"}]), Some("1")),
            (json!([{"name": "X"}]), Some("")),
            (
                json!([{"name": "A", "value": "1"}, {"name": "X", "value": "$(A)$$(A)$(B)"}]),
                Some("1$(A)$(B)"),
            ),
            (secret("there", "key", false), Some("secret value")),
            (secret("gone", "key", true), None),
            (field("metadata.name"), Some("p")),
            (field("metadata.namespace"), Some("ns")),
            (field("metadata.labels['a/b']"), Some("label")),
        ] {
            assert_eq!(variable(env.clone()), Ok(expected.map(str::to_owned)), "{env}");
        }
        assert!(matches!(
            variable(secret("gone", "key", false)),
            Err(Obstacle::Waiting { .. })
        ));
        assert!(matches!(
            variable(field("status.podIP")),
            Err(Obstacle::Final { .. })
        ));
    }

    #[test]
    fn keys_that_lie_around_in_the_users_environment_do_not_reach_a_container() {
        let machine = [
            ("PATH", "/bin"),
            ("ANTHROPIC_API_KEY", "sk"),
            ("HOME", "/home/me"),
            ("LANG", "C"),
        ];
        let base = base(machine.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(base.keys().collect::<Vec<_>>(), ["LANG", "PATH"]);
        assert!(super::base([]).contains_key("PATH"));
    }
}
