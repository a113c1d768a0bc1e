//! What a spawner asks the hub that polls GitHub.

use axon_api::sources::poll_interval;
use axon_api::{TaskSpawner, WorkspaceSpec, variables};
use axon_plan::spawner::memory::Memory;
use axon_plan::template;

use super::{Asker, Heard, Sources};
use crate::forge::{self, Ask, Wanted, What};

impl Sources {
    /// Subscribes to what the spawner asks, and tells what is known of it.
    pub(super) fn github(&self, asker: &Asker<'_>, memory: &Memory) -> Heard {
        let Some(workspace) = asker.workspace else {
            // The decision says that it is missing.
            self.leave(asker.key);
            return Heard::default();
        };
        let ask = match ask(asker.spawner, workspace) {
            Ok(ask) => ask,
            Err(wrong) => {
                self.leave(asker.key);
                return Heard::trouble("InvalidSource", wrong);
            }
        };
        self.hub.subscribe(asker.key, ask);
        let remembered = memory.shards.iter().flat_map(|shard| shard.entries.keys());
        let heard = self.hub.heard(asker.key, remembered.map(String::as_str));
        Heard {
            when: heard.heard,
            candidates: heard.candidates,
            absence_counts: heard.absence_counts,
            open: heard.open,
            trouble: heard.trouble,
            ..Heard::default()
        }
    }
}

/// What the spawner asks of the repository of its workspace, or of the one that its source names.
///
/// # Errors
/// When its source is none of GitHub, or is asked at an interval that is none, as a fragment.
pub fn ask(spawner: &TaskSpawner, workspace: &WorkspaceSpec) -> Result<Ask, String> {
    let spec = &spawner.spec;
    let (what, named, own_interval) = match (&spec.when.github_issues, &spec.when.github_pull_requests) {
        (Some(issues), _) => (What::Issues(issues.clone()), &issues.repo, &issues.poll_interval),
        (None, Some(pulls)) => (
            What::PullRequests(pulls.clone()),
            &pulls.repo,
            &pulls.poll_interval,
        ),
        (None, None) => return Err("the source is none of GitHub".to_owned()),
    };
    let interval = own_interval.as_deref().or(spec.poll_interval.as_deref());
    let interval = interval.map_or(Ok(poll_interval::DEFAULT), poll_interval::parse)?;
    let secret = workspace.secret_ref.as_ref();
    let secret = secret.map(|secret| secret.name.as_str());
    let (repository, secret) = forge::target(&workspace.repo, named.as_deref(), secret);
    Ok(Ask {
        repository,
        secret,
        what,
        interval,
        wanted: wanted(spawner),
    })
}

/// What has to be fetched for the templates. One that cannot be read is told of by the decision.
fn wanted(spawner: &TaskSpawner) -> Wanted {
    let spec = &spawner.spec.task_template;
    let metadata = spec.metadata.iter();
    let values = metadata.flat_map(|metadata| metadata.labels.values().chain(metadata.annotations.values()));
    let templates = [&spec.prompt_template, &spec.name_template, &spec.branch];
    let templates = templates.into_iter().flatten().chain(values);
    // A script has them in variables, and is known to want them by their names.
    let names = |variable: &str| {
        spec.prompt_template
            .as_ref()
            .is_some_and(|text| text.contains(variable))
    };
    let mut wanted = Wanted {
        // The default prompt has them.
        comments: spec.prompt_template.is_none() || names(variables::item::COMMENTS),
        reviews: names(variables::item::REVIEW_STATE) || names(variables::item::REVIEW_COMMENTS),
    };
    for template in templates.filter_map(|source| template::parse(source).ok()) {
        for used in template.uses() {
            match used.field.as_deref() {
                Some("Comments") => wanted.comments = true,
                Some("ReviewState" | "ReviewComments") => wanted.reviews = true,
                None => {
                    wanted = Wanted {
                        comments: true,
                        reviews: true,
                    }
                }
                Some(_) => {}
            }
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_and_reviews_are_fetched_only_for_templates_that_use_them() {
        let spawner = |template: serde_json::Value| -> TaskSpawner {
            serde_json::from_value(json!({
                "apiVersion": "axon.io/v1alpha1", "kind": "TaskSpawner", "metadata": { "name": "s" },
                "spec": { "when": { "githubIssues": {} }, "taskTemplate": template },
            }))
            .expect("a spawner")
        };
        let of = |template| {
            let wanted = wanted(&spawner(template));
            (wanted.comments, wanted.reviews)
        };
        assert_eq!(of(json!({})), (true, false));
        assert_eq!(of(json!({ "promptTemplate": "{{.Title}}" })), (false, false));
        assert_eq!(
            of(json!({ "promptTemplate": "{{.ReviewComments}}" })),
            (false, true)
        );
        assert_eq!(
            of(json!({ "promptTemplate": "a", "branch": "{{.Comments}}" })),
            (true, false)
        );
    }
}
