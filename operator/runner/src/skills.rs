//! Skills from git repositories: fetched while the checkout is prepared, and found by the run.
//!
//! They wait in `.axon/skills/UID/PLUGIN/SKILL` of the workspace directory, the only place that
//! both containers see. The run takes them from there before the agent starts.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axon_api::agents::setup::FetchedSkill;
use axon_api::paths;
use axon_api::run::{RunDescription, SkillSource};
use axon_api::variables;

use crate::environment::Environment;
use crate::failure::{Failure, SETUP_FAILED};
use crate::git::{self, Git, Patience};
use crate::invocation::Invocation;
use crate::private_directory::PrivateDirectory;
use crate::setup::is_name;
use crate::{credential, say, secrets};

/// A repository with skills could not be read.
pub(crate) const SKILL_SOURCE_FAILED: &str = "SkillSourceFailed";
/// A repository has no such skill, or none at all.
pub(crate) const SKILL_NOT_FOUND: &str = "SkillNotFound";

/// Below the workspace directory.
const DIRECTORY: [&str; 2] = [".axon", "skills"];
/// The file that makes a directory a skill.
const SKILL: &str = "SKILL.md";
/// Where directories with skills are looked for, below the root of a repository.
const PLACES: &[&str] = &["skills", ".claude/skills", "."];

/// One skill may have this many bytes,
const MAX_SKILL: u64 = 2 * 1024 * 1024;
/// all of a run this many,
const MAX_ALL: u64 = 20 * 1024 * 1024;
/// and all of a run this many files and directories.
const MAX_ENTRIES: u64 = 10_000;
/// Directories in directories.
const MAX_DEPTH: usize = 16;
/// A repository is waited for this long.
const MAX_WAIT: Duration = Duration::from_mins(5);

/// Fetches all skills of a run into the workspace directory.
pub(crate) fn fetch(
    description: &RunDescription,
    environment: &Environment,
    invocation: &Invocation,
    patience: &Patience,
) -> Result<(), Failure> {
    if description.skills.is_empty() {
        return Ok(());
    }
    let workspace = environment
        .path(variables::WORKSPACE_DIR)
        .ok_or_else(|| Failure::new(SETUP_FAILED, format!("`{}` is not set", variables::WORKSPACE_DIR)))?;
    let root = fresh_directory(&workspace, &description.uid)?;
    let mut budget = Budget::of_all();
    for source in named(description) {
        let patience = Patience {
            until: Some(earlier(patience.until, Instant::now() + MAX_WAIT)),
            after_interruption: patience.after_interruption,
            interruption: patience.interruption.clone(),
        };
        let clone = root.join(".clone");
        clone_source(source.source, environment, invocation, patience, &clone)?;
        let count = take(source.source, &clone, &root.join(&source.plugin), &mut budget)?;
        remove(&clone)?;
        say(&format!(
            "{count} skills from {}",
            secrets::hide_user_information(&source.source.source)
        ));
    }
    Ok(())
}

fn earlier(one: Option<Instant>, other: Instant) -> Instant {
    one.map_or(other, |one| one.min(other))
}

/// A source and the name of the plugin that its skills become.
struct Named<'a> {
    source: &'a SkillSource,
    plugin: String,
}

/// Names the plugins of a run: after their repositories, each repository its own, and none like a
/// plugin that is written down.
fn named(description: &RunDescription) -> Vec<Named<'_>> {
    let mut named: Vec<Named<'_>> = Vec::new();
    for source in &description.skills {
        let same = named
            .iter()
            .find(|known| known.source.source == source.source)
            .map(|known| known.plugin.clone());
        let plugin = same.unwrap_or_else(|| {
            let is_taken = |name: &str| {
                named.iter().any(|known| known.plugin == name)
                    || description.plugins.iter().any(|plugin| plugin.name == name)
            };
            let name = repository_name(&source.source);
            let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
            std::iter::once(name.clone())
                .chain(numbered)
                .find(|name| !is_taken(name))
                .unwrap_or(name)
        });
        named.push(Named { source, plugin });
    }
    named
}

