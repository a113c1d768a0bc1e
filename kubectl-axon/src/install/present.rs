//! What is on the cluster of an installation, read once before anything is written.

use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use serde_json::Value;

use super::images::split_tag;
use super::manifest::{VERSION_LABEL, is_operator};
use super::server;
use crate::failure::Result;

/// Requests in flight at once.
pub(crate) const AT_ONCE: usize = 16;

/// An object that is wanted, and what the server has in its place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) wanted: Value,
    pub(crate) present: Option<Value>,
}

/// Reads what the server has in the place of each object.
pub(crate) async fn look(client: &Client, objects: &[Value]) -> Result<Vec<Place>> {
    // Collected first: a lazy iterator of borrowed futures is not general enough for the compiler.
    let reads: Vec<_> = objects
        .iter()
        .map(|wanted| async move {
            let present = server::get(client, wanted).await?;
            Ok(Place {
                wanted: wanted.clone(),
                present,
            })
        })
        .collect();
    futures::stream::iter(reads).buffered(AT_ONCE).try_collect().await
}

/// The version of the operator that is there; `None` when there is no operator.
pub(crate) fn installed_version(places: &[Place]) -> Option<String> {
    let operator = places.iter().find(|place| is_operator(&place.wanted))?;
    operator.present.as_ref().map(version_of)
}

/// The version that a Deployment of the operator says that it is, else its image's tag.
pub(crate) fn version_of(deployment: &Value) -> String {
    let label = deployment["metadata"]["labels"][VERSION_LABEL].as_str();
    let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
    label
        .or_else(|| split_tag(image?).1)
        .unwrap_or("unknown")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_version_is_that_of_the_label_and_else_of_the_image() {
        let image = json!({"spec": {"template": {"spec": {"containers": [{"image": "a/operator:0.3.0"}]}}}});
        assert_eq!(version_of(&image), "0.3.0");
        let mut labelled = image;
        labelled["metadata"] = json!({"labels": {VERSION_LABEL: "0.4.0"}});
        assert_eq!(version_of(&labelled), "0.4.0");
        assert_eq!(version_of(&json!({})), "unknown");
    }
}
