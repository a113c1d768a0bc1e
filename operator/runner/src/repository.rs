//! The last question: what the remote has of the agent's work.
//!
//! It is asked when every process of the agent is gone, by the URL of the run description, with the
//! git that was on `PATH` before the agent ran, from a repository of the runner's own. Nothing that
//! the agent configured is read: not its checkout, not its home, not its `PATH`.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use axon_api::outcome::Outcome;
use axon_api::run::{Checkout, RunDescription};
use axon_api::variables;

use crate::checkout::{Layout, is_commit};
use crate::environment::Environment;
use crate::git::{self, Git, Patience};
use crate::head::{self, Head};
use crate::invocation::Invocation;
use crate::launch::token_variable;
use crate::private_directory::PrivateDirectory;
use crate::secrets::{self, Secrets};
use crate::signals::Interruption;
use crate::url::RepositoryUrl;
use crate::{access, complain};

/// How long git may take, and then gh.
const TIME: Duration = Duration::from_secs(30);
/// How long each may take when the container is about to be killed.
const SHORT_TIME: Duration = Duration::from_secs(5);

/// The programs that answer, as they were before the agent ran.
#[derive(Debug)]
pub(crate) struct Tools {
    git: Option<PathBuf>,
    gh: Option<PathBuf>,
    environment: Environment,
}

impl Tools {
    /// Finds the programs. They, and what they start, are looked up only where the agent cannot have
    /// put anything.
    pub(crate) fn find(environment: &Environment) -> Self {
        let mut environment = environment.clone();
        let (git, gh) = (environment.find_program("git"), environment.find_program("gh"));
        let writable: Vec<PathBuf> = ["HOME", "TMPDIR", variables::WORKSPACE_DIR]
            .into_iter()
            .filter_map(|name| environment.path(name))
            .chain([PathBuf::from("/tmp")])
            .collect();
        let path = environment
            .program_directories()
            .into_iter()
            .filter(|directory| !writable.iter().any(|root| directory.starts_with(root)));
        match std::env::join_paths(path) {
            Ok(path) => environment.set("PATH", path),
            Err(_) => environment.remove("PATH"),
        }
        Self { git, gh, environment }
    }

    /// Asks for branch, commit, base branch and pull requests, and fills them in.
    pub(crate) fn ask(
        &self,
        description: &RunDescription,
        invocation: &Invocation,
        interruption: &Interruption,
        outcome: &mut Outcome,
    ) {
        let (Some(checkout), Some(workspace)) = (
            &description.checkout,
            self.environment.path(variables::WORKSPACE_DIR),
        ) else {
            return;
        };
        let here = Layout::of(&workspace, checkout)
            .map(|layout| head::read(&layout.git_dir, &layout.common))
            .unwrap_or_default();
        let branch = here.branch.clone().or_else(|| checkout.branch.clone());
        let private = match PrivateDirectory::create(&self.environment) {
            Ok(private) => private,
            Err(failure) => {
                self.complain(&failure.message);
                answer(outcome, description, branch, here, &Remote::default());
                return;
            }
        };
        let remote = self
            .remote(checkout, branch.as_deref(), invocation, interruption, &private)
            .unwrap_or_else(|why| {
                self.complain(&why);
                Remote::default()
            });
        answer(outcome, description, branch, here, &remote);
        if let Some(branch) = &outcome.branch {
            let repo = RepositoryUrl::parse(&checkout.repo);
            outcome.pull_requests = self.pull_requests(
                &repo,
                description.upstream_repo.as_deref(),
                branch,
                interruption,
                &private,
            );
        }
    }

    /// Says in the log, without any credential, why something is not known.
    fn complain(&self, why: &str) {
        complain(&format!("axon: {}", Secrets::of(&self.environment).hide(why)));
    }

    fn remote(
        &self,
        checkout: &Checkout,
        branch: Option<&str>,
        invocation: &Invocation,
        interruption: &Interruption,
        private: &PrivateDirectory,
    ) -> Result<Remote, String> {
        let repo = checkout.repo.as_str();
        let failed = |why: &str| format!("failed to ask `{repo}` what was pushed: {why}");
        let program = self
            .git
            .clone()
            .ok_or_else(|| failed("git is not on the PATH of the image"))?;
        let mut git = Git::new(program, &self.environment, private, repo, patience(interruption))
            .map_err(|failure| failed(&failure.message))?;
        let ask = |git: &Git, arguments: &[&str]| match git.run(private.path(), arguments) {
            Ok(answer) if answer.ok() => Ok(answer.output),
            Ok(answer) => Err(failed(&git::telling_line(&answer.errors))),
            Err(error) => Err(failed(&error.to_string())),
        };
        // The repository is named before it is made, so that none is looked for around it.
        git.set("GIT_DIR", private.path().join("question.git"));
        ask(&git, &["init", "--quiet", "--bare", "--template="])?;
        access::give_to_git(&mut git, checkout, &self.environment, invocation, private)
            .map_err(|failure| failed(&failure.message))?;
        let name = branch.map(|branch| format!("refs/heads/{branch}"));
        let mut arguments = vec!["ls-remote", "--symref", "--", repo, "HEAD"];
        arguments.extend(name.as_deref());
        Ok(read(&ask(&git, &arguments)?, name.as_deref()))
    }