/// The last part of a repository's path, as a name that can be a file's.
fn repository_name(source: &str) -> String {
    let last = source
        .trim_end_matches('/')
        .rsplit(['/', ':'])
        .next()
        .unwrap_or_default();
    let last = last.strip_suffix(".git").unwrap_or(last);
    let name: String = last
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_start_matches(['-', '_']);
    if name.is_empty() {
        "skills".to_owned()
    } else {
        name.to_owned()
    }
}

/// The URL of a source: one that is written as `OWNER/NAME` is on GitHub.
fn url(source: &str) -> String {
    let is_short = !source.contains(':') && source.split('/').count() == 2;
    if is_short {
        let source = source.strip_suffix(".git").unwrap_or(source);
        return format!("https://github.com/{source}.git");
    }
    source.to_owned()
}

fn clone_source(
    source: &SkillSource,
    environment: &Environment,
    invocation: &Invocation,
    patience: Patience,
    clone: &Path,
) -> Result<(), Failure> {
    let url = url(&source.source);
    let mut environment = environment.clone();
    // The workspace's token is for the workspace's repository only.
    environment.remove(variables::GITHUB_TOKEN_FILE);
    if let Some(number) = source.secret {
        let variable = variables::secret_dir(number);
        let directory = environment
            .path(&variable)
            .ok_or_else(|| Failure::new(SETUP_FAILED, format!("`{variable}` is not set")))?;
        environment.set(variables::GITHUB_TOKEN_FILE, directory.join(paths::GIT_TOKEN_KEY));
    }
    let private = PrivateDirectory::create(&environment)?;
    let mut git = Git::new(git::find(&environment)?, &environment, &private, &url, patience)?;
    git.add_settings(&credential::settings(&url, &environment, invocation));
    let target = clone.to_string_lossy();
    let arguments = ["clone", "--quiet", "--depth=1", "--no-tags", "--", &url, &target];
    let failed = |why: &str| {
        Failure::new(
            SKILL_SOURCE_FAILED,
            format!(
                "failed to read the skills of `{}`: {why}",
                secrets::hide_user_information(&source.source)
            ),
        )
    };
    let answer = git
        .run(private.path(), &arguments)
        .map_err(|error| failed(&error.to_string()))?;
    if answer.ok() {
        return Ok(());
    }
    let line = git::telling_line(&answer.errors);
    let is_private = ["could not read Username", "Authentication failed", "not found"]
        .iter()
        .any(|words| answer.errors.contains(words));
    if is_private && source.secret.is_none() {
        return Err(failed(&format!(
            "{line}\nhint: for a private repository name a Secret with the key `{}` in `skills[].secretRef`",
            paths::GIT_TOKEN_KEY
        )));
    }
    Err(failed(&line))
}

/// A skill in a clone.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    name: String,
    directory: PathBuf,
}

/// Copies the wanted skills of a clone into the plugin's directory and says how many they are.
fn take(source: &SkillSource, clone: &Path, plugin: &Path, budget: &mut Budget) -> Result<usize, Failure> {
    let of = secrets::hide_user_information(&source.source);
    let found = find(clone, &repository_name(&source.source));
    let wanted: Vec<Found> = match &source.skill {
        None => found,
        Some(name) => {
            let names: Vec<String> = found.iter().map(|found| format!("`{}`", found.name)).collect();
            let wanted: Vec<Found> = found.into_iter().filter(|found| found.name == *name).collect();
            if wanted.is_empty() && !names.is_empty() {
                return Err(Failure::new(
                    SKILL_NOT_FOUND,
                    format!("`{of}` has no skill `{name}`: it has {}", names.join(", ")),
                ));
            }
            wanted
        }
    };
    if wanted.is_empty() {
        return Err(Failure::new(
            SKILL_NOT_FOUND,
            format!(
                "`{of}` has no skills: there is no `SKILL.md` in its root, in a directory of it, of `skills` or of `.claude/skills`"
            ),
        ));
    }
    make_directory(plugin)?;
    for skill in &wanted {
        let target = plugin.join(&skill.name);
        if target.exists() {
            continue;
        }
        budget.begin_skill();
        copy_within(&skill.directory, &target, budget, 0).map_err(|why| why.of(&skill.name, &of))?;
    }
    Ok(wanted.len())
}

