//! Hooks and their deliveries.

use serde_json::{Value, json};

use crate::github::hooks::{Delivered, Hook};
use crate::github::model::State;

pub(crate) fn hook(state: &State, hook: &Hook) -> Value {
    let url = format!(
        "{}/repos/{}/hooks/{}",
        state.base,
        hook.repository.as_deref().unwrap_or_default(),
        hook.id
    );
    let last = hook.deliveries.last();
    json!({
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": true,
        "events": hook.events,
        "config": {
            "content_type": "json",
            "insecure_ssl": "0",
            "secret": "********",
            "url": hook.url,
        },
        "updated_at": hook.created.to_string(),
        "created_at": hook.created.to_string(),
        "url": url,
        "test_url": format!("{url}/test"),
        "ping_url": format!("{url}/pings"),
        "deliveries_url": format!("{url}/deliveries"),
        "last_response": {
            "code": last.map(|last| last.delivery.status_code),
            "status": if last.is_some() { "active" } else { "unused" },
            "message": last.map(|last| last.delivery.status.clone()),
        },
    })
}

/// A delivery as it is in a list.
pub(crate) fn delivery_summary(state: &State, delivered: &Delivered) -> Value {
    let delivery = &delivered.delivery;
    let payload = &delivered.payload;
    json!({
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": delivered.at.to_string(),
        "redelivery": delivery.redelivery,
        "duration": delivered.duration.as_secs_f64(),
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": payload["action"],
        "installation_id": state.app.installation,
        "repository_id": payload["repository"]["id"],
        "throttled_at": null,
    })
}

/// A delivery with what was sent and answered.
pub(crate) fn delivery(state: &State, url: &str, delivered: &Delivered) -> Value {
    let mut shown = delivery_summary(state, delivered);
    shown["url"] = url.into();
    shown["request"] = json!({"headers": delivered.request_headers, "payload": delivered.payload});
    shown["response"] = json!({"headers": delivered.response_headers, "payload": delivered.answer});
    shown
}
