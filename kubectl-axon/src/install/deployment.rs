//! Whether the operator's Deployment is available, and what keeps its pods from starting.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use crate::failure::{Failure, Result};
use crate::output;
use crate::text::one_line;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(500);

/// How far a Deployment is with what was asked of it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rollout {
    Available,
    /// Scaled to zero.
    Nothing,
    /// How many replicas of the newest template are available, of how many.
    Underway {
        available: i32,
        wanted: i32,
    },
}

/// Reads the state of a rollout.
pub(crate) fn rollout(deployment: &Deployment) -> Rollout {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let is_seen = status.observed_generation >= deployment.metadata.generation;
    if wanted == 0 {
        return Rollout::Nothing;
    }
    let updated = status.updated_replicas.unwrap_or_default();
    let available = status.available_replicas.unwrap_or_default();
    let is_old_gone = status.replicas.unwrap_or_default() <= updated;
    if is_seen && updated >= wanted && available >= wanted && is_old_gone {
        return Rollout::Available;
    }
    let available = if is_seen { available.min(updated) } else { 0 };
    Rollout::Underway { available, wanted }
}

/// Why a pod does not run, as its status says: a reason such as `ImagePullBackOff`, and a message.
pub(crate) fn trouble(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    if let Some(found) = containers.flatten().find_map(container_trouble) {
        return Some(found);
    }
    let scheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    // A pod that waits for its gate is one that Axon has not started yet.
    let reason = scheduled
        .reason
        .clone()
        .filter(|reason| reason != "SchedulingGated")?;
    Some((reason, scheduled.message.clone().unwrap_or_default()))
}

/// Waiting reasons of a container that are on the way to running.
const ON_THE_WAY: &[&str] = &["ContainerCreating", "PodInitializing"];

fn container_trouble(container: &ContainerStatus) -> Option<(String, String)> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    if ON_THE_WAY.contains(&reason) {
        return None;
    }
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref())
        .and_then(|ended| ended.message.clone().or_else(|| ended.reason.clone()));
    let message = last.or_else(|| waiting.message.clone()).unwrap_or_default();
    Some((
        reason.to_owned(),
        format!("{} (image `{}`)", one_line(&message), container.image),
    ))
}

/// The pods of a Deployment.
pub(crate) async fn pods(client: &Client, deployment: &Deployment) -> Result<Vec<Pod>> {
    let labels = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.selector.match_labels.clone())
        .unwrap_or_default();
    let selector: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let namespace = deployment.namespace().unwrap_or_default();
    let listed = Api::<Pod>::namespaced(client.clone(), &namespace)
        .list(&ListParams::default().labels(&selector.join(",")))
        .await
        .map_err(|error| Failure::api("list the operator's pods", &error))?;
    Ok(listed.items)
}

/// Waits until the Deployment is available, and shows on the way what keeps it.
pub(crate) async fn wait(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let progress = Progress::start();
    let mut told = BTreeSet::new();
    loop {
        let deployment = deployments
            .get(name)
            .await
            .map_err(|error| Failure::api(&format!("get deployment `{name}`"), &error))?;
        match rollout(&deployment) {
            Rollout::Available | Rollout::Nothing => return Ok(()),
            Rollout::Underway { available, wanted } => progress.show(&format!(
                "deployment.apps/{name} {available} of {wanted} replicas available"
            )),
        }
        // Who may not read pods is only told less.
        for pod in pods(client, &deployment).await.unwrap_or_default() {
            if let Some((reason, message)) = trouble(&pod) {
                let line = format!("pod/{} {reason} {message}", pod.name_any());
                if told.insert((pod.name_any(), reason)) {
                    progress.note(&one_line(&line));
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// A spinner on a terminal, and a line for each change elsewhere.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    last: std::cell::RefCell<String>,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            bar,
            last: std::cell::RefCell::default(),
        }
    }

    /// What is waited for at the moment.
    pub(crate) fn show(&self, line: &str) {
        if *self.last.borrow() == line {
            return;
        }
        line.clone_into(&mut self.last.borrow_mut());
        match &self.bar {
            Some(bar) => bar.set_message(line.to_owned()),
            None => output::note(line),
        }
    }

    /// A line that stays.
    fn note(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(line)),
            None => output::note(line),
        }
    }
}

impl Drop for Progress {
    /// However waiting ends, the line is free for what is said then.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn deployment(replicas: i32, generation: i64, status: &Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "d", "generation": generation},
            "spec": {"replicas": replicas, "selector": {}, "template": {}},
            "status": status,
        }))
        .expect("a deployment")
    }

    #[test]
    fn a_rollout_is_over_when_the_new_replicas_are_there_and_the_old_ones_gone() {
        let status = |replicas: i32, updated: i32, available: i32| json!({"observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available});
        for (status, generation, expected) in [
            (status(1, 1, 1), 2, Rollout::Available),
            (
                status(1, 1, 1),
                3,
                Rollout::Underway {
                    available: 0,
                    wanted: 1,
                },
            ),
            (
                status(2, 1, 1),
                2,
                Rollout::Underway {
                    available: 1,
                    wanted: 1,
                },
            ),
            (
                status(1, 1, 0),
                2,
                Rollout::Underway {
                    available: 0,
                    wanted: 1,
                },
            ),
            (
                json!({}),
                1,
                Rollout::Underway {
                    available: 0,
                    wanted: 1,
                },
            ),
        ] {
            assert_eq!(rollout(&deployment(1, generation, &status)), expected, "{status}");
        }
        assert_eq!(rollout(&deployment(0, 1, &json!({}))), Rollout::Nothing);
    }

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).expect("a pod")
    }

    fn waiting(reason: &str, message: &str) -> Value {
        json!({"containerStatuses": [{
            "name": "c", "image": "axon/x:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}},
        }]})
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_told_with_its_name() {
        let (reason, message) = trouble(&pod(&waiting("ImagePullBackOff", "not\nfound"))).expect("trouble");
        assert_eq!(reason, "ImagePullBackOff");
        assert_eq!(message, "not found (image `axon/x:1`)");
        assert_eq!(trouble(&pod(&waiting("ContainerCreating", ""))), None);
    }

    #[test]
    fn a_pod_without_a_node_is_in_trouble_unless_it_waits_for_its_gate() {
        let unscheduled = |reason: &str| {
            pod(
                &json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": "no node"}]}),
            )
        };
        assert_eq!(
            trouble(&unscheduled("Unschedulable")),
            Some(("Unschedulable".to_owned(), "no node".to_owned()))
        );
        assert_eq!(trouble(&unscheduled("SchedulingGated")), None);
    }
}
