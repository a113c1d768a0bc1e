//! `install DIR`: copies the runner to where the other containers of the pod find it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::ExitCode;

/// Name of the copy.
const NAME: &str = "axon-runner";

/// Copies this program to `directory/axon-runner`.
pub(crate) fn install(directory: &Path) -> ExitCode {
    match copy(directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::complain(&format!(
                "failed to install the runner in `{}`: {error}",
                directory.display()
            ));
            ExitCode::FAILURE
        }
    }
}

/// The copy appears whole or not at all: a container that is started again finds either.
fn copy(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let unfinished = directory.join(format!(".{NAME}.{}", std::process::id()));
    let result = write_copy(&unfinished).and_then(|()| fs::rename(&unfinished, directory.join(NAME)));
    if result.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    result
}

fn write_copy(path: &Path) -> io::Result<()> {
    let mut program = File::open("/proc/self/exe")?;
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(path)?;
    io::copy(&mut program, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))
}
