//! Reads the text that a step of a pipeline ended with, and believes it only with its proof.

use std::time::Duration;

use axon_api::outcome::Outcome;
use axon_api::printed_text;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;

/// The container that prints the text.
const CONTAINER: &str = "agent";
/// How long the server may take to give the log.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of reading a text.
#[derive(Debug)]
pub(super) enum Read {
    /// This is it.
    Text(String),
    /// It cannot be had any more: why.
    Lost(String),
}

/// Why a text could not be read, which may be otherwise later.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("failed to get Pod `{pod}`")]
    Pod {
        pod: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("failed to read the log of Pod `{pod}`")]
    Log {
        pod: String,
        #[source]
        source: Box<kube::Error>,
    },
    #[error("failed to read the log of Pod `{pod}`: no answer in {} s", PATIENCE.as_secs())]
    Slow { pod: String },
}

/// Reads the text that the log of `pod` ends with.
pub(super) async fn read(pods: &Api<Pod>, pod: &str) -> Result<Read, ReadError> {
    let found = pods.get_opt(pod).await.map_err(|source| ReadError::Pod {
        pod: pod.to_owned(),
        source: Box::new(source),
    })?;
    let Some(found) = found else {
        return Ok(Read::Lost(format!("Pod `{pod}` is gone")));
    };
    let Some(outcome) = outcome(&found) else {
        return Ok(Read::Lost(format!("the runner in Pod `{pod}` left no report")));
    };
    let Some(proof) = outcome.printed_text else {
        return Ok(Read::Lost(format!(
            "the report of Pod `{pod}` has no proof of it"
        )));
    };
    if proof.bytes > axon_api::markers::MAX_TEXT_BYTES {
        return Ok(Read::Lost(format!("it has {} bytes", proof.bytes)));
    }
    let parameters = LogParams {
        container: Some(CONTAINER.to_owned()),
        tail_lines: i64::try_from(printed_text::lines(proof.bytes)).ok(),
        limit_bytes: i64::try_from(printed_text::log_bytes(proof.bytes)).ok(),
        ..LogParams::default()
    };
    let answer = tokio::time::timeout(PATIENCE, pods.logs(pod, &parameters)).await;
    let log = match answer {
        Err(_) => return Err(ReadError::Slow { pod: pod.to_owned() }),
        Ok(Ok(log)) => log,
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 400 | 404) => {
            return Ok(Read::Lost(format!(
                "the log of Pod `{pod}` is gone: {}",
                status.message
            )));
        }
        Ok(Err(source)) => {
            return Err(ReadError::Log {
                pod: pod.to_owned(),
                source: Box::new(source),
            });
        }
    };
    Ok(match printed_text::read(&log, &proof) {
        Ok(text) => Read::Text(text),
        Err(unreadable) => Read::Lost(format!("in Pod `{pod}`, {unreadable}")),
    })
}

/// What the runner reported when it ended.
fn outcome(pod: &Pod) -> Option<Outcome> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let agent = containers.iter().find(|status| status.name == CONTAINER)?;
    let terminated = agent.state.as_ref()?.terminated.as_ref()?;
    Outcome::parse(terminated.message.as_deref()?)
}
