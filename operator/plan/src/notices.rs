//! Which changes of a status are told as events.

use axon_api::{Phase, TaskStatus};

use crate::plan::{Notice, NoticeKind};

/// Reasons of a pending Task that someone should know of.
const WORRYING: &[&str] = &[
    "ContainerConfigError",
    "ContainerStartError",
    "ImagePullFailed",
    crate::again::RETRY_BACKOFF,
    "Unschedulable",
];

/// Reasons of a waiting Task for which nobody has to do anything.
const WAITING_ITS_TURN: &[&str] = &["DependencyNotFinished", crate::branch::BRANCH_LOCKED];

/// The event that tells of the change from one status to the next, if it is of consequence.
pub(crate) fn of(before: Option<&TaskStatus>, after: &TaskStatus) -> Option<Notice> {
    let phase = after.phase?;
    let reason = after.reason.as_deref().unwrap_or(phase.as_str());
    let message = after.message.as_deref().unwrap_or_default();
    let same_phase = before.and_then(|before| before.phase) == Some(phase);
    if same_phase && before.and_then(|before| before.reason.as_deref()) == Some(reason) {
        return None;
    }
    let (kind, reason, message) = match phase {
        Phase::Succeeded => (NoticeKind::Normal, "Succeeded", message.to_owned()),
        Phase::Cancelled => (NoticeKind::Normal, "Cancelled", message.to_owned()),
        Phase::Failed | Phase::TimedOut => {
            let message = format!("{reason}: {message}");
            (NoticeKind::Warning, phase.as_str(), message)
        }
        Phase::Running if !same_phase => (NoticeKind::Normal, "Started", message.to_owned()),
        Phase::Running if reason == crate::attempt::NODE_UNREACHABLE => {
            (NoticeKind::Warning, reason, message.to_owned())
        }
        Phase::Waiting if WAITING_ITS_TURN.contains(&reason) => {
            (NoticeKind::Normal, reason, message.to_owned())
        }
        Phase::Waiting => (NoticeKind::Warning, reason, message.to_owned()),
        Phase::Pending if WORRYING.contains(&reason) => (NoticeKind::Warning, reason, message.to_owned()),
        Phase::Running | Phase::Pending => return None,
    };
    Some(Notice {
        kind,
        reason: reason.to_owned(),
        message,
    })
}
