//! PUT and PATCH.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::{Answer, Call, Place, check_size, shown};
use crate::plane::Server;
use crate::plane::decode::{self, FieldValidation};
use crate::plane::kinds;
use crate::plane::metadata;
use crate::plane::patch;
use crate::plane::registry::{EventForm, Nature, Resource};
use crate::plane::status::{Cause, Failure};
use crate::plane::store::{Key, Object, Write, WriteError};

/// How often a patch without a resourceVersion is applied to a newer version of its object.
const ATTEMPTS: usize = 20;

/// PUT.
pub(super) async fn replace(
    server: &Arc<Server>,
    place: &Place,
    name: &str,
    call: &Call,
) -> Result<Answer, Failure> {
    let resource = &place.resource;
    let mut value = decode::object(resource, &call.content_type, &call.body)?;
    decode::check_namespace(resource, &place.namespace, &mut value)?;
    let unversioned = metadata::text(&value, "resourceVersion").is_empty();
    if resource.custom().is_some() && unversioned {
        let cause = Cause {
            reason: "FieldValueInvalid",
            field: "metadata.resourceVersion".to_owned(),
            message: "Invalid value: 0: must be specified for an update".to_owned(),
        };
        return Err(Failure::invalid(
            &resource.group,
            &resource.plural,
            name,
            &[cause],
        ));
    }
    let change = |_: &Value| Ok(value.clone());
    let creates = matches!(resource.nature, Nature::Lease | Nature::Event(_));
    match update(server, place, name, call, &change).await {
        Err(failure) if failure.code == StatusCode::NOT_FOUND && creates => {
            super::create::create(server, place, call).await
        }
        other => other,
    }
}

/// PATCH.
pub(super) async fn patch(
    server: &Arc<Server>,
    place: &Place,
    name: &str,
    call: &Call,
) -> Result<Answer, Failure> {
    let kind = PatchKind::of(&place.resource, &call.content_type)?;
    let patch: Value = serde_json::from_slice(&call.body)
        .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    if !patch.is_object() {
        return Err(Failure::bad_request("error decoding patch: it is not an object"));
    }
    if kind == PatchKind::Strategic {
        patch::check_strategic(&place.resource, &patch)?;
    }
    let change = |current: &Value| {
        let mut value = current.clone();
        match kind {
            PatchKind::Merge => patch::merge(&mut value, &patch),
            PatchKind::Strategic => patch::strategic(&mut value, &patch),
        }
        Ok(value)
    };
    update(server, place, name, call, &change).await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatchKind {
    Merge,
    Strategic,
}

impl PatchKind {
    fn of(resource: &Resource, content_type: &str) -> Result<Self, Failure> {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        match media {
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Err(Failure::unsupported_media_type(
                "the embedded control plane does not know server-side apply: use a merge patch, or kubectl apply without --server-side",
            )),
            "application/json-patch+json" => Err(Failure::unsupported_media_type(
                "the embedded control plane does not know JSON patches: use a merge patch (kubectl patch --type=merge)",
            )),
            _ => {
                let strategic = if resource.custom().is_some() {
                    ""
                } else {
                    ", application/strategic-merge-patch+json"
                };
                Err(Failure::unsupported_media_type(format!(
                    "the body of the request was in an unknown format - accepted media types include: application/merge-patch+json{strategic}"
                )))
            }
        }
    }
}

/// Changes one object, and answers with it.
async fn update(
    server: &Arc<Server>,
    place: &Place,
    name: &str,
    call: &Call,
    change: &(dyn Fn(&Value) -> Result<Value, Failure> + Sync),
) -> Result<Answer, Failure> {
    let form = call.form()?;
    let replaces = call.method == http::Method::PUT;
    let options = if replaces { "UpdateOptions" } else { "PatchOptions" };
    let dry_run = call.query.dry_run(options)?;
    let mode = FieldValidation::parse(&call.query, options)?;
    let resource = &place.resource;
    for _ in 0..ATTEMPTS {
        let current = server.store.read().get(&place.key(name));
        let current = current.ok_or_else(|| place.not_found(name))?;
        let mut new = change(&shown(resource, &current))?;
        metadata::check_types(&new, &resource.kind, &resource.version)?;
        check_place(place, name, &mut new)?;
        check_uid(place, &current, &new, replaces)?;
        let unknown = decode::normalize(resource, &mut new)?;
        let warnings = decode::report_unknown(mode, &unknown).map_err(|error| {
            if replaces {
                error.in_body(resource)
            } else {
                error.in_patch(&new)
            }
        })?;
        if matches!(resource.nature, Nature::Event(EventForm::Group)) {
            kinds::event_to_core(&mut new);
        }
        let version = metadata::text(&new, "resourceVersion");
        let demands_version = version != "0" && !version.is_empty() && call.demands_version();
        if demands_version && version != current.version.to_string() {
            return Err(Failure::modified(&resource.group, &resource.plural, name));
        }
        let new = admit(place, &current, new)?;
        match store(server, place.key(name), &current, new, dry_run).await {
            Ok(object) => {
                let value = form.one(resource, &shown(resource, &object));
                return Ok(Answer::Json(StatusCode::OK, value, warnings));
            }
            Err(WriteError::Modified) if demands_version => {
                return Err(Failure::modified(&resource.group, &resource.plural, name));
            }
            Err(WriteError::Modified) => {}
            Err(WriteError::Storage(why)) => return Err(Failure::internal(why)),
            Err(_) => return Err(place.not_found(name)),
        }
    }
    Err(Failure::modified(&resource.group, &resource.plural, name))
}

/// What the client sends, or makes of the object, must stay the object that the URL names.
fn check_place(place: &Place, name: &str, new: &mut Value) -> Result<(), Failure> {
    decode::check_type(&place.resource, new)?;
    let given = metadata::text(new, "name");
    if given.is_empty() {
        return Err(Failure::bad_request("name must be provided"));
    }
    if given != name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        )));
    }
    decode::check_namespace(&place.resource, &place.namespace, new)
}

