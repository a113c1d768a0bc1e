//! A world in which one pipeline is worked on: what the server has, and what becomes of the Tasks.

use std::collections::BTreeMap;

use axon_api::{Phase, Task, TaskPipeline, TaskPipelineStatus, Workspace};
use axon_plan::Found;
use axon_plan::pipeline::{KeptRun, KeptSeen, PipelineObserved, PipelinePlan, Step, kept_tasks, plan};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// How a Task ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) phase: Phase,
    pub(crate) message: &'static str,
    pub(crate) began: bool,
    pub(crate) text: String,
    pub(crate) results: Vec<(&'static str, &'static str)>,
}

/// The Task has succeeded with this text.
pub(crate) fn says(text: &str) -> End {
    End {
        phase: Phase::Succeeded,
        message: "",
        began: true,
        text: text.to_owned(),
        results: Vec::new(),
    }
}

/// The Task has failed after its agent had begun.
pub(crate) fn fails(message: &'static str) -> End {
    End {
        phase: Phase::Failed,
        message,
        began: true,
        text: String::new(),
        results: Vec::new(),
    }
}

impl End {
    pub(crate) fn with(mut self, key: &'static str, value: &'static str) -> Self {
        self.results.push((key, value));
        self
    }

    pub(crate) fn before_it_began(mut self) -> Self {
        self.began = false;
        self
    }
}

/// Everything that the server has, of one pipeline.
pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) pipeline: TaskPipeline,
    pub(crate) workspace: Option<Workspace>,
    pub(crate) default_type: &'static str,
    pub(crate) tasks: BTreeMap<String, Task>,
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) kept: BTreeMap<String, KeptSeen>,
    pub(crate) refused: Option<&'static str>,
    /// Names of the Tasks that were created, in order.
    pub(crate) created: Vec<String>,
    /// What was told, as `reason: message`.
    pub(crate) told: Vec<String>,
    versions: i64,
}

/// A pipeline named `fix` with this spec and an inline workspace, unless it has one.
pub(crate) fn pipeline(mut spec: Value) -> TaskPipeline {
    if spec.get("workspaceRef").is_none() && spec.get("workspace").is_none() {
        spec["workspace"] = json!({ "repo": "https://git.example/o/r.git", "ref": "main" });
    }
    serde_json::from_value(json!({
        "apiVersion": "axon.io/v1alpha1",
        "kind": "TaskPipeline",
        "metadata": { "name": "fix", "namespace": "dev", "uid": "pipeline-uid", "generation": 1, "resourceVersion": "1" },
        "spec": spec,
    }))
    .expect("a TaskPipeline")
}

/// A shell pipeline of these steps, each with its own name as script.
pub(crate) fn scripts(names: &[&str]) -> Value {
    let steps: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "prompt": format!("run {name}") }))
        .collect();
    json!({ "type": "shell", "prompt": "do it", "steps": steps })
}

impl World {
    pub(crate) fn of(spec: Value) -> Self {
        Self {
            now: 0,
            pipeline: pipeline(spec),
            workspace: None,
            default_type: "claude-code",
            tasks: BTreeMap::new(),
            texts: BTreeMap::new(),
            kept: BTreeMap::new(),
            refused: None,
            created: Vec::new(),
            told: Vec::new(),
            versions: 1,
        }
    }

    pub(crate) fn status(&self) -> TaskPipelineStatus {
        self.pipeline.status.clone().unwrap_or_default()
    }

    /// Phase, reason and message, by which a pipeline is told.
    pub(crate) fn said(&self) -> (String, String, String) {
        let status = self.status();
        (
            status.phase.map_or_else(String::new, |phase| phase.to_string()),
            status.reason.unwrap_or_default(),
            status.message.unwrap_or_default(),
        )
    }

    /// The Task that was created last.
    pub(crate) fn last_task(&self) -> &Task {
        let name = self.created.last().expect("a Task was created");
        self.tasks.get(name).expect("it is there")
    }

    pub(crate) fn prompt(&self) -> &str {
        &self.last_task().spec.prompt
    }

    /// What is decided on `pipeline`, a view that may be older than what the server has.
    pub(crate) fn plan_on(&self, pipeline: &TaskPipeline) -> PipelinePlan {
        let status = pipeline.status.clone().unwrap_or_default();
        let task = status.runs.last().map(|run| self.tasks.get(&run.task));
        let kept = kept_tasks(&status)
            .into_iter()
            .filter_map(|task| Some((task.to_owned(), self.kept.get(task)?.clone())))
            .collect();
        plan(&PipelineObserved {
            now: Timestamp::from_second(1_800_000_000 + self.now).expect("a moment"),
            pipeline,
            workspace: match (&pipeline.spec.workspace_ref, &self.workspace) {
                (None, _) => Found::NotNamed,
                (Some(_), None) => Found::Missing,
                (Some(_), Some(workspace)) => Found::Present(workspace),
            },
            default_type: self.default_type,
            task: match task {
                None => Found::NotNamed,
                Some(None) => Found::Missing,
                Some(Some(task)) => Found::Present(task),
            },
            kept: &kept,
            refused: self.refused,
        })
    }

