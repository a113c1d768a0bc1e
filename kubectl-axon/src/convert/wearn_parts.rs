//! What tasks and runs of `agents.wearn.dev` have in common: credentials, images and pods.

use serde_json::{Value, json};

use super::fields::{Fields, Target};
use super::notes::Notes;
use super::quantity;
use super::surroundings::Surroundings;
use super::wearn::GROUP;

/// The agent type of that system's own provider.
pub(super) const CLAUDE: &str = "claude-code";

/// Limits of the agent container when a task does not say otherwise.
const DEFAULT_CPU: &str = "4";
const DEFAULT_MEMORY: &str = "8Gi";

/// The key under which axon.io wants a token for git.
const GIT_KEY: &str = "GITHUB_TOKEN";

/// The object that is converted, and the Secrets that it needs beside those that exist.
pub(super) struct Owner<'a> {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) surroundings: &'a Surroundings,
    pub(super) secrets: Vec<Value>,
}

/// The Secret with the token for git. Its key has another name there, so that it is made anew: from
/// the Secret among the documents, or with a command.
pub(super) fn git_secret(spec: &mut Fields, owner: &mut Owner, notes: &mut Notes) -> Option<Value> {
    let path = spec.path("gitCredentialsRef");
    let mut reference = spec.inner("gitCredentialsRef", notes)?;
    let name = reference.text("name", notes)?;
    let key = reference.text("key", notes)?;
    reference.finish(notes);
    if key == GIT_KEY {
        return Some(json!({ "name": name }));
    }
    let made = format!("{name}-git");
    match copy_of(owner, &name, &key, &made) {
        Some(secret) => {
            notes.changed(
                path,
                format!("Secret `{made}` is made from key `{key}` of Secret `{name}`: its key is {GIT_KEY}"),
            );
            owner.secrets.push(secret);
        }
        None => notes.hand_work(
            path,
            format!(
                "make the Secret with key {GIT_KEY}: {}",
                command(owner, &name, &key, &made)
            ),
        ),
    }
    Some(json!({ "name": made }))
}

fn copy_of(owner: &Owner, name: &str, key: &str, made: &str) -> Option<Value> {
    let secret = owner.surroundings.secret(&owner.namespace, name)?;
    let (field, value) = ["data", "stringData"]
        .into_iter()
        .find_map(|field| Some((field, secret.get(field)?.get(key)?)))?;
    let mut metadata = Target::default();
    metadata.put("name", Some(made));
    metadata.put(
        "namespace",
        Some(owner.namespace.as_str()).filter(|name| !name.is_empty()),
    );
    Some(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata.into_value(),
        field: { GIT_KEY: value },
    }))
}

fn command(owner: &Owner, name: &str, key: &str, made: &str) -> String {
    let namespace = match owner.namespace.as_str() {
        "" => String::new(),
        namespace => format!(" -n {namespace}"),
    };
    let path = key.replace('.', "\\.");
    format!(
        "`kubectl create secret generic {made}{namespace} --from-literal={GIT_KEY}=\"$(kubectl get secret {name}{namespace} -o jsonpath='{{.data.{path}}}' | base64 -d)\"`"
    )
}

/// Sets agent type and provider, and gives the agent type.
pub(super) fn provider(target: &mut Target, spec: &mut Fields, notes: &mut Notes) -> String {
    let anthropic = spec.take("anthropicApiKeyRef");
    let given = spec.inner("provider", notes);
    // A run has the three fields of a provider beside each other.
    let (name, key, address) = match given {
        Some(mut given) => {
            let found = (
                given.text("name", notes),
                given.take("apiKeyRef"),
                given.text("baseURL", notes),
            );
            given.finish(notes);
            found
        }
        None => (None, None, None),
    };
    let name = name.unwrap_or_else(|| "claude".to_owned());
    let key = key.or_else(|| spec.take("apiKeyRef"));
    let address = address.or_else(|| spec.text("baseURL", notes));
    let mut inline = Target::default();
    let agent = match name.as_str() {
        "claude" => {
            inline.put("name", Some("anthropic"));
            inline.put("authSecretRef", key.or(anthropic));
            inline.put("authTokenEnv", Some("ANTHROPIC_API_KEY"));
            inline.put("baseURL", address);
            CLAUDE
        }
        "ollama" => {
            inline.put("name", Some("ollama"));
            let address =
                address.unwrap_or_else(|| "http://ollama.ollama.svc.cluster.local:11434".to_owned());
            inline.put("baseURL", Some(format!("{}/v1", address.trim_end_matches('/'))));
            "opencode"
        }
        other => {
            let agent = if other == "openai" { "codex" } else { other };
            notes.changed(
                spec.path("provider.name"),
                format!("`{other}` is agent type {agent}; {GROUP} ran Claude whatever was written there"),
            );
            inline.put("name", Some(other));
            inline.put("authSecretRef", key);
            inline.put("baseURL", address);
            agent
        }
    };
    target.put("type", Some(agent));
    target.put("provider", Some(Value::from(inline)));
    agent.to_owned()
}

/// The image, which is started by its CLI and not by an entrypoint that knows steps.
pub(super) fn image(target: &mut Target, spec: &mut Fields, name: &str, notes: &mut Notes) {
    let image = spec.text(name, notes);
    if let Some(image) = &image {
        notes.changed(
            spec.path(name),
            format!("the agent's CLI in `{image}` is started, not the image's entrypoint"),
        );
    }
    target.put("image", image);
}

/// The pod: limits, and requests of half of them, as that system sets them.
pub(super) fn pod(spec: &mut Fields, notes: &mut Notes) -> Value {
    let path = spec.path("resources");
    let resources = spec.inner("resources", notes);
    let (mut cpu, mut memory) = (None, None);
    if let Some(mut resources) = resources {
        cpu = resources.text("cpu", notes);
        memory = resources.text("memory", notes);
        if resources.take("storage").is_some() {
            notes.changed(
                resources.path("storage"),
                format!("{GROUP} did not use it, and it is left out"),
            );
        }
        resources.finish(notes);
    }
    for (field, value, default) in [("cpu", &cpu, DEFAULT_CPU), ("memory", &memory, DEFAULT_MEMORY)] {
        if value.is_none() {
            notes.changed(
                format!("{path}.{field}"),
                format!("the limit {default} is written out, the default of {GROUP}"),
            );
        }
    }
    let cpu = cpu.unwrap_or_else(|| DEFAULT_CPU.to_owned());
    let memory = memory.unwrap_or_else(|| DEFAULT_MEMORY.to_owned());
    let mut requests = Target::default();
    requests.put("cpu", quantity::half(&cpu));
    requests.put("memory", quantity::half(&memory));
    let mut resources = Target::default();
    resources.put("requests", Some(Value::from(requests)));
    resources.put("limits", Some(json!({ "cpu": cpu, "memory": memory })));
    let mut pod = Target::default();
    pod.put("resources", Some(Value::from(resources)));
    pod.keep(spec, &["serviceAccountName", "nodeSelector", "tolerations"]);
    pod.into()
}
