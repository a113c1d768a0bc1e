//! Makes the checkout: fetches a little of the repository and checks the right thing out.
//!
//! Like a clone with `--depth 1 --no-single-branch`: the tip of every branch, so that the agent can
//! look at them, branch from them and push, and nothing of their history.

use std::fs;
use std::io;
use std::path::Path;

use axon_api::run::Checkout;

use crate::failure::{
    AUTHENTICATION_FAILED, CLONE_FAILED, DISK_FULL, Failure, INVALID_BRANCH, REF_NOT_FOUND,
    REPOSITORY_NOT_FOUND, SETUP_FAILED, TERMINATED,
};
use crate::git::{Answer, Git, telling_line};
use crate::head::is_branch_name;
use crate::secrets::hide_user_information;
use crate::{files, say};

/// All branches, to where a clone puts them.
const ALL_BRANCHES: &str = "+refs/heads/*:refs/remotes/origin/*";

/// The depth that stands for all of the history (`INFINITE_DEPTH` in git's `commit.h`). Unlike
/// `--unshallow` it is accepted whether or not the failed fetch before has left anything.
const INFINITE: &str = "2147483647";

/// What the remote has, as far as the checkout needs to know.
#[derive(Debug, Default, PartialEq, Eq)]
struct Remote {
    /// The branch that `HEAD` names.
    default_branch: Option<String>,
    /// The commit of `HEAD`; absent in an empty repository.
    head: Option<String>,
    /// Full names of refs.
    refs: Vec<String>,
}

/// What to check out.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// A branch of the remote.
    Branch(String),
    /// A tag or another ref, by its full name.
    Ref(String),
    /// A commit, by its 40 digits.
    Commit(String),
    /// Nothing: the repository is empty.
    Nothing,
}

/// Makes `directory` a checkout as `checkout` describes it.
pub(crate) fn make(git: &Git, checkout: &Checkout, directory: &Path) -> Result<(), Failure> {
    if let Some(branch) = checkout
        .branch
        .as_deref()
        .filter(|branch| !is_branch_name(branch))
    {
        return Err(Failure::new(
            INVALID_BRANCH,
            format!("`{branch}` cannot be the name of a branch"),
        ));
    }
    clear(directory)?;
    fs::create_dir_all(directory).map_err(|error| {
        Failure::io(
            SETUP_FAILED,
            format_args!("make `{}`", directory.display()),
            &error,
        )
    })?;
    let doing = Doing {
        git,
        checkout,
        directory,
    };
    doing.git(&["init", "--quiet"])?;
    doing.git(&["remote", "add", "--", "origin", &checkout.repo])?;
    say(&format!("Reading {}", hide_user_information(&checkout.repo)));
    let remote = doing.remote()?;
    let start = start(checkout, &remote).ok_or_else(|| no_such_ref(checkout))?;
    doing.fetch(&start, &remote)?;
    let branch = checkout.branch.as_deref().map(|name| {
        let there = remote
            .refs
            .iter()
            .any(|have| *have == format!("refs/heads/{name}"));
        (name, there)
    });
    doing.check_out(&start, branch)?;
    if let Some(default) = &remote.default_branch {
        // Some tools ask the checkout for the remote's default branch; nothing here depends on it.
        let _ = git.run(
            directory,
            &[
                "symbolic-ref",
                "refs/remotes/origin/HEAD",
                &format!("refs/remotes/origin/{default}"),
            ],
        );
    }
    for file in &checkout.files {
        files::write_into_checkout(directory, file)?;
        say(&format!("Wrote {}", file.path));
    }
    Ok(())
}

/// Removes what an earlier attempt has left.
fn clear(directory: &Path) -> Result<(), Failure> {
    let removed = match fs::symlink_metadata(directory) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(directory),
        Ok(_) => fs::remove_file(directory),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| {
        Failure::io(
            SETUP_FAILED,
            format_args!("remove what was left in `{}`", directory.display()),
            &error,
        )
    })
}

