//! `spec.when`: which source a spawner has.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::cron::CronSource;
use crate::github::issues::GitHubIssues;
use crate::github::pull_requests::GitHubPullRequests;
use crate::github::webhook::GitHubWebhook;
use crate::webhook::GenericWebhook;

/// Where the work of a spawner comes from: exactly one source.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.githubIssues) ? 1 : 0) + (has(self.githubPullRequests) ? 1 : 0) + (has(self.cron) ? 1 : 0) + (has(self.githubWebhook) ? 1 : 0) + (has(self.webhook) ? 1 : 0) == 1").message("exactly one of githubIssues, githubPullRequests, cron, githubWebhook and webhook is required"))]
pub struct When {
    /// Issues of a GitHub repository that match.
    #[serde(rename = "githubIssues", default, skip_serializing_if = "Option::is_none")]
    pub github_issues: Option<GitHubIssues>,

    /// Pull requests of a GitHub repository that match.
    #[serde(
        rename = "githubPullRequests",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub github_pull_requests: Option<GitHubPullRequests>,

    /// Times of a cron schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<CronSource>,

    /// Events that GitHub sends to the operator's webhook address.
    #[serde(rename = "githubWebhook", default, skip_serializing_if = "Option::is_none")]
    pub github_webhook: Option<GitHubWebhook>,

    /// Signed requests of any other system to the operator's webhook address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<GenericWebhook>,
}

/// A source that this version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name under `spec.when`, such as `githubIssues`.
    pub name: &'static str,
    /// The cargo feature that a build needs for it.
    pub feature: &'static str,
    /// What it is, in a few words, for help texts.
    pub about: &'static str,
}

/// Names of all sources that this version knows, whether this build has them or not.
pub const NAMES: &[&str] = &[
    "githubIssues",
    "githubPullRequests",
    "githubWebhook",
    "cron",
    "webhook",
];

/// The sources that this build has.
pub const SOURCES: &[Source] = &[
    #[cfg(feature = "github")]
    Source {
        name: "githubIssues",
        feature: "github",
        about: "issues of a GitHub repository",
    },
    #[cfg(feature = "github")]
    Source {
        name: "githubPullRequests",
        feature: "github",
        about: "pull requests of a GitHub repository",
    },
    #[cfg(feature = "github")]
    Source {
        name: "githubWebhook",
        feature: "github",
        about: "events that GitHub sends",
    },
    #[cfg(feature = "cron")]
    Source {
        name: "cron",
        feature: "cron",
        about: "times of a cron schedule",
    },
    #[cfg(feature = "webhook")]
    Source {
        name: "webhook",
        feature: "webhook",
        about: "signed requests of any system",
    },
];

impl When {
    /// Name of the source, as it is spelled under `spec.when`. `None` when there is none.
    pub fn source(&self) -> Option<&'static str> {
        let sources = [
            ("githubIssues", self.github_issues.is_some()),
            ("githubPullRequests", self.github_pull_requests.is_some()),
            ("githubWebhook", self.github_webhook.is_some()),
            ("cron", self.cron.is_some()),
            ("webhook", self.webhook.is_some()),
        ];
        sources
            .into_iter()
            .find(|(_, is_there)| *is_there)
            .map(|(name, _)| name)
    }

    /// The cargo feature without which a build cannot serve the source.
    pub fn feature(&self) -> Option<&'static str> {
        Some(match self.source()? {
            "cron" => "cron",
            "webhook" => "webhook",
            _ => "github",
        })
    }
}
