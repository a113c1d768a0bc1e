//! The Agent Operator of `agent.xonovex.com/v1alpha1`.

use serde_json::{Map, Value, json};

use super::fields::{Fields, Target, object};
use super::metadata;
use super::notes::Notes;
use super::surroundings::Surroundings;

/// The API group.
pub(super) const GROUP: &str = "agent.xonovex.com";

/// What that system does when a run does not say otherwise.
const DEFAULT_TIMEOUT: &str = "1h";
const DEFAULT_STORAGE: &str = "10Gi";

/// The one name that defaults have.
const DEFAULTS_NAME: &str = "default";

/// Converts one object of that system.
pub(super) fn convert(document: Value, surroundings: &Surroundings, notes: &mut Notes) -> Vec<Value> {
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let has_defaults = surroundings.has_defaults(metadata::namespace(&document));
    let mut document = Fields::of("", document, notes);
    document.take("apiVersion");
    document.take("kind");
    let mut metadata = document.take("metadata").unwrap_or_else(|| json!({}));
    let spec = Fields::of("spec", document.take("spec").unwrap_or_default(), notes);
    document.finish(notes);
    let (kind, spec) = match kind.as_str() {
        "AgentRun" => ("Task", task(spec, has_defaults, notes)),
        "AgentProvider" => ("AgentProvider", provider(spec, notes)),
        "AgentConfig" => {
            rename(&mut metadata, notes);
            ("TaskDefaults", defaults(spec, notes))
        }
        _ => {
            notes.lost(
                "kind",
                format!("axon.io has no kind for a {kind} of {GROUP}; it is left out"),
            );
            return Vec::new();
        }
    };
    vec![object(kind, &metadata, spec)]
}

/// Defaults have one name, so that a namespace has one of them.
fn rename(metadata: &mut Value, notes: &mut Notes) {
    let name = metadata["name"].as_str().unwrap_or_default().to_owned();
    if name != DEFAULTS_NAME {
        notes.changed(
            "metadata.name",
            format!("`{name}` is `{DEFAULTS_NAME}`, the one name that a namespace's defaults have"),
        );
        if let Some(fields) = metadata.as_object_mut() {
            fields.insert("name".to_owned(), json!(DEFAULTS_NAME));
        }
    }
}

fn task(mut spec: Fields, has_defaults: bool, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    let agent = spec.text("agent", notes).map(|agent| agent_type(&agent));
    target.put("type", agent.clone());
    target.keep(&mut spec, &["prompt", "ttlSecondsAfterFinished", "image"]);
    target.put("providerRef", spec.reference("providerRef", notes));
    if let Some(inline) = spec.inner("provider", notes) {
        target.put("provider", Some(inline_provider(inline, agent.as_deref(), notes)));
    }
    target.put("workspaceRef", spec.reference("workspaceRef", notes));
    let workspace = workspace(&mut spec, has_defaults, notes);
    target.put("workspace", workspace);
    let timeout = spec.text("timeout", notes);
    if timeout.is_none() && !has_defaults {
        notes.changed(
            spec.path("timeout"),
            format!("{DEFAULT_TIMEOUT} is written out, the default of {GROUP}"),
        );
    }
    target.put("timeout", or_default(timeout, has_defaults, DEFAULT_TIMEOUT));
    let mut pod = Target::default();
    pod.keep(
        &mut spec,
        &[
            "resources",
            "env",
            "nodeSelector",
            "tolerations",
            "podSecurityContext",
        ],
    );
    pod.put("containerSecurityContext", spec.take("securityContext"));
    target.put("podOverrides", Some(Value::from(pod)));
    spec.finish(notes);
    target
}

/// A default of that system is written out where the namespace's defaults do not come along.
fn or_default(value: Option<String>, has_defaults: bool, default: &str) -> Option<String> {
    value.or_else(|| (!has_defaults).then(|| default.to_owned()))
}

fn workspace(spec: &mut Fields, has_defaults: bool, notes: &mut Notes) -> Option<Value> {
    let mut repository = spec.inner("repository", notes)?;
    let mut target = Target::default();
    target.put("repo", repository.text("url", notes));
    target.put("ref", repository.text("branch", notes));
    target.put("commit", repository.text("commit", notes));
    if let Some(mut secret) = repository.inner("credentialsSecretRef", notes) {
        let name = secret.text("name", notes).unwrap_or_default();
        let key = secret.text("key", notes);
        secret.finish(notes);
        notes.hand_work(
            repository.path("credentialsSecretRef"),
            format!(
                "Secret `{name}`{} must have the token under the key GITHUB_TOKEN: `kubectl create secret generic {name} --from-literal=GITHUB_TOKEN=...`",
                key.map(|key| format!(" (key `{key}`)")).unwrap_or_default()
            ),
        );
        target.put("secretRef", Some(json!({ "name": name })));
    }
    repository.finish(notes);
    if let Some(mut worktree) = spec.inner("worktree", notes) {
        let mut inner = Target::default();
        inner.keep(&mut worktree, &["branch", "sourceBranch"]);
        worktree.finish(notes);
        target.put("worktree", Some(Value::from(inner)));
    }
    if !has_defaults {
        notes.changed(
            "spec",
            format!("workspace.storage.size {DEFAULT_STORAGE} is written out, the default of {GROUP}"),
        );
        target.put("storage", Some(json!({ "size": DEFAULT_STORAGE })));
    }
    Some(target.into())
}

