//! DELETE.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::list::Selectors;
use super::{Answer, Call, Place, Warnings, rewrite, shown};
use crate::plane::Server;
use crate::plane::metadata;
use crate::plane::registry::{Nature, Resource};
use crate::plane::status::{Cause, Failure};
use crate::plane::store::{Key, Object, Write, WriteError};

/// How long a pod may take to end when nothing says so, in seconds.
const POD_GRACE: i64 = 30;

/// What becomes of the objects that a deleted object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plane) enum Propagation {
    /// They are deleted once it is gone.
    Background,
    /// They stay, and no longer name it as their owner.
    Orphan,
}

struct Options {
    grace: Option<i64>,
    propagation: Propagation,
    uid: Option<String>,
    version: Option<String>,
    dry_run: bool,
}

impl Options {
    fn parse(call: &Call) -> Result<Self, Failure> {
        let body: Value = if call.body.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(&call.body)
                .map_err(|error| Failure::bad_request(format!("failed to read the options: {error}")))?
        };
        let text = |field: &str| body.pointer(field).and_then(Value::as_str).map(str::to_owned);
        let policy =
            text("/propagationPolicy").or_else(|| call.query.get("propagationPolicy").map(str::to_owned));
        let orphans = body.get("orphanDependents") == Some(&Value::Bool(true))
            || call.query.get("orphanDependents") == Some("true");
        let propagation = match policy.as_deref() {
            None if orphans => Propagation::Orphan,
            // Owned objects go right after their owner here, so that both come to the same end.
            None | Some("Background" | "Foreground") => Propagation::Background,
            Some("Orphan") => Propagation::Orphan,
            Some(other) => {
                let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
                let cause = Cause::unsupported("propagationPolicy", &Value::from(other), supported);
                return Err(Failure::invalid("meta.k8s.io", "DeleteOptions", "", &[cause]));
            }
        };
        let grace = match body.get("gracePeriodSeconds").and_then(Value::as_i64) {
            Some(grace) => Some(grace),
            None => call
                .query
                .number("gracePeriodSeconds")?
                .map(|grace| i64::try_from(grace).unwrap_or(i64::MAX)),
        };
        let dry_body = body
            .get("dryRun")
            .and_then(Value::as_array)
            .is_some_and(|values| values.contains(&json!("All")));
        Ok(Self {
            grace,
            propagation,
            uid: text("/preconditions/uid"),
            version: text("/preconditions/resourceVersion"),
            dry_run: dry_body || call.query.dry_run("DeleteOptions")?,
        })
    }

    fn check(&self, resource: &Resource, object: &Object) -> Result<(), Failure> {
        let refuse = |why: String| {
            Err(Failure::conflict(
                &resource.group,
                &resource.kind,
                &object.key.name,
                &why,
            ))
        };
        if let Some(uid) = self.uid.as_deref().filter(|uid| *uid != object.uid()) {
            return refuse(format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                object.uid()
            ));
        }
        let current = object.version.to_string();
        if let Some(version) = self.version.as_deref().filter(|version| *version != current) {
            return refuse(format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({current}). The object might have been modified"
            ));
        }
        Ok(())
    }
}

pub(super) async fn one(
    server: &Arc<Server>,
    place: &Place,
    name: &str,
    call: &Call,
) -> Result<Answer, Failure> {
    let resource = &place.resource;
    let options = Options::parse(call)?;
    let form = call.form()?;
    if matches!(resource.nature, Nature::Namespace) && name == "default" {
        return Err(Failure::forbidden(
            "",
            "namespaces",
            name,
            "this namespace may not be deleted",
        ));
    }
    let key = place.key(name);
    let object = loop {
        let object = server
            .store
            .read()
            .get(&key)
            .ok_or_else(|| place.not_found(name))?;
        options.check(resource, &object)?;
        if options.dry_run {
            break object;
        }
        match attempt(server, resource, &object, options.grace, options.propagation).await {
            Ok(done) => break done,
            // Somebody changed it meanwhile; what was asked for is asked of the newer version.
            Err(WriteError::Modified) => {}
            Err(WriteError::Storage(why)) => return Err(Failure::internal(why)),
            Err(_) => return Err(place.not_found(name)),
        }
    };
    let remains = !options.dry_run
        && server
            .store
            .read()
            .get(&key)
            .is_some_and(|left| left.uid() == object.uid());
    if remains || matches!(resource.nature, Nature::Pod | Nature::Namespace) {
        let value = form.one(resource, &shown(resource, &object));
        return Ok(Answer::Json(StatusCode::OK, value, Warnings::new()));
    }
    let mut details = json!({ "name": name, "kind": resource.plural, "uid": object.uid() });
    if !resource.group.is_empty() {
        details["group"] = resource.group.as_str().into();
    }
    Ok(Answer::ok(json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })))
}

