//! Makes a Task's token and keeps it in a Secret.

use std::collections::BTreeMap;

use axon_api::{Task, labels};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Patch;
use kube::{Resource, ResourceExt};

use super::{Applied, Applier, ApplyError, Obstacle, failed, overtaken, patching, post};
use crate::github_app::{App, Token};

/// The key under which runners find the token.
const KEY: &str = "GITHUB_TOKEN";

impl Applier {
    pub(super) async fn make_token(
        &self,
        task: &Task,
        secret: &str,
        app_secret: &str,
        repository: &str,
    ) -> Result<Applied, ApplyError> {
        let read = self.api::<Secret>(task).get_opt(app_secret).await;
        let Some(app) = read.map_err(|source| failed("get", "Secret", app_secret, source))? else {
            return Ok(Applied::Stale);
        };
        let data = app.data.unwrap_or_default();
        let made = match App::read(&data) {
            Ok(app) => self.github.token(&app, repository).await,
            Err(why) => return Ok(Applied::Refused(Obstacle::Token(why))),
        };
        match made {
            Ok(token) => {
                self.metrics.tokens_made.inc();
                self.write_token(task, secret, &token).await
            }
            // Also when GitHub could not be asked: the Task says so, and asks again in a while.
            Err(error) => Ok(Applied::Refused(Obstacle::Token(error.to_string()))),
        }
    }

    /// Creates the Secret, or puts the token into the one that is there and this Task's.
    async fn write_token(&self, task: &Task, name: &str, token: &Token) -> Result<Applied, ApplyError> {
        let secrets = self.api::<Secret>(task);
        let secret = token_secret(task, name, token);
        self.count("create", "secret");
        let written = match secrets.create(&post(), &secret).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                if !self.secrets.has_all_of(&task.namespace().unwrap_or_default()) {
                    return Ok(Applied::Refused(Obstacle::Token(no_longer_mine(name, task))));
                }
                let existing = secrets.get_metadata(name).await;
                let existing = existing.map_err(|source| failed("get", "Secret", name, source))?;
                if existing.labels().get(labels::TASK_UID) != task.meta().uid.as_ref() {
                    let why = format!("Secret `{name}` is there already and is not this Task's");
                    return Ok(Applied::Refused(Obstacle::Token(why)));
                }
                self.count("patch", "secret");
                let mut patch = secret;
                patch.metadata.uid = existing.uid();
                secrets.patch(name, &patching(), &Patch::Merge(&patch)).await
            }
            answer => answer,
        };
        match written {
            Ok(written) => {
                let wake = self.world.lock().note_token(&written);
                self.wake_others(task, wake);
                Ok(Applied::Done)
            }
            Err(source) => overtaken(source).map_err(|source| failed("write", "Secret", name, source)),
        }
    }
}

/// Why a token that was made cannot be replaced: the operator may create Secrets, and read those that
/// are listed, of which this is none.
fn no_longer_mine(name: &str, task: &Task) -> String {
    let namespace = task.namespace().unwrap_or_default();
    format!(
        "the token in Secret `{name}` cannot be made anew, since the operator may not read the Secrets that it makes; list namespace `{namespace}` whole: `{namespace}/*` in --secrets, in the chart a pair of rbac.secrets without a name"
    )
}

fn token_secret(task: &Task, name: &str, token: &Token) -> Secret {
    let value = ByteString(token.value.clone().into_bytes());
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: task.namespace(),
            labels: Some(BTreeMap::from([
                (labels::MANAGED_BY.to_owned(), labels::MANAGER.to_owned()),
                (
                    labels::TASK.to_owned(),
                    axon_api::names::label_value(&task.name_any()),
                ),
                (labels::TASK_UID.to_owned(), task.uid().unwrap_or_default()),
            ])),
            annotations: Some(BTreeMap::from([(
                labels::TOKEN_EXPIRES.to_owned(),
                token.expires.to_string(),
            )])),
            owner_references: task.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([(KEY.to_owned(), value)])),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    }
}
