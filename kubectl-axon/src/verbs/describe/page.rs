//! How a description is laid out: lines `Label:   value` and tables.

use std::fmt::Write as _;

use axon_api::labels::LAST_APPLIED;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::core::ObjectMeta;

use crate::ages;
use crate::table::Table;
use crate::text::printable;

/// The column at which values begin.
const VALUES: usize = 20;

/// A description so far.
#[derive(Default)]
pub(super) struct Page(pub(super) String);

impl Page {
    /// A page that begins with a sentence.
    pub(super) fn beginning_with(sentence: &str) -> Self {
        Self(format!("{}\n\n", printable(sentence)))
    }

    pub(super) fn line(&mut self, label: &str, value: impl AsRef<str>) {
        let value = printable(value.as_ref());
        let mut lines = value.lines();
        let _ = writeln!(
            self.0,
            "{:VALUES$}{}",
            format!("{label}:"),
            lines.next().unwrap_or_default()
        );
        for line in lines {
            let _ = writeln!(self.0, "{:VALUES$}{line}", "");
        }
    }

    pub(super) fn line_if(&mut self, label: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.line(label, value);
        }
    }

    /// One value per line; nothing without values.
    pub(super) fn list(&mut self, label: &str, values: impl IntoIterator<Item = String>) {
        let values: Vec<String> = values.into_iter().collect();
        self.line_if(label, (!values.is_empty()).then(|| values.join("\n")));
    }

    /// A text of many lines below its label.
    pub(super) fn text(&mut self, label: &str, text: &str) {
        let _ = writeln!(self.0, "{label}:");
        for line in printable(text).lines() {
            let _ = writeln!(self.0, "{}", format!("  {line}").trim_end());
        }
    }

    pub(super) fn table(&mut self, title: &str, headers: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            return;
        }
        let _ = writeln!(self.0, "{title}:");
        for line in Table::new(headers).with_header(rows).lines() {
            let _ = writeln!(self.0, "  {line}");
        }
    }

    /// What every object has.
    pub(super) fn head(&mut self, metadata: &ObjectMeta) {
        self.line("Name", metadata.name.clone().unwrap_or_default());
        self.line("Namespace", metadata.namespace.clone().unwrap_or_default());
        for (title, map) in [
            ("Labels", metadata.labels.clone()),
            ("Annotations", metadata.annotations.clone()),
        ] {
            let lines: Vec<String> = map
                .unwrap_or_default()
                .iter()
                .filter(|(key, _)| *key != LAST_APPLIED)
                .map(|(key, value)| format!("{key}={value}"))
                .collect();
            self.line(
                title,
                if lines.is_empty() {
                    "<none>".to_owned()
                } else {
                    lines.join("\n")
                },
            );
        }
        self.line_if(
            "Created",
            metadata
                .creation_timestamp
                .as_ref()
                .map(|time| time.0.to_string()),
        );
    }

    pub(super) fn conditions(&mut self, conditions: &[Condition], now: Timestamp) {
        let rows: Vec<Vec<String>> = conditions
            .iter()
            .map(|condition| {
                vec![
                    condition.type_.clone(),
                    condition.status.clone(),
                    ages::between(condition.last_transition_time.0, now),
                    condition.reason.clone(),
                    condition.message.clone(),
                ]
            })
            .collect();
        self.table(
            "Conditions",
            &["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"],
            &rows,
        );
    }

    /// The events, oldest first.
    pub(super) fn events(&mut self, events: &[Event], now: Timestamp) {
        let rows: Vec<Vec<String>> = events.iter().map(|event| event_row(event, now)).collect();
        self.table(
            "Events",
            &["TYPE", "REASON", "AGE", "OBJECT", "FROM", "MESSAGE"],
            &rows,
        );
        if rows.is_empty() {
            self.line("Events", "<none>");
        }
    }
}

/// When an event was last seen.
pub(super) fn last_seen(event: &Event) -> Option<Timestamp> {
    event
        .last_timestamp
        .as_ref()
        .map(|time| time.0)
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event.creation_timestamp().map(|time| time.0))
}

fn event_row(event: &Event, now: Timestamp) -> Vec<String> {
    let from = event
        .reporting_component
        .clone()
        .filter(|from| !from.is_empty())
        .or_else(|| event.source.clone().and_then(|source| source.component));
    let object = event.involved_object.kind.clone().unwrap_or_default();
    vec![
        event.type_.clone().unwrap_or_default(),
        event.reason.clone().unwrap_or_default(),
        last_seen(event)
            .map(|time| ages::between(time, now))
            .unwrap_or_default(),
        object,
        from.unwrap_or_default(),
        event.message.clone().unwrap_or_default(),
    ]
}