struct Doing<'a> {
    git: &'a Git,
    checkout: &'a Checkout,
    directory: &'a Path,
}

impl Doing<'_> {
    fn git(&self, arguments: &[&str]) -> Result<Answer, Failure> {
        let answer = self.ask(arguments)?;
        if answer.ok() {
            return Ok(answer);
        }
        Err(explain(self.checkout, &answer.errors))
    }

    fn ask(&self, arguments: &[&str]) -> Result<Answer, Failure> {
        self.git.run(self.directory, arguments).map_err(|error| {
            if error.kind() == io::ErrorKind::TimedOut {
                return Failure::new(TERMINATED, "ended while the checkout was made");
            }
            Failure::io(SETUP_FAILED, "run git", &error)
        })
    }

    fn remote(&self) -> Result<Remote, Failure> {
        let mut patterns = vec!["HEAD".to_owned()];
        if let Some(name) = &self.checkout.ref_ {
            patterns.extend(candidates(name));
        }
        if let Some(name) = &self.checkout.branch {
            patterns.push(format!("refs/heads/{name}"));
        }
        let mut arguments = vec!["ls-remote", "--symref", "origin"];
        arguments.extend(patterns.iter().map(String::as_str));
        Ok(read_remote(&self.git(&arguments)?.output))
    }

    fn fetch(&self, start: &Start, remote: &Remote) -> Result<(), Failure> {
        let shallow = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--depth",
            "1",
            "origin",
            ALL_BRANCHES,
        ];
        match start {
            // A fetch of no branch at all fails.
            Start::Nothing if remote.refs.is_empty() => Ok(()),
            Start::Nothing | Start::Branch(_) => self.git(&shallow).map(drop),
            Start::Ref(name) => {
                let refspec = format!("+{name}:{name}");
                self.git(&[shallow.as_slice(), &[refspec.as_str()]].concat())
                    .map(drop)
            }
            Start::Commit(commit) => {
                let answer = self.ask(&[shallow.as_slice(), &[commit.as_str()]].concat())?;
                if answer.ok() {
                    return Ok(());
                }
                if !answer.errors.contains("unadvertised object") {
                    return Err(explain(self.checkout, &answer.errors));
                }
                // Some servers give no commit but those at the tip of a branch or tag: then all of
                // the history is fetched, and the commit is in it or nowhere.
                say("The server gives no single commits: fetching the whole history");
                self.git(&[
                    "fetch",
                    "--quiet",
                    "--tags",
                    "--depth",
                    INFINITE,
                    "origin",
                    ALL_BRANCHES,
                ])?;
                let found = self.ask(&["cat-file", "-e", &format!("{commit}^{{commit}}")])?;
                found.ok().then_some(()).ok_or_else(|| no_such_ref(self.checkout))
            }
        }
    }

    fn check_out(&self, start: &Start, branch: Option<(&str, bool)>) -> Result<(), Failure> {
        if let Some((name, true)) = branch {
            return self.track(name);
        }
        let commit = match (start, branch) {
            (Start::Branch(name), None) => return self.track(name),
            (Start::Branch(name), Some(_)) => format!("refs/remotes/origin/{name}"),
            (Start::Ref(name), _) => format!("{name}^{{commit}}"),
            (Start::Commit(commit), _) => commit.clone(),
            (Start::Nothing, branch) => {
                if let Some((name, _)) = branch {
                    self.git(&["symbolic-ref", "HEAD", &format!("refs/heads/{name}")])?;
                }
                say("The repository is empty");
                return Ok(());
            }
        };
        if let Some((name, _)) = branch {
            self.git(&["checkout", "--quiet", "--no-track", "-b", name, &commit])?;
            say(&format!("Made branch {name}"));
        } else {
            self.git(&["checkout", "--quiet", "--detach", &commit])?;
            say(&format!("Checked out {}", commit.trim_end_matches("^{commit}")));
        }
        Ok(())
    }

    fn track(&self, name: &str) -> Result<(), Failure> {
        let remote = format!("refs/remotes/origin/{name}");
        self.git(&["checkout", "--quiet", "--track", "-B", name, &remote])?;
        say(&format!("Checked out branch {name}"));
        Ok(())
    }
}

