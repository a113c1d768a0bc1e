//! The plane on this machine, as `axon-local` offers it: the only file that names that crate.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use axon_local::connect::{self, ConnectOptions, Stopped};
use axon_local::directory::Directory;
use axon_local::serve::{self, ServeOptions};

use crate::failure::{Failure, Result};
use crate::{cluster, invocation};

/// The plane's folder.
fn directory() -> Result<Directory> {
    Directory::from_environment().ok_or_else(|| {
        Failure::new("failed to find the home directory").hint("set HOME, or AXON_LOCAL_DIR to a folder")
    })
}

/// This program's own file, which the plane starts again for its inner programs.
fn program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|error| Failure::new(format!("failed to find this program's own file: {error}")))
}

fn options() -> Result<ConnectOptions> {
    Ok(ConnectOptions {
        directory: directory()?,
        program: program()?,
    })
}

/// A client of the plane, which is started if it does not serve yet.
pub(crate) async fn client() -> Result<kube::Client> {
    connect::client(&options()?).await.map_err(failure)
}

/// The kubeconfig for plain kubectl; the plane is started if it does not serve yet.
pub(crate) fn kubeconfig() -> Result<PathBuf> {
    let options = options()?;
    cluster::block_on(async { connect::kubeconfig(&options).await.map_err(failure) })
}

/// Serves the plane until it is stopped, or is idle for long.
pub(crate) fn serve() -> Result<()> {
    let options = ServeOptions::new(directory()?, program()?);
    cluster::block_on_all_cores(async { Box::pin(serve::run(options)).await.map_err(failure) })
}

/// Whether the plane serves, for people.
pub(crate) fn status() -> Result<String> {
    let directory = directory()?;
    let root = directory.root().display().to_string();
    let serving = cluster::block_on(async { connect::status(&directory).await.map_err(failure) })?;
    let Some(serving) = serving else {
        return Ok(format!(
            "Not serving\nFolder:   {root}\n\nAny command with --local starts it, for example `{} get --local`.\n",
            invocation::name()
        ));
    };
    Ok(format!(
        "Serving\nFolder:             {root}\nVersion:            {}\nSince:              {}\nProcess:            {}\n\
         Socket:             {}\nPort:               {}\nUnfinished tasks:   {}\n",
        serving.version,
        serving.since,
        serving.pid,
        serving.socket.display(),
        serving.port,
        serving.unfinished_tasks
    ))
}

/// Whether agents can be run in a sandbox here, or why not.
pub(crate) fn sandbox_works() -> Result<(), String> {
    let tried = cluster::block_on(async { Ok(axon_local::jobs::sandbox_works().await) });
    tried.unwrap_or_else(|failure| Err(failure.render().trim_end().to_owned()))
}

/// Stops the plane, and says so.
pub(crate) fn stop() -> Result<String> {
    let directory = directory()?;
    let stopped = cluster::block_on(async { connect::stop(&directory).await.map_err(failure) })?;
    Ok(match stopped {
        Stopped::Ended => "stopped; agents that run go on, and the next start finds them\n".to_owned(),
        Stopped::NotServing => "not serving\n".to_owned(),
    })
}

/// Watches over one container of the plane.
pub(crate) fn container(arguments: &[OsString]) -> ExitCode {
    axon_local::jobs::container_main(arguments)
}

/// The plane's error with its hints, which are lines of their own.
#[expect(clippy::needless_pass_by_value, reason = "it is passed to `map_err` as it is")]
fn failure(error: anyhow::Error) -> Failure {
    let whole = format!("{error:#}");
    let mut lines = whole.lines();
    let mut failure = Failure::new(lines.next().unwrap_or_default());
    for line in lines {
        failure = failure.hint(line.strip_prefix("hint: ").unwrap_or(line));
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_planes_hints_are_hints() {
        let error = anyhow::anyhow!("failed to stop\nhint: kill it");
        assert_eq!(failure(error).render(), "error: failed to stop\nhint: kill it\n");
    }
}