fn provider(mut spec: Fields, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.keep(&mut spec, &["displayName", "authTokenSecretRef", "authTokenEnv"]);
    let types = match spec.take("agentTypes") {
        Some(Value::Array(types)) => types,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let types: Vec<String> = types.iter().filter_map(Value::as_str).map(agent_type).collect();
    let is_for_claude = types.iter().all(|name| name == "claude-code");
    target.put("agentTypes", Some(types));
    endpoint(&mut target, &mut spec, is_for_claude, notes);
    arguments(&mut spec, notes);
    spec.finish(notes);
    target
}

fn inline_provider(mut provider: Fields, agent: Option<&str>, notes: &mut Notes) -> Value {
    let mut target = Target::default();
    target.keep(&mut provider, &["name", "authSecretRef", "authTokenEnv"]);
    let is_for_claude = agent.is_none_or(|agent| agent == "claude-code");
    endpoint(&mut target, &mut provider, is_for_claude, notes);
    arguments(&mut provider, notes);
    provider.finish(notes);
    target.into()
}

/// The address in the environment is a field of its own. With it, that system gives the credential
/// as `ANTHROPIC_AUTH_TOKEN`; Anthropic's own address takes keys in `ANTHROPIC_API_KEY` only.
fn endpoint(target: &mut Target, provider: &mut Fields, is_for_claude: bool, notes: &mut Notes) {
    let path = provider.path("environment");
    let mut environment = match provider.take("environment") {
        Some(Value::Object(environment)) => environment,
        Some(_) => {
            notes.lost(path.as_str(), "this is not an object");
            Map::new()
        }
        None => Map::new(),
    };
    let address = environment
        .get("ANTHROPIC_BASE_URL")
        .and_then(Value::as_str)
        .map(str::to_owned);
    if let Some(address) = address.filter(|address| is_for_claude && address.starts_with("http")) {
        environment.remove("ANTHROPIC_BASE_URL");
        notes.changed(format!("{path}.ANTHROPIC_BASE_URL"), "it is baseURL");
        if !target.has("authTokenEnv") {
            let variable = if is_anthropic(&address) {
                "ANTHROPIC_API_KEY"
            } else {
                "ANTHROPIC_AUTH_TOKEN"
            };
            target.put("authTokenEnv", Some(variable));
        }
        target.put("baseURL", Some(address));
    }
    target.put("environment", Some(environment));
}

fn is_anthropic(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    host.split(['/', ':']).next() == Some("api.anthropic.com")
}

fn arguments(provider: &mut Fields, notes: &mut Notes) {
    if provider.take("cliArgs").is_some() {
        notes.lost(
            provider.path("cliArgs"),
            "the agent's command line is the operator's; most settings have a variable of environment",
        );
    }
}

fn defaults(mut spec: Fields, notes: &mut Notes) -> Target {
    let mut target = Target::default();
    target.put(
        "type",
        spec.text("defaultAgent", notes).map(|agent| agent_type(&agent)),
    );
    if let Some(Value::Object(providers)) = spec.take("defaultProviders") {
        let providers: Map<String, Value> = providers
            .into_iter()
            .map(|(agent, provider)| (agent_type(&agent), provider))
            .collect();
        target.put("providers", Some(providers));
    }
    let image = spec.text("defaultImage", notes);
    if let Some(image) = &image {
        notes.changed(
            spec.path("defaultImage"),
            format!("the image `{image}` must contain git and the CLI of the agents that use it"),
        );
    }
    target.put("image", image);
    target.put("resources", spec.take("defaultResources"));
    let timeout = spec.text("defaultTimeout", notes);
    if timeout.is_none() {
        notes.changed(
            spec.path("defaultTimeout"),
            format!("{DEFAULT_TIMEOUT} is written out, the default of {GROUP}"),
        );
    }
    target.put("timeout", or_default(timeout, false, DEFAULT_TIMEOUT));
    let mut storage = Target::default();
    storage.put("className", spec.text("storageClass", notes));
    let size = spec.text("storageSize", notes);
    storage.put("size", or_default(size, false, DEFAULT_STORAGE));
    target.put("storage", Some(Value::from(storage)));
    target.keep(&mut spec, &["env"]);
    spec.finish(notes);
    target
}

/// The agent's name in axon.io.
fn agent_type(agent: &str) -> String {
    match agent {
        "claude" => "claude-code".to_owned(),
        other => other.to_owned(),
    }
}