/// All skills of a clone, each name once: the first place wins.
fn find(clone: &Path, repository: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    if is_skill(clone) {
        found.push(Found {
            name: written_name(clone).unwrap_or_else(|| repository.to_owned()),
            directory: clone.to_owned(),
        });
    }
    for place in PLACES {
        let mut directories: Vec<PathBuf> = fs::read_dir(clone.join(place))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        directories.sort();
        for directory in directories.into_iter().filter(|path| is_skill(path)) {
            let name = directory
                .file_name()
                .and_then(|name| name.to_str())
                .filter(|name| is_name(name));
            let Some(name) = name else {
                continue;
            };
            if found.iter().all(|known| known.name != name) {
                found.push(Found {
                    name: name.to_owned(),
                    directory,
                });
            }
        }
    }
    found
}

/// Whether this is a directory, and no link to one, with a `SKILL.md`.
fn is_skill(directory: &Path) -> bool {
    let is = |path: &Path, wanted: fn(&fs::Metadata) -> bool| {
        fs::symlink_metadata(path).is_ok_and(|metadata| wanted(&metadata))
    };
    is(directory, fs::Metadata::is_dir) && is(&directory.join(SKILL), fs::Metadata::is_file)
}

/// The name that the front matter of a skill gives it, if it can be a file's.
fn written_name(directory: &Path) -> Option<String> {
    let text = fs::read_to_string(directory.join(SKILL)).ok()?;
    let mut lines = text.lines();
    if lines.next()?.trim_end() != "---" {
        return None;
    }
    let name = lines
        .take_while(|line| line.trim_end() != "---")
        .find_map(|line| line.strip_prefix("name:"))?;
    let name = name.trim().trim_matches(['"', '\'']);
    is_name(name).then(|| name.to_owned())
}

/// What may still be copied.
struct Budget {
    of_skill: u64,
    of_all: u64,
    entries: u64,
}

impl Budget {
    fn of_all() -> Self {
        Self {
            of_skill: MAX_SKILL,
            of_all: MAX_ALL,
            entries: MAX_ENTRIES,
        }
    }

    fn begin_skill(&mut self) {
        self.of_skill = MAX_SKILL;
    }

    fn take(&mut self, bytes: u64) -> Result<(), Uncopied> {
        let one = |left: u64, bytes: u64, limit| left.checked_sub(bytes).ok_or(Uncopied::TooLarge(limit));
        self.of_skill = one(self.of_skill, bytes, "a skill may have 2 MiB")?;
        self.of_all = one(
            self.of_all,
            bytes,
            "all skills of a Task together may have 20 MiB",
        )?;
        self.entries = one(
            self.entries,
            1,
            "all skills of a Task together may have 10,000 files",
        )?;
        Ok(())
    }
}

