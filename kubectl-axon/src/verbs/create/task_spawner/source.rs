//! The flags that say what the source is. Those of a source that this build lacks are not there.

#[cfg(feature = "webhook")]
use std::collections::BTreeMap;

use axon_api::sources::When;
#[cfg(feature = "cron")]
use axon_api::sources::cron::CronSource;
#[cfg(feature = "github")]
use axon_api::sources::github::issues::{GitHubIssues, StateFilter};
#[cfg(feature = "github")]
use axon_api::sources::github::pull_requests::GitHubPullRequests;
#[cfg(feature = "github")]
use axon_api::sources::github::webhook::{EventFilter, GitHubWebhook};
#[cfg(feature = "webhook")]
use axon_api::sources::webhook::GenericWebhook;
use clap::Args;

use crate::failure::{Failure, Result};
#[cfg(feature = "webhook")]
use crate::parts::pair;

/// One example for each source of this build.
pub(super) fn examples() -> String {
    let examples: &[&str] = &[
        #[cfg(feature = "github")]
        "  kubectl axon create taskspawner fix-bugs --issues --label bug --workspace my-workspace \\
    -p 'Fix: {{.Title}}' --branch 'axon-task-{{.Number}}' --max-concurrency 3
",
        #[cfg(feature = "github")]
        "  kubectl axon create taskspawner review --pull-requests --workspace my-workspace \\
    -p 'Review pull request {{.Number}}'
",
        #[cfg(feature = "cron")]
        "  kubectl axon create taskspawner nightly --cron '0 3 * * *' --time-zone Europe/Paris \\
    -p 'Update the dependencies' --workspace my-workspace
",
        #[cfg(feature = "github")]
        "  kubectl axon create taskspawner answer --github-event issue_comment --action created \\
    --workspace my-workspace -p '{{.CommentBody}}'
",
        #[cfg(feature = "webhook")]
        "  kubectl axon create taskspawner errors --webhook sentry --map 'id=$.event.id' \\
    --map 'title=$.event.title' --workspace my-workspace -p 'Find out why: {{.Title}}'
",
    ];
    format!(
        "Examples:\n{}\nWhat can be said of a source beyond these flags is in `kubectl explain taskspawner.spec.when`.",
        examples.concat()
    )
}

/// What the source is.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Source")]
pub(in crate::verbs::create) struct SourceArgs {
    /// Issues of the workspace's repository
    #[cfg(feature = "github")]
    #[arg(long, group = "source")]
    pub(in crate::verbs::create) issues: bool,

    /// Pull requests of the workspace's repository
    #[cfg(feature = "github")]
    #[arg(long, group = "source")]
    pub(in crate::verbs::create) pull_requests: bool,

    /// Event that GitHub sends, such as `issues`; may be given more than once
    #[cfg(feature = "github")]
    #[arg(
        long = "github-event",
        value_name = "EVENT",
        value_delimiter = ',',
        group = "source"
    )]
    pub(in crate::verbs::create) events: Vec<String>,

    /// Five fields of a cron schedule
    #[cfg(feature = "cron")]
    #[arg(long, value_name = "SCHEDULE", group = "source")]
    pub(in crate::verbs::create) cron: Option<String>,

    /// Signed requests to /webhook/NAME
    #[cfg(feature = "webhook")]
    #[arg(long, value_name = "NAME", group = "source", requires = "map")]
    pub(in crate::verbs::create) webhook: Option<String>,

    /// Label that an item must have; may be given more than once
    #[cfg(feature = "github")]
    #[arg(long = "label", value_name = "LABEL")]
    pub(in crate::verbs::create) labels: Vec<String>,

    /// Label that an item must not have; may be given more than once
    #[cfg(feature = "github")]
    #[arg(long = "exclude-label", value_name = "LABEL")]
    pub(in crate::verbs::create) exclude_labels: Vec<String>,

    /// Label by which items are taken first, the most important first
    #[cfg(feature = "github")]
    #[arg(long = "priority-label", value_name = "LABEL")]
    pub(in crate::verbs::create) priority_labels: Vec<String>,

    /// State that an issue or pull request must have; default: open
    #[cfg(feature = "github")]
    #[arg(long, value_enum, value_name = "STATE")]
    pub(in crate::verbs::create) state: Option<StateArg>,

    /// Action that a GitHub event must have, such as `labeled`
    #[cfg(feature = "github")]
    #[arg(long, value_name = "ACTION", requires = "events")]
    pub(in crate::verbs::create) action: Option<String>,

    /// Repository as owner/name, when it is not the workspace's
    #[cfg(feature = "github")]
    #[arg(long, value_name = "OWNER/NAME")]
    pub(in crate::verbs::create) repo: Option<String>,

    /// How often GitHub is asked; default: 5m
    #[cfg(feature = "github")]
    #[arg(long, value_name = "DURATION")]
    pub(in crate::verbs::create) poll_interval: Option<String>,

    /// Time zone of the schedule, such as Europe/Paris; default: UTC
    #[cfg(feature = "cron")]
    #[arg(long, value_name = "ZONE", requires = "cron")]
    pub(in crate::verbs::create) time_zone: Option<String>,

    /// Template variable and where it is in the request's body, such as 'id=$.event.id'; `id` is needed
    #[cfg(feature = "webhook")]
    #[arg(long = "map", value_name = "NAME=JSONPATH", id = "map", requires = "webhook")]
    pub(in crate::verbs::create) mappings: Vec<String>,
}

