//! Skills from git repositories: fetched while the checkout is prepared, and found by the run.
//!
//! They wait in `.axon/skills/UID/PLUGIN/SKILL` of the workspace directory, the only place that
//! both containers see. The run takes them from there before the agent starts.

mod copying;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(crate) use copying::copy;
use copying::{Budget, copy_within, remove};

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

#[cfg(test)]
mod tests;
