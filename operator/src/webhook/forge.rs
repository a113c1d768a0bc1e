//! What only the forge can tell of an event: who its sender is, and what its pull request changes.

use axon_api::TaskSpawner;
use axon_api::sources::Candidate;
use axon_api::sources::comment_policy::{Authority, Standing};
use axon_api::sources::github::examined::{Examined, Known, Need};
use axon_api::sources::github::facts::PullFacts;
use axon_api::sources::github::webhook::{self as events, Delivery as Event, GitHubWebhook};
use axon_api::sources::{Fetched, WorkItem};
use axon_plan::spawner::Trouble;
use futures::future::BoxFuture;
use serde_json::Value;

/// Answers questions about events. A failure means that it cannot be told now.
pub trait Forge: Send + Sync {
    /// Answers one question with the credential of the spawner's workspace.
    fn tell<'a>(&'a self, question: &'a Question<'a>) -> BoxFuture<'a, Result<Told, Trouble>>;

    /// Login of the spawner's credential, whose comments ask for nothing; `None` when it has none.
    fn own_login<'a>(&'a self, spawner: &'a TaskSpawner) -> BoxFuture<'a, Result<Option<String>, Trouble>>;
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// On whose behalf.
    pub spawner: &'a TaskSpawner,
    /// `owner/name` of the event's repository.
    pub repository: &'a str,
    /// Number of the issue or pull request; `None` when the event has none.
    pub number: Option<u64>,
    pub need: &'a Need,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Told {
    Pull(PullFacts),
    /// Paths; of a renamed file, the new one and the old one.
    Files(Vec<String>),
    /// What people may do, by login.
    People(Vec<(String, Standing)>),
}

/// What was found out about an event so far.
#[derive(Default)]
struct Findings {
    authority: Authority,
    pull: Option<PullFacts>,
    files: Option<Vec<String>>,
    own_login: Option<String>,
}

impl Findings {
    fn known(&self) -> Known<'_> {
        Known {
            pull: self.pull.as_ref(),
            files: self.files.as_deref(),
            own_login: self.own_login.as_deref(),
            ..Known::nothing(&self.authority)
        }
    }

    fn note(&mut self, told: Told) {
        match told {
            Told::Pull(pull) => self.pull = Some(pull),
            Told::Files(files) => self.files = Some(files),
            Told::People(people) => {
                for (login, standing) in people {
                    self.authority.record(&login, standing);
                }
            }
        }
    }
}

/// An event that a spawner may want.
pub(super) struct Look<'a> {
    pub(super) spawner: &'a TaskSpawner,
    pub(super) spec: &'a GitHubWebhook,
    /// `owner/name` of the template's workspace.
    pub(super) workspace: Option<&'a str>,
    pub(super) event: Event<'a>,
    pub(super) candidate: &'a Candidate,
    /// Whether filters are looked at. They are not when they have said yes to a payload that was too
    /// long to be kept whole.
    pub(super) filters: Filters,
}

/// Whether filters are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filters {
    Look,
    HaveSaidYes,
}

impl Look<'_> {
    /// Looks, and asks the forge for what the filters and the templates need.
    pub(super) async fn item(&self, forge: Option<&dyn Forge>) -> Result<Fetched, Trouble> {
        let mut findings = Findings::default();
        if let Some(forge) = forge.filter(|_| self.is_comment()) {
            findings.own_login = forge.own_login(self.spawner).await?;
        }
        if self.filters == Filters::Look
            && let Some(why) = self.refusal(forge, &mut findings).await?
        {
            return Ok(Fetched::NoLonger(why));
        }
        if let (Some(forge), Some(need), None) = (forge, events::wanted(&self.event), &findings.pull) {
            let told = self.ask(forge, &need).await?;
            findings.note(told);
        }
        Ok(Fetched::Item(Box::new(self.item_with(&findings))))
    }

    /// Why the filters do not want it, after all that they need was asked.
    async fn refusal(
        &self,
        forge: Option<&dyn Forge>,
        findings: &mut Findings,
    ) -> Result<Option<String>, Trouble> {
        loop {
            match events::candidate(self.spec, self.workspace, &self.event, &findings.known()) {
                Examined::Match(_) => return Ok(None),
                Examined::NoMatch(why) => return Ok(Some(why)),
                Examined::Unknown(why) => return Err(unknown(why)),
                Examined::Ask(need) => {
                    let forge = forge.ok_or_else(nobody_to_ask)?;
                    findings.note(self.ask(forge, &need).await?);
                }
            }
        }
    }

    async fn ask(&self, forge: &dyn Forge, need: &Need) -> Result<Told, Trouble> {
        let nothing = Findings::default();
        let number = self.item_with(&nothing).subject.map(|subject| subject.number);
        let repository = self.event.payload.pointer("/repository/full_name");
        let question = Question {
            spawner: self.spawner,
            repository: repository.and_then(Value::as_str).unwrap_or_default(),
            number,
            need,
        };
        forge.tell(&question).await
    }

    fn item_with(&self, findings: &Findings) -> WorkItem {
        events::item(&self.event, &findings.known(), self.candidate.clone())
    }

    fn is_comment(&self) -> bool {
        self.event.payload.pointer("/comment/body").is_some()
    }
}

fn unknown(why: String) -> Trouble {
    Trouble {
        reason: "EventUndecided",
        message: why,
        passes: true,
    }
}

