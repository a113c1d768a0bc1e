//! What a Job needs next: a pure function of the Job, its pods and the time.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobCondition, JobStatus, PodFailurePolicyRule};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};

/// On pods: the UID of the Job.
pub(super) const CONTROLLER_UID: &str = "batch.kubernetes.io/controller-uid";
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Kubernetes' default of `backoffLimit`.
const DEFAULT_BACKOFF_LIMIT: i32 = 6;

/// What a Job needs next.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Decision {
    pub(super) create: Option<Pod>,
    /// Names of pods.
    pub(super) delete: Vec<String>,
    /// The Job itself has outlived its time.
    pub(super) expire: bool,
    /// The whole status, if it is another than the Job has.
    pub(super) status: Option<JobStatus>,
    /// When to look again without being woken.
    pub(super) wake: Option<SignedDuration>,
}

/// Decides what the Job needs next.
pub(super) fn decide(job: &Job, pods: &[Pod], now: Timestamp) -> Decision {
    if job.metadata.deletion_timestamp.is_some() {
        return Decision::default();
    }
    let former = job.status.clone().unwrap_or_default();
    if let Some(finished) = finished_at(&former) {
        return after_the_end(job, finished, now);
    }
    let spec = job.spec.clone().unwrap_or_default();
    let count = Count::of(pods, &former);
    let started = former.start_time.as_ref().map_or(now, |time| time.0);
    let deadline = spec
        .active_deadline_seconds
        .and_then(|seconds| started.checked_add(SignedDuration::from_secs(seconds)).ok());
    let mut decision = Decision::default();

    let backoff_limit = spec.backoff_limit.unwrap_or(DEFAULT_BACKOFF_LIMIT);
    let failure = if unsupported(spec.completions) || unsupported(spec.parallelism) {
        let message =
            "this machine runs one pod for a Job, so that `completions` and `parallelism` must be 1";
        Some(("NotSupportedLocally", message.to_owned()))
    } else if let Some(message) = policy_failure(job, pods) {
        Some(("PodFailurePolicy", message))
    } else if count.failed > backoff_limit {
        let message = "Job has reached the specified backoff limit";
        Some(("BackoffLimitExceeded", message.to_owned()))
    } else if deadline.is_some_and(|deadline| deadline <= now) && count.succeeded == 0 {
        let message = "Job was active longer than specified deadline";
        Some(("DeadlineExceeded", message.to_owned()))
    } else {
        None
    };
    let failure = earlier_failure(&former).or(failure);

    let mut status = JobStatus {
        active: Some(count.active).filter(|count| *count > 0),
        failed: Some(count.failed).filter(|count| *count > 0),
        succeeded: Some(count.succeeded).filter(|count| *count > 0),
        terminating: Some(count.terminating),
        ready: Some(count.ready),
        start_time: Some(Time(started)),
        conditions: former.conditions.clone(),
        ..JobStatus::default()
    };
    if let Some((reason, message)) = failure {
        decision.delete = count.to_delete;
        set_condition(&mut status, "FailureTarget", reason, &message, now);
        if count.active + count.terminating == 0 {
            set_condition(&mut status, "Failed", reason, &message, now);
        }
    } else if count.succeeded > 0 {
        let message = "Reached expected number of succeeded pods";
        status.completion_time = Some(Time(now));
        for type_ in ["SuccessCriteriaMet", "Complete"] {
            set_condition(&mut status, type_, "CompletionsReached", message, now);
        }
    } else {
        if count.active + count.terminating == 0 {
            status.active = Some(1);
            decision.create = Some(pod(job, count.failed));
        }
        decision.wake = deadline.map(|deadline| deadline.duration_since(now));
    }
    decision.status = Some(status).filter(|status| Some(status) != job.status.as_ref());
    decision
}

/// One pod at a time is all that this machine does.
fn unsupported(number: Option<i32>) -> bool {
    number.is_some_and(|number| number != 1)
}

