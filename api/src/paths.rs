//! Where things are in the agent's pod. The embedded plane maps the same paths to folders of its
//! own; programs therefore take them from the variables of [`crate::variables`], never from here.

/// Holds the static runner; an emptyDir, read-only but for the init container that fills it.
pub const BIN: &str = "/axon/bin";
/// The runner itself.
pub const RUNNER: &str = "/axon/bin/axon-runner";
/// Where the operator's image has the runner.
pub const IMAGE_RUNNER: &str = "/axon-runner";
/// Holds the run Secret, when the run description is too large for a variable.
pub const RUN: &str = "/axon/run";
/// The run description in it, gzip'd JSON.
pub const RUN_FILE: &str = "/axon/run/run.json.gz";
/// The key of the run Secret, and so the name of the file.
pub const RUN_KEY: &str = "run.json.gz";
/// Holds the token of `Workspace.secretRef`.
pub const GIT: &str = "/axon/git";
/// The token file, read anew at each call of git or gh, so that a refreshed token arrives.
pub const GIT_TOKEN_FILE: &str = "/axon/git/GITHUB_TOKEN";
/// The key of the Secret with the token.
pub const GIT_TOKEN_KEY: &str = "GITHUB_TOKEN";
/// Holds the checkout.
pub const WORKSPACE: &str = "/workspace";
/// The checkout, below [`WORKSPACE`].
pub const REPOSITORY: &str = "repo";
/// The agent's home.
pub const HOME: &str = "/home/agent";
/// Where a container leaves its last word, Kubernetes' default.
pub const TERMINATION_LOG: &str = "/dev/termination-log";
/// Holds `ssh-privatekey` and `known_hosts` of the workspace's Secret.
pub const SSH: &str = "/axon/ssh";
/// Key of the Secret with the private key, and so the name of the file.
pub const SSH_KEY: &str = "ssh-privatekey";
/// Key of the Secret with the known hosts, and so the name of the file.
pub const SSH_KNOWN_HOSTS: &str = "known_hosts";
/// Holds the certificates that are trusted instead of the image's, when the operator names any.
pub const CA: &str = "/axon/ca";
/// The certificates in PEM.
pub const CA_FILE: &str = "/axon/ca/ca.crt";
/// The name of that file.
pub const CA_KEY: &str = "ca.crt";
/// Each other Secret that the runner reads is a directory of its own below this one: `0`, `1`, ...
pub const SECRETS: &str = "/axon/secrets";
