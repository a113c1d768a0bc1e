//! The plane answers as a real API server does.
//!
//! The expected answers are those of Kubernetes 1.34. With the feature `real-server` and
//! `AXON_TEST_KUBECONFIG`, the same questions are put to the server which that names.

mod plane_support;

use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use plane_support::TestPlane;
use serde_json::{Value, json};

const TASKS: &str = "/apis/axon.io/v1alpha1/namespaces/{ns}/tasks";
const ONE: &str = "/apis/axon.io/v1alpha1/namespaces/{ns}/tasks/one";
const MAPS: &str = "/api/v1/namespaces/{ns}/configmaps";
const MAP: &str = "/api/v1/namespaces/{ns}/configmaps/map";
const SECRETS: &str = "/api/v1/namespaces/{ns}/secrets";
const SECRET: &str = "/api/v1/namespaces/{ns}/secrets/secret";
const PODS: &str = "/api/v1/namespaces/{ns}/pods";
const JOBS: &str = "/apis/batch/v1/namespaces/{ns}/jobs";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// One question and its answer. `{ns}` stands for the namespace of the run.
struct Step {
    method: Method,
    path: String,
    media: &'static str,
    body: Value,
    code: u16,
    /// Pointers into the answer and the values there; null means absent.
    expected: Vec<(&'static str, Value)>,
}

impl Step {
    fn new(method: Method, path: &str, body: Value) -> Self {
        Self {
            method,
            path: path.to_owned(),
            media: "application/json",
            body,
            code: 200,
            expected: Vec::new(),
        }
    }

    fn get(path: &str) -> Self {
        Self::new(Method::GET, path, Value::Null)
    }

    fn post(path: &str, body: Value) -> Self {
        Self::new(Method::POST, path, body).code(201)
    }

    fn put(path: &str, body: Value) -> Self {
        Self::new(Method::PUT, path, body)
    }

    fn delete(path: &str, options: Value) -> Self {
        Self::new(Method::DELETE, path, options)
    }

    fn patch(path: &str, media: &'static str, body: Value) -> Self {
        Self {
            media,
            ..Self::new(Method::PATCH, path, body)
        }
    }

    fn code(self, code: u16) -> Self {
        Self { code, ..self }
    }

    fn gives(mut self, pointer: &'static str, value: Value) -> Self {
        self.expected.push((pointer, value));
        self
    }

    fn refused(self, code: u16, reason: &str, message: &str) -> Self {
        self.code(code)
            .gives("/kind", json!("Status"))
            .gives("/reason", json!(reason))
            .gives("/message", json!(message))
    }
}

async fn run(client: &kube::Client, namespace: &str, steps: Vec<Step>) {
    for step in steps {
        let path = step.path.replace("{ns}", namespace);
        let body = if step.body.is_null() {
            Vec::new()
        } else {
            step.body.to_string().into_bytes()
        };
        let question = format!("{} {path} {}", step.method, step.body);
        let request = Request::builder()
            .method(step.method)
            .uri(path)
            .header("content-type", step.media)
            .body(Body::from(body))
            .expect("a request");
        let response = client.send(request).await.expect("an answer");
        let code = response.status();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        assert_eq!(
            code,
            StatusCode::from_u16(step.code).expect("a code"),
            "{question}: {answer}"
        );
        for (pointer, value) in step.expected {
            let value: Value =
                serde_json::from_str(&value.to_string().replace("{ns}", namespace)).expect("JSON");
            let found = answer.pointer(pointer).unwrap_or(&Value::Null);
            assert_eq!(found, &value, "{question}: {pointer} of {answer}");
        }
    }
}

fn task(name: &str, fields: &Value) -> Value {
    let mut task = json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "Task",
        "metadata": { "name": name },
        "spec": { "type": "shell", "prompt": "true" },
    });
    for (field, value) in fields.as_object().into_iter().flatten() {
        task["spec"][field] = value.clone();
    }
    task
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "schedulingGates": [{ "name": "axon.io/start" }],
            "automountServiceAccountToken": false,
            "restartPolicy": "Never",
            "containers": [{ "name": "c", "image": "i" }],
        },
    })
}

const RULES_NOT_CHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

