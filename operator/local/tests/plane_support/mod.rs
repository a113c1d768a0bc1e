//! A plane in a folder of its own, and what the tests of it share.

#![allow(dead_code, reason = "each test program uses a part of it")]

use axon_api::{Task, TaskSpec};
use axon_local::directory::Directory;
use axon_local::plane::Plane;
use tempfile::TempDir;

/// A plane whose folder goes with it.
pub(crate) struct TestPlane {
    folder: TempDir,
    pub(crate) plane: Plane,
}

impl TestPlane {
    pub(crate) fn open() -> Self {
        Self::open_in(tempfile::tempdir().expect("a temporary folder"))
    }

    fn open_in(folder: TempDir) -> Self {
        let plane = Plane::open(&Directory::new(folder.path())).expect("the plane opens");
        Self { folder, plane }
    }

    /// Another plane of the same folder, after this one.
    pub(crate) fn reopen(self) -> Self {
        drop(self.plane);
        Self::open_in(self.folder)
    }

    pub(crate) fn client(&self) -> kube::Client {
        self.plane.client()
    }

    pub(crate) fn directory(&self) -> Directory {
        Directory::new(self.folder.path())
    }
}

/// A Task that is valid.
pub(crate) fn task(name: &str) -> Task {
    Task::new(
        name,
        TaskSpec {
            type_: Some("shell".to_owned()),
            prompt: "true".to_owned(),
            ..TaskSpec::default()
        },
    )
}

/// Code, reason and message of a refusal.
pub(crate) fn refusal(error: &kube::Error) -> (u16, &str, &str) {
    match error {
        kube::Error::Api(status) => (status.code, &status.reason, &status.message),
        other => panic!("the server did not refuse: {other}"),
    }
}
