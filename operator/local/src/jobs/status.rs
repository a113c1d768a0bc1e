//! The status of a pod, as a kubelet writes it.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    Pod, PodCondition, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::record::{Exit, Problem};
use super::worker::is_sidecar;

/// What a container does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting { reason: String, message: String },
    Running { started_at: Timestamp },
    Terminated { exit: Exit, message: String },
}

impl State {
    /// Not its turn yet.
    pub(super) fn initializing() -> Self {
        Self::Waiting {
            reason: "PodInitializing".to_owned(),
            message: String::new(),
        }
    }

    /// Ended well without a process: there was nothing to do.
    pub(super) fn done(now: Timestamp) -> Self {
        Self::Terminated {
            exit: Exit {
                exit_code: 0,
                signal: None,
                started_at: now,
                finished_at: now,
                problem: None,
            },
            message: String::new(),
        }
    }

    fn exit_code(&self) -> Option<i32> {
        match self {
            Self::Terminated { exit, .. } => Some(exit.exit_code),
            Self::Waiting { .. } | Self::Running { .. } => None,
        }
    }

    fn to_kubernetes(&self) -> ContainerState {
        match self {
            Self::Waiting { reason, message } => ContainerState {
                waiting: Some(ContainerStateWaiting {
                    reason: Some(reason.clone()),
                    message: Some(message.clone()).filter(|message| !message.is_empty()),
                }),
                ..ContainerState::default()
            },
            Self::Running { started_at } => ContainerState {
                running: Some(ContainerStateRunning {
                    started_at: Some(Time(*started_at)),
                }),
                ..ContainerState::default()
            },
            Self::Terminated { exit, message } => ContainerState {
                terminated: Some(ContainerStateTerminated {
                    container_id: None,
                    exit_code: exit.exit_code,
                    signal: exit.signal,
                    reason: Some(reason(exit).to_owned()),
                    message: Some(message_of(exit, message)).filter(|text| !text.is_empty()),
                    started_at: Some(Time(exit.started_at)),
                    finished_at: Some(Time(exit.finished_at)),
                }),
                ..ContainerState::default()
            },
        }
    }
}

/// The kubelet's one word for an end.
fn reason(exit: &Exit) -> &'static str {
    match (&exit.problem, exit.exit_code) {
        (Some(Problem::NotStarted(_)), _) => "StartError",
        (None, 0) => "Completed",
        _ => "Error",
    }
}

/// The container's own last word, or else what is known about an end that was not its own.
fn message_of(exit: &Exit, termination_message: &str) -> String {
    match &exit.problem {
        _ if !termination_message.is_empty() => termination_message.to_owned(),
        Some(Problem::NotStarted(problem)) => problem.clone(),
        Some(Problem::Lost) => "lost".to_owned(),
        None => String::new(),
    }
}

/// One container and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) state: State,
    /// Runs on beside the containers that come after it.
    pub(super) is_sidecar: bool,
}

impl Report {
    /// Whether an init container leaves the way free: it has ended well, or is a sidecar that was
    /// started.
    fn is_through(&self) -> bool {
        if self.is_sidecar {
            return !matches!(self.state, State::Waiting { .. });
        }
        self.state.exit_code() == Some(0)
    }
}

/// All containers of a pod, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reports {
    pub(super) init: Vec<Report>,
    pub(super) main: Vec<Report>,
    /// Why the pod failed, when that is not because of a container.
    pub(super) failure: Option<(String, String)>,
    /// Why the pod has no place yet.
    pub(super) unscheduled: Option<String>,
}

