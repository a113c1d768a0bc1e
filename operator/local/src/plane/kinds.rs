//! What the server does to objects of each kind before it stores them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::metadata::{self, NameRule};
use super::registry::{EventForm, Nature, Resource};
use super::status::Cause;

/// Which part of an object a write may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Everything but what a status subresource holds.
    Main,
    /// The status only.
    Status,
}

pub(crate) fn name_rule(resource: &Resource) -> NameRule {
    match resource.nature {
        Nature::Namespace => NameRule::Label,
        _ => NameRule::Subdomain,
    }
}

/// Brings an object that is to be created into the form in which it is stored.
pub(crate) fn prepare_create(resource: &Resource, object: &mut Value) {
    if resource.has("status")
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("status");
    }
    match resource.nature {
        Nature::Namespace => {
            object["spec"] = json!({ "finalizers": ["kubernetes"] });
            object["status"] = json!({ "phase": "Active" });
            let name = metadata::text(object, "name").to_owned();
            let labels = metadata::of(object).entry("labels").or_insert_with(|| json!({}));
            if let Some(labels) = labels.as_object_mut() {
                labels.insert("kubernetes.io/metadata.name".to_owned(), name.into());
            }
        }
        Nature::Secret => prepare_secret(object),
        Nature::Pod => prepare_pod(object),
        Nature::Job => prepare_job(object),
        Nature::Claim => prepare_claim(object),
        _ => {}
    }
    if counts_generations(resource) {
        metadata::of(object).insert("generation".to_owned(), 1.into());
    }
}

fn counts_generations(resource: &Resource) -> bool {
    matches!(resource.nature, Nature::Pod | Nature::Job | Nature::Custom(_))
}

/// Brings the object that is to replace `old` into the form in which it is stored.
pub(crate) fn prepare_update(resource: &Resource, part: Part, old: &Value, new: &mut Value) {
    if part == Part::Status {
        let status = new.get("status").cloned();
        *new = old.clone();
        set_or_remove(new, "status", status);
        return;
    }
    if resource.has("status") || matches!(resource.nature, Nature::Namespace) {
        set_or_remove(new, "status", old.get("status").cloned());
    }
    if matches!(resource.nature, Nature::Namespace) {
        set_or_remove(new, "spec", old.get("spec").cloned());
    }
    if matches!(resource.nature, Nature::Secret) {
        prepare_secret(new);
        if new.get("type") == Some(&json!("Opaque")) && old.get("type").is_some() {
            new["type"] = old["type"].clone();
        }
    }
    let before = old.pointer("/metadata/generation");
    let generation = if counts_generations(resource) {
        let changed = significant(old) != significant(new);
        let before = before.and_then(Value::as_i64).unwrap_or(1);
        Value::from(before + i64::from(changed))
    } else {
        before.cloned().unwrap_or_default()
    };
    metadata::of(new).insert("generation".to_owned(), generation);
}

/// What a new generation is counted for: all but metadata and status.
fn significant(object: &Value) -> Vec<(&String, &Value)> {
    object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(name, _)| !["metadata", "status", "apiVersion", "kind"].contains(&name.as_str()))
        .collect()
}

fn set_or_remove(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
}

fn prepare_secret(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(texts)) = fields.remove("stringData") {
        let data = fields.entry("data").or_insert_with(|| json!({}));
        if !data.is_object() {
            *data = json!({});
        }
        for (key, text) in texts {
            let encoded = STANDARD.encode(text.as_str().unwrap_or_default());
            if let Some(data) = data.as_object_mut() {
                data.insert(key, encoded.into());
            }
        }
    }
    let untyped = fields
        .get("type")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty);
    if untyped {
        fields.insert("type".to_owned(), "Opaque".into());
    }
}

/// Fills in fields that are absent.
fn defaults(object: &mut Value, values: &[(&str, Value)]) {
    if let Some(fields) = object.as_object_mut() {
        for (name, value) in values {
            fields.entry(*name).or_insert_with(|| value.clone());
        }
    }
}