fn tasks_are_validated() -> Vec<Step> {
    let invalid = |fields: Value, message: &str| {
        Step::post(TASKS, task("bad", &fields)).refused(
            422,
            "Invalid",
            &format!("Task.axon.io \"bad\" is invalid: {message}"),
        )
    };
    vec![
        invalid(json!({ "prompt": "" }), "spec.prompt: Invalid value: \"\": spec.prompt in body should be at least 1 chars long"),
        invalid(json!({ "prompt": null }), &format!("[spec.prompt: Required value, {RULES_NOT_CHECKED}]")),
        invalid(
            json!({ "prompt": 1 }),
            &format!("[spec.prompt: Invalid value: \"integer\": spec.prompt in body must be of type string: \"integer\", {RULES_NOT_CHECKED}]"),
        ),
        invalid(
            json!({ "credentials": { "type": "no" } }),
            &format!("[spec.credentials.type: Unsupported value: \"no\": supported values: \"api-key\", \"oauth\", \"none\", {RULES_NOT_CHECKED}]"),
        ),
        invalid(
            json!({ "timeout": "soon" }),
            r#"spec.timeout: Invalid value: "soon": spec.timeout in body should match '^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$'"#,
        ),
        invalid(
            json!({ "credentials": { "type": "oauth" } }),
            "spec.credentials: Invalid value: \"object\": secretRef is required for credentials of type api-key and oauth",
        ),
        invalid(
            json!({ "workspace": { "repo": "https://example.com/r" }, "workspaceRef": { "name": "w" } }),
            "spec: Invalid value: \"object\": workspace and workspaceRef are mutually exclusive",
        ),
        Step::post(&format!("{TASKS}?fieldValidation=Strict"), task("bad", &json!({ "foo": 1 }))).refused(
            400,
            "BadRequest",
            "Task in version \"v1alpha1\" cannot be handled as a Task: strict decoding error: unknown field \"spec.foo\"",
        ),
        Step::post(&format!("{TASKS}?dryRun=All"), task("pruned", &json!({ "foo": 1 }))).gives("/spec/foo", Value::Null),
        Step::get(&format!("{TASKS}/pruned")).refused(404, "NotFound", "tasks.axon.io \"pruned\" not found"),
    ]
}

fn tasks_change_as_their_rules_say() -> Vec<Step> {
    vec![
        Step::post(TASKS, task("one", &json!({}))).gives("/metadata/generation", json!(1)),
        Step::post(TASKS, task("one", &json!({}))).refused(409, "AlreadyExists", "tasks.axon.io \"one\" already exists"),
        Step::patch(ONE, MERGE, json!({ "spec": { "prompt": "other" } })).refused(
            422,
            "Invalid",
            "Task.axon.io \"one\" is invalid: spec.prompt: Invalid value: \"string\": prompt cannot be changed once the Task is created",
        ),
        Step::patch(ONE, MERGE, json!({ "spec": { "branch": "b" } })).refused(
            422,
            "Invalid",
            "Task.axon.io \"one\" is invalid: spec: Invalid value: \"object\": branch cannot be added or removed once the Task is created",
        ),
        Step::patch(ONE, MERGE, json!({ "spec": { "cancel": true } })).gives("/metadata/generation", json!(2)),
        Step::patch(ONE, MERGE, json!({ "spec": { "cancel": null } })).refused(
            422,
            "Invalid",
            "Task.axon.io \"one\" is invalid: spec: Invalid value: \"object\": cancel cannot be taken back",
        ),
        Step::patch(ONE, MERGE, json!({ "metadata": { "labels": { "a": "b" } }, "status": { "phase": "Failed" } }))
            .gives("/metadata/generation", json!(2))
            .gives("/status", Value::Null),
        Step::patch(&format!("{ONE}/status"), MERGE, json!({ "metadata": { "labels": { "a": "c" } }, "spec": { "cancel": false }, "status": { "phase": "Running" } }))
            .gives("/metadata/labels/a", json!("b"))
            .gives("/spec/cancel", json!(true))
            .gives("/status/phase", json!("Running")),
        Step::patch(ONE, MERGE, json!({ "metadata": { "resourceVersion": "1" } })).refused(
            409,
            "Conflict",
            "Operation cannot be fulfilled on tasks.axon.io \"one\": the object has been modified; please apply your changes to the latest version and try again",
        ),
        Step::put(ONE, task("one", &json!({}))).refused(
            422,
            "Invalid",
            "tasks.axon.io \"one\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update",
        ),
        Step::patch(ONE, STRATEGIC, json!({ "metadata": {} })).code(415).gives("/reason", json!("UnsupportedMediaType")),
    ]
}

