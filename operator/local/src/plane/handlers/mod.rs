//! Answers requests.

pub(super) mod seed;

mod create;
mod delete;
mod list;
mod logs;
mod reviews;
mod update;
mod watch;

use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

pub(super) use delete::{Propagation, drop_owner, remove};
pub(super) use update::rewrite;

use super::negotiate::{self, Form};
use super::registry::{EventForm, Nature, Resource};
use super::route::{Query, Route, Target, route};
use super::status::Failure;
use super::store::{Key, Object};
use super::{Body, Server, discovery, kinds, openapi};

/// The largest request, as the API server has it.
const BODY_LIMIT: usize = 3 * 1024 * 1024;
/// The largest object, as etcd has it.
const OBJECT_LIMIT: usize = 1536 * 1024;

/// A request with its body, as handlers take it.
struct Call {
    method: Method,
    query: Query,
    content_type: String,
    accept: String,
    body: Bytes,
}

impl Call {
    /// The form that the client wants an answer in.
    fn form(&self) -> Result<Form, Failure> {
        negotiate::form(&self.accept, &self.query)
    }
}

/// One or more warnings that go with an answer.
type Warnings = Vec<String>;

/// What a handler answers.
enum Answer {
    /// An object, a list or a Status, already in the form that was asked for.
    Json(StatusCode, Value, Warnings),
    /// Anything else.
    Raw(Response<Body>),
}

impl Answer {
    fn ok(value: Value) -> Self {
        Self::Json(StatusCode::OK, value, Warnings::new())
    }
}

pub(super) fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

