//! The workspace's credentials for git, as far as they are mounted in this container.
//!
//! They are settings in the environment of git's process and files of the runner's own, and stand
//! in no URL and no configuration of the checkout: the container of the agent has its own, or none.

use axon_api::run::Checkout;

use crate::credential;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::git::Git;
use crate::invocation::Invocation;
use crate::private_directory::PrivateDirectory;
use crate::ssh;

/// The variable with git's command for ssh, which wins over every configuration.
const SSH_COMMAND: &str = "GIT_SSH_COMMAND";
/// The variable that says which program's options that command takes.
const SSH_VARIANT: &str = "GIT_SSH_VARIANT";

/// Gives the credentials to a git of the runner; answers with the command for ssh, if there is one.
pub(crate) fn give_to_git(
    git: &mut Git,
    checkout: &Checkout,
    environment: &Environment,
    invocation: &Invocation,
    private: &PrivateDirectory,
) -> Result<Option<String>, Failure> {
    git.add_settings(&credential::settings(&checkout.repo, environment, invocation));
    let command = ssh::command(checkout, environment, private)?;
    if let Some(command) = &command {
        git.set(SSH_COMMAND, command);
        git.set(SSH_VARIANT, "ssh");
    }
    Ok(command)
}

/// Gives the key for ssh to the agent, whose `environment` this is.
pub(crate) fn give_ssh_to_agent(
    checkout: &Checkout,
    environment: &mut Environment,
    private: &PrivateDirectory,
) -> Result<(), Failure> {
    if let Some(command) = ssh::command(checkout, environment, private)? {
        environment.set(SSH_COMMAND, command);
        environment.set(SSH_VARIANT, "ssh");
    }
    Ok(())
}
