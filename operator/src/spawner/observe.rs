//! Gathers all that a decision about one spawner may look at.

use std::collections::BTreeSet;

use axon_api::{TaskSpawner, Workspace, WorkspaceSpec, names};
use axon_plan::spawner::memory::Memory;
use axon_plan::spawner::{self, Ask, SpawnedTask, SpawnerObserved, SpawnerPlan};
use futures::{FutureExt as _, StreamExt as _, stream};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;

use super::apply::{Hands, StepError, failed};
use super::sources::Heard;
use super::state::State;
use crate::read::Sought;

/// Tasks that the server is asked for at once.
const AT_ONCE: usize = 16;
/// How often a decision may want more of the server in one round.
const MOST_QUESTIONS: usize = 3;
/// How many objects a listing holds at once.
const PAGE: u32 = 500;

/// A spawner and all that bears on it, as last seen.
pub(super) struct Seen<'a> {
    pub(super) spawner: &'a TaskSpawner,
    pub(super) workspace: &'a Sought<Workspace>,
    pub(super) default_type: &'a str,
    pub(super) heard: &'a Heard,
    pub(super) tasks: Vec<SpawnedTask>,
    pub(super) gone: BTreeSet<String>,
}

impl Seen<'_> {
    /// Decides, and asks the server for what a decision cannot be made without.
    pub(super) async fn decide(
        &mut self,
        hands: &Hands<'_>,
        state: &State,
    ) -> Result<SpawnerPlan, StepError> {
        let mut plan = self.plan(state);
        for _ in 0..MOST_QUESTIONS {
            if plan.ask.is_empty() {
                break;
            }
            self.ask(hands, &plan.ask).await?;
            plan = self.plan(state);
        }
        Ok(plan)
    }

    fn plan(&self, state: &State) -> SpawnerPlan {
        let nothing = Memory::default();
        spawner::plan(&SpawnerObserved {
            now: Timestamp::now(),
            spawner: self.spawner,
            workspace: self.workspace.found(),
            default_type: self.default_type,
            memory: state.memory.as_ref().unwrap_or(&nothing),
            source: self.heard.seen(),
            tasks: &self.tasks,
            gone: &self.gone,
            refused: &state.refused,
        })
    }

    async fn ask(&mut self, hands: &Hands<'_>, ask: &Ask) -> Result<(), StepError> {
        if !ask.missing.is_empty() {
            self.tasks = list(hands).await?;
            let there: BTreeSet<String> = self.tasks.iter().map(|task| names::place(&task.uid)).collect();
            let missing = ask.missing.iter().filter(|place| !there.contains(*place));
            self.gone.extend(missing.cloned());
            return Ok(());
        }
        let wanted: BTreeSet<&String> = ask.tasks.iter().collect();
        let wanted: Vec<(String, String)> = self
            .tasks
            .iter()
            .filter(|task| wanted.contains(&task.name))
            .map(|task| (task.name.clone(), task.uid.clone()))
            .collect();
        let mut open = Vec::new();
        for (name, uid) in &wanted {
            open.push(hands.get_task(name, uid).boxed());
        }
        let answers: Vec<_> = stream::iter(open).buffered(AT_ONCE).collect().await;
        for ((_, uid), answer) in wanted.into_iter().zip(answers) {
            self.tasks.retain(|task| task.uid != uid);
            match answer? {
                Some(task) => self.tasks.push(SpawnedTask {
                    is_fresh: true,
                    ..SpawnedTask::of(&task)
                }),
                None => {
                    self.gone.insert(names::place(&uid));
                }
            }
        }
        Ok(())
    }
}

/// All Tasks of the spawner, as the server has them now.
async fn list(hands: &Hands<'_>) -> Result<Vec<SpawnedTask>, StepError> {
    let tasks: Api<axon_api::Task> = hands.api();
    let label = names::label_value(&hands.key.name);
    let mut parameters = ListParams::default()
        .labels(&format!("{}={label}", axon_api::labels::SPAWNER))
        .limit(PAGE);
    let mut found = Vec::new();
    loop {
        let page = tasks.list(&parameters).await;
        let page = page.map_err(|source| failed("list", "Tasks of", &hands.key.name, source))?;
        let ours = page.items.iter().filter(|task| hands.controls(task));
        found.extend(ours.map(|task| SpawnedTask {
            is_fresh: true,
            ..SpawnedTask::of(task)
        }));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok(found),
        }
    }
}

/// The workspace that the template has or names.
pub(super) fn workspace_spec<'a>(
    spawner: &'a TaskSpawner,
    named: &'a Sought<Workspace>,
) -> Option<&'a WorkspaceSpec> {
    let own = spawner.spec.task_template.workspace.as_ref();
    own.or_else(|| named.present().map(|workspace| &workspace.spec))
}