    /// The open pull requests from `branch`, in the repository itself and upstream. gh may be absent,
    /// may know nothing of the host, or may not be allowed to look: then there are none.
    fn pull_requests(
        &self,
        repo: &RepositoryUrl,
        upstream: Option<&str>,
        branch: &str,
        interruption: &Interruption,
        private: &PrivateDirectory,
    ) -> Vec<String> {
        let (Some(gh), Some(host), Some(slug)) = (&self.gh, &repo.host, &repo.slug) else {
            return Vec::new();
        };
        let mut environment = self.environment.clone();
        let variable = token_variable(Some(host));
        if let Some(token) = secrets::token(&self.environment) {
            environment.set(variable, token);
        }
        if environment
            .text(variable)
            .or_else(|| environment.text("GITHUB_TOKEN"))
            .is_none()
        {
            return Vec::new();
        }
        environment.set("HOME", private.path());
        environment.set("GH_CONFIG_DIR", private.path().join("gh"));
        environment.set("GH_PROMPT_DISABLED", "1");
        environment.set("GH_NO_UPDATE_NOTIFIER", "1");
        environment.set("GH_HOST", host);
        let patience = patience(interruption);
        let mut urls = Vec::new();
        let mut repositories = vec![slug.as_str()];
        repositories.extend(upstream.filter(|upstream| upstream != slug));
        for repository in repositories {
            let mut command = Command::new(gh);
            command.current_dir(private.path()).args([
                "pr", "list", "--repo", repository, "--head", branch, "--json", "url",
            ]);
            let Ok(answer) = git::ask(command, &environment, &patience) else {
                continue;
            };
            for url in pull_request_urls(&answer.output) {
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
        }
        urls
    }
}

fn patience(interruption: &Interruption) -> Patience {
    Patience {
        until: Some(Instant::now() + TIME),
        after_interruption: SHORT_TIME,
        interruption: interruption.clone(),
    }
}

/// What the remote has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Remote {
    default_branch: Option<String>,
    /// The tip of the branch that was asked for.
    tip: Option<String>,
}

/// Reads what `git ls-remote --symref` prints.
fn read(output: &str, name: Option<&str>) -> Remote {
    let mut remote = Remote::default();
    for (left, right) in output.lines().filter_map(|line| line.split_once('\t')) {
        match left.strip_prefix("ref: refs/heads/") {
            Some(branch) if right == "HEAD" => remote.default_branch = Some(branch.to_owned()),
            None if Some(right) == name => remote.tip = head::commit(left),
            _ => {}
        }
    }
    remote
}

fn answer(
    outcome: &mut Outcome,
    description: &RunDescription,
    branch: Option<String>,
    here: Head,
    remote: &Remote,
) {
    let named = description
        .checkout
        .as_ref()
        .and_then(|checkout| checkout.ref_.clone());
    // A commit is no branch to which a pull request could go.
    let named = named.filter(|name| !is_commit(name));
    outcome.base_branch = named.or_else(|| remote.default_branch.clone());
    outcome.branch = branch;
    outcome.pushed = remote.tip.is_some();
    outcome.commit = remote.tip.clone().or(here.commit);
}

fn pull_request_urls(json: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct PullRequest {
        url: String,
    }
    serde_json::from_str::<Vec<PullRequest>>(json)
        .unwrap_or_default()
        .into_iter()
        .map(|pull_request| pull_request.url)
        .filter(|url| url.starts_with("http") && !url.contains(char::is_whitespace))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axon_api::outcome::RunResult;

    const TIP: &str = "0123456789abcdef0123456789abcdef01234567";
    const LOCAL: &str = "89abcdef0123456789abcdef0123456789abcdef";

    fn outcome_of(ref_: Option<&str>, branch: Option<&str>, remote: &Remote) -> Outcome {
        let mut outcome = Outcome::new(RunResult::Succeeded, "Completed", "");
        let description = RunDescription {
            checkout: Some(Checkout {
                repo: "file:///srv/a.git".into(),
                ref_: ref_.map(str::to_owned),
                ..Checkout::default()
            }),
            ..RunDescription::default()
        };
        let here = Head {
            branch: None,
            commit: Some(LOCAL.into()),
        };
        answer(
            &mut outcome,
            &description,
            branch.map(str::to_owned),
            here,
            remote,
        );
        outcome
    }

    #[test]
    fn the_tip_of_the_remote_wins_over_the_checkout() {
        let remote = read(
            &format!("ref: refs/heads/main\tHEAD\n{LOCAL}\tHEAD\n{TIP}\trefs/heads/feature/x\n"),
            Some("refs/heads/feature/x"),
        );
        let outcome = outcome_of(None, Some("feature/x"), &remote);
        assert_eq!(outcome.commit.as_deref(), Some(TIP));
        assert_eq!(outcome.base_branch.as_deref(), Some("main"));
        assert!(outcome.pushed);
    }

    #[test]
    fn what_was_not_pushed_is_reported_as_such() {
        let outcome = outcome_of(Some("release"), Some("feature/x"), &Remote::default());
        assert_eq!(outcome.commit.as_deref(), Some(LOCAL));
        assert_eq!(outcome.base_branch.as_deref(), Some("release"));
        assert!(!outcome.pushed);
    }

    #[test]
    fn a_commit_is_no_base_branch() {
        let remote = Remote {
            default_branch: Some("main".into()),
            tip: None,
        };
        assert_eq!(
            outcome_of(Some(TIP), None, &remote).base_branch.as_deref(),
            Some("main")
        );
    }

    #[test]
    fn only_web_addresses_are_pull_requests() {
        assert_eq!(
            pull_request_urls(r#"[{"url":"https://h/a/b/pull/7"},{"url":"javascript:x"}]"#),
            ["https://h/a/b/pull/7"]
        );
        assert!(pull_request_urls("not logged in").is_empty());
    }
}
