//! Where the keys of signatures are: files of the operator, and Secrets of spawners. They are read
//! for each delivery and never kept, so that a changed key counts at once.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use tokio::io::AsyncReadExt as _;

use super::signature::Keys;
use crate::failure::Answer;
use crate::key::Key;

/// Key of a spawner's Secret under which the keys of its signatures are, one a line.
pub const WEBHOOK_SECRET: &str = "WEBHOOK_SECRET";
/// How much of a file of keys is read, in bytes.
const LONGEST_FILE: u64 = 64 * 1024;
/// How long the name of a source can be.
const LONGEST_SOURCE: usize = 63;

/// Finds keys. Cheap to clone.
#[derive(Clone)]
pub(super) struct KeyFinder {
    /// Folder with a file for each source.
    directory: Option<Arc<PathBuf>>,
    client: Client,
}

/// Keys could not be read, though they may be there.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error("failed to read the keys in `{path}`")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("failed to get Secret `{key}`")]
    Secret {
        key: Key,
        #[source]
        source: Answer,
    },
}

impl KeyFinder {
    /// Finds keys in the files of `directory`, and in Secrets by `client`.
    pub(super) fn new(directory: Option<PathBuf>, client: Client) -> Self {
        Self {
            directory: directory.map(Arc::new),
            client,
        }
    }

    /// The operator's keys for a source: the lines of the file with its name. Without the file there
    /// are none.
    pub(super) async fn of_source(&self, source: &str) -> Result<Keys, KeyError> {
        let Some(directory) = self.directory.as_deref().filter(|_| is_source(source)) else {
            return Ok(Keys::default());
        };
        let path = directory.join(source);
        let read = async {
            let mut text = Vec::new();
            let file = tokio::fs::File::open(&path).await?;
            file.take(LONGEST_FILE).read_to_end(&mut text).await?;
            Ok::<_, io::Error>(Keys::read(&text))
        };
        match read.await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Keys::default()),
            read => read.map_err(|source| KeyError::File {
                path: path.display().to_string(),
                source,
            }),
        }
    }

    /// The keys in a spawner's Secret. One that is missing, or that the operator may not read, has
    /// none.
    pub(super) async fn of_secret(&self, key: &Key) -> Result<Keys, KeyError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &key.namespace);
        let secret = match secrets.get_opt(&key.name).await {
            Ok(secret) => secret,
            Err(kube::Error::Api(status)) if status.is_forbidden() => None,
            Err(error) => {
                return Err(KeyError::Secret {
                    key: key.clone(),
                    source: error.into(),
                });
            }
        };
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        Ok(data
            .get(WEBHOOK_SECRET)
            .map_or_else(Keys::default, |value| Keys::read(&value.0)))
    }
}

/// Whether this can be the name of a source: a label of a host's name, so that it is no path.
pub(super) fn is_source(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=LONGEST_SOURCE).contains(&text.len())
        && text.chars().all(is_good)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_source_is_never_a_path() {
        for name in ["github", "sentry", "a", "a-1", &"a".repeat(63)] {
            assert!(is_source(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "../x",
            "A",
            "a.b",
            "-a",
            "a-",
            "%2e",
            &"a".repeat(64),
        ] {
            assert!(!is_source(name), "{name}");
        }
    }
}