/// A value of `--state`.
#[cfg(feature = "github")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::verbs::create) enum StateArg {
    Open,
    Closed,
    All,
}

#[cfg(feature = "github")]
impl StateArg {
    fn filter(self) -> StateFilter {
        match self {
            Self::Open => StateFilter::Open,
            Self::Closed => StateFilter::Closed,
            Self::All => StateFilter::All,
        }
    }
}

impl SourceArgs {
    /// How often the source is asked.
    pub(super) fn poll_interval(&self) -> Option<&String> {
        #[cfg(feature = "github")]
        return self.poll_interval.as_ref();
        #[cfg(not(feature = "github"))]
        {
            let _ = self;
            None
        }
    }

    #[cfg(feature = "github")]
    fn github(&self, when: &mut When) {
        let state = self.state.map(StateArg::filter);
        if self.issues {
            when.github_issues = Some(GitHubIssues {
                repo: self.repo.clone(),
                labels: self.labels.clone(),
                exclude_labels: self.exclude_labels.clone(),
                priority_labels: self.priority_labels.clone(),
                state,
                ..GitHubIssues::default()
            });
        }
        if self.pull_requests {
            when.github_pull_requests = Some(GitHubPullRequests {
                repo: self.repo.clone(),
                labels: self.labels.clone(),
                exclude_labels: self.exclude_labels.clone(),
                priority_labels: self.priority_labels.clone(),
                state,
                ..GitHubPullRequests::default()
            });
        }
        if !self.events.is_empty() {
            let is_filtered =
                self.action.is_some() || !self.labels.is_empty() || !self.exclude_labels.is_empty();
            let filters = self
                .events
                .iter()
                .filter(|_| is_filtered)
                .map(|event| EventFilter {
                    event: event.clone(),
                    action: self.action.clone(),
                    labels: self.labels.clone(),
                    exclude_labels: self.exclude_labels.clone(),
                    ..EventFilter::default()
                });
            when.github_webhook = Some(GitHubWebhook {
                events: self.events.clone(),
                repository: self.repo.clone(),
                filters: filters.collect(),
                priority_labels: self.priority_labels.clone(),
                ..GitHubWebhook::default()
            });
        }
    }

    #[cfg(feature = "webhook")]
    fn generic(&self, when: &mut When) -> Result<()> {
        let Some(source) = &self.webhook else {
            return Ok(());
        };
        let mut field_mapping = BTreeMap::new();
        for mapping in &self.mappings {
            let (name, path) = pair("--map", mapping)?;
            field_mapping.insert(name.to_owned(), path.to_owned());
        }
        if !field_mapping.contains_key("id") {
            return Err(Failure::new("--map does not say where the id of an event is")
                .hint("add one such as --map 'id=$.event.id'"));
        }
        when.webhook = Some(GenericWebhook {
            source: source.clone(),
            field_mapping,
            ..GenericWebhook::default()
        });
        Ok(())
    }
}

/// The one source that the flags name.
pub(super) fn when(args: &SourceArgs) -> Result<When> {
    let mut when = When::default();
    #[cfg(feature = "github")]
    args.github(&mut when);
    #[cfg(feature = "cron")]
    if let Some(schedule) = &args.cron {
        when.cron = Some(CronSource {
            schedule: schedule.clone(),
            time_zone: args.time_zone.clone(),
            ..CronSource::default()
        });
    }
    #[cfg(feature = "webhook")]
    args.generic(&mut when)?;
    if when.source().is_none() {
        let flags: &[&str] = &[
            #[cfg(feature = "github")]
            "--issues, --pull-requests, --github-event EVENT",
            #[cfg(feature = "cron")]
            "--cron SCHEDULE",
            #[cfg(feature = "webhook")]
            "--webhook NAME",
        ];
        return Err(Failure::new("no source named").hint(format!("name one with {}", flags.join(", "))));
    }
    Ok(when)
}
