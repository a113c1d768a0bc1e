//! `prepare`: makes the checkout before the agent's container starts.

use std::process::ExitCode;
use std::time::Duration;

use axon_api::run::RunDescription;
use axon_api::variables;

use crate::environment::Environment;
use crate::failure::{Failure, SETUP_FAILED};
use crate::git::{self, Git, Patience};
use crate::invocation::Invocation;
use crate::private_directory::PrivateDirectory;
use crate::report::Report;
use crate::secrets::Secrets;
use crate::signals::Interruption;
use crate::{access, checkout, description, process, say, signals, skills};

/// Makes the checkout that the run description asks for. A failure is written to the termination
/// file as an outcome.
pub(crate) fn prepare(invocation: &Invocation) -> ExitCode {
    let environment = Environment::of_process();
    let report = Report::new(&environment);
    let result = process::become_undumpable()
        .and_then(|()| {
            signals::watch(|_| ()).map_err(|error| Failure::io(SETUP_FAILED, "take over signals", &error))
        })
        .and_then(|interruption| {
            let description = description::read(&environment)?;
            report.limit(description.outcome_limit_bytes);
            make(&description, &environment, invocation, interruption)
        });
    let Err(failure) = result else {
        return ExitCode::SUCCESS;
    };
    let mut outcome = failure.outcome();
    Secrets::of(&environment).hide_in(&mut outcome);
    say(&outcome.message);
    report.write(&outcome);
    ExitCode::FAILURE
}

fn make(
    description: &RunDescription,
    environment: &Environment,
    invocation: &Invocation,
    interruption: Interruption,
) -> Result<(), Failure> {
    let patience = Patience {
        until: None,
        after_interruption: Duration::ZERO,
        interruption,
    };
    skills::fetch(description, environment, invocation, &patience)?;
    let Some(checkout) = &description.checkout else {
        say("This run has no repository");
        return Ok(());
    };
    let workspace = environment
        .path(variables::WORKSPACE_DIR)
        .ok_or_else(|| Failure::new(SETUP_FAILED, format!("`{}` is not set", variables::WORKSPACE_DIR)))?;
    let private = PrivateDirectory::create(environment)?;
    let mut git = Git::new(
        git::find(environment)?,
        environment,
        &private,
        &checkout.repo,
        patience,
    )?;
    let ssh = access::give_to_git(&mut git, checkout, environment, invocation, &private)?;
    let has_lfs = environment.find_program("git-lfs").is_some();
    if has_lfs && checkout.clone.lfs == Some(true) {
        // The system's configuration, in which these would stand, is not read.
        git.add_settings(checkout::LFS_SETTINGS);
    }
    let tools = checkout::Tools {
        git: &git,
        ssh: ssh.as_deref(),
        has_lfs,
        private: &private,
    };
    checkout::make(&tools, checkout, &workspace)
}
