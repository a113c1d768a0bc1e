//! Which events of the watches make a pipeline worth a look.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axon_api::{Task, TaskPipeline, Workspace};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::key::Key;
use crate::queue::{Queue, Urgency};
use crate::world::Loose;

/// Phases of a pipeline and of a Task in which nothing happens any more.
const FINAL: &[&str] = &["Complete", "Succeeded", "Failed", "TimedOut", "Cancelled"];

/// Wakes pipelines.
#[derive(Debug)]
pub(super) struct Wakes {
    queue: Arc<Queue>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Pipelines that have ended, so that the Tasks that they leave behind wake nobody.
    ended: HashSet<Key>,
    /// Pipelines that wait for a Workspace, by the Workspace.
    waiting: HashMap<Key, HashSet<Key>>,
}

impl Wakes {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            state: Mutex::default(),
        }
    }

    /// The pipeline has to be looked at when this Workspace appears.
    pub(super) fn when_workspace_appears(&self, pipeline: &Key, workspace: &str) {
        let workspace = pipeline.sibling(workspace);
        let mut state = self.lock();
        state
            .waiting
            .entry(workspace)
            .or_default()
            .insert(pipeline.clone());
    }

    pub(super) fn on_pipeline(&self, event: Event<Loose<TaskPipeline>>) {
        match event {
            Event::Apply(pipeline) | Event::InitApply(pipeline) => {
                let key = Key::of(&pipeline);
                if is_final(&pipeline) {
                    self.lock().ended.insert(key);
                } else {
                    self.lock().ended.remove(&key);
                    self.queue.wake(&key, Urgency::Normal);
                }
            }
            Event::Delete(pipeline) => {
                self.lock().ended.remove(&Key::of(&pipeline));
            }
            Event::Init | Event::InitDone => {}
        }
    }

    pub(super) fn on_task(&self, event: Event<Loose<Task>>) {
        let (task, is_gone) = match event {
            Event::Apply(task) | Event::InitApply(task) => (task, false),
            Event::Delete(task) => (task, true),
            Event::Init | Event::InitDone => return,
        };
        let Some(pipeline) = owner(&task) else { return };
        let has_ended = self.lock().ended.contains(&pipeline);
        // A Task that runs on though its pipeline has ended is seen to.
        if !has_ended || !(is_gone || is_final(&task)) {
            self.queue.wake(&pipeline, Urgency::Normal);
        }
    }

    pub(super) fn on_workspace(&self, event: Event<PartialObjectMeta<Workspace>>) {
        let (Event::Apply(workspace) | Event::InitApply(workspace)) = event else {
            return;
        };
        let waiting = self.lock().waiting.remove(&Key::of(&workspace));
        for pipeline in waiting.into_iter().flatten() {
            self.queue.wake(&pipeline, Urgency::Normal);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pipeline that a Task is a step of.
fn owner(task: &Loose<Task>) -> Option<Key> {
    let owner = task
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true) && owner.kind == TaskPipeline::kind(&()))?;
    Some(Key::of(task).sibling(&owner.name))
}

fn is_final<K: Serialize>(object: &Loose<K>) -> bool {
    let value = serde_json::to_value(object).unwrap_or_default();
    let phase = value.pointer("/status/phase").and_then(Value::as_str);
    phase.is_some_and(|phase| FINAL.contains(&phase))
}