fn after_the_end(job: &Job, finished: Timestamp, now: Timestamp) -> Decision {
    let seconds = job.spec.as_ref().and_then(|spec| spec.ttl_seconds_after_finished);
    let Some(seconds) = seconds else {
        return Decision::default();
    };
    let left = SignedDuration::from_secs(seconds.into()) - now.duration_since(finished);
    if left.is_positive() {
        return Decision {
            wake: Some(left),
            ..Decision::default()
        };
    }
    Decision {
        expire: true,
        ..Decision::default()
    }
}

/// Whether the Job has ended, well or not.
pub(super) fn is_finished(job: &Job) -> bool {
    job.status.as_ref().and_then(finished_at).is_some()
}

fn finished_at(status: &JobStatus) -> Option<Timestamp> {
    let conditions = status.conditions.iter().flatten();
    conditions
        .filter(|condition| condition.status == "True")
        .find(|condition| matches!(condition.type_.as_str(), "Complete" | "Failed"))
        .map(|condition| {
            let time = condition.last_transition_time.as_ref();
            time.map_or(Timestamp::UNIX_EPOCH, |time| time.0)
        })
}

/// A failure that was decided, while its pods were still to be ended.
fn earlier_failure(status: &JobStatus) -> Option<(&str, String)> {
    let mut conditions = status.conditions.iter().flatten();
    let target = conditions.find(|condition| condition.type_ == "FailureTarget")?;
    Some((
        target.reason.as_deref().unwrap_or_default(),
        target.message.clone().unwrap_or_default(),
    ))
}

/// The pods of a Job, counted.
#[derive(Default)]
struct Count {
    active: i32,
    ready: i32,
    terminating: i32,
    succeeded: i32,
    /// With those that disappeared before their end was counted.
    failed: i32,
    /// The pods that have not ended and are not being deleted.
    to_delete: Vec<String>,
}

impl Count {
    fn of(pods: &[Pod], former: &JobStatus) -> Self {
        let mut count = Self::default();
        for pod in pods {
            let status = pod.status.as_ref();
            let ready = status
                .and_then(|status| status.conditions.as_ref())
                .is_some_and(|conditions| {
                    conditions
                        .iter()
                        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
                });
            match status.and_then(|status| status.phase.as_deref()) {
                Some("Succeeded") => count.succeeded += 1,
                Some("Failed") => count.failed += 1,
                _ if pod.metadata.deletion_timestamp.is_some() => count.terminating += 1,
                _ => {
                    count.active += 1;
                    count.ready += i32::from(ready);
                    count.to_delete.push(pod.name_any());
                }
            }
        }
        let before = [former.active, former.terminating, former.succeeded, former.failed];
        let before: i32 = before.into_iter().flatten().sum();
        let present = i32::try_from(pods.len()).unwrap_or(i32::MAX);
        count.failed = count.failed.saturating_add(before.saturating_sub(present).max(0));
        count
    }
}

/// The message of the first rule that fails the Job, as Kubernetes words it.
fn policy_failure(job: &Job, pods: &[Pod]) -> Option<String> {
    let policy = job.spec.as_ref()?.pod_failure_policy.as_ref()?;
    let mut failed = pods.iter().filter(|pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        phase == Some("Failed")
    });
    failed.find_map(|pod| {
        // The first rule that matches a pod is the one that counts, whatever it does.
        let rules = policy.rules.iter().enumerate();
        let mut rules = rules.filter_map(|(index, rule)| Some((index, rule, matches(rule, pod)?)));
        let (index, rule, what) = rules.next()?;
        (rule.action == "FailJob").then(|| format!("{what} matching FailJob rule at index {index}"))
    })
}

fn matches(rule: &PodFailurePolicyRule, pod: &Pod) -> Option<String> {
    let name = format!("{}/{}", pod.namespace().unwrap_or_default(), pod.name_any());
    let status = pod.status.as_ref()?;
    for pattern in rule.on_pod_conditions.iter().flatten() {
        let wanted = match pattern.status.as_str() {
            "" => "True",
            status => status,
        };
        let conditions = status.conditions.iter().flatten();
        let mut found =
            conditions.filter(|condition| condition.type_ == pattern.type_ && condition.status == wanted);
        if let Some(condition) = found.next() {
            return Some(format!("Pod {name} has condition {}", condition.type_));
        }
    }
    let codes = rule.on_exit_codes.as_ref()?;
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    for container in containers {
        if codes
            .container_name
            .as_ref()
            .is_some_and(|name| *name != container.name)
        {
            continue;
        }
        let terminated = container
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        let Some(code) = terminated
            .map(|terminated| terminated.exit_code)
            .filter(|code| *code != 0)
        else {
            continue;
        };
        if codes.values.contains(&code) == (codes.operator == "In") {
            return Some(format!(
                "Container {} for pod {name} failed with exit code {code}",
                container.name
            ));
        }
    }
    None
}

