//! GitHub's description of its API: which operation a request asks for, and whether what is sent
//! and answered is as described.
//!
//! Format: <https://spec.openapis.org/oas/v3.0.3>, with the schemas as [`super::schema`] leaves them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;
use jsonschema::Validator;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::schema;

/// The description of api.github.com.
pub(super) struct Description {
    document: Value,
    /// By the number of their segments, those with fewest parameters first.
    paths: HashMap<usize, Vec<Path>>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

struct Path {
    template: String,
    segments: Vec<Segment>,
}

enum Segment {
    Word(String),
    Parameter(String),
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    /// Its name in the description, as `issues/list-for-repo`.
    pub(super) id: String,
    /// The values of the parameters of its path, decoded.
    pub(super) parameters: BTreeMap<String, String>,
    /// A JSON pointer to it.
    pointer: String,
}

impl fmt::Debug for Description {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Description")
    }
}

impl Description {
    pub(super) fn new(document: Value) -> Self {
        let mut paths: HashMap<usize, Vec<Path>> = HashMap::new();
        for template in document["paths"]
            .as_object()
            .into_iter()
            .flat_map(|paths| paths.keys())
        {
            let path = Path::new(template);
            paths.entry(path.segments.len()).or_default().push(path);
        }
        for same_length in paths.values_mut() {
            same_length.sort_by_key(Path::parameter_count);
        }
        Self {
            document,
            paths,
            validators: Mutex::default(),
        }
    }

    /// The operation of a method and a path; `None` when GitHub has none.
    pub(super) fn operation(&self, method: &Method, path: &str) -> Option<Operation> {
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let method = method.as_str().to_ascii_lowercase();
        self.paths.get(&segments.len())?.iter().find_map(|path| {
            let parameters = path.parameters(&segments)?;
            let id = self.document["paths"][&path.template][&method]["operationId"].as_str()?;
            let escaped = path.template.replace('~', "~0").replace('/', "~1");
            Some(Operation {
                id: id.to_owned(),
                parameters,
                pointer: format!("/paths/{escaped}/{method}"),
            })
        })
    }

    /// What is wrong with the parameters of a request, by place; nothing when all is as described.
    pub(super) fn parameter_faults(&self, operation: &Operation, query: &[(String, String)]) -> Vec<String> {
        let described = self.parameters(operation);
        let mut faults = Vec::new();
        let path = operation
            .parameters
            .iter()
            .map(|(name, value)| ("path", name, value));
        let query = query.iter().map(|(name, value)| ("query", name, value));
        for (place, name, value) in path.chain(query) {
            let Some(parameter) = described
                .iter()
                .find(|parameter| parameter["in"] == place && parameter["name"] == **name)
            else {
                faults.push(format!("`{name}` is no parameter of its {place}"));
                continue;
            };
            let key = format!("{}/{place}/{name}", operation.pointer);
            let validator = self.validator(&key, &parameter["schema"]);
            if let Some(fault) = text_fault(&validator, value) {
                faults.push(format!("parameter `{name}` of its {place} is `{value}`: {fault}"));
            }
        }
        faults
    }

    /// What is wrong with the body of a request; `None` is no body.
    pub(super) fn body_faults(&self, operation: &Operation, body: Option<&Value>) -> Vec<String> {
        let described = self.at(&operation.pointer).get("requestBody");
        match (described.map(|described| self.resolve(described)), body) {
            (None, Some(_)) => vec!["it has no body, and one was sent".to_owned()],
            (Some(described), None) if described["required"] == true => {
                vec!["it needs a body, and none was sent".to_owned()]
            }
            (_, None) => Vec::new(),
            (Some(described), Some(body)) => {
                let schema = &described["content"]["application/json"]["schema"];
                let key = format!("{}/body", operation.pointer);
                schema::faults(&self.validator(&key, schema), body)
            }
        }
    }

