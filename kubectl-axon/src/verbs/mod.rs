//! The verbs, one file each.

pub(crate) mod cancel;
pub(crate) mod completion;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod get;
pub(crate) mod init;
pub(crate) mod local;
pub(crate) mod logs;
pub(crate) mod run;
pub(crate) mod version;
