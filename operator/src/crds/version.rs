//! Whether the server is new enough.

use anyhow::{Context as _, bail};
use kube::Client;

/// The oldest Kubernetes that has all that Axon builds upon, as 1.MINOR: Jobs whose
/// `podFailurePolicy` is stable, and fields of own kinds by which objects are selected.
const OLDEST_MINOR: u32 = 31;

/// Fails when the server is too old, which it stays until it is upgraded. A version that cannot be read
/// is let pass.
pub async fn require_new_enough(client: &Client) -> anyhow::Result<()> {
    let version = client.apiserver_version().await;
    let version = version.context("failed to ask the server for its version")?;
    match minor(&version.major, &version.minor) {
        Some(minor) if minor < OLDEST_MINOR => bail!(
            "the server is Kubernetes {}, and Axon needs 1.{OLDEST_MINOR} or newer\nhint: upgrade the cluster",
            version.git_version
        ),
        _ => Ok(()),
    }
}

/// The number behind `1.`; some servers say `31+`.
fn minor(major: &str, minor: &str) -> Option<u32> {
    let digits = |c: char| !c.is_ascii_digit();
    (major == "1")
        .then(|| minor.split(digits).next()?.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::server;

    async fn told(minor: &str) -> Result<(), String> {
        let version = json!({
            "major": "1", "minor": minor, "gitVersion": format!("v1.{minor}.4"), "buildDate": "",
            "compiler": "gc", "gitCommit": "", "gitTreeState": "", "goVersion": "", "platform": "",
        });
        let (client, _) = server(vec![(200, version)]);
        require_new_enough(&client)
            .await
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_server_that_is_too_old_is_told_with_what_to_do() {
        let error = told("30").await.expect_err("it is too old");
        assert_eq!(
            error,
            "the server is Kubernetes v1.30.4, and Axon needs 1.31 or newer\nhint: upgrade the cluster"
        );
        for new_enough in ["31", "34", "31+", "x"] {
            assert_eq!(told(new_enough).await, Ok(()), "{new_enough}");
        }
    }
}
