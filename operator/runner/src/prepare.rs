//! `prepare`: makes the checkout before the agent's container starts.

use std::process::ExitCode;
use std::time::Duration;

use axon_api::run::RunDescription;
use axon_api::{paths, variables};

use crate::environment::Environment;
use crate::failure::{Failure, SETUP_FAILED};
use crate::git::{self, Git, Patience};
use crate::invocation::Invocation;
use crate::private_directory::PrivateDirectory;
use crate::report::Report;
use crate::secrets::Secrets;
use crate::signals::Interruption;
use crate::{checkout, credential, description, process, say, signals};

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
    let Some(checkout) = &description.checkout else {
        say("This run has no repository");
        return Ok(());
    };
    let workspace = environment
        .path(variables::WORKSPACE_DIR)
        .ok_or_else(|| Failure::new(SETUP_FAILED, format!("`{}` is not set", variables::WORKSPACE_DIR)))?;
    let private = PrivateDirectory::create(environment)?;
    let patience = Patience {
        until: None,
        after_interruption: Duration::ZERO,
        interruption,
    };
    let mut git = Git::new(
        git::find(environment)?,
        environment,
        &private,
        &checkout.repo,
        patience,
    )?;
    git.add_settings(&credential::settings(&checkout.repo, environment, invocation));
    if environment.find_program("git-lfs").is_some() {
        // The system's configuration, in which these would stand, is not read.
        git.add_settings(&[
            ("filter.lfs.clean", "git-lfs clean -- %f"),
            ("filter.lfs.smudge", "git-lfs smudge -- %f"),
            ("filter.lfs.process", "git-lfs filter-process"),
            ("filter.lfs.required", "true"),
        ]);
    }
    checkout::make(&git, checkout, &workspace.join(paths::REPOSITORY))
}
