//! Whether the Tasks on which a Task depends have succeeded.

use axon_api::Phase;

use crate::observed::Observed;
use crate::requirements::{Blocked, forever, namespace, waiting};

/// Tells the first dependency that keeps the Task from starting; one that has failed comes before
/// one that has not ended.
pub(crate) fn check(observed: &Observed<'_>) -> Result<(), Blocked> {
    let own = observed.task.metadata.name.as_deref().unwrap_or_default();
    let mut unfinished = None;
    for name in &observed.task.spec.depends_on {
        if name == own {
            return Err(forever(
                "DependencyCycle",
                format!("Task `{name}` depends on itself"),
            ));
        }
        let phase = observed
            .dependencies
            .iter()
            .find(|dependency| dependency.name == *name)
            .and_then(|dependency| dependency.task.as_ref())
            .map(|task| task.phase);
        match phase {
            Some(Some(Phase::Succeeded)) => {}
            Some(Some(phase)) if phase.is_final() => {
                return Err(forever(
                    "DependencyFailed",
                    format!("Task `{name}`, on which this one depends, ended as {phase}"),
                ));
            }
            Some(_) => {
                unfinished.get_or_insert_with(|| {
                    waiting(
                        "DependencyNotFinished",
                        format!("waits for Task `{name}` to succeed"),
                    )
                });
            }
            None => {
                unfinished.get_or_insert_with(|| {
                    waiting(
                        "DependencyNotFound",
                        format!(
                            "waits for Task `{name}`, which does not exist in namespace `{}`",
                            namespace(observed)
                        ),
                    )
                });
            }
        }
    }
    unfinished.map_or(Ok(()), Err)
}
