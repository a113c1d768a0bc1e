//! `docs/pictures`: each picture is what its script makes of what is beside it.

use std::process::Command;

use super::files;

#[test]
fn the_pictures_are_what_the_script_makes() {
    let output = Command::new("python3")
        .arg(files::root().join("docs/pictures/make"))
        .arg("--check")
        .output()
        .expect("python3 is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\nhint: docs/pictures/make");
}
