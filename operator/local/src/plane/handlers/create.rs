//! POST.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::{Answer, Call, Place, check_size, shown};
use crate::plane::Server;
use crate::plane::decode::{self, FieldValidation};
use crate::plane::kinds::{self, Part};
use crate::plane::metadata;
use crate::plane::registry::{EventForm, Nature};
use crate::plane::status::{Cause, Failure};
use crate::plane::store::{Key, Object, Write, WriteError};

/// How often a generated name that is taken is generated anew.
const NAME_ATTEMPTS: usize = 8;

pub(super) async fn create(server: &Arc<Server>, place: &Place, call: &Call) -> Result<Answer, Failure> {
    let resource = &place.resource;
    let form = call.form()?;
    if resource.namespaced && place.namespace.is_empty() {
        return Err(Failure::page_not_found());
    }
    let dry_run = call.query.dry_run("CreateOptions")?;
    let mut value = decode::object(resource, &call.content_type, &call.body)?;
    decode::check_namespace(resource, &place.namespace, &mut value)?;
    let mode = FieldValidation::parse(&call.query, "CreateOptions")?;
    let unknown = decode::normalize(resource, &mut value)?;
    let warnings = decode::report_unknown(mode, &unknown).map_err(|error| error.in_body(resource))?;
    if matches!(resource.nature, Nature::Event(EventForm::Group)) {
        kinds::event_to_core(&mut value);
    }
    if !metadata::text(&value, "resourceVersion").is_empty() {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "", message));
    }
    check_namespace_accepts(server, place, &value)?;
    let prefix = metadata::text(&value, "generateName").to_owned();
    let generates = metadata::text(&value, "name").is_empty() && !prefix.is_empty();
    for attempt in 1.. {
        let mut value = value.clone();
        if generates {
            metadata::of(&mut value).insert("name".to_owned(), metadata::generated(&prefix).into());
        }
        stamp(&mut value);
        kinds::prepare_create(resource, &mut value);
        let name = metadata::text(&value, "name").to_owned();
        let causes = kinds::validate(resource, Part::Main, &value, None);
        if !causes.is_empty() {
            return Err(Failure::invalid(&resource.group, &resource.kind, &name, &causes));
        }
        check_size(&value)?;
        let key = place.key(&name);
        match store(server, key, value, dry_run).await {
            Ok(object) => {
                let value = form.one(resource, &shown(resource, &object));
                return Ok(Answer::Json(StatusCode::CREATED, value, warnings));
            }
            Err(WriteError::Exists) if generates && attempt < NAME_ATTEMPTS => {}
            Err(WriteError::Storage(why)) => return Err(Failure::internal(why)),
            Err(_) => return Err(Failure::already_exists(&resource.group, &resource.plural, &name)),
        }
    }
    Err(Failure::internal("no name could be generated"))
}

async fn store(server: &Server, key: Key, value: Value, dry_run: bool) -> Result<Arc<Object>, WriteError> {
    if !dry_run {
        return server.store.write(key, Write::Create(value)).await;
    }
    if server.store.read().get(&key).is_some() {
        return Err(WriteError::Exists);
    }
    Ok(Arc::new(Object {
        key,
        version: 0,
        value,
    }))
}

/// Writes what only the server may say about an object.
fn stamp(value: &mut Value) {
    let metadata = metadata::of(value);
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
        "generation",
    ] {
        metadata.remove(field);
    }
    metadata.retain(|_, value| !value.is_null());
    metadata.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
    metadata.insert("creationTimestamp".to_owned(), metadata::now().into());
}

/// A namespace must exist, and not be on its way out.
fn check_namespace_accepts(server: &Server, place: &Place, value: &Value) -> Result<(), Failure> {
    if !place.resource.namespaced {
        return Ok(());
    }
    let key = Key {
        resource: "namespaces".into(),
        namespace: String::new(),
        name: place.namespace.clone(),
    };
    let Some(namespace) = server.store.read().get(&key) else {
        return Err(Failure::not_found("", "namespaces", &place.namespace));
    };
    if !metadata::is_being_deleted(&namespace.value) {
        return Ok(());
    }
    let why = format!(
        "unable to create new content in namespace {} because it is being terminated",
        place.namespace
    );
    let name = metadata::text(value, "name");
    let failure = Failure::forbidden(&place.resource.group, &place.resource.plural, name, &why);
    Err(failure.because(&Cause {
        reason: "NamespaceTerminating",
        field: "metadata.namespace".to_owned(),
        message: format!("namespace {} is being terminated", place.namespace),
    }))
}