impl Reports {
    /// All containers of the pod, none begun.
    pub(super) fn of(pod: &Pod) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let report = |container: k8s_openapi::api::core::v1::Container| Report {
            is_sidecar: is_sidecar(&container),
            name: container.name,
            image: container.image.unwrap_or_default(),
            state: State::initializing(),
        };
        Self {
            init: spec
                .init_containers
                .unwrap_or_default()
                .into_iter()
                .map(report)
                .collect(),
            main: spec.containers.into_iter().map(report).collect(),
            failure: None,
            unscheduled: None,
        }
    }

    /// Records what a container does.
    pub(super) fn set(&mut self, container: &str, state: State) {
        let mut all = self.init.iter_mut().chain(&mut self.main);
        if let Some(report) = all.find(|report| report.name == container) {
            report.state = state;
        }
    }

    /// The pod's phase (`getPhase` in `pkg/kubelet/kubelet_pods.go`, for pods that never restart).
    pub(super) fn phase(&self) -> &'static str {
        let codes = |reports: &[Report]| -> Vec<Option<i32>> {
            reports.iter().map(|report| report.state.exit_code()).collect()
        };
        let main = codes(&self.main);
        let failed = |report: &Report| {
            let code = report.state.exit_code();
            !report.is_sidecar && code.is_some_and(|code| code != 0)
        };
        if self.failure.is_some() || self.init.iter().any(failed) {
            return "Failed";
        }
        if !self.init.iter().all(Report::is_through) {
            return "Pending";
        }
        if main.iter().all(Option::is_some) {
            return if main.iter().flatten().all(|code| *code == 0) {
                "Succeeded"
            } else {
                "Failed"
            };
        }
        let waits = |report: &Report| matches!(report.state, State::Waiting { .. });
        if self.main.iter().any(waits) {
            return "Pending";
        }
        "Running"
    }

    /// The whole status. Conditions of `former` that have not changed keep their time, and those of
    /// others stay.
    pub(super) fn status(&self, former: Option<&PodStatus>, now: Timestamp) -> PodStatus {
        let phase = self.phase();
        let ended = matches!(phase, "Succeeded" | "Failed");
        let initialized = self.init.iter().all(Report::is_through);
        let runs = |report: &Report| matches!(report.state, State::Running { .. });
        let ready = !ended && initialized && self.main.iter().all(runs);
        let not_ready = match phase {
            "Succeeded" => "PodCompleted",
            "Failed" => "PodFailed",
            _ => "ContainersNotReady",
        };
        let not_initialized = if ended {
            "PodFailed"
        } else {
            "ContainersNotInitialized"
        };
        let mut conditions = conditions(
            former,
            now,
            &[
                ("PodScheduled", self.unscheduled.is_none(), "Unschedulable"),
                ("Initialized", initialized, not_initialized),
                ("ContainersReady", ready, not_ready),
                ("Ready", ready, not_ready),
            ],
        );
        for condition in conditions
            .iter_mut()
            .filter(|condition| condition.type_ == "PodScheduled")
        {
            condition.message.clone_from(&self.unscheduled);
        }
        let started = former.and_then(|status| status.start_time.clone());
        let start_time = self.unscheduled.is_none().then(|| started.unwrap_or(Time(now)));
        PodStatus {
            phase: Some(phase.to_owned()),
            reason: self.failure.as_ref().map(|(reason, _)| reason.clone()),
            message: self.failure.as_ref().map(|(_, message)| message.clone()),
            conditions: Some(conditions),
            init_container_statuses: Some(self.init.iter().map(init_status).collect())
                .filter(|statuses: &Vec<_>| !statuses.is_empty()),
            container_statuses: Some(self.main.iter().map(container_status).collect()),
            start_time,
            qos_class: Some("BestEffort".to_owned()),
            ..PodStatus::default()
        }
    }
}

/// An init container is ready once it has done its work.
fn init_status(report: &Report) -> ContainerStatus {
    ContainerStatus {
        ready: report.state.exit_code() == Some(0),
        ..container_status(report)
    }
}

fn container_status(report: &Report) -> ContainerStatus {
    let running = matches!(report.state, State::Running { .. });
    ContainerStatus {
        name: report.name.clone(),
        image: report.image.clone(),
        image_id: String::new(),
        ready: running,
        started: Some(running),
        restart_count: 0,
        state: Some(report.state.to_kubernetes()),
        ..ContainerStatus::default()
    }
}