fn set_condition(status: &mut JobStatus, type_: &str, reason: &str, message: &str, now: Timestamp) {
    let conditions = status.conditions.get_or_insert_default();
    if conditions.iter().any(|condition| condition.type_ == type_) {
        return;
    }
    conditions.push(JobCondition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    });
}

/// The pod that the Job wants after so many have failed. Its name follows from the Job's UID, so that
/// making it twice makes one.
fn pod(job: &Job, failed: i32) -> Pod {
    let uid = job.uid().unwrap_or_default();
    let template = job
        .spec
        .as_ref()
        .map(|spec| spec.template.clone())
        .unwrap_or_default();
    let from_template = template.metadata.unwrap_or_default();
    let mut labels: BTreeMap<String, String> = from_template.labels.unwrap_or_default();
    for (name, value) in [
        (CONTROLLER_UID, uid.clone()),
        ("controller-uid", uid.clone()),
        (JOB_NAME, job.name_any()),
        ("job-name", job.name_any()),
    ] {
        labels.insert(name.to_owned(), value);
    }
    let owner = OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: job.name_any(),
        uid: uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    Pod {
        metadata: ObjectMeta {
            name: Some(format!("{}-{}", job.name_any(), suffix(&uid, failed))),
            namespace: job.namespace(),
            labels: Some(labels),
            annotations: from_template.annotations,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

/// Five characters of the alphabet that Kubernetes takes for such names.
fn suffix(uid: &str, failed: i32) -> String {
    const ALPHABET: [char; 27] = [
        'b', 'c', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'z',
        '2', '4', '5', '6', '7', '8', '9',
    ];
    Sha256::digest(format!("{uid}/{failed}"))
        .iter()
        .take(5)
        .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn job(spec: Value, status: Value) -> Job {
        let mut job = json!({
            "metadata": {"name": "j", "namespace": "ns", "uid": "u"},
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}},
                    "spec": {"containers": [{"name": "agent"}], "schedulingGates": [{"name": "g"}]}
                },
                "podFailurePolicy": {"rules": [
                    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]},
                    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
                ]},
            },
        });
        job["status"] = status;
        let Value::Object(overrides) = spec else {
            panic!("not an object: {spec}");
        };
        for (name, value) in overrides {
            job["spec"][name] = value;
        }
        serde_json::from_value(job).expect("a Job")
    }

    fn pod_in(phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "ns"},
            "status": {"phase": phase}
        }))
        .expect("a pod")
    }

    fn started() -> Value {
        json!({"active": 1, "startTime": "1970-01-01T00:00:00Z", "ready": 0, "terminating": 0})
    }

    fn condition(decision: &Decision, type_: &str) -> Option<String> {
        let status = decision.status.as_ref()?;
        let mut conditions = status.conditions.iter().flatten();
        conditions
            .find(|condition| condition.type_ == type_)?
            .reason
            .clone()
    }

    #[test]
    fn a_job_without_pods_gets_one_with_a_name_that_follows_from_its_uid() {
        let job = job(json!({}), json!({}));
        let decision = decide(&job, &[], at(5));
        let made = decision.create.expect("a pod");
        assert_eq!(made, decide(&job, &[], at(9)).create.expect("a pod"));
        assert!(made.name_any().starts_with("j-") && made.name_any().len() == 7);
        assert_eq!(made.labels().get("a").map(String::as_str), Some("b"));
        assert_eq!(made.labels().get(JOB_NAME).map(String::as_str), Some("j"));
        assert_eq!(made.annotations().get("c").map(String::as_str), Some("d"));
        assert!(made.spec.expect("a spec").scheduling_gates.is_some());
        let status = decision.status.expect("a status");
        assert_eq!((status.active, status.start_time), (Some(1), Some(Time(at(5)))));
    }

    #[test]
    fn a_running_pod_leaves_nothing_to_do() {
        let job = job(json!({}), started());
        assert_eq!(decide(&job, &[pod_in("Running")], at(5)), Decision::default());
    }

    #[test]
    fn the_end_of_the_pod_ends_the_job() {
        let job = job(json!({}), started());
        let succeeded = decide(&job, &[pod_in("Succeeded")], at(5));
        assert_eq!(
            condition(&succeeded, "Complete").as_deref(),
            Some("CompletionsReached")
        );
        let failed = decide(&job, &[pod_in("Failed")], at(5));
        assert_eq!(
            condition(&failed, "Failed").as_deref(),
            Some("BackoffLimitExceeded")
        );
        for decision in [succeeded, failed] {
            assert_eq!(decision.create, None);
            let mut ended = job.clone();
            ended.status = decision.status;
            assert_eq!(decide(&ended, &[], at(9)), Decision::default());
        }
    }

    #[test]
    fn a_pod_that_disappeared_counts_as_failed_and_gets_no_successor() {
        let decision = decide(&job(json!({}), started()), &[], at(5));
        assert_eq!(decision.create, None);
        assert_eq!(
            condition(&decision, "Failed").as_deref(),
            Some("BackoffLimitExceeded")
        );
    }

    #[test]
    fn with_a_backoff_limit_a_failed_pod_gets_a_successor_of_another_name() {
        let job = job(json!({"backoffLimit": 1}), started());
        let first = decide(&job, &[], at(5)).create.expect("a pod");
        let mut fresh = job.clone();
        fresh.status = None;
        assert_ne!(
            first.name_any(),
            decide(&fresh, &[], at(5)).create.expect("a pod").name_any()
        );
    }

    #[test]
    fn a_deadline_ends_the_pod_and_then_the_job() {
        let mut job = job(json!({"activeDeadlineSeconds": 10}), started());
        let before = decide(&job, &[pod_in("Running")], at(4));
        assert_eq!(before.wake, Some(SignedDuration::from_secs(6)));
        let after = decide(&job, &[pod_in("Running")], at(10));
        assert_eq!(after.delete, ["p"]);
        assert_eq!(
            condition(&after, "FailureTarget").as_deref(),
            Some("DeadlineExceeded")
        );
        assert_eq!(condition(&after, "Failed"), None);
        job.status = after.status;
        let ended = decide(&job, &[], at(11));
        assert_eq!(condition(&ended, "Failed").as_deref(), Some("DeadlineExceeded"));
    }

    #[test]
    fn a_failure_policy_names_pod_and_rule() {
        let job = job(json!({"backoffLimit": 3}), started());
        for (status, expected) in [
            (
                json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}]}),
                "Pod ns/p has condition DisruptionTarget matching FailJob rule at index 0",
            ),
            (
                json!({"phase": "Failed", "containerStatuses": [{
                    "name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"terminated": {"exitCode": 42}}
                }]}),
                "Container agent for pod ns/p failed with exit code 42 matching FailJob rule at index 1",
            ),
        ] {
            let mut pod = pod_in("Failed");
            pod.status = serde_json::from_value(status).expect("a status");
            let decision = decide(&job, &[pod], at(5));
            let conditions = decision
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            let message = conditions.last().and_then(|condition| condition.message.clone());
            assert_eq!(message.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_job_expires_when_it_has_ended_for_so_long() {
        let ended = json!({"conditions": [
            {"type": "Complete", "status": "True", "lastTransitionTime": "1970-01-01T00:00:10Z"}
        ]});
        let job = job(json!({"ttlSecondsAfterFinished": 5}), ended);
        assert_eq!(decide(&job, &[], at(12)).wake, Some(SignedDuration::from_secs(3)));
        assert!(decide(&job, &[], at(15)).expire);
    }

    #[test]
    fn more_than_one_pod_is_refused() {
        let decision = decide(&job(json!({"parallelism": 2}), json!({})), &[], at(5));
        assert_eq!(
            condition(&decision, "Failed").as_deref(),
            Some("NotSupportedLocally")
        );
        assert_eq!(decision.create, None);
    }
}
