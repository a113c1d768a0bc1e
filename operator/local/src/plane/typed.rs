//! The built-in kinds, read as the types that they are: what does not fit is refused, and what is
//! not known is dropped.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Namespace, PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::api::events;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::registry::{EventForm, Nature, Resource};
use super::status::Failure;

/// Drops what the type of the object does not know, and returns the paths of it in order.
pub(crate) fn prune(resource: &Resource, object: &mut Value) -> Result<Vec<String>, Failure> {
    let read: fn(&Value) -> serde_json::Result<Value> = match resource.nature {
        Nature::Namespace => read_as::<Namespace>,
        Nature::Secret => read_as::<Secret>,
        Nature::ConfigMap => read_as::<ConfigMap>,
        Nature::Pod => read_as::<Pod>,
        Nature::Job => read_as::<Job>,
        Nature::Claim => read_as::<PersistentVolumeClaim>,
        Nature::Lease => read_as::<Lease>,
        Nature::Event(EventForm::Core) => read_as::<Event>,
        Nature::Event(EventForm::Group) => read_as::<events::v1::Event>,
        Nature::Definition | Nature::Custom(_) => return Ok(Vec::new()),
    };
    let (kind, version) = (&resource.kind, &resource.version);
    let typed = read(object).map_err(|error| {
        Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: json: {error}"
        ))
    })?;
    let mut unknown = Vec::new();
    collect(object, &typed, "", &mut unknown);
    unknown.sort();
    *object = typed;
    Ok(unknown)
}

fn read_as<T: DeserializeOwned + Serialize>(object: &Value) -> serde_json::Result<Value> {
    serde_json::to_value(T::deserialize(object)?)
}

/// The paths that are in `given` and not in `kept`. A null says nothing, so it is not missed.
fn collect(given: &Value, kept: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let at = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                // An older server's object carries this, and clients send it back.
                if at == "metadata.selfLink" {
                    continue;
                }
                match kept.get(name) {
                    Some(kept) => collect(value, kept, &at, unknown),
                    None => unknown.push(at),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (index, (given, kept)) in given.iter().zip(kept).enumerate() {
                collect(given, kept, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}