fn json_response(code: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(body(value.to_string()));
    *response.status_mut() = code;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn text_response(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(body(text));
    *response.status_mut() = code;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// Answers one request.
pub(super) async fn respond<B>(server: &Arc<Server>, request: Request<B>) -> Response<Body>
where
    B: http_body::Body + Send,
    B::Error: std::fmt::Display,
{
    let (parts, incoming) = request.into_parts();
    let body = match collect(incoming).await {
        Ok(body) => body,
        Err(failure) => return json_response(failure.code, &failure.to_json()),
    };
    let text = |name| {
        let value = parts
            .headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let call = Call {
        method: parts.method,
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        content_type: text(header::CONTENT_TYPE),
        accept: text(header::ACCEPT),
        body,
    };
    match dispatch(server, route(parts.uri.path()), call).await {
        Ok(Answer::Raw(response)) => response,
        Ok(Answer::Json(code, value, warnings)) => {
            let mut response = json_response(code, &value);
            for warning in warnings {
                let text = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
                if let Ok(value) = HeaderValue::from_str(&text) {
                    response.headers_mut().append(header::WARNING, value);
                }
            }
            response
        }
        Err(failure) if failure.is_page() => text_response(failure.code, failure.message),
        Err(failure) => json_response(failure.code, &failure.to_json()),
    }
}

async fn collect<B>(body: B) -> Result<Bytes, Failure>
where
    B: http_body::Body + Send,
    B::Error: std::fmt::Display,
{
    let mut collected = Vec::new();
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Failure::bad_request(format!("failed to read the body: {error}")))?;
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        if collected.len() + data.remaining() > BODY_LIMIT {
            return Err(Failure::too_large(format!(
                "Request entity too large: limit is {BODY_LIMIT}"
            )));
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            collected.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    Ok(collected.into())
}

async fn dispatch(server: &Arc<Server>, route: Route, call: Call) -> Result<Answer, Failure> {
    let registry = &server.registry;
    let read_only = |value: Value| {
        if call.method == Method::GET {
            Ok(Answer::ok(value))
        } else {
            Err(Failure::method_not_allowed())
        }
    };
    match route {
        Route::Health => Ok(Answer::Raw(text_response(StatusCode::OK, "ok"))),
        Route::Version => read_only(discovery::version()),
        Route::CoreVersions if negotiate::wants_aggregated(&call.accept) => Ok(Answer::Raw(
            discovery::aggregated(registry, discovery::Root::Core),
        )),
        Route::Groups if negotiate::wants_aggregated(&call.accept) => Ok(Answer::Raw(discovery::aggregated(
            registry,
            discovery::Root::Groups,
        ))),
        Route::CoreVersions => read_only(discovery::core_versions()),
        Route::Groups => read_only(discovery::groups(registry)),
        Route::Group(group) => read_only(discovery::group(registry, &group)?),
        Route::Resources { group, version } => read_only(discovery::resources(registry, &group, &version)?),
        Route::OpenApiIndex => read_only(openapi::index(registry)),
        Route::OpenApi { group, version } => read_only(openapi::document(registry, &group, &version)?),
        Route::OpenApiV2 | Route::Unknown => Err(Failure::page_not_found()),
        Route::Objects(target) => objects(server, target, call).await,
    }
}

async fn objects(server: &Arc<Server>, target: Target, call: Call) -> Result<Answer, Failure> {
    if let Some(answer) = reviews::answer(&target, &call) {
        return answer;
    }
    let resource = server
        .registry
        .find(&target.group, &target.version, &target.plural)
        .cloned()
        .ok_or_else(Failure::page_not_found)?;
    let in_namespace = !target.namespace.is_empty();
    let misplaced = if target.name.is_some() {
        resource.namespaced != in_namespace
    } else {
        in_namespace && !resource.namespaced
    };
    if misplaced {
        return Err(Failure::page_not_found());
    }
    if matches!(resource.nature, Nature::Definition) && call.method != Method::GET {
        return Err(Failure::method_not_allowed());
    }
    let part = match target.subresource.as_deref() {
        None => kinds::Part::Main,
        Some("status") if resource.has("status") => kinds::Part::Status,
        Some("log") if resource.has("log") => {
            if call.method != Method::GET {
                return Err(Failure::method_not_allowed());
            }
            return logs::read(server, &target, &call.query);
        }
        Some(_) => {
            let name = target.name.unwrap_or_default();
            return Err(Failure::not_found(&resource.group, &resource.plural, &name));
        }
    };
    let place = Place {
        resource,
        namespace: target.namespace,
        part,
    };
    match (&call.method, target.name) {
        (&Method::GET, Some(name)) if target.watch || call.query.is_set("watch") => {
            watch::start(server, place, Some(name), &call)
        }
        (&Method::GET, None) if target.watch || call.query.is_set("watch") => {
            watch::start(server, place, None, &call)
        }
        (&Method::GET, Some(name)) => list::get(server, &place, &name, &call),
        (&Method::GET, None) => list::list(server, &place, &call),
        (&Method::POST, None) if part == kinds::Part::Main => create::create(server, &place, &call).await,
        (&Method::PUT, Some(name)) => update::replace(server, &place, &name, &call).await,
        (&Method::PATCH, Some(name)) => update::patch(server, &place, &name, &call).await,
        (&Method::DELETE, Some(name)) if part == kinds::Part::Main => {
            delete::one(server, &place, &name, &call).await
        }
        (&Method::DELETE, None) => delete::collection(server, &place, &call).await,
        _ => Err(Failure::method_not_allowed()),
    }
}

/// The resource, namespace and part that a request is about.
struct Place {
    resource: Arc<Resource>,
    namespace: String,
    part: kinds::Part,
}

impl Place {
    fn key(&self, name: &str) -> Key {
        Key {
            resource: self.resource.storage.clone(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }

    fn not_found(&self, name: &str) -> Failure {
        Failure::not_found(&self.resource.group, &self.resource.plural, name)
    }
}

/// An object as this resource shows it, which differs from what is stored for Events only.
pub(super) fn shown(resource: &Resource, object: &Object) -> Value {
    let mut value = object.value.clone();
    if matches!(resource.nature, Nature::Event(EventForm::Group)) {
        kinds::event_to_group(&mut value);
    }
    value
}

/// Refuses what etcd would not hold.
fn check_size(value: &Value) -> Result<(), Failure> {
    // Objects of that size are rare, so the exact size is asked for only if it can matter.
    let size = value.to_string().len();
    if size > OBJECT_LIMIT {
        return Err(Failure::too_large(format!(
            "Request entity too large: limit is {OBJECT_LIMIT}, and the object has {size} bytes"
        )));
    }
    Ok(())
}
