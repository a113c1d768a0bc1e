//! What is wrong with a source, as people are told.

use axon_plan::spawner::Trouble;
use axon_sources::github::client::{Failure, FailureKind};

use super::book::Source;

/// What a failure means for one who asks there, with what to do.
pub(crate) fn explain(source: &Source, failure: &Failure) -> Trouble {
    let repository = source.endpoint.full_name();
    let credential = match &source.secret {
        Some(secret) => format!("the credential in Secret `{}`", secret.name),
        None => "one who has no credential".to_owned(),
    };
    let what = match failure.kind {
        FailureKind::Unauthorized => format!(
            "{credential} is not accepted by `{}`\nhint: put a token that is valid into the Secret",
            source.endpoint.api
        ),
        FailureKind::Forbidden => format!(
            "{credential} may not read `{repository}`\nhint: it needs to read issues, pull requests and metadata"
        ),
        FailureKind::NotFound => format!(
            "the repository `{repository}` is not there, or {credential} may not see it\nhint: check the Workspace's repo and secretRef"
        ),
        FailureKind::RateLimited => {
            format!(
                "the rate limit of `{}` is used up; it is asked again when that is over",
                source.endpoint.api
            )
        }
        FailureKind::Unavailable => {
            format!(
                "`{}` does not answer as it should; it is asked again",
                source.endpoint.api
            )
        }
        FailureKind::Refused => format!("`{}` refuses what it is asked", source.endpoint.api),
    };
    let (sentence, hint) = what.split_once('\n').unwrap_or((&what, ""));
    let mut message = format!("{sentence}: {}", failure.message);
    if !hint.is_empty() {
        message.push('\n');
        message.push_str(hint);
    }
    Trouble {
        reason: failure.kind.reason(),
        message,
        passes: failure.kind.passes(),
    }
}

/// It cannot be told now whether an item matches.
pub(super) fn unknown(number: u64, why: &str) -> Trouble {
    Trouble {
        reason: FailureKind::Unavailable.reason(),
        message: format!("failed to find out whether #{number} matches: {why}"),
        passes: true,
    }
}

/// The repository is on no server that has GitHub's API.
pub(super) fn no_forge(repository: &str) -> Trouble {
    Trouble {
        reason: "NotOnGitHub",
        message: format!(
            "`{repository}` is not a repository on a GitHub server, so that it has no issues to ask for\nhint: name it with `repo` of the source"
        ),
        passes: false,
    }
}
