//! What the flags of `run` leave to the world: the prompt's file or stdin, chance, and the folder in
//! which one stands.

use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use crate::cli::Global;
use crate::failure::{Failure, Result};
use crate::run_objects::Inputs;
use crate::verbs::run::TaskArgs;
use crate::{invocation, output};

/// Answers what the flags leave to the world: files, stdin, chance and the folder.
pub(crate) fn answer(global: &Global, args: &TaskArgs) -> Result<Inputs> {
    Ok(Inputs {
        prompt: prompt(args)?,
        name: args.name.clone().unwrap_or_else(random_name),
        repository: args
            .workspace_repo
            .as_deref()
            .map(|repo| repository(repo, global.local))
            .transpose()?,
        local: global.local,
    })
}

fn prompt(args: &TaskArgs) -> Result<String> {
    match (&args.prompt, &args.prompt_file) {
        (Some(text), _) if text != "-" => Ok(text.clone()),
        (None, Some(file)) if file.as_os_str() != "-" => read_prompt(
            std::fs::read(file),
            &format!("the prompt file `{}`", file.display()),
        ),
        (None, None) => Err(
            Failure::new("no prompt: either --prompt or --prompt-file is required").hint(format!(
                "{} run -p 'what the agent is to do', or -f with a manifest",
                invocation::name()
            )),
        ),
        _ => {
            let mut stdin = std::io::stdin().lock();
            if stdin.is_terminal() {
                output::note("type the prompt and end it with Ctrl-D");
            }
            let mut bytes = Vec::new();
            let read = stdin.read_to_end(&mut bytes).map(|_| bytes);
            read_prompt(read, "the prompt from stdin")
        }
    }
}

fn read_prompt(read: std::io::Result<Vec<u8>>, what: &str) -> Result<String> {
    let bytes = read.map_err(|error| Failure::new(format!("failed to read {what}: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        Failure::new(format!(
            "{what} is not UTF-8: byte {} is no part of a character",
            error.utf8_error().valid_up_to()
        ))
    })
}

/// A name as the API server makes them: no vowels, so that no words arise.
fn random_name() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut bits = RandomState::new().build_hasher().finish();
    let mut name = String::from("task-");
    for _ in 0..5 {
        let index = usize::try_from(bits % LETTERS.len() as u64).unwrap_or_default();
        name.extend(LETTERS.get(index).map(|letter| char::from(*letter)));
        bits /= LETTERS.len() as u64;
    }
    name
}

/// `--workspace-repo` as a URL: a folder becomes one, on this machine.
fn repository(text: &str, local: bool) -> Result<String> {
    let is_folder = text == "."
        || text == ".."
        || text.starts_with("./")
        || text.starts_with("../")
        || text.starts_with('/');
    if !is_folder {
        return Ok(text.to_owned());
    }
    if !local {
        return Err(Failure::new(format!(
            "--workspace-repo {text} is a folder of this machine, which a cluster cannot see"
        ))
        .hint("name the repository's URL, or add --local"));
    }
    let folder = std::fs::canonicalize(text).map_err(|error| {
        Failure::new(format!(
            "failed to open the folder `{text}` of --workspace-repo: {error}"
        ))
    })?;
    let top = top_level(&folder).ok_or_else(|| {
        Failure::new(format!(
            "the folder `{}` is in no git repository",
            folder.display()
        ))
        .hint("go to a repository, or make one: `git init`")
    })?;
    file_url(top)
}

/// The repository that a folder is in: the folder itself, when it is a bare one.
fn top_level(folder: &Path) -> Option<&Path> {
    let is_bare = folder.join("HEAD").is_file() && folder.join("objects").is_dir();
    if is_bare {
        return Some(folder);
    }
    folder.ancestors().find(|folder| folder.join(".git").exists())
}

/// git decodes percent signs in URLs, and a Task's repository has no white space.
fn file_url(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| {
        Failure::new(format!(
            "the path `{}` is not UTF-8 and cannot be a URL",
            path.display()
        ))
    })?;
    let mut url = String::from("file://");
    for character in text.chars() {
        if character == '%' || character.is_whitespace() || character.is_control() {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                let _ = write!(url, "%{byte:02X}");
            }
        } else {
            url.push(character);
        }
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_name_is_a_valid_one() {
        let name = random_name();
        assert_eq!(name.len(), "task-".len() + 5);
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
    }

    #[test]
    fn a_folder_becomes_the_url_of_its_repository() {
        let root = tempfile::tempdir().expect("a folder");
        let root = root.path().canonicalize().expect("a path");
        let inner = root.join("my repo").join("src");
        std::fs::create_dir_all(root.join("my repo").join(".git")).expect("made");
        std::fs::create_dir_all(&inner).expect("made");
        let url = repository(inner.to_str().expect("UTF-8"), true).expect("a repository");
        assert_eq!(url, format!("file://{}/my%20repo", root.display()));
    }

    #[test]
    fn a_folder_is_for_this_machine_only() {
        assert!(repository(".", false).is_err());
        assert_eq!(
            repository("https://github.com/a/b", false).as_deref(),
            Ok("https://github.com/a/b")
        );
    }
}
