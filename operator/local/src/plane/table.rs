//! Tables, as `kubectl get` shows them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::metadata;
use super::negotiate::partial;
use super::registry::{EventForm, Nature, Resource};
use super::route::Query;
use super::status::Failure;

/// What each row of a table carries of its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Include {
    pub(crate) fn parse(query: &Query) -> Result<Self, Failure> {
        match query.get("includeObject") {
            None | Some("Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::Nothing),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(Failure::bad_request(format!(
                "unrecognized includeObject value: \"{other}\""
            ))),
        }
    }
}

/// One column: how it is described, and what it shows of an object.
struct Column {
    name: String,
    kind: String,
    format: &'static str,
    description: String,
    priority: i64,
    cell: Cell,
}

/// Where a cell's value comes from.
enum Cell {
    /// A simple `JSONPath`, such as `.status.conditions[?(@.type=="Ready")].status`.
    Path(String),
    /// A `JSONPath` to a time, shown as an age.
    Age(String),
    Computed(fn(&Value) -> Value),
}

/// A table of objects.
pub(crate) fn table(resource: &Resource, items: &[Value], metadata: &Value, include: Include) -> Value {
    let columns = columns(resource);
    let now = Timestamp::now();
    let definitions: Vec<Value> = columns
        .iter()
        .map(|column| {
            json!({
                "name": column.name,
                "type": column.kind,
                "format": column.format,
                "description": column.description,
                "priority": column.priority,
            })
        })
        .collect();
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let cells: Vec<Value> = columns.iter().map(|column| cell(column, item, now)).collect();
            let mut row = json!({ "cells": cells });
            match include {
                Include::Nothing => {}
                Include::Metadata => row["object"] = partial(item),
                Include::Object => row["object"] = item.clone(),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn cell(column: &Column, item: &Value, now: Timestamp) -> Value {
    match &column.cell {
        Cell::Path(path) => {
            let found = json_path(item, path);
            match column.kind.as_str() {
                "string" => found.map_or(Value::Null, |value| match value {
                    Value::String(_) => value.clone(),
                    other => other.to_string().into(),
                }),
                _ => found.cloned().unwrap_or_default(),
            }
        }
        Cell::Age(path) => {
            let since = json_path(item, path).and_then(Value::as_str);
            let since = since.and_then(|text| text.parse::<Timestamp>().ok());
            // The server shows an unknown age so; for a column of a definition it shows nothing.
            since.map_or_else(|| "<unknown>".into(), |since| age(since, now).into())
        }
        Cell::Computed(compute) => compute(item),
    }
}

fn column(name: &str, kind: &str, priority: i64, cell: Cell) -> Column {
    Column {
        name: name.to_owned(),
        kind: kind.to_owned(),
        format: if name == "Name" { "name" } else { "" },
        description: name.to_owned(),
        priority,
        cell,
    }
}

fn path(name: &str, kind: &str, path: &str) -> Column {
    column(name, kind, 0, Cell::Path(path.to_owned()))
}

fn computed(name: &str, kind: &str, compute: fn(&Value) -> Value) -> Column {
    column(name, kind, 0, Cell::Computed(compute))
}

/// A column that only `-o wide` shows.
fn wide(name: &str, compute: fn(&Value) -> Value) -> Column {
    column(name, "string", 1, Cell::Computed(compute))
}

fn or_none(value: Option<&Value>) -> Value {
    value.and_then(Value::as_str).unwrap_or("<none>").into()
}

fn containers(job: &Value, field: &str) -> Value {
    let names: Vec<&str> = items(job, "/spec/template/spec/containers")
        .iter()
        .filter_map(|container| container.get(field).and_then(Value::as_str))
        .collect();
    names.join(",").into()
}

fn job_selector(job: &Value) -> Value {
    let labels = job
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object);
    let pairs: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.join(",").into()
}

fn age_column() -> Column {
    column(
        "Age",
        "string",
        0,
        Cell::Age(".metadata.creationTimestamp".to_owned()),
    )
}

fn columns(resource: &Resource) -> Vec<Column> {
    let name = path("Name", "string", ".metadata.name");
    let mut columns = vec![name];
    match &resource.nature {
        Nature::Custom(custom) => {
            columns.extend(custom.columns.iter().map(custom_column));
            if custom.columns.is_empty() {
                columns.push(age_column());
            }
            return columns;
        }
        Nature::Namespace => columns.push(path("Status", "string", ".status.phase")),
        Nature::Secret => {
            columns.push(path("Type", "string", ".type"));
            columns.push(computed("Data", "string", data_count));
        }
        Nature::ConfigMap => columns.push(computed("Data", "string", data_count)),
        Nature::Pod => {
            columns.push(computed("Ready", "string", pod_ready));
            columns.push(computed("Status", "string", pod_status));
            columns.push(computed("Restarts", "string", |_| "0".into()));
        }
        Nature::Job => {
            columns.push(computed("Status", "string", job_status));
            columns.push(computed("Completions", "string", job_completions));
            columns.push(computed("Duration", "string", job_duration));
        }
        Nature::Claim => {
            columns.push(path("Status", "string", ".status.phase"));
            columns.push(path("Volume", "string", ".spec.volumeName"));
            columns.push(path("Capacity", "string", ".status.capacity.storage"));
            columns.push(computed("Access Modes", "string", access_modes));
            columns.push(path("StorageClass", "string", ".spec.storageClassName"));
        }
        Nature::Lease => columns.push(path("Holder", "string", ".spec.holderIdentity")),
        Nature::Definition => {
            columns.push(path("Created At", "date", ".metadata.creationTimestamp"));
            return columns;
        }
        Nature::Event(form) => return event_columns(*form),
    }
    columns.push(age_column());
    match resource.nature {
        Nature::Pod => columns.extend([
            wide("IP", |pod| or_none(pod.pointer("/status/podIP"))),
            wide("Node", |pod| or_none(pod.pointer("/spec/nodeName"))),
            wide("Nominated Node", |pod| {
                or_none(pod.pointer("/status/nominatedNodeName"))
            }),
            wide("Readiness Gates", |_| "<none>".into()),
        ]),
        Nature::Job => columns.extend([
            wide("Containers", |job| containers(job, "name")),
            wide("Images", |job| containers(job, "image")),
            wide("Selector", job_selector),
        ]),
        _ => {}
    }
    columns
}

fn custom_column(described: &Value) -> Column {
    let text = |name: &str| described.get(name).and_then(Value::as_str).unwrap_or_default();
    let json_path = text("jsonPath").to_owned();
    let cell = if text("type") == "date" {
        Cell::Age(json_path)
    } else {
        Cell::Path(json_path)
    };
    Column {
        name: text("name").to_owned(),
        kind: text("type").to_owned(),
        format: "",
        description: if text("description").is_empty() {
            format!(
                "Custom resource definition column (in JSONPath format): {}",
                text("jsonPath")
            )
        } else {
            text("description").to_owned()
        },
        priority: described.get("priority").and_then(Value::as_i64).unwrap_or(0),
        cell,
    }
}

fn event_columns(form: EventForm) -> Vec<Column> {
    let (message, object): (_, fn(&Value) -> Value) = match form {
        EventForm::Core => (".message", |event| object_of(event, "involvedObject")),
        EventForm::Group => (".note", |event| object_of(event, "regarding")),
    };
    vec![
        computed("Last Seen", "string", event_seen),
        path("Type", "string", ".type"),
        path("Reason", "string", ".reason"),
        computed("Object", "string", object),
        wide("Subobject", |event| {
            let field = event
                .pointer("/involvedObject/fieldPath")
                .or(event.pointer("/regarding/fieldPath"));
            field.and_then(Value::as_str).unwrap_or_default().into()
        }),
        wide("Source", event_source),
        path("Message", "string", message),
        wide("First Seen", event_first_seen),
        wide("Count", event_count),
        column("Name", "string", 1, Cell::Path(".metadata.name".to_owned())),
    ]
}

fn event_seen(event: &Value) -> Value {
    let fields = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/deprecatedLastTimestamp",
        "/firstTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ];
    age_of_first(event, &fields)
}

fn event_first_seen(event: &Value) -> Value {
    let fields = [
        "/firstTimestamp",
        "/deprecatedFirstTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ];
    age_of_first(event, &fields)
}

/// How long ago the first of these fields was that holds a time.
fn age_of_first(event: &Value, fields: &[&str]) -> Value {
    let seen = fields.iter().find_map(|field| {
        event
            .pointer(field)
            .and_then(Value::as_str)?
            .parse::<Timestamp>()
            .ok()
    });
    seen.map_or_else(|| "<unknown>".into(), |seen| age(seen, Timestamp::now()).into())
}

fn event_source(event: &Value) -> Value {
    let component = [
        "/source/component",
        "/reportingComponent",
        "/deprecatedSource/component",
        "/reportingController",
    ];
    let instance = ["/source/host", "/deprecatedSource/host", "/reportingInstance"];
    let first = |fields: &[&str]| {
        let found = fields
            .iter()
            .find_map(|field| event.pointer(field).and_then(Value::as_str));
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let parts: Vec<String> = first(&component).into_iter().chain(first(&instance)).collect();
    parts.join(", ").into()
}

fn event_count(event: &Value) -> Value {
    let fields = ["/series/count", "/count", "/deprecatedCount"];
    let count = fields
        .iter()
        .find_map(|field| event.pointer(field).and_then(Value::as_i64));
    count.filter(|count| *count > 0).unwrap_or(1).into()
}

fn object_of(event: &Value, field: &str) -> Value {
    let text = |name: &str| event[field][name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text("kind").to_lowercase(), text("name")).into()
}

fn data_count(object: &Value) -> Value {
    let count = |field: &str| {
        object
            .get(field)
            .and_then(Value::as_object)
            .map_or(0, serde_json::Map::len)
    };
    (count("data") + count("binaryData")).into()
}

fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The modes as `kubectl` abbreviates them.
fn access_modes(claim: &Value) -> Value {
    let modes = claim.pointer("/status/accessModes").and_then(Value::as_array);
    let short = modes
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|mode| match mode {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            "ReadWriteOncePod" => "RWOP",
            other => other,
        });
    short.collect::<Vec<_>>().join(",").into()
}

fn pod_ready(pod: &Value) -> Value {
    let statuses = items(pod, "/status/containerStatuses");
    let ready = statuses.iter().filter(|status| status["ready"] == true).count();
    format!("{ready}/{}", items(pod, "/spec/containers").len()).into()
}

fn pod_status(pod: &Value) -> Value {
    if metadata::is_being_deleted(pod) {
        return "Terminating".into();
    }
    let gated = !items(pod, "/spec/schedulingGates").is_empty();
    let phase = pod
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or("Pending");
    if gated && phase == "Pending" {
        return "SchedulingGated".into();
    }
    if let Some(text) = init_status(pod) {
        return text.into();
    }
    let reasons = items(pod, "/status/containerStatuses")
        .iter()
        .rev()
        .find_map(|status| {
            let waiting = status.pointer("/state/waiting/reason");
            let ended = status.pointer("/state/terminated/reason");
            waiting.or(ended).and_then(Value::as_str)
        });
    let own = pod.pointer("/status/reason").and_then(Value::as_str);
    reasons.or(own).unwrap_or(phase).into()
}

/// What the init containers say about a pod that has not come past them.
fn init_status(pod: &Value) -> Option<String> {
    let all = items(pod, "/spec/initContainers").len();
    let statuses = items(pod, "/status/initContainerStatuses");
    for (index, status) in statuses.iter().enumerate() {
        match status
            .pointer("/state/terminated/exitCode")
            .and_then(Value::as_i64)
        {
            Some(0) => {}
            Some(_) => {
                let reason = status.pointer("/state/terminated/reason").and_then(Value::as_str);
                return Some(format!("Init:{}", reason.unwrap_or("Error")));
            }
            None => {
                let reason = status.pointer("/state/waiting/reason").and_then(Value::as_str);
                return match reason {
                    Some(reason) if reason != "PodInitializing" => Some(format!("Init:{reason}")),
                    _ => Some(format!("Init:{index}/{all}")),
                };
            }
        }
    }
    None
}

fn job_status(job: &Value) -> Value {
    let holds = |name: &str| {
        items(job, "/status/conditions")
            .iter()
            .any(|condition| condition["type"] == name && condition["status"] == "True")
    };
    let status = if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if metadata::is_being_deleted(job) {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else if holds("FailureTarget") {
        "FailureTarget"
    } else if holds("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    status.into()
}

fn job_completions(job: &Value) -> Value {
    let number = |pointer: &str| job.pointer(pointer).and_then(Value::as_i64);
    let done = number("/status/succeeded").unwrap_or(0);
    format!("{done}/{}", number("/spec/completions").unwrap_or(1)).into()
}

fn job_duration(job: &Value) -> Value {
    let time = |pointer: &str| {
        job.pointer(pointer)
            .and_then(Value::as_str)?
            .parse::<Timestamp>()
            .ok()
    };
    let Some(start) = time("/status/startTime") else {
        return "".into();
    };
    age(
        start,
        time("/status/completionTime").unwrap_or_else(Timestamp::now),
    )
    .into()
}

/// How long ago a time is, as kubectl writes durations: two units at most.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - since.as_second();
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{large}{unit}")
        } else {
            format!("{large}{unit}{small}{small_unit}")
        }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => two(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// The first value at a simple `JSONPath`: names, indexes and filters by equality.
fn json_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = value;
    let mut rest = path.trim_start_matches(['$', '{']).trim_end_matches('}');
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            let (name, tail) = tail.split_at_checked(end)?;
            if !name.is_empty() {
                at = at.get(name)?;
            }
            rest = tail;
        } else {
            let (inside, tail) = rest.strip_prefix('[')?.split_once(']')?;
            at = step(at, inside)?;
            rest = tail;
        }
    }
    Some(at)
}

fn step<'a>(value: &'a Value, inside: &str) -> Option<&'a Value> {
    if let Ok(index) = inside.parse::<usize>() {
        return value.get(index);
    }
    let quoted = inside.trim_matches(['\'', '"']);
    if quoted.len() != inside.len() {
        return value.get(quoted);
    }
    let filter = inside.strip_prefix("?(@.")?.strip_suffix(')')?;
    let (name, wanted) = filter.split_once("==")?;
    let wanted = wanted.trim().trim_matches(['\'', '"']);
    value
        .as_array()?
        .iter()
        .find(|item| item.get(name.trim()).and_then(Value::as_str) == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_writes_them() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (691_200, "8d"),
            (86_400 * 800, "2y70d"),
            (-10, "<invalid>"),
        ];
        let now = Timestamp::from_second(2_000_000_000).expect("a time");
        for (seconds, expected) in cases {
            let since = Timestamp::from_second(2_000_000_000 - seconds).expect("a time");
            assert_eq!(age(since, now), expected);
        }
    }

    #[test]
    fn simple_paths_are_followed() {
        let value = json!({ "a": [{ "type": "x", "b.c": 1 }, { "type": "y", "v": 2 }] });
        let cases = [
            (".a[1].v", Some(json!(2))),
            ("{.a[?(@.type==\"y\")].v}", Some(json!(2))),
            (".a[0]['b.c']", Some(json!(1))),
            (".a[5]", None),
            (".b.c", None),
            (".a[", None),
        ];
        for (path, expected) in cases {
            assert_eq!(json_path(&value, path), expected.as_ref(), "{path}");
        }
    }
}
