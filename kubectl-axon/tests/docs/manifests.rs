//! Creates objects in a plane, with strict validation.

use axon_local::directory::Directory;
use axon_local::plane::Plane;
use k8s_openapi::api::core::v1::ServiceAccount;
use serde_json::{Value, json};

/// A plane without controllers: it checks and keeps objects as a server does.
pub(crate) struct Server {
    _folder: tempfile::TempDir,
    client: kube::Client,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let plane = Plane::open(&Directory::new(folder.path())).expect("a plane");
        Self {
            client: plane.client(),
            _folder: folder,
        }
    }

    /// Creates the objects in a namespace of their own.
    pub(crate) async fn create(&self, namespace: &str, objects: &[Value]) -> Result<(), String> {
        let home = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        self.post("/api/v1/namespaces", &home).await?;
        for object in objects {
            let mut object = object.clone();
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
            if object["kind"] == "ServiceAccount" {
                // The plane has none, since its pods have no identity.
                check_account(&object)?;
                continue;
            }
            self.post(&path_of(&object, namespace)?, &object).await?;
        }
        Ok(())
    }

    async fn post(&self, path: &str, object: &Value) -> Result<(), String> {
        let request = http::Request::post(path)
            .header("Content-Type", "application/json")
            .body(object.to_string().into_bytes())
            .expect("a request");
        let created: Result<Value, _> = self.client.request(request).await;
        created.map(drop).map_err(|error| format!("{error}\n{object:#}"))
    }
}

/// Whether all that a service account has is known to Kubernetes.
fn check_account(object: &Value) -> Result<(), String> {
    let account: ServiceAccount =
        serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    let known = serde_json::to_value(account).map_err(|error| error.to_string())?;
    if known == *object {
        Ok(())
    } else {
        Err(format!("of {object} only {known} is known"))
    }
}

/// The path to which an object is posted.
fn path_of(object: &Value, namespace: &str) -> Result<String, String> {
    let kind = object["kind"].as_str().unwrap_or_default();
    let (group, plural) = match (object["apiVersion"].as_str(), kind) {
        (Some("v1"), "Secret") => ("api/v1", "secrets".to_owned()),
        (Some("axon.io/v1alpha1"), _) => {
            let plural = axon_api::crd::all()
                .into_iter()
                .find(|definition| definition.spec.names.kind == kind)
                .map(|definition| definition.spec.names.plural)
                .ok_or_else(|| format!("axon.io has no kind `{kind}`"))?;
            ("apis/axon.io/v1alpha1", plural)
        }
        (version, kind) => return Err(format!("`{kind}` of {version:?} is in no example")),
    };
    Ok(format!(
        "/{group}/namespaces/{namespace}/{plural}?fieldValidation=Strict"
    ))
}
