//! What the flags of `run` leave to the world: the prompt's file or stdin, chance, and the folder in
//! which one stands.

use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use axon_api::{TaskDefaults, TaskDefaultsSpec};

use crate::cli::Context;
use crate::config::expand_home;
use crate::credentials::{Chosen, leaves_open};
use crate::failure::{Failure, Result};
use crate::run_objects::Inputs;
use crate::verbs::run::TaskArgs;
use crate::writing::DryRun;
use crate::{cluster, invocation, output};

/// Answers what the flags leave to the world: files, stdin, chance, the folder and the namespace's
/// defaults.
pub(crate) async fn answer(context: &Context, args: &TaskArgs, dry_run: Option<DryRun>) -> Result<Inputs> {
    let global = &context.global;
    Ok(Inputs {
        prompt: prompt(args.prompt.as_deref(), args.prompt_file.as_deref())?,
        name: args.name.clone().unwrap_or_else(random_name),
        repository: args
            .workspace_repo
            .as_deref()
            .map(|repo| repository("--workspace-repo", repo, global.local))
            .transpose()?,
        local: global.local,
        defaults: defaults(context, args.chosen(), dry_run).await?,
    })
}

/// The `TaskDefaults` of the namespace, if flags and file leave something to them. Without a
/// cluster, or without the right to read them, there are none.
pub(crate) async fn defaults(
    context: &Context,
    chosen: Chosen<'_>,
    dry_run: Option<DryRun>,
) -> Result<Option<TaskDefaultsSpec>> {
    if dry_run == Some(DryRun::Client) || !leaves_open(chosen, &context.config) {
        return Ok(None);
    }
    let Ok(cluster) = cluster::connect(context).await else {
        return Ok(None);
    };
    match cluster.api::<TaskDefaults>().get_opt("default").await {
        Ok(found) => Ok(found.map(|defaults| defaults.spec)),
        Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(None),
        Err(error) => Err(Failure::api("get taskdefaults `default`", &error)),
    }
}

/// The prompt from where the flags say.
pub(crate) fn prompt(text: Option<&str>, file: Option<&Path>) -> Result<String> {
    match (text, file) {
        (Some(text), _) if text != "-" => Ok(text.to_owned()),
        (None, Some(file)) if file.as_os_str() != "-" => read_text(
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
            if std::io::stdin().is_terminal() {
                output::note("type the prompt and end it with Ctrl-D");
            }
            read_text(read_stdin(), "the prompt from stdin")
        }
    }
}

/// A flag's value `TEXT`, `@FILE` or `@-` for stdin; `~/` is the home directory.
pub(crate) fn text_or_file(flag: &str, value: &str) -> Result<String> {
    match value.strip_prefix('@') {
        None => Ok(value.to_owned()),
        Some("-") => read_text(read_stdin(), &format!("the value of {flag} from stdin")),
        Some(file) => {
            let path = expand_home(file);
            read_text(
                std::fs::read(&path),
                &format!("the file `{}` of {flag}", path.display()),
            )
        }
    }
}

fn read_stdin() -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
}

fn read_text(read: std::io::Result<Vec<u8>>, what: &str) -> Result<String> {
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
    format!("task-{}", random_letters())
}

/// A word that hardly comes twice: the moment, and random letters.
#[cfg(any(feature = "github", feature = "cron"))]
pub(crate) fn random_word() -> String {
    let moment = k8s_openapi::jiff::Timestamp::now();
    format!("{}-{}", moment.strftime("%Y%m%d%H%M%S"), random_letters())
}

/// Five random letters and digits.
fn random_letters() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut bits = RandomState::new().build_hasher().finish();
    let mut name = String::new();
    for _ in 0..5 {
        let index = usize::try_from(bits % LETTERS.len() as u64).unwrap_or_default();
        name.extend(LETTERS.get(index).map(|letter| char::from(*letter)));
        bits /= LETTERS.len() as u64;
    }
    name
}

/// A flag's repository as a URL: a folder becomes one, on this machine.
pub(crate) fn repository(flag: &str, text: &str, local: bool) -> Result<String> {
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
            "{flag} {text} is a folder of this machine, which a cluster cannot see"
        ))
        .hint("name the repository's URL, or add --local"));
    }
    let folder = std::fs::canonicalize(text)
        .map_err(|error| Failure::new(format!("failed to open the folder `{text}` of {flag}: {error}")))?;
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
        let url = repository("--repo", inner.to_str().expect("UTF-8"), true).expect("a repository");
        assert_eq!(url, format!("file://{}/my%20repo", root.display()));
    }

    #[test]
    fn a_folder_is_for_this_machine_only() {
        assert!(repository("--repo", ".", false).is_err());
        assert_eq!(
            repository("--repo", "https://github.com/a/b", false).as_deref(),
            Ok("https://github.com/a/b")
        );
    }
}