fn deletions_wait_for_finalizers() -> Vec<Step> {
    vec![
        Step::delete(ONE, json!({ "preconditions": { "uid": "other" } })).code(409).gives("/reason", json!("Conflict")),
        Step::patch(ONE, MERGE, json!({ "metadata": { "finalizers": ["axon.io/test"] } })),
        Step::delete(ONE, Value::Null).gives("/kind", json!("Task")).gives("/metadata/deletionGracePeriodSeconds", json!(0)),
        Step::patch(ONE, MERGE, json!({ "metadata": { "finalizers": ["axon.io/test", "axon.io/more"] } })).refused(
            422,
            "Invalid",
            "Task.axon.io \"one\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"axon.io/more\"}",
        ),
        Step::patch(ONE, MERGE, json!({ "metadata": { "finalizers": null } })).gives("/metadata/finalizers", Value::Null),
        Step::get(ONE).refused(404, "NotFound", "tasks.axon.io \"one\" not found"),
        Step::post(TASKS, task("one", &json!({}))),
        Step::delete(ONE, Value::Null)
            .gives("/status", json!("Success"))
            .gives("/details/name", json!("one"))
            .gives("/details/group", json!("axon.io"))
            .gives("/details/kind", json!("tasks")),
        Step::delete(ONE, Value::Null).refused(404, "NotFound", "tasks.axon.io \"one\" not found"),
    ]
}

fn names_and_places_are_checked() -> Vec<Step> {
    vec![
        Step::post(TASKS, task("Bad_Name", &json!({}))).refused(
            422,
            "Invalid",
            "Task.axon.io \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
        Step::post("/api/v1/namespaces/not-there/configmaps", json!({ "metadata": { "name": "m" } })).refused(
            404,
            "NotFound",
            "namespaces \"not-there\" not found",
        ),
        Step::get("/api/v1/namespaces/not-there/configmaps").gives("/items", json!([])),
        Step::post(MAPS, json!({ "metadata": { "name": "m", "namespace": "other" } })).refused(
            400,
            "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        Step::get(&format!("{TASKS}?fieldSelector=spec.type%3Dshell")).refused(400, "BadRequest", "field label not supported: spec.type"),
        Step::delete("/api/v1/namespaces/default", Value::Null).refused(
            403,
            "Forbidden",
            "namespaces \"default\" is forbidden: this namespace may not be deleted",
        ),
    ]
}

fn config_maps_and_secrets_are_merged() -> Vec<Step> {
    vec![
        Step::post(
            MAPS,
            json!({ "metadata": { "name": "map" }, "data": { "a": "b" } }),
        ),
        Step::post(
            MAPS,
            json!({ "metadata": { "name": "odd" }, "data": { "a/b": "c" } }),
        )
        .code(422)
        .gives("/details/causes/0/field", json!("data[a/b]")),
        Step::patch(
            MAP,
            STRATEGIC,
            json!({ "data": { "a": null, "c": "d" }, "metadata": { "finalizers": ["a.b/c"] } }),
        )
        .gives("/data", json!({ "c": "d" })),
        Step::patch(MAP, STRATEGIC, json!({ "metadata": { "finalizers": ["a.b/d"] } }))
            .gives("/metadata/finalizers", json!(["a.b/d", "a.b/c"])),
        Step::patch(
            MAP,
            STRATEGIC,
            json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["a.b/c", "a.b/d"] } }),
        )
        .gives("/metadata/finalizers", Value::Null),
        Step::put(
            MAP,
            json!({ "metadata": { "name": "map" }, "data": { "e": "f" } }),
        )
        .gives("/data", json!({ "e": "f" })),
        Step::put(&format!("{MAPS}/none"), json!({ "metadata": { "name": "none" } })).refused(
            404,
            "NotFound",
            "configmaps \"none\" not found",
        ),
        Step::post(
            SECRETS,
            json!({ "metadata": { "name": "secret" }, "stringData": { "a": "b" } }),
        )
        .gives("/data", json!({ "a": "Yg==" }))
        .gives("/stringData", Value::Null)
        .gives("/type", json!("Opaque")),
        Step::patch(SECRET, MERGE, json!({ "stringData": { "c": "d" } }))
            .gives("/data", json!({ "a": "Yg==", "c": "ZA==" })),
        Step::patch(SECRET, MERGE, json!({ "type": "other" })).refused(
            422,
            "Invalid",
            "Secret \"secret\" is invalid: type: Invalid value: \"other\": field is immutable",
        ),
        Step::patch(SECRET, MERGE, json!({ "immutable": true })),
        Step::patch(SECRET, MERGE, json!({ "data": { "a": "eA==" } })).refused(
            422,
            "Invalid",
            "Secret \"secret\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
        ),
        Step::patch(SECRET, MERGE, json!({ "metadata": { "labels": { "a": "b" } } }))
            .gives("/metadata/labels/a", json!("b")),
    ]
}

