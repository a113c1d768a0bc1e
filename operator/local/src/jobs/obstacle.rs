//! Why a container is not started.

/// Why a container is not started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Obstacle {
    /// Goes away when a Secret or `ConfigMap` changes; shown as the waiting state of the container.
    #[error("{reason}: {message}")]
    Waiting { reason: &'static str, message: String },
    /// Stays: the pod fails.
    #[error("{reason}: {message}")]
    Final { reason: &'static str, message: String },
}

impl Obstacle {
    /// A variable that cannot be set for the moment.
    pub(super) fn configuration(message: impl Into<String>) -> Self {
        Self::Waiting {
            reason: "CreateContainerConfigError",
            message: message.into(),
        }
    }

    /// A volume that cannot be set up for the moment.
    pub(super) fn creating(message: impl Into<String>) -> Self {
        Self::Waiting {
            reason: "ContainerCreating",
            message: message.into(),
        }
    }

    /// A pod that this machine can never run.
    pub(super) fn unsupported(message: impl Into<String>) -> Self {
        Self::Final {
            reason: "NotSupportedLocally",
            message: message.into(),
        }
    }
}

impl From<std::io::Error> for Obstacle {
    fn from(error: std::io::Error) -> Self {
        Self::Final {
            reason: "FolderError",
            message: format!("failed to prepare the folder of the pod: {error}"),
        }
    }
}

impl From<kube::Error> for Obstacle {
    fn from(error: kube::Error) -> Self {
        Self::creating(format!("failed to read the configuration: {error}"))
    }
}
