//! The operator's own kinds, on the server.

mod published;
mod version;

use std::time::Duration;

use axon_api::{GROUP, VERSION};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::Client;
use serde::Serialize;

pub use published::warn_of_older_definitions;
pub use version::require_new_enough;

/// How long to wait between two looks.
const RETRY: Duration = Duration::from_secs(2);

/// Definitions and policies as YAML documents, to be applied.
pub fn to_yaml<T: Serialize>(objects: &[T]) -> anyhow::Result<String> {
    let mut documents = String::new();
    for object in objects {
        documents.push_str("---\n");
        documents.push_str(&serde_saphyr::to_string(object)?);
    }
    Ok(documents)
}

/// Waits until the server serves all kinds of Axon.
pub async fn wait_until_served(client: &Client) {
    let wanted: Vec<String> = axon_api::crd::all()
        .into_iter()
        .map(|definition| definition.spec.names.plural)
        .collect();
    let mut told = None;
    loop {
        let missing = match served(client).await {
            Ok(served) => {
                let missing = wanted.iter().filter(|kind| !served.contains(kind));
                missing.cloned().collect::<Vec<_>>().join(", ")
            }
            Err(error) => format!("none known: {error}"),
        };
        if missing.is_empty() {
            return;
        }
        if told.as_ref() != Some(&missing) {
            tracing::warn!(
                missing,
                "the server does not serve all kinds of {GROUP}/{VERSION}; waits for them\nhint: install the chart with crds.enabled=true, or: axon-operator crd | kubectl apply -f -"
            );
            told = Some(missing);
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn served(client: &Client) -> kube::Result<Vec<String>> {
    let resources = client
        .list_api_group_resources(&format!("{GROUP}/{VERSION}"))
        .await;
    match resources {
        Ok(APIResourceList { resources, .. }) => {
            Ok(resources.into_iter().map(|resource| resource.name).collect())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

    use super::*;

    #[test]
    fn the_documents_read_back_as_the_definitions() {
        let definitions = axon_api::crd::all();
        let yaml = to_yaml(&definitions).expect("YAML");
        let read: Vec<CustomResourceDefinition> = serde_saphyr::from_multiple(&yaml).expect("documents");
        assert_eq!(read, definitions);
    }
}
