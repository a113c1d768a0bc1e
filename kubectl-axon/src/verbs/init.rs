//! `init`: writes a config file to start from.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use clap::Args;

use crate::cli::Global;
use crate::config;
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::{invocation, output};

/// Write a config file to start from
#[derive(Args)]
#[command(after_help = "\
Examples:
  kubectl axon init
  kubectl axon init --config ./axon.yaml --force")]
pub(crate) struct InitArgs {
    /// Overwrite a file that is there
    #[arg(short, long)]
    force: bool,
}

pub(crate) fn init(global: &Global, args: &InitArgs) -> Result<Exit> {
    let path = match &global.config {
        Some(path) => path.clone(),
        None => config::default_path().ok_or_else(|| {
            Failure::new("failed to find the home directory").hint("name a file with --config")
        })?,
    };
    write(&path, args.force)?;
    output::print(format!("Config file created: {}\n", path.display()))?;
    let me = invocation::name();
    output::note(format!(
        "\nNext steps:\n\
         1. Put a credential of your agent, and a repository, into the file.\n\
         2. Run a task:       {me} run -p 'Fix the typos in the README' -w\n\
         3. Read its log:     {me} logs TASK -f\n\
         4. List your tasks:  {me} get\n\
         Without cluster and key: {me} run --local -t shell -p 'echo hello' -w"
    ));
    Ok(Exit::Success)
}

/// The file holds secrets, so nobody else may read it, nor list its folder.
fn write(path: &Path, force: bool) -> Result<()> {
    let failed = |error: std::io::Error| {
        Failure::new(format!(
            "failed to write the config file `{}`: {error}",
            path.display()
        ))
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    if force && path.exists() {
        std::fs::remove_file(path).map_err(failed)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Failure::new(format!("config file already exists: {}", path.display()))
                    .hint("--force overwrites it")
            } else {
                failed(error)
            }
        })?;
    file.write_all(config::TEMPLATE.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("metadata").permissions().mode() & 0o777
    }

    #[test]
    fn the_file_is_for_its_owner_alone() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join(".axon").join("config.yaml");
        write(&path, false).expect("written");
        assert_eq!(
            (mode(&path), mode(path.parent().expect("a folder"))),
            (0o600, 0o700)
        );
    }

    #[test]
    fn a_file_that_is_there_is_kept_unless_forced() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("config.yaml");
        std::fs::write(&path, "model: mine").expect("written");
        assert!(write(&path, false).is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "model: mine");
        write(&path, true).expect("overwritten");
        assert_eq!(mode(&path), 0o600);
    }
}
