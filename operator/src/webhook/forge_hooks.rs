//! Asks GitHub about hooks: those of the workspace's repository, and the App's own.

use std::time::Duration;

use axon_api::TaskSpawner;
use axon_plan::spawner::Trouble;
use axon_sources::github::client::{FailureKind, HookOwner, Repository};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::catch_up::{Hook, Hooks};
use super::downtime::Attempt;
use super::forge_hub::{HubForge, lock};
use crate::forge::{For, Source, explain};

/// How long a hook is left alone after it was looked into. Spawners that share one look in turn, and one
/// look is enough for all.
const LOOKED: Duration = Duration::from_mins(10);
/// Pages of a hundred deliveries that are read of one hook; what is older is not found.
const MOST_PAGES: usize = 100;

impl HubForge {
    async fn all_hooks(&self, spawner: &TaskSpawner) -> Result<Vec<Hook>, Trouble> {
        let source = self.source(spawner, None).await?;
        let explained = |failure| explain(&source, &failure);
        let mut found = Vec::new();
        if let Some(app) = self.hub.as_app(&source).await? {
            match app.app_hook().await {
                Ok(config) if !config.url.is_empty() => found.push(Hook {
                    id: None,
                    url: config.url,
                }),
                Ok(_) => {}
                Err(failure) if is_none(failure.kind) => {}
                Err(failure) => return Err(explained(failure)),
            }
        }
        let repository = self.hub.repository(&source, For::Everything).await?;
        match repository.hooks().await {
            Ok(hooks) => found.extend(hooks.into_iter().filter(|hook| hook.active).map(|hook| Hook {
                id: Some(hook.id),
                url: hook.config.url,
            })),
            // An App that has a hook of its own need not administer those of repositories.
            Err(failure) if is_none(failure.kind) && !found.is_empty() => {}
            Err(failure) => return Err(explained(failure)),
        }
        Ok(found)
    }

    async fn tried(
        &self,
        spawner: &TaskSpawner,
        hook: &Hook,
        since: Timestamp,
    ) -> Result<Vec<Attempt>, Trouble> {
        let source = self.source(spawner, None).await?;
        if !self.is_due(&source, hook) {
            return Ok(Vec::new());
        }
        let tried = self.read(&source, hook, since).await;
        if tried.is_err() {
            lock(&self.looked).remove(&(source.key(), hook.id));
        }
        tried
    }

    async fn read(&self, source: &Source, hook: &Hook, since: Timestamp) -> Result<Vec<Attempt>, Trouble> {
        let repository = self.administered(source, hook).await?;
        let mut attempts = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let page = repository
                .hook_deliveries(owner(hook), cursor.as_deref())
                .await
                .map_err(|failure| explain(source, &failure))?;
            let is_past = page
                .deliveries
                .last()
                .is_none_or(|last| last.delivered_at < since);
            attempts.extend(page.deliveries.into_iter().map(|delivery| Attempt {
                id: delivery.id,
                guid: delivery.guid,
                at: delivery.delivered_at,
                status: delivery.status_code,
            }));
            cursor = page.cursor;
            if is_past || cursor.is_none() {
                break;
            }
        }
        attempts.retain(|attempt| attempt.at >= since);
        Ok(attempts)
    }

    async fn send_again(&self, spawner: &TaskSpawner, hook: &Hook, attempt: u64) -> Result<(), Trouble> {
        let source = self.source(spawner, None).await?;
        let repository = self.administered(&source, hook).await?;
        match repository.redeliver(owner(hook), attempt).await {
            // GitHub keeps it no longer.
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(()),
            sent => sent.map_err(|failure| explain(&source, &failure)),
        }
    }

    /// The repository, asked as one who administers the hook.
    async fn administered(&self, source: &Source, hook: &Hook) -> Result<Repository, Trouble> {
        if hook.id.is_some() {
            return self.hub.repository(source, For::Everything).await;
        }
        let app = self.hub.as_app(source).await?;
        app.ok_or_else(|| Trouble {
            reason: "Unauthorized",
            message: "the credential of the workspace is not of an App any more".to_owned(),
            passes: true,
        })
    }

    /// Whether nobody has looked into the hook just now. Who asks is about to.
    fn is_due(&self, source: &Source, hook: &Hook) -> bool {
        let now = Instant::now();
        let mut looked = lock(&self.looked);
        looked.retain(|_, when| now.duration_since(*when) < LOOKED);
        let key = (source.key(), hook.id);
        if looked.contains_key(&key) {
            return false;
        }
        looked.insert(key, now);
        true
    }
}

impl Hooks for HubForge {
    fn hooks<'a>(&'a self, spawner: &'a TaskSpawner) -> BoxFuture<'a, Result<Vec<Hook>, Trouble>> {
        self.all_hooks(spawner).boxed()
    }

    fn attempts<'a>(
        &'a self,
        spawner: &'a TaskSpawner,
        hook: &'a Hook,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Attempt>, Trouble>> {
        self.tried(spawner, hook, since).boxed()
    }

    fn repeat<'a>(
        &'a self,
        spawner: &'a TaskSpawner,
        hook: &'a Hook,
        attempt: u64,
    ) -> BoxFuture<'a, Result<(), Trouble>> {
        self.send_again(spawner, hook, attempt).boxed()
    }
}

fn owner(hook: &Hook) -> HookOwner {
    hook.id
        .map_or(HookOwner::App, |hook| HookOwner::Repository { hook })
}

fn is_none(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::NotFound | FailureKind::Forbidden)
}
