//! Starts the process that serves a folder.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::{ConnectOptions, is_open};
use crate::directory;
use crate::serve::private_root;

/// How long a serving process may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How long one waits for another process that has won the folder.
const OTHERS_PATIENCE: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(3);
const AFTER_REFUSAL: Duration = Duration::from_millis(100);
/// A log that is larger starts anew.
const MAX_LOG_BYTES: u64 = 4 * 1024 * 1024;
/// This many lines of the log are shown when it does not start.
const SHOWN_LINES: usize = 5;

/// Starts a serving process that outlives this one, and returns when it answers.
pub(super) async fn serve(options: &ConnectOptions) -> anyhow::Result<()> {
    let directory = &options.directory;
    private_root(directory)?;
    let path = directory.log();
    let large = fs::metadata(&path).is_ok_and(|log| log.len() > MAX_LOG_BYTES);
    let log = OpenOptions::new()
        .create(true)
        .mode(0o600)
        .append(!large)
        .write(true)
        .truncate(large)
        .open(&path)
        .with_context(|| format!("failed to open `{}`", path.display()))?;
    let spawn = || -> anyhow::Result<Child> {
        // It leaves this session by itself, which a process that leads a group could not do.
        Command::new(&options.program)
            .args(["local", "serve"])
            .env(directory::VARIABLE, std::path::absolute(directory.root())?)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.try_clone()?)
            .spawn()
            .with_context(|| format!("failed to start `{} local serve`", options.program.display()))
    };
    let mut child = spawn()?;
    let mut deadline = Instant::now() + START_PATIENCE;
    let mut refused = false;
    while !is_open(directory).await {
        if Instant::now() > deadline {
            bail!(
                "failed to start the plane of `{}`: {}\nhint: see `{}`",
                directory.root().display(),
                last_lines(&path),
                path.display(),
            );
        }
        let mut pause = LOOK_AGAIN;
        if child.try_wait()?.is_some() {
            // Another command has started one at the same moment, or the last one is just ending.
            if !refused {
                deadline = Instant::now() + OTHERS_PATIENCE;
                refused = true;
            }
            child = spawn()?;
            pause = AFTER_REFUSAL;
        }
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

fn last_lines(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> = text.lines().rev().take(SHOWN_LINES).collect();
    lines.reverse();
    match lines.as_slice() {
        [] => "it does not answer, and has logged nothing".to_owned(),
        lines => lines.join("\n"),
    }
}