fn prepare_pod(pod: &mut Value) {
    let gated = pod
        .pointer("/spec/schedulingGates")
        .and_then(Value::as_array)
        .is_some_and(|gates| !gates.is_empty());
    prepare_pod_spec(&mut pod["spec"]);
    pod["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
    if gated {
        pod["status"]["conditions"] = json!([{
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastProbeTime": null,
            "lastTransitionTime": metadata::now(),
        }]);
    }
}

fn prepare_pod_spec(spec: &mut Value) {
    defaults(
        spec,
        &[
            ("restartPolicy", json!("Always")),
            ("dnsPolicy", json!("ClusterFirst")),
            ("schedulerName", json!("default-scheduler")),
            ("terminationGracePeriodSeconds", json!(30)),
            ("securityContext", json!({})),
        ],
    );
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let latest = container
                .get("image")
                .and_then(Value::as_str)
                .is_some_and(|image| {
                    image.ends_with(":latest")
                        || !image.rsplit('/').next().unwrap_or_default().contains([':', '@'])
                });
            defaults(
                container,
                &[
                    (
                        "imagePullPolicy",
                        json!(if latest { "Always" } else { "IfNotPresent" }),
                    ),
                    ("resources", json!({})),
                    ("terminationMessagePath", json!("/dev/termination-log")),
                    ("terminationMessagePolicy", json!("File")),
                ],
            );
        }
    }
}

/// A claim is a folder of this machine, which is there at once and whatever its class.
fn prepare_claim(claim: &mut Value) {
    defaults(&mut claim["spec"], &[("volumeMode", json!("Filesystem"))]);
    claim["status"] = json!({
        "phase": "Bound",
        "accessModes": claim.pointer("/spec/accessModes"),
        "capacity": claim.pointer("/spec/resources/requests"),
    });
}

fn prepare_job(job: &mut Value) {
    let uid = metadata::text(job, "uid").to_owned();
    let name = metadata::text(job, "name").to_owned();
    defaults(
        &mut job["spec"],
        &[
            ("completions", json!(1)),
            ("parallelism", json!(1)),
            ("backoffLimit", json!(6)),
            ("completionMode", json!("NonIndexed")),
            ("suspend", json!(false)),
            ("manualSelector", json!(false)),
            ("podReplacementPolicy", json!("TerminatingOrFailed")),
        ],
    );
    if let Some(spec) = job["spec"].as_object_mut() {
        spec.insert(
            "selector".to_owned(),
            json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } }),
        );
    }
    prepare_pod_spec(&mut job["spec"]["template"]["spec"]);
    let own: Map<String, Value> = [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.clone().into()))
    .collect();
    let template = metadata::of(&mut job["spec"]["template"]);
    let labels = template.entry("labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.extend(own.clone());
    }
    // A Job without labels of its own takes those of its pods.
    let template_labels = labels.clone();
    metadata::of(job).entry("labels").or_insert(template_labels);
    job["status"] = json!({});
}

/// What is wrong with an object, which replaces `old` if there is one.
pub(crate) fn validate(resource: &Resource, part: Part, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = if part == Part::Main {
        metadata::check(object, name_rule(resource))
    } else {
        Vec::new()
    };
    match &resource.nature {
        Nature::Secret | Nature::ConfigMap => check_data(object, old, &mut causes),
        Nature::Pod => check_pod(object, old, &mut causes),
        Nature::Job => check_job(object, old, &mut causes),
        Nature::Event(EventForm::Core) => check_event(object, &mut causes),
        Nature::Custom(custom) => {
            causes.extend(super::schema::validate(&custom.schema, object));
            if causes.iter().any(Cause::blocks_rules) {
                causes.push(Cause::rules_not_checked());
            } else {
                causes.extend(custom.rules.check(object, old));
            }
        }
        Nature::Event(EventForm::Group)
        | Nature::Namespace
        | Nature::Claim
        | Nature::Lease
        | Nature::Definition => {}
    }
    causes
}

/// Data of one Secret or `ConfigMap`, in bytes.
const DATA_LIMIT: usize = 1024 * 1024;

fn check_data(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let mut size = 0;
    let is_secret = object.get("kind").and_then(Value::as_str) == Some("Secret");
    for field in ["data", "binaryData"] {
        let data = object.get(field).and_then(Value::as_object);
        for (key, value) in data.into_iter().flatten() {
            let valid = !key.is_empty()
                && key.len() <= 253
                && key
                    .chars()
                    .all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character));
            if !valid {
                causes.push(Cause::invalid(
                    format!("{field}[{key}]"),
                    &Value::from(key.as_str()),
                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                ));
            }
            let text = value.as_str().unwrap_or_default();
            size += if is_secret { text.len() / 4 * 3 } else { text.len() };
        }
    }
    if size > DATA_LIMIT {
        let field = if is_secret { "data" } else { "[]" };
        causes.push(Cause {
            reason: "FieldValueTooLong",
            field: field.to_owned(),
            message: format!("Too long: may not be more than {DATA_LIMIT} bytes"),
        });
    }
    let Some(old) = old else { return };
    if is_secret && old.get("type") != object.get("type") {
        let value = object.get("type").unwrap_or(&Value::Null);
        causes.push(Cause::invalid("type", value, "field is immutable"));
    }
    if old.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    if object.get("immutable") != Some(&Value::Bool(true)) {
        let detail = "field is immutable when `immutable` is set";
        causes.push(Cause::forbidden("immutable", detail));
    }
    for field in ["data", "binaryData"] {
        if old.get(field) != object.get(field) {
            let detail = "field is immutable when `immutable` is set";
            causes.push(Cause::forbidden(field, detail));
        }
    }
}