fn check_uid(place: &Place, current: &Object, new: &Value, replaces: bool) -> Result<(), Failure> {
    let resource = &place.resource;
    let uid = metadata::text(new, "uid");
    if uid.is_empty() || uid == current.uid() {
        return Ok(());
    }
    let name = &current.key.name;
    if !replaces {
        let cause = Cause::invalid("metadata.uid", &Value::from(uid), "field is immutable");
        return Err(Failure::invalid(&resource.group, &resource.kind, name, &[cause]));
    }
    let folder = if resource.group.is_empty() {
        resource.plural.clone()
    } else {
        format!("{}/{}", resource.group, resource.plural)
    };
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{folder}/{}/{name}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
        current.key.namespace,
        current.uid()
    );
    Err(Failure::conflict(&resource.group, &resource.plural, name, &why))
}

impl Call {
    /// Whether the resourceVersion in the changed object was said by the client: always in a PUT,
    /// in a patch only if the patch has it, since otherwise it is the object's own.
    fn demands_version(&self) -> bool {
        if self.method == http::Method::PUT {
            return true;
        }
        serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|patch| patch.pointer("/metadata/resourceVersion").map(Value::is_string))
            .unwrap_or(false)
    }
}

/// Prepares and validates the object that is to replace `current`.
fn admit(place: &Place, current: &Object, mut new: Value) -> Result<Value, Failure> {
    let resource = &place.resource;
    let old = &current.value;
    let name = &current.key.name;
    kinds::prepare_update(resource, place.part, old, &mut new);
    keep_identity(old, &mut new);
    let mut causes = kinds::validate(resource, place.part, &new, Some(old));
    if metadata::is_being_deleted(old) {
        let before = metadata::finalizers(old);
        let added: Vec<&str> = metadata::finalizers(&new)
            .into_iter()
            .filter(|finalizer| !before.contains(finalizer))
            .collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{\"{}\"}}",
                added.join("\", \"")
            );
            causes.push(Cause::forbidden("metadata.finalizers", &detail));
        }
    }
    if !causes.is_empty() {
        return Err(Failure::invalid(&resource.group, &resource.kind, name, &causes));
    }
    check_size(&new)?;
    Ok(new)
}

/// Takes over what no client may change.
fn keep_identity(old: &Value, new: &mut Value) {
    new["apiVersion"] = old["apiVersion"].clone();
    new["kind"] = old["kind"].clone();
    let metadata = metadata::of(new);
    for field in [
        "uid",
        "namespace",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
        "resourceVersion",
    ] {
        match old.get("metadata").and_then(|metadata| metadata.get(field)) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
    if metadata.get("generation").is_none_or(Value::is_null) {
        metadata.remove("generation");
    }
    metadata.remove("managedFields");
    metadata.remove("selfLink");
    for list in ["finalizers", "ownerReferences"] {
        if metadata
            .get(list)
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
        {
            metadata.remove(list);
        }
    }
    metadata.retain(|_, value| !value.is_null());
}

/// Stores the change; an object that only waited for its finalizers goes.
async fn store(
    server: &Server,
    key: Key,
    current: &Arc<Object>,
    value: Value,
    dry_run: bool,
) -> Result<Arc<Object>, WriteError> {
    if value == current.value {
        return Ok(current.clone());
    }
    let expected = current.version;
    if dry_run {
        return Ok(Arc::new(Object {
            key,
            version: expected,
            value,
        }));
    }
    let waits = metadata::is_being_deleted(&value)
        && value
            .pointer("/metadata/deletionGracePeriodSeconds")
            .and_then(Value::as_i64)
            .unwrap_or(0)
            == 0;
    let is_namespace = &*key.resource == "namespaces";
    if waits && !is_namespace && metadata::finalizers(&value).is_empty() {
        let answer = Some(value);
        return server.store.write(key, Write::Remove { expected, answer }).await;
    }
    server.store.write(key, Write::Replace { expected, value }).await
}

/// Changes an object on the plane's own behalf, whatever its version; nothing happens when it is
/// gone.
pub(in crate::plane) async fn rewrite(
    server: &Server,
    key: &Key,
    change: &(dyn Fn(&mut Value) + Sync),
) -> Result<(), WriteError> {
    loop {
        let Some(current) = server.store.read().get(key) else {
            return Ok(());
        };
        let mut value = current.value.clone();
        change(&mut value);
        match store(server, key.clone(), &current, value, false).await {
            Ok(_) | Err(WriteError::Missing) => return Ok(()),
            Err(WriteError::Modified) => {}
            Err(error) => return Err(error),
        }
    }
}
