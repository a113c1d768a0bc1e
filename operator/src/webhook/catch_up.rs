//! Has GitHub send again what nobody took while every replica was down. Nothing is remembered for it:
//! GitHub's own record says what was delivered and what was not.

use axon_api::TaskSpawner;
use axon_plan::spawner::Trouble;
use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;

use super::downtime::{Attempt, REACH, is_ours, to_repeat};

/// Deliveries that one look has sent again at most: the next look goes on.
const MOST_AT_ONCE: usize = 100;

/// Asks GitHub about hooks, with the credential of a spawner's workspace.
pub trait Hooks: Send + Sync {
    /// Hooks that the credential administers: those of the workspace's repository, and its App's own.
    fn hooks<'a>(&'a self, spawner: &'a TaskSpawner) -> BoxFuture<'a, Result<Vec<Hook>, Trouble>>;

    /// What a hook tried to deliver since then, in any order.
    fn attempts<'a>(
        &'a self,
        spawner: &'a TaskSpawner,
        hook: &'a Hook,
        since: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Attempt>, Trouble>>;

    /// Has one try repeated.
    fn repeat<'a>(
        &'a self,
        spawner: &'a TaskSpawner,
        hook: &'a Hook,
        attempt: u64,
    ) -> BoxFuture<'a, Result<(), Trouble>>;
}

/// A hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// GitHub's number of a repository's hook; `None` for that of an App.
    pub id: Option<u64>,
    /// Where it sends to.
    pub url: String,
}

/// Has GitHub send again what was lost at the hooks that send to us. `own_url` is where it reaches us,
/// if that is known. Answers whether events are found again after a downtime, and how, or why not.
pub(super) async fn catch_up(
    asks: &dyn Hooks,
    spawner: &TaskSpawner,
    own_url: Option<&str>,
    now: Timestamp,
) -> (bool, String) {
    match repeat_lost(asks, spawner, own_url, now).await {
        Ok(0) => (
            false,
            "no hook that the credential of the workspace administers sends to this operator, so that what is sent while no replica runs is lost\nhint: give the token admin:repo_hook, or redeliver it in the settings of the hook".to_owned(),
        ),
        Ok(_) => (
            true,
            "GitHub is asked for what it sent in vain, and sends it again".to_owned(),
        ),
        Err(trouble) => (
            false,
            format!(
                "GitHub does not tell what it sent in vain, so that what is sent while no replica runs is lost: {}",
                trouble.message
            ),
        ),
    }
}

/// Answers with how many hooks are ours.
async fn repeat_lost(
    asks: &dyn Hooks,
    spawner: &TaskSpawner,
    own_url: Option<&str>,
    now: Timestamp,
) -> Result<usize, Trouble> {
    let since = now - REACH;
    let mut ours = asks.hooks(spawner).await?;
    ours.retain(|hook| is_ours(&hook.url, own_url));
    for hook in &ours {
        let attempts = asks.attempts(spawner, hook, since).await?;
        for attempt in to_repeat(&attempts, since, now).into_iter().take(MOST_AT_ONCE) {
            asks.repeat(spawner, hook, attempt).await?;
        }
    }
    Ok(ours.len())
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::Mutex;

    use k8s_openapi::jiff::SignedDuration;

    use super::*;

    const URL: &str = "https://axon.example.com/webhook/github";

    /// One hook, with deliveries that all failed an hour ago.
    struct Fake {
        hooks: Result<Vec<Hook>, Trouble>,
        repeated: Mutex<Vec<u64>>,
    }

    impl Hooks for Fake {
        fn hooks<'a>(&'a self, _: &'a TaskSpawner) -> BoxFuture<'a, Result<Vec<Hook>, Trouble>> {
            Box::pin(ready(self.hooks.clone()))
        }

        fn attempts<'a>(
            &'a self,
            _: &'a TaskSpawner,
            _: &'a Hook,
            since: Timestamp,
        ) -> BoxFuture<'a, Result<Vec<Attempt>, Trouble>> {
            let attempt = |id: u64, status| Attempt {
                id,
                guid: id.to_string(),
                at: since + REACH - SignedDuration::from_hours(1),
                status,
            };
            Box::pin(ready(Ok(vec![attempt(1, 0), attempt(2, 202), attempt(3, 503)])))
        }

        fn repeat<'a>(
            &'a self,
            _: &'a TaskSpawner,
            _: &'a Hook,
            attempt: u64,
        ) -> BoxFuture<'a, Result<(), Trouble>> {
            self.repeated.lock().expect("no panic").push(attempt);
            Box::pin(ready(Ok(())))
        }
    }

    async fn caught_up(hooks: Result<Vec<Hook>, Trouble>) -> ((bool, String), Vec<u64>) {
        let repeated = Mutex::default();
        let fake = Fake { hooks, repeated };
        let spawner = TaskSpawner::new("triage", axon_api::TaskSpawnerSpec::default());
        let now = "2026-02-07T12:00:00Z".parse().expect("a time");
        let proof = catch_up(&fake, &spawner, Some(URL), now).await;
        (proof, fake.repeated.into_inner().expect("no panic"))
    }

    fn hook(url: &str) -> Hook {
        Hook {
            id: Some(1),
            url: url.to_owned(),
        }
    }

    #[tokio::test]
    async fn what_was_sent_in_vain_to_our_hook_is_sent_again() {
        let ((is_proof, _), repeated) = caught_up(Ok(vec![hook(URL)])).await;
        assert!(is_proof);
        assert_eq!(repeated, [1, 3]);
    }

    #[tokio::test]
    async fn hooks_of_others_are_left_alone_and_nothing_is_promised() {
        let ((is_proof, why), repeated) = caught_up(Ok(vec![hook("https://ci.example.com")])).await;
        assert!(!is_proof && why.contains("\nhint: "), "{why}");
        assert!(repeated.is_empty());
    }

    #[tokio::test]
    async fn a_credential_that_may_not_look_is_the_reason_why_not() {
        let trouble = Trouble {
            reason: "Forbidden",
            message: "the token may not administer hooks".to_owned(),
            passes: false,
        };
        let ((is_proof, why), _) = caught_up(Err(trouble)).await;
        assert!(!is_proof && why.contains("may not administer hooks"), "{why}");
    }
}
