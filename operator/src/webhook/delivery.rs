//! A delivery as it is kept between the answer to its sender and its Task: an immutable Secret of the
//! operator's namespace.
//!
//! What a decision needs is a JSON document in the annotation [`labels::DELIVERED`], so that it is
//! watched without the payload; the payload is gzip'd JSON under the key [`PAYLOAD`].

use std::collections::{BTreeMap, HashSet};
use std::io::{Read as _, Write as _};

use axon_api::sources::github::webhook::trim;
use axon_api::sources::{Candidate, Cause};
use axon_api::{labels, names};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Key of the Secret under which the payload is.
pub const PAYLOAD: &str = "payload.json.gz";
/// How long a payload may be when it is packed, in bytes.
pub const LONGEST_PACKED: usize = 256 * 1024;
/// To how many bytes of JSON a payload is trimmed that is too long, one after the other.
const TRIMMED: [usize; 3] = [1024 * 1024, 512 * 1024, 192 * 1024];
/// How long a payload may be when it is unpacked, in bytes. What was taken in is never longer.
const LONGEST_UNPACKED: u64 = 16 * 1024 * 1024;
/// Spawners that one Secret names at most; annotations together may have 256 KiB.
pub const MOST_SPAWNERS: usize = 400;
/// Labels of an issue that are kept, and characters of each.
const MOST_LABELS: usize = 100;
const LONGEST_LABEL: usize = 100;
/// Digits by which a Task's name tells its delivery.
const ID_DIGITS: usize = 12;
/// Characters of an event's name that the name of a Task has.
const LONGEST_EVENT: usize = 40;
/// What the keys of deliveries begin with.
const KEY_PREFIX: &str = "delivery-";
/// Type of the Secrets.
const TYPE: &str = "axon.io/delivery";

/// A delivery, but for its payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// `github`, or the source of a generic webhook.
    pub source: String,
    /// GitHub's name of the event; empty for a generic webhook.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub event: String,
    /// What tells it from others: GitHub's delivery ID, or what a spawner's `fieldMapping.id` found.
    pub id: String,
    /// When it was received.
    pub received: Timestamp,
    /// Labels of its issue or pull request, for `priorityLabels`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Whether the payload was too long to be kept whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_trimmed: bool,
    /// Who wants it. Others may be added later.
    pub spawners: Vec<Wanting>,
}

/// A spawner that wants a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wanting {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Whether it wants it whatever else there is to know. Else the forge must still be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_decided: bool,
}

/// Whose key a delivery was signed with. Deliveries of different scopes are kept apart, so that
/// nobody's payload is taken for that of another who chose the same ID.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The operator's key for the source.
    Operator,
    /// A Secret of this namespace.
    Namespace(String),
}

impl Delivery {
    /// Those of `spawners` that it does not name.
    pub fn missing<'a>(&self, spawners: &'a [Wanting]) -> Vec<&'a Wanting> {
        let named: HashSet<_> = self.spawners.iter().map(|wanting| &wanting.uid).collect();
        let missing = spawners.iter().filter(|wanting| !named.contains(&wanting.uid));
        missing.collect()
    }

    /// Key of the item among those of a spawner.
    pub fn key(&self) -> String {
        format!("{KEY_PREFIX}{}", names::delivery(&self.source, &self.id))
    }

    /// As a decision sees it.
    pub fn candidate(&self) -> Candidate {
        let digest = names::delivery(&self.source, &self.id);
        let digits: String = digest.chars().take(ID_DIGITS).collect();
        let what: String = match self.source.as_str() {
            "github" => self.event.chars().take(LONGEST_EVENT).collect(),
            source => source.to_owned(),
        };
        Candidate {
            key: format!("{KEY_PREFIX}{digest}"),
            id: format!("{}-{digits}", what.replace('_', "-")),
            cause: Cause::Event,
            labels: self.labels.clone(),
            created: self.received,
        }
    }

    /// Name of the Secret that keeps it. `part` counts the Secrets of a delivery that more spawners
    /// want than one can name.
    pub fn secret_name(&self, scope: &Scope, part: usize) -> String {
        let mut id = match scope {
            Scope::Operator => self.id.clone(),
            Scope::Namespace(namespace) => format!("{}\n{namespace}", self.id),
        };
        if part > 0 {
            id = format!("{id}\n{part}");
        }
        names::delivery_secret(&self.source, &id)
    }

    /// The Secret that keeps it.
    pub fn secret(&self, namespace: &str, name: &str, packed: Vec<u8>) -> serde_json::Result<Secret> {
        let pairs = [
            (labels::MANAGED_BY, labels::MANAGER),
            (labels::NAME, "axon"),
            (labels::COMPONENT, "webhook"),
            (labels::DELIVERY, "true"),
        ];
        Ok(Secret {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                labels: Some(
                    pairs
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .into(),
                ),
                annotations: Some(BTreeMap::from([(
                    labels::DELIVERED.to_owned(),
                    serde_json::to_string(self)?,
                )])),
                ..ObjectMeta::default()
            },
            type_: Some(TYPE.to_owned()),
            immutable: Some(true),
            data: Some(BTreeMap::from([(PAYLOAD.to_owned(), ByteString(packed))])),
            ..Secret::default()
        })
    }

    /// Reads it from the metadata of its Secret. An error is a sentence for people.
    pub fn read(metadata: &ObjectMeta) -> Result<Self, String> {
        let annotation = metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(labels::DELIVERED))
            .ok_or_else(|| format!("it has no annotation `{}`", labels::DELIVERED))?;
        serde_json::from_str(annotation).map_err(|error| format!("`{}`: {error}", labels::DELIVERED))
    }
}

