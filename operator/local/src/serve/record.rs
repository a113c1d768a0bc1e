//! What a serving plane leaves for the commands that look for it: `serve.json` in its folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::directory::Directory;
use crate::jobs::process::Identity;

/// The process that serves a folder, or the last one that did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    pub(crate) process: Identity,
    pub(crate) version: String,
    pub(crate) since: Timestamp,
    /// The loopback port for plain kubectl.
    pub(crate) port: u16,
}

impl Record {
    /// The record of a folder, if it has one that can be read.
    pub(crate) fn read(directory: &Directory) -> Option<Self> {
        serde_json::from_slice(&fs::read(directory.root().join(NAME)).ok()?).ok()
    }

    pub(super) fn write(&self, directory: &Directory) -> io::Result<()> {
        write_private(&directory.root().join(NAME), &serde_json::to_vec(self)?)
    }
}

const NAME: &str = "serve.json";

/// Writes a file that only this user reads. A reader sees it whole, old or new.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(content)?;
    fs::rename(&draft, path)
}