fn pods_and_jobs_keep_their_shape() -> Vec<Step> {
    let one = format!("{PODS}/pod");
    vec![
        Step::post(PODS, pod("pod")).gives("/status/phase", json!("Pending")).gives("/status/conditions/0/reason", json!("SchedulingGated")),
        Step::post(PODS, json!({ "metadata": { "name": "empty" }, "spec": { "automountServiceAccountToken": false } })).refused(
            422,
            "Invalid",
            "Pod \"empty\" is invalid: spec.containers: Required value",
        ),
        Step::patch(&one, MERGE, json!({ "spec": { "schedulingGates": [{ "name": "axon.io/start" }, { "name": "more" }] } })).refused(
            422,
            "Invalid",
            "Pod \"pod\" is invalid: spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'more'",
        ),
        Step::get(&format!("{one}/log?container=none")).refused(400, "BadRequest", "container none is not valid for pod pod"),
        Step::patch(&one, MERGE, json!({ "spec": { "schedulingGates": null } })).gives("/spec/schedulingGates", Value::Null),
        Step::delete(&one, json!({ "gracePeriodSeconds": 0 })),
        Step::post(JOBS, json!({ "metadata": { "name": "job" }, "spec": { "backoffLimit": 0, "suspend": true, "template": { "spec": pod("x")["spec"] } } }))
            .gives("/spec/completions", json!(1))
            .gives("/spec/parallelism", json!(1))
            .gives("/spec/template/metadata/labels/job-name", json!("job")),
        Step::patch(&format!("{JOBS}/job"), MERGE, json!({ "spec": { "completions": 4 } })).code(422).gives("/reason", json!("Invalid")),
    ]
}

/// All of them, in the order in which they build on each other.
async fn answers_are_as_expected(client: &kube::Client, namespace: &str) {
    let created = json!({ "metadata": { "name": namespace } });
    run(client, namespace, vec![Step::post("/api/v1/namespaces", created)]).await;
    for steps in [
        tasks_are_validated(),
        tasks_change_as_their_rules_say(),
        deletions_wait_for_finalizers(),
        names_and_places_are_checked(),
        config_maps_and_secrets_are_merged(),
        pods_and_jobs_keep_their_shape(),
    ] {
        run(client, namespace, steps).await;
    }
    let end =
        Step::delete("/api/v1/namespaces/{ns}", Value::Null).gives("/status/phase", json!("Terminating"));
    run(client, namespace, vec![end]).await;
}

#[tokio::test]
async fn the_plane_answers_as_expected() {
    let plane = TestPlane::open();
    answers_are_as_expected(&plane.client(), "fidelity").await;
}

#[cfg(feature = "real-server")]
mod real_server {
    use axon_api::crd;
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
    use kube::api::{Api, PostParams};
    use kube::config::{KubeConfigOptions, Kubeconfig};
    use kube::runtime::wait::{await_condition, conditions};

    #[tokio::test]
    async fn a_real_server_answers_as_expected() {
        let path = std::env::var("AXON_TEST_KUBECONFIG").expect("AXON_TEST_KUBECONFIG names a kubeconfig");
        let file = Kubeconfig::read_from(path).expect("a kubeconfig");
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .expect("a configuration");
        let client = kube::Client::try_from(config).expect("a client");
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        for definition in crd::all() {
            let name = definition.metadata.name.clone().expect("a name");
            // It may be there already.
            drop(definitions.create(&PostParams::default(), &definition).await);
            let ready = await_condition(definitions.clone(), &name, conditions::is_crd_established());
            ready.await.expect("an established definition");
        }
        let namespace = format!("fidelity-{}", uuid::Uuid::new_v4().simple());
        super::answers_are_as_expected(&client, &namespace).await;
    }
}