    pub(crate) fn plan(&self) -> PipelinePlan {
        self.plan_on(&self.pipeline)
    }

    /// Does at most `steps` steps of a plan that was made on `pipeline`. `false` when one was too
    /// late.
    pub(crate) fn apply(&mut self, pipeline: &TaskPipeline, plan: &PipelinePlan, steps: usize) -> bool {
        plan.steps
            .iter()
            .take(steps)
            .all(|step| self.apply_step(pipeline, plan, step))
    }

    fn apply_step(&mut self, pipeline: &TaskPipeline, plan: &PipelinePlan, step: &Step) -> bool {
        match step {
            Step::WriteStatus => {
                if pipeline.metadata.resource_version != self.pipeline.metadata.resource_version {
                    return false;
                }
                self.pipeline.status = Some(plan.status.clone());
                self.changed();
            }
            Step::CreateTask(task) => {
                let name = task.metadata.name.clone().expect("a name");
                if self.refused.is_some() || self.tasks.contains_key(&name) {
                    return false;
                }
                let mut task = (**task).clone();
                task.metadata.uid = Some(format!("uid-{}", self.created.len()));
                self.created.push(name.clone());
                self.tasks.insert(name, task);
            }
            Step::CancelTask { task, uid } => {
                let Some(task) = self.tasks.get_mut(task) else {
                    return false;
                };
                if task.metadata.uid.as_ref() != Some(uid) {
                    return false;
                }
                task.spec.cancel = Some(true);
            }
            Step::KeepRun { task, run, pod } => {
                let mut run = (**run).clone();
                if pod.is_some() {
                    run.text = self.texts.get(task).cloned().unwrap_or_default();
                }
                // What is kept is what comes back from a Secret.
                let secret = run.secret(pipeline, task);
                let seen = KeptSeen::read(&secret, &self.pipeline);
                assert_eq!(seen, KeptSeen::Kept(Box::<KeptRun>::new(run)));
                self.kept.entry(task.clone()).or_insert(seen);
            }
            Step::Notify(notice) => self.told.push(format!("{}: {}", notice.reason, notice.message)),
        }
        true
    }

    pub(crate) fn changed(&mut self) {
        self.versions += 1;
        self.pipeline.metadata.resource_version = Some(self.versions.to_string());
    }

    /// Observes, decides and applies until there is nothing to do.
    pub(crate) fn settle(&mut self) -> &mut Self {
        for _ in 0..20 {
            let pipeline = self.pipeline.clone();
            let plan = self.plan();
            if plan.steps.is_empty() {
                return self;
            }
            self.apply(&pipeline, &plan, usize::MAX);
        }
        panic!("there is always something to do: {:?}", self.said());
    }

    /// The last Task runs.
    pub(crate) fn runs(&mut self) -> &mut Self {
        self.set_phase(Phase::Running, "");
        self.settle()
    }

    /// The last Task ends so.
    pub(crate) fn ends(&mut self, end: End) -> &mut Self {
        self.end(end);
        self.settle()
    }

    pub(crate) fn end(&mut self, end: End) {
        let name = self.created.last().expect("a Task").clone();
        self.set_phase(end.phase, end.message);
        let task = self.tasks.get_mut(&name).expect("it is there");
        let status = task.status.as_mut().expect("it has a status");
        status.pod_name = Some(format!("{name}-pod"));
        if end.began {
            status.start_time = serde_json::from_value(json!("2027-01-15T08:00:00Z")).ok();
        }
        for (key, value) in end.results {
            status.outputs.push(format!("{key}: {value}"));
            status.results.insert(key.to_owned(), value.to_owned());
        }
        self.texts.insert(name, end.text);
    }

    pub(crate) fn set_phase(&mut self, phase: Phase, message: &str) {
        let name = self.created.last().expect("a Task").clone();
        let task = self.tasks.get_mut(&name).expect("it is there");
        let status = task.status.get_or_insert_default();
        status.phase = Some(phase);
        status.message = Some(message.to_owned());
    }

    /// Someone decides on the last Task.
    pub(crate) fn decide(&mut self, decision: &str, feedback: Option<&str>) -> &mut Self {
        let task = self.created.last().expect("a Task").clone();
        self.decide_on(&task, decision, feedback);
        self.settle()
    }

    pub(crate) fn decide_on(&mut self, task: &str, decision: &str, feedback: Option<&str>) {
        let approval = json!({ "task": task, "decision": decision, "user": "ann", "feedback": feedback });
        let approval = serde_json::from_value(approval).expect("an approval");
        self.pipeline.spec.approvals.push(approval);
        self.changed();
    }

    pub(crate) fn cancel(&mut self) -> &mut Self {
        self.pipeline.spec.cancel = Some(true);
        self.changed();
        self.settle()
    }
}
