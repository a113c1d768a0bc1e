//! The verbs, one file each.

pub(crate) mod approve;
pub(crate) mod cancel;
pub(crate) mod completion;
pub(crate) mod convert;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod get;
pub(crate) mod init;
pub(crate) mod install;
pub(crate) mod local;
pub(crate) mod logs;
pub(crate) mod retry;
pub(crate) mod run;
#[cfg(any(feature = "github", feature = "cron", feature = "webhook"))]
pub(crate) mod spawner;
pub(crate) mod suspend;
pub(crate) mod uninstall;
pub(crate) mod upgrade;
pub(crate) mod version;
pub(crate) mod wait;