/// The full names that a name may stand for.
fn candidates(name: &str) -> Vec<String> {
    if name.starts_with("refs/") {
        return vec![name.to_owned()];
    }
    vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")]
}

/// Reads what `git ls-remote --symref` prints.
fn read_remote(output: &str) -> Remote {
    let mut remote = Remote::default();
    for line in output.lines() {
        let Some((left, name)) = line.split_once('\t') else {
            continue;
        };
        match left.strip_prefix("ref: refs/heads/") {
            Some(branch) if name == "HEAD" => remote.default_branch = Some(branch.to_owned()),
            Some(_) => {}
            None if name == "HEAD" => remote.head = Some(left.to_owned()),
            None => remote.refs.push(name.to_owned()),
        }
    }
    remote
}

/// What to check out; `None` when the remote has nothing by that name. A branch goes before a tag
/// of the same name, as it does in a clone.
fn start(checkout: &Checkout, remote: &Remote) -> Option<Start> {
    let Some(name) = checkout.ref_.as_deref() else {
        return Some(match (&remote.default_branch, &remote.head) {
            (Some(branch), Some(_)) => Start::Branch(branch.clone()),
            (None, Some(commit)) => Start::Commit(commit.clone()),
            (_, None) => Start::Nothing,
        });
    };
    let found = candidates(name)
        .into_iter()
        .find(|candidate| remote.refs.contains(candidate));
    if let Some(found) = found {
        return Some(match found.strip_prefix("refs/heads/") {
            Some(branch) => Start::Branch(branch.to_owned()),
            None => Start::Ref(found),
        });
    }
    is_commit(name).then(|| Start::Commit(name.to_ascii_lowercase()))
}

