//! What the API server answered when it did not do what it was asked, in words for people.

use std::fmt;

/// An answer of the API server, or why there was none. It is displayed as the server's own sentence,
/// without the object around it.
#[derive(Debug)]
pub struct Answer(Box<kube::Error>);

impl From<kube::Error> for Answer {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

impl Answer {
    /// The error itself.
    pub fn error(&self) -> &kube::Error {
        &self.0
    }

    /// The namespace of which the server said that it does not exist.
    pub fn missing_namespace(&self, namespace: &str) -> bool {
        is_missing_namespace(&self.0, namespace)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            kube::Error::Api(status) if !status.message.is_empty() => formatter.write_str(&status.message),
            kube::Error::Api(status) => write!(formatter, "the server answered {}", status.code),
            error => write!(formatter, "{error}"),
        }
    }
}

impl std::error::Error for Answer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            kube::Error::Api(_) => None,
            error => error.source(),
        }
    }
}

/// Whether an object could not be created because its namespace does not exist.
pub(crate) fn is_missing_namespace(error: &kube::Error, namespace: &str) -> bool {
    let kube::Error::Api(status) = error else {
        return false;
    };
    status.is_not_found()
        && status
            .message
            .contains(&format!("namespaces \"{namespace}\" not found"))
}

/// What to tell of a namespace for Leases that does not exist.
pub(crate) fn missing_namespace(namespace: &str) -> String {
    format!(
        "namespace `{namespace}` for Leases does not exist\nhint: kubectl create namespace {namespace}, or name another one with --lease-namespace"
    )
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(message: &str) -> kube::Error {
        kube::Error::Api(Box::new(Status {
            code: 404,
            reason: "NotFound".to_owned(),
            message: message.to_owned(),
            ..Status::default()
        }))
    }

    #[test]
    fn an_answer_is_the_sentence_of_the_server() {
        let answer = Answer::from(refused("namespaces \"a\" not found"));
        assert_eq!(answer.to_string(), "namespaces \"a\" not found");
        assert_eq!(
            format!("{:#}", anyhow::Error::new(answer)),
            "namespaces \"a\" not found"
        );
    }

    #[test]
    fn a_missing_namespace_is_told_from_a_missing_object() {
        assert!(is_missing_namespace(&refused("namespaces \"a\" not found"), "a"));
        assert!(!is_missing_namespace(&refused("namespaces \"a\" not found"), "b"));
        assert!(!is_missing_namespace(&refused("leases \"a\" not found"), "a"));
    }
}