pub(super) async fn collection(server: &Arc<Server>, place: &Place, call: &Call) -> Result<Answer, Failure> {
    let resource = &place.resource;
    if matches!(resource.nature, Nature::Namespace) {
        return Err(Failure::method_not_allowed());
    }
    if resource.namespaced && place.namespace.is_empty() {
        return Err(Failure::page_not_found());
    }
    let options = Options::parse(call)?;
    let form = call.form()?;
    let selectors = Selectors::parse(place, call)?;
    let (version, objects) = {
        let state = server.store.read();
        (state.version(), state.list(&resource.storage, &place.namespace))
    };
    let mut items = Vec::new();
    for object in objects {
        let value = shown(resource, &object);
        if !selectors.match_all(&value) {
            continue;
        }
        if !options.dry_run {
            remove(
                server,
                &object.key,
                object.uid(),
                options.grace,
                options.propagation,
            )
            .await
            .map_err(Failure::internal)?;
        }
        items.push(value);
    }
    let metadata = json!({ "resourceVersion": version.to_string() });
    Ok(Answer::ok(form.many(resource, &items, &metadata)))
}

/// Deletes the object with this UID, whatever its version; nothing happens when it is gone.
pub(in crate::plane) async fn remove(
    server: &Server,
    key: &Key,
    uid: &str,
    grace: Option<i64>,
    propagation: Propagation,
) -> Result<(), WriteError> {
    let Some(resource) = server.registry.stored_as(&key.resource).cloned() else {
        return Ok(());
    };
    loop {
        let Some(object) = server.store.read().get(key).filter(|object| object.uid() == uid) else {
            return Ok(());
        };
        match attempt(server, &resource, &object, grace, propagation).await {
            Ok(_) | Err(WriteError::Missing) => return Ok(()),
            Err(WriteError::Modified) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Deletes one version of an object, or marks it when something still has to happen before.
async fn attempt(
    server: &Server,
    resource: &Resource,
    object: &Arc<Object>,
    grace: Option<i64>,
    propagation: Propagation,
) -> Result<Arc<Object>, WriteError> {
    let expected = object.version;
    let grace = grace_of(resource, &object.value, grace);
    if propagation == Propagation::Orphan {
        orphan(server, object.uid()).await?;
    }
    let is_namespace = matches!(resource.nature, Nature::Namespace);
    let waits = grace > 0 || is_namespace || !metadata::finalizers(&object.value).is_empty();
    if !waits {
        return server
            .store
            .write(object.key.clone(), Write::remove(expected))
            .await;
    }
    let mut value = object.value.clone();
    let marked = metadata::is_being_deleted(&value);
    let before = value
        .pointer("/metadata/deletionGracePeriodSeconds")
        .and_then(Value::as_i64);
    if marked && before.is_none_or(|before| before <= grace) {
        return Ok(object.clone());
    }
    let ends = jiff::Timestamp::now().as_second().saturating_add(grace);
    let ends = jiff::Timestamp::from_second(ends)
        .unwrap_or(jiff::Timestamp::MAX)
        .to_string();
    let fields = metadata::of(&mut value);
    fields.insert("deletionTimestamp".to_owned(), ends.into());
    fields.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
    if let Some(generation) = fields.get("generation").and_then(Value::as_i64) {
        fields.insert("generation".to_owned(), (generation + 1).into());
    }
    if is_namespace {
        value["status"]["phase"] = "Terminating".into();
        metadata::of(&mut value).remove("deletionGracePeriodSeconds");
    }
    server
        .store
        .write(object.key.clone(), Write::Replace { expected, value })
        .await
}

/// How long the object may take to end. Only pods take time, and only those that may have started.
fn grace_of(resource: &Resource, value: &Value, asked: Option<i64>) -> i64 {
    if !matches!(resource.nature, Nature::Pod) {
        return 0;
    }
    let phase = value
        .pointer("/status/phase")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let gated = value
        .pointer("/spec/schedulingGates")
        .and_then(Value::as_array)
        .is_some_and(|gates| !gates.is_empty());
    if gated || ["Succeeded", "Failed"].contains(&phase) {
        return 0;
    }
    let own = value
        .pointer("/spec/terminationGracePeriodSeconds")
        .and_then(Value::as_i64);
    asked.or(own).unwrap_or(POD_GRACE).max(0)
}

/// Takes the references to an owner from all that it owns.
async fn orphan(server: &Server, uid: &str) -> Result<(), WriteError> {
    let owned = server.store.read().owned_by(uid);
    for object in owned {
        rewrite(server, &object.key, &|value| {
            drop_owner(value, &|owner| owner == uid);
        })
        .await?;
    }
    Ok(())
}

/// Takes the references to some owners from an object.
pub(in crate::plane) fn drop_owner(value: &mut Value, gone: &dyn Fn(&str) -> bool) {
    let fields = metadata::of(value);
    let Some(owners) = fields.get_mut("ownerReferences").and_then(Value::as_array_mut) else {
        return;
    };
    owners.retain(|owner| !owner.get("uid").and_then(Value::as_str).is_some_and(gone));
    if owners.is_empty() {
        fields.remove("ownerReferences");
    }
}
