//! Reads the run description.

use std::fs::File;
use std::io::Read as _;

use axon_api::run::{RunDescription, VERSION};
use axon_api::variables;
use flate2::read::GzDecoder;

use crate::environment::Environment;
use crate::failure::{Failure, INVALID_RUN};

/// A description of 900 KiB after gzip is at most about a thousand times as large before; nothing
/// that people write comes near this.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The run description that the variables carry or name.
pub(crate) fn read(environment: &Environment) -> Result<RunDescription, Failure> {
    let json = match (
        environment.get(variables::RUN),
        environment.path(variables::RUN_FILE),
    ) {
        (Some(inline), _) if !inline.is_empty() => inline
            .to_str()
            .ok_or_else(|| Failure::new(INVALID_RUN, format!("`{}` is not UTF-8", variables::RUN)))?
            .to_owned(),
        (_, Some(path)) => {
            let broken = |error| {
                Failure::io(
                    INVALID_RUN,
                    format_args!("read the run description `{}`", path.display()),
                    &error,
                )
            };
            let file = File::open(&path).map_err(broken)?;
            let mut text = String::new();
            GzDecoder::new(file)
                .take(MAX_BYTES)
                .read_to_string(&mut text)
                .map_err(broken)?;
            text
        }
        _ => {
            return Err(Failure::new(
                INVALID_RUN,
                format!(
                    "neither `{}` nor `{}` is set: the runner is started by Axon's operator",
                    variables::RUN,
                    variables::RUN_FILE
                ),
            ));
        }
    };
    parse(&json)
}

fn parse(json: &str) -> Result<RunDescription, Failure> {
    // The version is looked at first: another version's document need not have this one's shape.
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let unreadable = |error: serde_json::Error| {
        Failure::new(
            INVALID_RUN,
            format!("failed to read the run description: {error}"),
        )
    };
    let versioned: Versioned = serde_json::from_str(json).map_err(unreadable)?;
    if versioned.version != VERSION {
        return Err(Failure::new(
            INVALID_RUN,
            format!(
                "the run description has version {}, this runner reads version {VERSION}: operator and runner \
                 image must be of one release",
                versioned.version
            ),
        ));
    }
    serde_json::from_str(json).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn example() -> RunDescription {
        RunDescription {
            version: VERSION,
            task: "fix".into(),
            prompt: "echo \"hi\"\n".into(),
            outcome_limit_bytes: 3840,
            ..RunDescription::default()
        }
    }

    #[test]
    fn an_inline_description_is_read() {
        let mut environment = Environment::default();
        environment.set(variables::RUN, serde_json::to_string(&example()).expect("JSON"));
        assert_eq!(read(&environment), Ok(example()));
    }

    #[test]
    fn a_compressed_file_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("run.json.gz");
        let mut encoder =
            flate2::write::GzEncoder::new(File::create(&path).expect("a file"), flate2::Compression::fast());
        encoder
            .write_all(&serde_json::to_vec(&example()).expect("JSON"))
            .expect("written");
        encoder.finish().expect("written");
        let mut environment = Environment::default();
        environment.set(variables::RUN_FILE, path);
        assert_eq!(read(&environment), Ok(example()));
    }

    #[test]
    fn what_is_no_description_of_this_version_is_refused_with_the_reason() {
        let nothing = read(&Environment::default()).expect_err("refused");
        assert!(nothing.message.contains("AXON_RUN_FILE"), "{nothing}");
        let newer = parse(r#"{"version":2,"other":1}"#).expect_err("refused");
        assert!(newer.message.contains("version 2"), "{newer}");
        assert_eq!(parse("{").expect_err("refused").reason, INVALID_RUN);
    }
}
