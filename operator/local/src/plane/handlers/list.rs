//! GET of one object and of lists.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, Call, Place, shown};
use crate::plane::Server;
use crate::plane::selector::{Fields, Labels};
use crate::plane::status::Failure;
use crate::plane::store::Object;

pub(super) fn get(server: &Server, place: &Place, name: &str, call: &Call) -> Result<Answer, Failure> {
    let form = call.form()?;
    let object = server.store.read().get(&place.key(name));
    let object = object.ok_or_else(|| place.not_found(name))?;
    Ok(Answer::ok(
        form.one(&place.resource, &shown(&place.resource, &object)),
    ))
}

/// Where a list that came in pages goes on.
#[derive(Serialize, Deserialize)]
struct Continue {
    /// The version that all pages are of.
    rv: u64,
    /// Namespace and name of the last object that was given.
    after: (String, String),
}

impl Continue {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(token: &str) -> Result<Self, Failure> {
        URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| Failure::bad_request("continue key is not valid: it was not made by this server"))
    }
}

/// The selectors of a request.
pub(super) struct Selectors {
    pub(super) labels: Labels,
    pub(super) fields: Fields,
}

impl Selectors {
    pub(super) fn parse(place: &Place, call: &Call) -> Result<Self, Failure> {
        Ok(Self {
            labels: Labels::parse(call.query.get("labelSelector").unwrap_or_default())?,
            fields: Fields::parse(
                call.query.get("fieldSelector").unwrap_or_default(),
                place.resource.selectable(),
            )?,
        })
    }

    pub(super) fn match_all(&self, value: &Value) -> bool {
        self.labels.matches(value) && self.fields.matches(value)
    }
}

pub(super) fn list(server: &Server, place: &Place, call: &Call) -> Result<Answer, Failure> {
    let form = call.form()?;
    let selectors = Selectors::parse(place, call)?;
    let limit = call.query.number("limit")?.filter(|limit| *limit > 0);
    let token = call.query.get("continue").map(Continue::decode).transpose()?;
    let (version, objects) = snapshot(server, place, &selectors, token.as_ref(), call)?;
    let mut items = Vec::new();
    let mut matching = objects
        .iter()
        .map(|object| (object, shown(&place.resource, object)))
        .filter(|(_, value)| selectors.match_all(value));
    let mut last: Option<&Arc<Object>> = None;
    let mut more = None;
    for (object, value) in matching.by_ref() {
        if limit.is_some_and(|limit| items.len() as u64 >= limit) {
            let after = last.map(|last| (last.key.namespace.clone(), last.key.name.clone()));
            more = after.map(|after| Continue { rv: version, after }.encode());
            break;
        }
        items.push(value);
        last = Some(object);
    }
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if let Some(token) = more {
        metadata["continue"] = token.into();
        let unselective =
            call.query.get("labelSelector").is_none() && call.query.get("fieldSelector").is_none();
        if unselective {
            metadata["remainingItemCount"] = (matching.count() + 1).into();
        }
    }
    Ok(Answer::ok(form.many(&place.resource, &items, &metadata)))
}

/// The objects to look at, and the version that they are of.
fn snapshot(
    server: &Server,
    place: &Place,
    selectors: &Selectors,
    token: Option<&Continue>,
    call: &Call,
) -> Result<(u64, Vec<Arc<Object>>), Failure> {
    let state = server.store.read();
    let storage = &*place.resource.storage;
    if let Some(token) = token {
        let objects = state.list_at(storage, &place.namespace, token.rv).ok_or_else(|| {
            Failure::expired("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.")
        })?;
        let rest = objects
            .into_iter()
            .filter(|object| {
                (object.key.namespace.as_str(), object.key.name.as_str())
                    > (token.after.0.as_str(), token.after.1.as_str())
            })
            .collect();
        return Ok((token.rv, rest));
    }
    let exact = call.query.get("resourceVersionMatch") == Some("Exact");
    if let Some(version) = call.query.number("resourceVersion")? {
        if version > state.version() {
            return Err(Failure::too_new(version, state.version()));
        }
        if exact {
            let objects = state.list_at(storage, &place.namespace, version);
            let objects = objects
                .ok_or_else(|| Failure::expired("The resourceVersion for the provided list is too old."))?;
            return Ok((version, objects));
        }
    }
    // A selector for one name in one namespace needs no walk over all.
    let one = selectors
        .fields
        .name()
        .filter(|_| !place.namespace.is_empty() || !place.resource.namespaced);
    let objects = match one {
        Some(name) => state.get(&place.key(name)).into_iter().collect(),
        None => state.list(storage, &place.namespace),
    };
    Ok((state.version(), objects))
}