/// Whether `name` is a whole commit id.
pub(crate) fn is_commit(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn no_such_ref(checkout: &Checkout) -> Failure {
    Failure::new(
        REF_NOT_FOUND,
        format!(
            "`{}` is no branch, tag or 40-digit commit of `{}`",
            checkout.ref_.as_deref().unwrap_or("HEAD"),
            checkout.repo
        ),
    )
}

fn speaks_of_a_missing_ref(errors: &str) -> bool {
    [
        "couldn't find remote ref",
        "unadvertised object",
        "not our ref",
        "bad object",
        "no such remote ref",
    ]
    .iter()
    .any(|words| errors.contains(words))
}

/// Whether git's messages, in English, say that the server wants to know who asks.
fn speaks_of_authentication(errors: &str) -> bool {
    [
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "terminal prompts disabled",
        "returned error: 401",
        "returned error: 403",
        "Permission denied (",
        "Invalid username or",
    ]
    .iter()
    .any(|words| errors.contains(words))
}

/// Whether git's messages say that there is no repository. Forges say so too of a private one to
/// those who may not see it.
fn speaks_of_a_missing_repository(errors: &str) -> bool {
    [
        "does not appear to be a git repository",
        "Repository not found",
        "' not found",
        "returned error: 404",
    ]
    .iter()
    .any(|words| errors.contains(words))
}

/// What git's messages mean for the person who wrote the Workspace.
fn explain(checkout: &Checkout, errors: &str) -> Failure {
    let line = telling_line(errors);
    let repo = &checkout.repo;
    let full = |line: &&str| line.contains("No space left on device") || line.contains("Disk quota exceeded");
    if let Some(line) = errors.lines().find(full) {
        return Failure::new(
            DISK_FULL,
            format!("failed to check out `{repo}`: {}", line.trim()),
        );
    }
    if speaks_of_authentication(errors) {
        let message = match &checkout.secret_name {
            None => format!(
                "the repository `{repo}` needs a token: {line}\nhint: name a Secret with the key GITHUB_TOKEN in \
                 `secretRef` of the workspace"
            ),
            Some(secret) => format!(
                "the repository `{repo}` refuses the token in GITHUB_TOKEN of Secret `{secret}`: {line}"
            ),
        };
        return Failure::new(AUTHENTICATION_FAILED, message);
    }
    if speaks_of_a_missing_ref(errors) {
        return no_such_ref(checkout);
    }
    if speaks_of_a_missing_repository(errors) {
        let hint = match &checkout.secret_name {
            None if repo.starts_with("http") => {
                "\nhint: a private repository needs `secretRef` in the workspace, with a token that may read it"
            }
            _ => "",
        };
        let message = format!("there is no repository at `{repo}`: {line}{hint}");
        return Failure::new(REPOSITORY_NOT_FOUND, message);
    }
    Failure::new(CLONE_FAILED, format!("failed to check out `{repo}`: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn checkout(ref_: Option<&str>) -> Checkout {
        Checkout {
            repo: "https://h/a/b".into(),
            ref_: ref_.map(str::to_owned),
            ..Checkout::default()
        }
    }

    fn remote() -> Remote {
        read_remote(&format!(
            "ref: refs/heads/main\tHEAD\n{COMMIT}\tHEAD\n{COMMIT}\trefs/heads/both\n{COMMIT}\trefs/tags/both\n\
             {COMMIT}\trefs/tags/v1\n{COMMIT}\trefs/remotes/x/refs/heads/main\n"
        ))
    }

    #[test]
    fn a_ref_is_a_branch_before_a_tag_before_a_commit() {
        for (ref_, expected) in [
            (None, Some(Start::Branch("main".into()))),
            (Some("both"), Some(Start::Branch("both".into()))),
            (Some("v1"), Some(Start::Ref("refs/tags/v1".into()))),
            (Some("refs/tags/both"), Some(Start::Ref("refs/tags/both".into()))),
            (Some(COMMIT), Some(Start::Commit(COMMIT.into()))),
            (Some("0123456"), None),
            (Some("gone"), None),
        ] {
            assert_eq!(start(&checkout(ref_), &remote()), expected, "{ref_:?}");
        }
    }

    #[test]
    fn an_empty_repository_has_nothing_to_check_out() {
        assert_eq!(start(&checkout(None), &Remote::default()), Some(Start::Nothing));
        assert_eq!(start(&checkout(Some("main")), &Remote::default()), None);
    }

    #[test]
    fn what_git_says_becomes_a_reason() {
        for (errors, reason) in [
            (
                "fatal: Authentication failed for 'https://h/a/b/'",
                AUTHENTICATION_FAILED,
            ),
            (
                "fatal: could not read Username for 'https://h': terminal prompts disabled",
                AUTHENTICATION_FAILED,
            ),
            (
                "fatal: unable to access 'https://h/': The requested URL returned error: 403",
                AUTHENTICATION_FAILED,
            ),
            ("fatal: write error: No space left on device", DISK_FULL),
            ("fatal: couldn't find remote ref refs/heads/x", REF_NOT_FOUND),
            (
                "fatal: '/x' does not appear to be a git repository",
                REPOSITORY_NOT_FOUND,
            ),
            (
                "fatal: repository 'https://h/a/b/' not found",
                REPOSITORY_NOT_FOUND,
            ),
            (
                "fatal: unable to access 'https://h/': Could not resolve host: h",
                CLONE_FAILED,
            ),
        ] {
            assert_eq!(explain(&checkout(None), errors).reason, reason, "{errors}");
        }
    }

    #[test]
    fn a_missing_token_and_a_refused_one_are_told_apart() {
        let errors = "fatal: Authentication failed for 'https://h/a/b/'";
        let missing = explain(&checkout(None), errors);
        assert!(missing.message.contains("`secretRef`"), "{missing}");
        let refused = explain(
            &Checkout {
                secret_name: Some("token".into()),
                ..checkout(None)
            },
            errors,
        );
        assert!(refused.message.contains("Secret `token`"), "{refused}");
    }
}
