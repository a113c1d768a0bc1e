//! Where a Task is reported on, and with which credential: always that of the Task's own workspace, and
//! only on the server that the workspace's repository is on.

use axon_api::report::ReportTarget;
use axon_api::{Task, Workspace, WorkspaceSpec};

use super::Reporter;
use super::hindrance::Hindrance;
use crate::forge::Source;
use crate::key::Key;
use crate::read::{Reader, Sought, not_listed};

impl Reporter {
    /// The repository that is reported to.
    pub(super) async fn source(
        &self,
        key: &Key,
        task: &Task,
        target: &ReportTarget,
    ) -> Result<Source, Hindrance> {
        let workspace = self.workspace(key, task).await?;
        let Some(secret) = &workspace.secret_ref else {
            return Err(Hindrance::lasting(
                "the Task's workspace has no credential to write with\nhint: name a Secret with GITHUB_TOKEN in its secretRef",
            ));
        };
        if !self.applier.secrets.has(&key.namespace, &secret.name) {
            let why = not_listed(&key.namespace, &secret.name);
            return Err(Hindrance::lasting(format!(
                "the Secret `{}` cannot be used: {why}",
                secret.name
            )));
        }
        let source = self
            .hub
            .source(&key.namespace, &workspace, &target.owner, &target.repo)?;
        match &target.api_url {
            Some(api) if *api != source.endpoint.api => Err(Hindrance::lasting(format!(
                "`{}/{}` is at `{api}`, which is not the server of the Task's workspace and is not shown its credential",
                target.owner, target.repo
            ))),
            _ => Ok(source),
        }
    }

    async fn workspace(&self, key: &Key, task: &Task) -> Result<WorkspaceSpec, Hindrance> {
        if let Some(workspace) = &task.spec.workspace {
            return Ok(workspace.clone());
        }
        let Some(reference) = &task.spec.workspace_ref else {
            return Err(Hindrance::lasting(
                "the Task has no workspace, with whose credential it would be told",
            ));
        };
        let name = &reference.name;
        let reader = Reader {
            client: &self.applier.client,
            world: &self.applier.world,
            queue: &self.applier.queue,
            key,
            secrets: &self.applier.secrets,
        };
        let sought = reader.object::<Workspace>(name).await;
        match sought.map_err(|error| Hindrance {
            message: format!("{:#}", anyhow::Error::new(error)),
            passes: true,
            wait: None,
        })? {
            Sought::Present(workspace) => Ok(workspace.spec),
            Sought::Invalid(why) => Err(Hindrance::lasting(format!(
                "Workspace `{name}` cannot be read: {why}"
            ))),
            Sought::Missing | Sought::NotNamed => {
                Err(Hindrance::lasting(format!("Workspace `{name}` does not exist")))
            }
        }
    }
}