    /// What is wrong with an answer, in what the description says of its status; nothing when it
    /// says nothing of it.
    pub(super) fn answer_faults(&self, operation: &Operation, status: u16, body: &Value) -> Vec<String> {
        let described = &self.at(&operation.pointer)["responses"][status.to_string()];
        if described.is_null() {
            return match status {
                200..300 => vec![format!("status {status} is not described")],
                _ => Vec::new(),
            };
        }
        let schema = &self.resolve(described)["content"]["application/json"]["schema"];
        if schema.is_null() {
            return Vec::new();
        }
        let key = format!("{}/{status}", operation.pointer);
        schema::faults(&self.validator(&key, schema), body)
    }

    /// What is wrong with the payload of a webhook.
    pub(super) fn payload_faults(&self, event: &str, payload: &Value) -> Vec<String> {
        let name = match payload["action"].as_str() {
            Some(action) => format!("{event}-{action}"),
            None => event.to_owned(),
        };
        let name = name.replace('_', "-");
        let schema = &self.document["x-webhooks"][&name]["post"]["requestBody"]["content"]["application/json"]
            ["schema"];
        if schema.is_null() {
            return vec![format!("no webhook `{name}` is described")];
        }
        schema::faults(&self.validator(&format!("x-webhooks/{name}"), schema), payload)
    }

    /// GitHub's example of an object, by its name below `components/examples`.
    pub(super) fn example(&self, name: &str) -> &Value {
        &self.document["components"]["examples"][name]["value"]
    }

    /// The parameters of an operation, and those that its path gives to all of its operations.
    fn parameters(&self, operation: &Operation) -> Vec<&Value> {
        self.at(&operation.pointer)["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|parameter| self.resolve(parameter))
            .collect()
    }

    fn at(&self, pointer: &str) -> &Value {
        self.document.pointer(pointer).unwrap_or(&Value::Null)
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"]
            .as_str()
            .and_then(|reference| reference.strip_prefix('#'))
        {
            Some(pointer) => self.at(pointer),
            None => value,
        }
    }

    fn validator(&self, key: &str, schema: &Value) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(validator) = validators.get(key) {
            return Arc::clone(validator);
        }
        let validator = schema::compile(schema, &self.document)
            .unwrap_or_else(|error| panic!("GitHub's description of `{key}` is no schema: {error:#}"));
        let validator = Arc::new(validator);
        validators.insert(key.to_owned(), Arc::clone(&validator));
        validator
    }
}

impl Path {
    fn new(template: &str) -> Self {
        let segments = template
            .trim_start_matches('/')
            .split('/')
            .map(
                |segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                    Some(name) => Segment::Parameter(name.to_owned()),
                    None => Segment::Word(segment.to_owned()),
                },
            )
            .collect();
        Self {
            template: template.to_owned(),
            segments,
        }
    }

    fn parameter_count(&self) -> usize {
        let is_parameter = |segment: &&Segment| matches!(segment, Segment::Parameter(_));
        self.segments.iter().filter(is_parameter).count()
    }

    /// The parameters of a path of as many segments; `None` when it is not of this template.
    fn parameters(&self, segments: &[&str]) -> Option<BTreeMap<String, String>> {
        let mut parameters = BTreeMap::new();
        for (expected, segment) in self.segments.iter().zip(segments) {
            match expected {
                Segment::Word(word) if word == segment => {}
                Segment::Word(_) => return None,
                Segment::Parameter(_) if segment.is_empty() => return None,
                Segment::Parameter(name) => {
                    let value = percent_decode_str(segment).decode_utf8_lossy();
                    parameters.insert(name.clone(), value.into_owned());
                }
            }
        }
        Some(parameters)
    }
}

/// What is wrong with a parameter, which is text on the wire and may stand for a number or a
/// truth; `None` when one of these is valid.
fn text_fault(validator: &Validator, text: &str) -> Option<String> {
    let mut readings = vec![Value::from(text)];
    if let Ok(value) = serde_json::from_str::<Value>(text)
        && (value.is_number() || value.is_boolean())
    {
        readings.push(value);
    }
    readings.push(text.split(',').map(Value::from).collect());
    if readings.iter().any(|reading| validator.is_valid(reading)) {
        return None;
    }
    // The list is last, and before it what the text most likely stands for.
    let told = readings.iter().rev().nth(1)?;
    schema::faults(validator, told).into_iter().next()
}
