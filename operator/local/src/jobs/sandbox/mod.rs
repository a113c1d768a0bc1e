//! What keeps a container from the rest of the machine.

pub(super) mod bubblewrap;
pub(super) mod machine;

use axon_api::labels;

/// How a container is kept from the rest of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sandbox {
    /// Only paths are translated: the program can do all that the user can.
    None,
    Bubblewrap,
}

/// Whether bubblewrap works on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bubblewrap {
    Works,
    /// With the reason that a trial run gave.
    Fails(String),
}

/// The agent type that only does what its own prompt says, so that it needs no sandbox.
const TRUSTED_TYPE: &str = "shell";

/// Chooses the sandbox of a pod, or says why the pod cannot run.
///
/// `annotation` is the pod's [`labels::SANDBOX`], `agent_type` the agent that it runs.
pub(super) fn choose(
    annotation: Option<&str>,
    agent_type: Option<&str>,
    bubblewrap: &Bubblewrap,
) -> Result<Sandbox, String> {
    match (annotation, bubblewrap) {
        (Some("none"), _) => Ok(Sandbox::None),
        (Some("bubblewrap") | None, Bubblewrap::Works) => Ok(Sandbox::Bubblewrap),
        (None, Bubblewrap::Fails(_)) if agent_type == Some(TRUSTED_TYPE) => Ok(Sandbox::None),
        (Some("bubblewrap") | None, Bubblewrap::Fails(reason)) => Err(format!(
            "`{}` runs only in a sandbox, and bubblewrap does not work on this machine: {reason}\n\
             hint: install bubblewrap, or use `--sandbox none`: then the agent can read and change \
             all that you can, your files, keys and processes",
            agent_type.unwrap_or("a pod of no agent type"),
        )),
        (Some(other), _) => Err(format!(
            "annotation `{}` is `{other}`, which is no sandbox\n\
             hint: use `--sandbox bubblewrap` or `--sandbox none`",
            labels::SANDBOX
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_sandbox_only_shell_runs_unasked() {
        let fails = Bubblewrap::Fails("not found".to_owned());
        for (annotation, agent, bubblewrap, expected) in [
            (None, Some("codex"), &Bubblewrap::Works, Some(Sandbox::Bubblewrap)),
            (None, Some("shell"), &Bubblewrap::Works, Some(Sandbox::Bubblewrap)),
            (None, Some("shell"), &fails, Some(Sandbox::None)),
            (None, Some("codex"), &fails, None),
            (None, None, &fails, None),
            (Some("none"), Some("codex"), &fails, Some(Sandbox::None)),
            (
                Some("none"),
                Some("codex"),
                &Bubblewrap::Works,
                Some(Sandbox::None),
            ),
            (Some("bubblewrap"), Some("shell"), &fails, None),
            (Some("docker"), Some("shell"), &Bubblewrap::Works, None),
        ] {
            let chosen = choose(annotation, agent, bubblewrap);
            assert_eq!(
                chosen.clone().ok(),
                expected,
                "{annotation:?} {agent:?} {bubblewrap:?}"
            );
            if let Err(message) = chosen {
                assert!(message.contains("--sandbox none"), "{message}");
            }
        }
    }
}