fn nobody_to_ask() -> Trouble {
    Trouble {
        reason: "GitHubNotAsked",
        message: "the filters of an event need what only GitHub can tell, and this operator does not ask it"
            .to_owned(),
        passes: true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axon_api::sources::Cause;
    use axon_api::sources::comment_policy::Permission;
    use serde_json::json;

    use super::*;

    /// Answers from what it was told, and keeps what it was asked.
    struct Fake {
        permission: Result<Option<Permission>, &'static str>,
        asked: Mutex<Vec<String>>,
    }

    impl Forge for Fake {
        fn tell<'a>(&'a self, question: &'a Question<'a>) -> BoxFuture<'a, Result<Told, Trouble>> {
            self.asked.lock().expect("no panic").push(format!(
                "{:?} of {} {:?}",
                question.need, question.repository, question.number
            ));
            let answer = match question.need {
                Need::Pull => Ok(Told::Pull(PullFacts {
                    head_branch: "fix".to_owned(),
                    head_sha: "cafe".to_owned(),
                    base_branch: "main".to_owned(),
                    head_repository: None,
                })),
                Need::Files => Ok(Told::Files(vec!["src/lib.rs".to_owned()])),
                Need::People(people) => match self.permission {
                    Ok(permission) => Ok(Told::People(
                        people
                            .iter()
                            .map(|login| {
                                (
                                    login.clone(),
                                    Standing::Known {
                                        permission,
                                        teams: [].into(),
                                    },
                                )
                            })
                            .collect(),
                    )),
                    Err(why) => Err(unknown(why.to_owned())),
                },
                other => panic!("asked for {other:?}"),
            };
            Box::pin(std::future::ready(answer))
        }

        fn own_login<'a>(&'a self, _: &'a TaskSpawner) -> BoxFuture<'a, Result<Option<String>, Trouble>> {
            Box::pin(std::future::ready(Ok(Some("axon[bot]".to_owned()))))
        }
    }

    async fn look(
        filter: Value,
        sender: &str,
        permission: Result<Option<Permission>, &'static str>,
    ) -> (Result<Fetched, Trouble>, Vec<String>) {
        let spec: GitHubWebhook = serde_json::from_value(json!({
            "events": ["issue_comment"], "filters": [filter],
            "commentPolicy": { "minimumPermission": "write" },
        }))
        .expect("a spec");
        let payload = json!({
            "action": "created",
            "issue": { "number": 7, "title": "It breaks", "pull_request": { "url": "u" } },
            "comment": { "body": "/axon" },
            "repository": { "full_name": "org/repo" },
            "sender": { "login": sender },
        });
        let candidate = Candidate {
            key: "delivery-1".to_owned(),
            id: "issue-comment-1".to_owned(),
            cause: Cause::Event,
            labels: Vec::new(),
            created: k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
        };
        let fake = Fake {
            permission,
            asked: Mutex::default(),
        };
        let spawner = TaskSpawner::new("triage", axon_api::TaskSpawnerSpec::default());
        let look = Look {
            spawner: &spawner,
            spec: &spec,
            workspace: Some("org/repo"),
            event: Event {
                event: "issue_comment",
                id: "1",
                received: candidate.created,
                payload: &payload,
            },
            candidate: &candidate,
            filters: Filters::Look,
        };
        let fetched = look.item(Some(&fake)).await;
        (fetched, fake.asked.into_inner().expect("no panic"))
    }

    #[tokio::test]
    async fn what_the_filters_need_is_asked_and_the_item_has_it() {
        let filter =
            json!({ "event": "issue_comment", "branch": "fix", "filePatterns": { "include": ["src/**"] } });
        let (fetched, asked) = look(filter, "alice", Ok(Some(Permission::Admin))).await;
        let Ok(Fetched::Item(item)) = fetched else {
            panic!("no item: {fetched:?}");
        };
        assert_eq!(item.variables["Branch"], json!("fix"));
        assert_eq!(item.variables["ChangedFiles"], json!("src/lib.rs"));
        assert_eq!(asked.len(), 3, "each thing once: {asked:?}");
        assert!(
            asked
                .iter()
                .all(|question| question.ends_with("of org/repo Some(7)")),
            "{asked:?}"
        );
    }

    #[tokio::test]
    async fn a_sender_who_may_not_ask_gets_no_task() {
        let filter = json!({ "event": "issue_comment" });
        let (fetched, _) = look(filter, "mallory", Ok(Some(Permission::Read))).await;
        assert!(matches!(fetched, Ok(Fetched::NoLonger(_))), "{fetched:?}");
    }

    #[tokio::test]
    async fn a_question_that_fails_leaves_the_event_pending() {
        let filter = json!({ "event": "issue_comment" });
        let (fetched, _) = look(filter, "alice", Err("GitHub is down")).await;
        assert!(fetched.is_err_and(|trouble| trouble.passes));
    }

    #[tokio::test]
    async fn a_comment_of_our_own_asks_for_nothing() {
        let filter = json!({ "event": "issue_comment" });
        let (fetched, asked) = look(filter, "axon[bot]", Ok(Some(Permission::Admin))).await;
        assert!(matches!(fetched, Ok(Fetched::NoLonger(_))), "{fetched:?}");
        assert!(asked.is_empty(), "{asked:?}");
    }
}