/// The labels that are kept of an issue or pull request.
pub fn kept_labels(labels: impl IntoIterator<Item = String>) -> Vec<String> {
    let cut = |label: String| label.chars().take(LONGEST_LABEL).collect();
    labels.into_iter().take(MOST_LABELS).map(cut).collect()
}

/// A payload as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub bytes: Vec<u8>,
    /// Whether something of it is lost.
    pub is_trimmed: bool,
}

/// What a payload may lose to be short enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trimming {
    /// Nothing.
    No,
    /// What is hardly asked for of GitHub's events, as little as will do.
    AsGitHub,
}

/// The payload as it is kept; `None` when it is too long even so.
pub fn pack(payload: &Value, trimming: Trimming) -> std::io::Result<Option<Packed>> {
    let whole = gzip(payload)?;
    if whole.len() <= LONGEST_PACKED {
        return Ok(Some(Packed {
            bytes: whole,
            is_trimmed: false,
        }));
    }
    if trimming == Trimming::No {
        return Ok(None);
    }
    for most in TRIMMED {
        let bytes = gzip(&trim(payload.clone(), most))?;
        if bytes.len() <= LONGEST_PACKED {
            return Ok(Some(Packed {
                bytes,
                is_trimmed: true,
            }));
        }
    }
    Ok(None)
}

fn gzip(payload: &Value) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&serde_json::to_vec(payload)?)?;
    encoder.finish()
}

/// The payload that a Secret keeps. An error is a sentence for people.
pub fn unpack(secret: &Secret) -> Result<Value, String> {
    let packed = secret.data.as_ref().and_then(|data| data.get(PAYLOAD));
    let packed = packed.ok_or_else(|| format!("it has no key `{PAYLOAD}`"))?;
    let mut json = Vec::new();
    GzDecoder::new(packed.0.as_slice())
        .take(LONGEST_UNPACKED)
        .read_to_end(&mut json)
        .map_err(|error| format!("`{PAYLOAD}`: {error}"))?;
    serde_json::from_slice(&json).map_err(|error| format!("`{PAYLOAD}`: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivery() -> Delivery {
        Delivery {
            source: "github".to_owned(),
            event: "issues".to_owned(),
            id: "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(),
            received: "2026-01-02T03:04:05Z".parse().expect("a time"),
            labels: vec!["bug".to_owned()],
            is_trimmed: false,
            spawners: vec![Wanting {
                namespace: "team".to_owned(),
                name: "triage".to_owned(),
                uid: "u".to_owned(),
                is_decided: true,
            }],
        }
    }

    #[test]
    fn a_delivery_is_read_from_its_secret_as_it_was_written() {
        let payload = json!({ "action": "opened", "issue": { "number": 7 } });
        let packed = pack(&payload, Trimming::No)
            .expect("packed")
            .expect("short enough");
        let secret = delivery()
            .secret("axon-system", "d", packed.bytes)
            .expect("a Secret");
        assert_eq!(secret.immutable, Some(true));
        assert_eq!(Delivery::read(&secret.metadata), Ok(delivery()));
        assert_eq!(unpack(&secret), Ok(payload));
    }

    #[test]
    fn a_delivery_has_one_key_and_a_secret_for_each_scope_and_part() {
        let delivery = delivery();
        let candidate = delivery.candidate();
        assert_eq!(candidate.key, delivery.key());
        assert!(candidate.key.starts_with("delivery-"));
        let digits = candidate.id.strip_prefix("issues-").expect("the event");
        assert!(candidate.key.contains(digits) && digits.len() == ID_DIGITS);
        let team = Scope::Namespace("team".to_owned());
        let all = [
            delivery.secret_name(&Scope::Operator, 0),
            delivery.secret_name(&Scope::Operator, 1),
            delivery.secret_name(&team, 0),
        ];
        assert_eq!(all[0], names::delivery_secret("github", &delivery.id));
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    }

    #[test]
    fn the_annotation_of_the_most_spawners_fits_a_secret() {
        let mut delivery = delivery();
        let longest = Wanting {
            namespace: "n".repeat(63),
            name: "s".repeat(253),
            uid: "u".repeat(36),
            is_decided: true,
        };
        delivery.spawners = vec![longest; MOST_SPAWNERS];
        delivery.labels = kept_labels(vec!["\u{1F600}".repeat(1024); 1000]);
        let json = serde_json::to_string(&delivery).expect("JSON");
        assert!(json.len() < 256 * 1024 - 8 * 1024, "{}", json.len());
    }

    #[test]
    fn a_payload_that_is_too_long_even_when_packed_is_trimmed_or_not_kept() {
        // Digests cannot be compressed to less than half of their digits.
        let noise: Vec<_> = (0..20_000).map(|n| names::sha256(&format!("{n}"))).collect();
        let payload = json!({ "ref": "refs/heads/main", "commits": noise });
        assert_eq!(pack(&payload, Trimming::No).expect("packed"), None);
        let packed = pack(&payload, Trimming::AsGitHub).expect("packed");
        let packed = packed.expect("short enough");
        assert!(packed.is_trimmed && packed.bytes.len() <= LONGEST_PACKED);
    }

    #[test]
    fn a_secret_that_somebody_else_wrote_is_told_apart() {
        assert!(Delivery::read(&ObjectMeta::default()).is_err());
        assert!(unpack(&Secret::default()).is_err());
    }
}