/// Why a skill was not copied.
#[derive(Debug)]
enum Uncopied {
    TooLarge(&'static str),
    LeadsOut(PathBuf),
    Io(io::Error),
}

impl From<io::Error> for Uncopied {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Uncopied {
    fn of(self, skill: &str, source: &str) -> Failure {
        let because = |why: String| {
            Failure::new(
                SKILL_SOURCE_FAILED,
                format!("failed to take the skill `{skill}` of `{source}`: {why}"),
            )
        };
        match self {
            Self::TooLarge(limit) => because(format!("it is too large: {limit}")),
            Self::LeadsOut(path) => because(format!(
                "`{}` is a link, or no file at all; a skill is made of files and directories",
                path.display()
            )),
            Self::Io(error) => Failure::io(
                SKILL_SOURCE_FAILED,
                format_args!("take the skill `{skill}` of `{source}`"),
                &error,
            ),
        }
    }
}

/// Copies files and directories, and nothing of git's own. A link is refused: where it leads to is
/// not part of the skill.
fn copy_within(from: &Path, to: &Path, budget: &mut Budget, depth: usize) -> Result<(), Uncopied> {
    if depth > MAX_DEPTH {
        return Err(Uncopied::TooLarge("16 directories may be in one another"));
    }
    budget.take(0)?;
    DirBuilder::new().mode(0o755).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == ".git" {
            continue;
        }
        let (path, target) = (entry.path(), to.join(&name));
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            copy_within(&path, &target, budget, depth + 1)?;
        } else if metadata.is_file() {
            budget.take(metadata.len())?;
            fs::copy(&path, &target)?;
            let is_program = metadata.permissions().mode() & 0o111 != 0;
            let mode = if is_program { 0o755 } else { 0o644 };
            fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
        } else {
            return Err(Uncopied::LeadsOut(
                path.strip_prefix(from).unwrap_or(&path).to_owned(),
            ));
        }
    }
    Ok(())
}

/// Copies the directory of a fetched skill to a place that may exist, and is then replaced. The
/// directories above are made.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    remove(to)?;
    let name = from.to_string_lossy();
    if let Some(parent) = to.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(|error| {
                Failure::io(SETUP_FAILED, format_args!("make `{}`", parent.display()), &error)
            })?;
    }
    copy_within(from, to, &mut Budget::of_all(), 0).map_err(|why| why.of(&name, "the workspace"))
}

/// The skills that [`fetch`] has left.
pub(crate) fn fetched(description: &RunDescription, workspace: &Path) -> Result<Vec<FetchedSkill>, Failure> {
    if description.skills.is_empty() {
        return Ok(Vec::new());
    }
    let root = directory(workspace, &description.uid);
    let mut skills: Vec<FetchedSkill> = Vec::new();
    for plugin in named(description) {
        if skills.iter().any(|skill| skill.plugin == plugin.plugin) {
            continue;
        }
        let directory = root.join(&plugin.plugin);
        let entries = fs::read_dir(&directory).map_err(|error| {
            Failure::io(
                SETUP_FAILED,
                format_args!("find the fetched skills in `{}`", directory.display()),
                &error,
            )
        })?;
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_name(name) && is_skill(&directory.join(name)))
            .collect();
        names.sort();
        skills.extend(names.into_iter().map(|name| FetchedSkill {
            directory: directory.join(&name),
            plugin: plugin.plugin.clone(),
            name,
        }));
    }
    Ok(skills)
}

/// Removes what [`fetch`] has left.
pub(crate) fn forget(description: &RunDescription, workspace: &Path) {
    if !description.skills.is_empty() {
        let _ = fs::remove_dir_all(directory(workspace, &description.uid));
    }
}

fn directory(workspace: &Path, uid: &str) -> PathBuf {
    DIRECTORY
        .iter()
        .fold(workspace.to_owned(), |path, name| path.join(name))
        .join(uid)
}

/// An empty directory for the skills of a run. On a volume that outlives its pod somebody else may
/// have put links there; they are not followed.
fn fresh_directory(workspace: &Path, uid: &str) -> Result<PathBuf, Failure> {
    let mut path = workspace.to_owned();
    for name in DIRECTORY {
        path.push(name);
        make_directory(&path)?;
    }
    path.push(uid);
    remove(&path)?;
    make_directory(&path)?;
    Ok(path)
}

fn make_directory(path: &Path) -> Result<(), Failure> {
    let make = || match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                Ok(())
            } else {
                Err(io::Error::other("something else is in its place"))
            }
        }
        other => other,
    };
    make().map_err(|error| Failure::io(SETUP_FAILED, format_args!("make `{}`", path.display()), &error))
}

fn remove(path: &Path) -> Result<(), Failure> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| Failure::io(SETUP_FAILED, format_args!("remove `{}`", path.display()), &error))
}

#[cfg(test)]
#[path = "skills_tests.rs"]
mod tests;
