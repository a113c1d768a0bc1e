//! Events about Axon's objects, as `kubectl describe` shows them. Best effort: no round waits for one.

use axon_plan::{Notice, NoticeKind};
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc;

/// Who writes the events, as `reportingComponent`.
const CONTROLLER: &str = "axon.io/operator";
/// Events that may wait to be written; more are dropped.
const WAITING: usize = 1024;
/// The longest message of an event, in bytes, that the API server takes.
const LONGEST_MESSAGE: usize = 1024;

/// Where to leave events to be written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    queue: mpsc::Sender<Event>,
    instance: String,
}

/// Writes the events that were left.
pub struct NoticeWriter {
    queue: mpsc::Receiver<Event>,
    client: Client,
}

/// A place to leave events and the writer that takes them from there.
pub fn notices(client: Client, instance: String) -> (Notices, NoticeWriter) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let notices = Notices {
        queue: sender,
        instance,
    };
    let writer = NoticeWriter {
        queue: receiver,
        client,
    };
    (notices, writer)
}

impl Notices {
    /// Leaves an event about `object` to be written, unless too many wait already.
    pub fn write<K: Resource<DynamicType = ()>>(&self, object: &K, notice: &Notice) {
        let event = event(object, notice, &self.instance, Timestamp::now());
        if self.queue.try_send(event).is_err() {
            tracing::debug!(
                object = object.name_any(),
                reason = notice.reason,
                "an event was dropped"
            );
        }
    }
}

impl NoticeWriter {
    /// Writes events as they come, until all [`Notices`] are gone.
    pub async fn run(mut self) {
        while let Some(event) = self.queue.recv().await {
            if let Err(error) = self.write(&event).await {
                tracing::debug!(event = event.name_any(), %error, "an event was not written");
            }
        }
    }

    /// One that is there already, by its name, is counted up.
    async fn write(&self, event: &Event) -> kube::Result<()> {
        let namespace = event.namespace().unwrap_or_default();
        let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let exists = match events.create(&PostParams::default(), event).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) => status,
            Err(error) => return Err(error),
        };
        if !exists.is_already_exists() {
            return Err(kube::Error::Api(exists));
        }
        let name = event.name_any();
        let count = events.get(&name).await?.count.unwrap_or(1);
        let patch = json!({
            "count": count.saturating_add(1),
            "lastTimestamp": event.last_timestamp,
        });
        events
            .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await?;
        Ok(())
    }
}

/// The event for a notice. Its name is a function of the object and of what it says, so that the
/// same said again is the same event.
fn event<K: Resource<DynamicType = ()>>(
    object: &K,
    notice: &Notice,
    instance: &str,
    now: Timestamp,
) -> Event {
    let meta = object.meta();
    let uid = meta.uid.clone().unwrap_or_default();
    let said = format!("{uid}\n{}\n{}", notice.reason, notice.message);
    Event {
        metadata: ObjectMeta {
            name: Some(axon_api::names::job(&object.name_any(), &said, 0)),
            namespace: meta.namespace.clone(),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(K::api_version(&()).into_owned()),
            kind: Some(K::kind(&()).into_owned()),
            name: meta.name.clone(),
            namespace: meta.namespace.clone(),
            uid: Some(uid),
            resource_version: meta.resource_version.clone(),
            field_path: None,
        },
        type_: Some(
            match notice.kind {
                NoticeKind::Normal => "Normal",
                NoticeKind::Warning => "Warning",
            }
            .to_owned(),
        ),
        reason: Some(notice.reason.clone()),
        action: Some(notice.reason.clone()),
        message: Some(cut(&notice.message, LONGEST_MESSAGE).to_owned()),
        count: Some(1),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        event_time: Some(MicroTime(now)),
        reporting_component: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        source: Some(EventSource {
            component: Some(CONTROLLER.to_owned()),
            host: None,
        }),
        ..Event::default()
    }
}

/// The longest beginning of `text` of at most `limit` bytes.
fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use axon_api::Task;

    use super::*;

    fn notice(message: &str) -> Notice {
        Notice {
            kind: NoticeKind::Warning,
            reason: "CloneFailed".to_owned(),
            message: message.to_owned(),
        }
    }

    fn name(message: &str) -> Option<String> {
        let task = Task::new("a", axon_api::TaskSpec::default());
        event(&task, &notice(message), "me", Timestamp::UNIX_EPOCH)
            .metadata
            .name
    }

    #[test]
    fn the_same_said_again_is_the_same_event() {
        assert_eq!(name("no such host"), name("no such host"));
        assert_ne!(name("no such host"), name("access denied"));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let task = Task::new("a", axon_api::TaskSpec::default());
        let long = notice(&"ä".repeat(2000));
        let message = event(&task, &long, "me", Timestamp::UNIX_EPOCH)
            .message
            .unwrap_or_default();
        assert_eq!(message, "ä".repeat(512));
    }
}
