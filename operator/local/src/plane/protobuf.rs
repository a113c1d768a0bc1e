//! Bodies that `kubectl create secret|configmap|namespace` sends, which are protobuf whatever the
//! server would like better.
//!
//! The format is that of `k8s.io/apimachinery`: the four bytes `k8s\0`, then a `runtime.Unknown`
//! with the object in it; the numbers of the fields are those of the `generated.proto` files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

const MAGIC: &[u8] = b"k8s\0";
/// The media type of these bodies.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// How one field of a message is read.
enum Shape {
    Text,
    Texts,
    /// Bytes, which JSON has as base64.
    Bytes,
    Flag,
    /// A map from texts to values of one shape.
    Map(&'static Shape),
    Message(&'static [Field]),
    Messages(&'static [Field]),
}

/// Number, name and shape of a field.
type Field = (u64, &'static str, Shape);

const OWNER: &[Field] = &[
    (1, "kind", Shape::Text),
    (3, "name", Shape::Text),
    (4, "uid", Shape::Text),
    (5, "apiVersion", Shape::Text),
    (6, "controller", Shape::Flag),
    (7, "blockOwnerDeletion", Shape::Flag),
];

const METADATA: &[Field] = &[
    (1, "name", Shape::Text),
    (2, "generateName", Shape::Text),
    (3, "namespace", Shape::Text),
    (5, "uid", Shape::Text),
    (6, "resourceVersion", Shape::Text),
    (11, "labels", Shape::Map(&Shape::Text)),
    (12, "annotations", Shape::Map(&Shape::Text)),
    (13, "ownerReferences", Shape::Messages(OWNER)),
    (14, "finalizers", Shape::Texts),
];

const SECRET: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "data", Shape::Map(&Shape::Bytes)),
    (3, "type", Shape::Text),
    (4, "stringData", Shape::Map(&Shape::Text)),
    (5, "immutable", Shape::Flag),
];

const CONFIG_MAP: &[Field] = &[
    (1, "metadata", Shape::Message(METADATA)),
    (2, "data", Shape::Map(&Shape::Text)),
    (3, "binaryData", Shape::Map(&Shape::Bytes)),
    (4, "immutable", Shape::Flag),
];

const NAMESPACE: &[Field] = &[(1, "metadata", Shape::Message(METADATA))];

const TYPE_META: &[Field] = &[(1, "apiVersion", Shape::Text), (2, "kind", Shape::Text)];

/// The fields of a kind of the core group, if it is one that kubectl creates from its command line.
fn fields_of(kind: &str) -> Option<&'static [Field]> {
    match kind {
        "Secret" => Some(SECRET),
        "ConfigMap" => Some(CONFIG_MAP),
        "Namespace" => Some(NAMESPACE),
        _ => None,
    }
}

/// Reads an object of one kind; `None` when the body is not that, or the kind is not known here.
pub(crate) fn object(kind: &str, body: &[u8]) -> Option<Value> {
    let fields = fields_of(kind)?;
    let mut unknown = Reader(body.strip_prefix(MAGIC)?);
    let mut types = Map::new();
    let mut value = None;
    while let Some((number, data)) = unknown.field().ok()? {
        match (number, data) {
            (1, Data::Bytes(bytes)) => types = message(TYPE_META, bytes)?,
            (2, Data::Bytes(bytes)) => value = Some(message(fields, bytes)?),
            _ => {}
        }
    }
    let mut value = value?;
    value.extend(types);
    Some(Value::Object(value))
}

enum Data<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The bytes are not a message.
struct Malformed;

/// The rest of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next field, if there is one.
    fn field(&mut self) -> Result<Option<(u64, Data<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint().ok_or(Malformed)?;
        let data = match key & 7 {
            0 => self.varint().map(Data::Number),
            1 => self.take(8).map(Data::Bytes),
            2 => self
                .varint()
                .and_then(|length| self.take(length))
                .map(Data::Bytes),
            5 => self.take(4).map(Data::Bytes),
            _ => None,
        };
        Ok(Some((key >> 3, data.ok_or(Malformed)?)))
    }
}

fn message(fields: &[Field], bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = Reader(bytes);
    let mut object = Map::new();
    while let Some((number, data)) = reader.field().ok()? {
        let Some((_, name, shape)) = fields.iter().find(|field| field.0 == number) else {
            continue;
        };
        let slot = object.entry(*name).or_insert(Value::Null);
        match shape {
            Shape::Texts | Shape::Messages(_) => {
                let item = single(shape, data)?;
                match slot {
                    Value::Array(items) => items.push(item),
                    _ => *slot = json!([item]),
                }
            }
            Shape::Map(of) => {
                let Data::Bytes(entry) = data else { return None };
                let (key, value) = entry_of(of, entry)?;
                match slot {
                    Value::Object(map) => drop(map.insert(key, value)),
                    _ => *slot = json!({ key: value }),
                }
            }
            _ => *slot = single(shape, data)?,
        }
    }
    // Go writes empty texts where a field is absent.
    object.retain(|_, value| value.as_str() != Some(""));
    Some(object)
}

fn single(shape: &Shape, data: Data<'_>) -> Option<Value> {
    Some(match (shape, data) {
        (Shape::Text | Shape::Texts, Data::Bytes(bytes)) => std::str::from_utf8(bytes).ok()?.into(),
        (Shape::Bytes, Data::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Shape::Flag, Data::Number(number)) => (number != 0).into(),
        (Shape::Message(fields) | Shape::Messages(fields), Data::Bytes(bytes)) => {
            Value::Object(message(fields, bytes)?)
        }
        _ => return None,
    })
}

fn entry_of(shape: &Shape, bytes: &[u8]) -> Option<(String, Value)> {
    let mut reader = Reader(bytes);
    let mut key = String::new();
    let mut value = single(shape, Data::Bytes(&[]))?;
    while let Some((number, data)) = reader.field().ok()? {
        match (number, data) {
            (1, Data::Bytes(bytes)) => std::str::from_utf8(bytes).ok()?.clone_into(&mut key),
            (2, data) => value = single(shape, data)?,
            _ => {}
        }
    }
    Some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A field of bytes: its number, and what is in it.
    fn bytes(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("short");
        [&[number << 3 | 2, length], content].concat()
    }

    fn enveloped(kind: &str, content: &[u8]) -> Vec<u8> {
        let types = [bytes(1, b"v1"), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &types), bytes(2, content), bytes(3, b"")].concat()
    }

    #[test]
    fn a_secret_is_read() {
        let metadata = [bytes(1, b"name"), bytes(2, b""), bytes(8, b"")].concat();
        let entry = [bytes(1, b"key"), bytes(2, &[0xff, 0x00])].concat();
        let body = [
            bytes(1, &metadata),
            bytes(2, &entry),
            bytes(3, b"Opaque"),
            vec![5 << 3, 1],
        ]
        .concat();
        assert_eq!(
            object("Secret", &enveloped("Secret", &body)),
            Some(json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": { "name": "name" },
                "data": { "key": "/wA=" },
                "type": "Opaque",
                "immutable": true,
            }))
        );
    }

    #[test]
    fn a_kind_that_is_not_known_is_not_read() {
        assert_eq!(object("Pod", &enveloped("Pod", b"")), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = object("Secret", &[MAGIC, &body].concat());
        }
    }
}
