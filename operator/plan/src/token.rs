//! Tokens of GitHub Apps: when one has to be made before a Task starts, and while it runs.

use std::time::Duration;

use axon_api::{WorkspaceSpec, names};

use crate::draft::Draft;
use crate::observed::{Found, Observed};
use crate::plan::Step;
use crate::repository::{self, Key, KeyKind};
use crate::requirements::{Blocked, Lasting, waiting};

/// A token that is valid for less than this is made anew. GitHub's are valid for an hour.
const MARGIN: Duration = Duration::from_mins(10);
/// How long to wait before a refused token is asked for again.
pub(crate) const RETRY: Duration = Duration::from_mins(1);

/// The step that makes the token with which the Task starts, when it needs one.
pub(crate) fn request(
    observed: &Observed<'_>,
    spec: &WorkspaceSpec,
    keys: [Option<&Key>; 2],
) -> Result<Option<Step>, Blocked> {
    let mut apps = keys.into_iter().flatten().filter(|key| key.kind == KeyKind::App);
    let Some(app) = apps.next() else {
        return Ok(None);
    };
    if apps.next().is_some_and(|other| other.named != app.named) {
        return Err(waiting(
            "CloneSecretUnsupported",
            "secretRef and cloneSecretRef of the workspace name two GitHub Apps, and a Task has the token of one"
                .to_owned(),
        ));
    }
    if due(observed).is_some_and(|due| due > observed.now) {
        return Ok(None);
    }
    if let Some(why) = observed.refused_token {
        return Err(Blocked {
            lasting: Lasting::Retried,
            reason: "TokenRefused",
            message: format!(
                "no token of the GitHub App of Secret `{}` could be made for `{}`: {why}",
                app.named, spec.repo
            ),
        });
    }
    Ok(Some(make(observed, spec, &app.named)))
}

/// Keeps the token fresh of a Task whose pod is there.
pub(crate) fn refresh(draft: &mut Draft<'_, '_>) {
    let observed = draft.observed;
    let Some(due) = due(observed) else {
        return;
    };
    let Ok(Some(spec)) = repository::workspace(observed) else {
        return;
    };
    let Some(app) = app_secret(observed, spec) else {
        return;
    };
    if due > observed.now {
        draft.wake_at(due);
        return;
    }
    if observed.refused_token.is_none() {
        draft.after_status(make(observed, spec, app));
    }
    if let Ok(again) = draft.now.checked_add(RETRY) {
        draft.wake_at(again);
    }
}

/// When the token that was made is to be made anew.
fn due(observed: &Observed<'_>) -> Option<k8s_openapi::jiff::Timestamp> {
    observed.token_expires?.checked_sub(MARGIN).ok()
}

fn make(observed: &Observed<'_>, spec: &WorkspaceSpec, app: &str) -> Step {
    let task = &observed.task.metadata;
    Step::MakeToken {
        secret: names::token_secret(
            task.name.as_deref().unwrap_or_default(),
            task.uid.as_deref().unwrap_or_default(),
        ),
        app_secret: app.to_owned(),
        repository: spec.repo.clone(),
    }
}

/// The Secret with the App of which the Task's token was made. One that was not looked at is taken
/// for it: there is a token.
fn app_secret<'a>(observed: &Observed<'_>, spec: &'a WorkspaceSpec) -> Option<&'a str> {
    let named = [&spec.secret_ref, &spec.clone_secret_ref].into_iter().flatten();
    named
        .map(|reference| reference.name.as_str())
        .find(|name| match observed.secrets.get(*name) {
            None => true,
            Some(Found::Present(keys)) => repository::has_app(keys),
            Some(_) => false,
        })
}