/// The former conditions, with those in `wanted` (type, value, reason where it is false) set.
fn conditions(
    former: Option<&PodStatus>,
    now: Timestamp,
    wanted: &[(&str, bool, &str)],
) -> Vec<PodCondition> {
    let mut conditions: Vec<PodCondition> = former
        .and_then(|status| status.conditions.clone())
        .unwrap_or_default();
    for (type_, holds, reason) in wanted {
        let condition = PodCondition {
            type_: (*type_).to_owned(),
            status: if *holds { "True" } else { "False" }.to_owned(),
            reason: (!*holds).then(|| (*reason).to_owned()),
            last_transition_time: Some(Time(now)),
            ..PodCondition::default()
        };
        match conditions.iter_mut().find(|found| found.type_ == *type_) {
            Some(found) if found.status == condition.status => {
                found.reason = condition.reason;
                found.message = None;
            }
            Some(found) => *found = condition,
            None => conditions.push(condition),
        }
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(exit_code: i32) -> State {
        State::Terminated {
            exit: Exit {
                exit_code,
                signal: None,
                started_at: Timestamp::UNIX_EPOCH,
                finished_at: Timestamp::UNIX_EPOCH,
                problem: None,
            },
            message: String::new(),
        }
    }

    fn running() -> State {
        State::Running {
            started_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn reports(init: &[State], main: &[State]) -> Reports {
        let list = |states: &[State]| {
            let reports = states.iter().enumerate().map(|(index, state)| Report {
                name: format!("c{index}"),
                image: "image".to_owned(),
                state: state.clone(),
                is_sidecar: false,
            });
            reports.collect()
        };
        Reports {
            init: list(init),
            main: list(main),
            failure: None,
            unscheduled: None,
        }
    }

    #[test]
    fn the_phase_follows_from_the_containers() {
        for (init, main, expected) in [
            (vec![], vec![State::initializing()], "Pending"),
            (
                vec![State::initializing()],
                vec![State::initializing()],
                "Pending",
            ),
            (vec![running()], vec![State::initializing()], "Pending"),
            (vec![exit(0)], vec![State::initializing()], "Pending"),
            (vec![exit(1)], vec![State::initializing()], "Failed"),
            (vec![exit(0)], vec![running()], "Running"),
            (vec![exit(0)], vec![running(), exit(0)], "Running"),
            (vec![exit(0)], vec![exit(0), exit(0)], "Succeeded"),
            (vec![exit(0)], vec![exit(0), exit(3)], "Failed"),
        ] {
            assert_eq!(reports(&init, &main).phase(), expected, "{init:?} {main:?}");
        }
    }

    #[test]
    fn a_condition_keeps_its_time_until_it_changes_and_those_of_others_stay() {
        let later = Timestamp::from_second(60).expect("a time");
        let mut first = reports(&[], &[running()]).status(None, Timestamp::UNIX_EPOCH);
        first.conditions.get_or_insert_default().push(PodCondition {
            type_: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
            ..PodCondition::default()
        });
        let second = reports(&[], &[exit(0)]).status(Some(&first), later);
        let time = |type_: &str| {
            let conditions = second.conditions.as_ref().expect("conditions");
            let found = conditions.iter().find(|condition| condition.type_ == type_);
            found
                .expect("the condition")
                .last_transition_time
                .as_ref()
                .map(|time| time.0)
        };
        assert_eq!(time("PodScheduled"), Some(Timestamp::UNIX_EPOCH));
        assert_eq!(time("Ready"), Some(later));
        assert_eq!(time("DisruptionTarget"), None);
        assert_eq!(second.start_time, Some(Time(Timestamp::UNIX_EPOCH)));
    }

    #[test]
    fn a_pod_that_waits_for_its_turn_says_so_until_it_has_come() {
        let mut waiting = reports(&[], &[State::initializing()]);
        waiting.unscheduled = Some("16 pods run".to_owned());
        let before = waiting.status(None, Timestamp::UNIX_EPOCH);
        assert_eq!(before.start_time, None);
        let scheduled = |status: &PodStatus| {
            let conditions = status.conditions.clone().unwrap_or_default();
            let found = conditions
                .into_iter()
                .find(|condition| condition.type_ == "PodScheduled");
            found.map(|condition| (condition.status, condition.reason, condition.message))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            scheduled(&before),
            Some(("False".to_owned(), text("Unschedulable"), text("16 pods run")))
        );
        waiting.unscheduled = None;
        let after = waiting.status(Some(&before), Timestamp::UNIX_EPOCH);
        assert_eq!(scheduled(&after), Some(("True".to_owned(), None, None)));
        assert!(after.start_time.is_some());
    }

    #[test]
    fn a_lost_container_keeps_its_own_last_word() {
        let lost = Exit {
            exit_code: 137,
            signal: None,
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: Timestamp::UNIX_EPOCH,
            problem: Some(Problem::Lost),
        };
        assert_eq!(
            (reason(&lost), message_of(&lost, "")),
            ("Error", "lost".to_owned())
        );
        assert_eq!(message_of(&lost, "{}"), "{}");
    }

    #[test]
    fn a_sidecar_holds_up_what_comes_after_it_only_until_it_is_started() {
        let with_sidecar = |sidecar: State, main: State| {
            let mut reports = reports(&[sidecar], &[main]);
            reports
                .init
                .iter_mut()
                .for_each(|report| report.is_sidecar = true);
            reports.phase()
        };
        assert_eq!(
            with_sidecar(State::initializing(), State::initializing()),
            "Pending"
        );
        assert_eq!(with_sidecar(running(), running()), "Running");
        assert_eq!(with_sidecar(exit(1), running()), "Running");
        assert_eq!(with_sidecar(exit(143), exit(0)), "Succeeded");
        assert_eq!(with_sidecar(exit(0), exit(1)), "Failed");
    }
}