fn check_containers(spec: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    let list = |name: &str| {
        spec.and_then(|spec| spec.get(name))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    if list("containers").is_empty() {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    for name in ["initContainers", "containers"] {
        for (index, container) in list(name).iter().enumerate() {
            for field in ["name", "image"] {
                let given = container.get(field).and_then(Value::as_str).unwrap_or_default();
                if given.is_empty() {
                    causes.push(Cause::required(format!("{path}.{name}[{index}].{field}"), ""));
                }
            }
        }
    }
}

fn check_pod(pod: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    check_containers(pod.get("spec"), "spec", causes);
    let Some(old) = old else { return };
    let gates = |pod: &Value| {
        pod.pointer("/spec/schedulingGates")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let before = gates(old);
    for (index, gate) in gates(pod).iter().enumerate() {
        if !before.contains(gate) {
            let name = gate.get("name").and_then(Value::as_str).unwrap_or_default();
            causes.push(Cause::forbidden(
                format!("spec.schedulingGates[{index}].name"),
                &format!("only deletion is allowed, but found new scheduling gate '{name}'"),
            ));
        }
    }
    let fixed = |pod: &Value| {
        let mut spec = pod.get("spec").cloned().unwrap_or_default();
        if let Some(fields) = spec.as_object_mut() {
            for name in [
                "schedulingGates",
                "activeDeadlineSeconds",
                "tolerations",
                "nodeName",
                "terminationGracePeriodSeconds",
                "nodeSelector",
                "affinity",
            ] {
                fields.remove(name);
            }
            for list in ["initContainers", "containers"] {
                let containers = fields.get_mut(list).and_then(Value::as_array_mut);
                for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
                    container.remove("image");
                }
            }
        }
        spec
    };
    if fixed(pod) != fixed(old) {
        causes.push(Cause::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        ));
    }
}

fn check_job(job: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    check_containers(job.pointer("/spec/template/spec"), "spec.template.spec", causes);
    let field = "spec.template.spec.restartPolicy";
    let supported = "\"OnFailure\", \"Never\"";
    match job.pointer("/spec/template/spec/restartPolicy") {
        Some(policy) if ["Never", "OnFailure"].iter().any(|known| policy == known) => {}
        Some(policy) => causes.push(Cause::unsupported(field, policy, supported)),
        None => causes.push(Cause::required(field, &format!("valid values: {supported}"))),
    }
    let Some(old) = old else { return };
    for field in ["template", "selector", "completions"] {
        let path = format!("/spec/{field}");
        if job.pointer(&path) != old.pointer(&path) {
            let value = job.pointer(&path).unwrap_or(&Value::Null);
            causes.push(Cause::invalid(
                format!("spec.{field}"),
                value,
                "field is immutable",
            ));
        }
    }
}

fn check_event(event: &Value, causes: &mut Vec<Cause>) {
    let namespace = metadata::text(event, "namespace");
    let about = event
        .pointer("/involvedObject/namespace")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let fits = about == namespace || (about.is_empty() && namespace == "default");
    if !fits {
        let value = Value::from(about);
        let detail = "does not match event.namespace";
        causes.push(Cause::invalid("involvedObject.namespace", &value, detail));
    }
}

/// Fields of an Event that the two groups spell differently: core first.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// An Event in the form of the core group, from the form of `events.k8s.io`.
pub(crate) fn event_to_core(event: &mut Value) {
    rename(event, EVENT_FIELDS.iter().map(|(core, group)| (*group, *core)));
    event["apiVersion"] = "v1".into();
}

/// An Event in the form of `events.k8s.io`, from the form of the core group.
pub(crate) fn event_to_group(event: &mut Value) {
    rename(event, EVENT_FIELDS.iter().copied());
    event["apiVersion"] = "events.k8s.io/v1".into();
}

fn rename<'a>(object: &mut Value, names: impl Iterator<Item = (&'a str, &'a str)>) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}
