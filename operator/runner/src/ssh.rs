//! The key of the workspace for git over ssh: a configuration of ssh's own that only the runner
//! writes, for the checkout and for the agent.
//!
//! No configuration of a user or of the image is read. A server is known by `known_hosts` of the
//! workspace's Secret or not at all, and the key is shown to the hosts that the workspace names and
//! to no other, such as that of a submodule.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use axon_api::run::Checkout;
use axon_api::{paths, variables};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkout::fingerprint;
use crate::environment::Environment;
use crate::failure::{AUTHENTICATION_FAILED, Failure, SETUP_FAILED};
use crate::git::{self, Patience};
use crate::invocation::shell_quote;
use crate::private_directory::PrivateDirectory;

/// No private key is larger.
const MAX_KEY: u64 = 1024 * 1024;
/// What an OpenSSH private key begins with, decoded (OpenSSH's PROTOCOL.key).
const OPENSSH_MAGIC: &[u8] = b"openssh-key-v1\0";

/// A server that is reached over ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

impl Target {
    /// The server of a repository; `None` when it is not reached over ssh, or by a name that ssh
    /// could take for something else.
    pub(crate) fn of(repo: &str) -> Option<Self> {
        let (authority, port) = match repo.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ssh") => {
                let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
                split_port(authority)
            }
            Some(_) => return None,
            None => (repo.split_once(':')?.0, None),
        };
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':'))
        };
        (plain(host) && user.is_none_or(plain)).then(|| Self {
            user: user.map(str::to_owned),
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// The command that prints the server's lines for `known_hosts`.
    pub(crate) fn scan_command(&self) -> String {
        match self.port {
            Some(port) => format!("ssh-keyscan -p {port} {}", self.host),
            None => format!("ssh-keyscan {}", self.host),
        }
    }
}

fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && !host.ends_with(':') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

/// Writes key and configuration into `private` and gives the command for git; `None` where no key
/// is mounted or nothing is reached over ssh.
pub(crate) fn command(
    checkout: &Checkout,
    environment: &Environment,
    private: &PrivateDirectory,
) -> Result<Option<String>, Failure> {
    let urls = std::iter::once(&checkout.repo).chain(checkout.remotes.iter().map(|remote| &remote.url));
    let mut hosts: Vec<String> = urls
        .filter_map(|url| Target::of(url))
        .map(|target| target.host)
        .collect();
    hosts.sort();
    hosts.dedup();
    let Some(directory) = environment.path(variables::SSH_DIR) else {
        return Ok(None);
    };
    if hosts.is_empty() {
        return Ok(None);
    }
    let key = read_key(&directory.join(paths::SSH_KEY), checkout)?;
    let key = private.write("ssh/key", &key, 0o600)?;
    let known_hosts = directory.join(paths::SSH_KNOWN_HOSTS);
    let text = configuration(&hosts, &key, &known_hosts);
    let config = private.write("ssh/config", &text, 0o600)?;
    Ok(Some(format!("ssh -F {}", shell_quote(&config))))
}

/// ssh takes a key only from a file that nobody else may read, and with a line break at its end;
/// what is mounted from a Secret need not be so.
fn read_key(path: &Path, checkout: &Checkout) -> Result<String, Failure> {
    let named = checkout
        .secret_name
        .as_ref()
        .map_or_else(String::new, |name| format!(" of Secret `{name}`"));
    let large = fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_KEY);
    let text = if large {
        String::new()
    } else {
        fs::read_to_string(path).map_err(|error| {
            Failure::io(
                SETUP_FAILED,
                format_args!("read the key ssh-privatekey{named} in `{}`", path.display()),
                &error,
            )
        })?
    };
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    if !text.starts_with("-----BEGIN ") || !text.contains("PRIVATE KEY-----") {
        return Err(Failure::new(
            AUTHENTICATION_FAILED,
            format!(
                "ssh-privatekey{named} is no private key: it does not begin with -----BEGIN ... PRIVATE KEY-----"
            ),
        ));
    }
    if has_passphrase(text) {
        return Err(Failure::new(
            AUTHENTICATION_FAILED,
            format!(
                "ssh-privatekey{named} is locked by a passphrase\nhint: `ssh-keygen -p -N '' -f FILE` takes it off a \
                 copy of the key"
            ),
        ));
    }
    Ok(format!("{text}\n"))
}

fn has_passphrase(key: &str) -> bool {
    if key.contains("BEGIN ENCRYPTED PRIVATE KEY") || key.contains("Proc-Type: 4,ENCRYPTED") {
        return true;
    }
    let encoded: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    let Some(bytes) = STANDARD.decode(encoded.trim()).ok() else {
        return false;
    };
    // After the magic stands the cipher's name, with its length before it.
    bytes
        .strip_prefix(OPENSSH_MAGIC)
        .and_then(|rest| rest.get(..8))
        .is_some_and(|cipher| cipher != b"\0\0\0\x04none")
}

/// A file of `ssh_config(5)`. Of each option the first value counts, but for `IdentityFile`, of which
/// all do: `none` takes the place of the keys in the user's home.
fn configuration(hosts: &[String], key: &Path, known_hosts: &Path) -> String {
    let mut text = String::new();
    for host in hosts {
        let _ = write!(text, "Host {host}\n  IdentityFile {}\n", quoted(key));
    }
    let _ = write!(
        text,
        "Host *\n  IdentityFile none\n  IdentitiesOnly yes\n  IdentityAgent none\n  BatchMode yes\n  \
         StrictHostKeyChecking yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  UpdateHostKeys \
         no\n  VerifyHostKeyDNS no\n  ForwardAgent no\n  ControlPath none\n  ConnectTimeout 30\n  \
         ServerAliveInterval 15\n  ServerAliveCountMax 8\n",
        quoted(known_hosts)
    );
    text
}

/// A path as `ssh_config(5)` takes it: quoted, with the tokens and variables in it meant as they are.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy().replace('%', "%%");
    format!("\"{text}\"")
}

/// Asks the repository's server for its key and gives the key's fingerprint. Nothing is sent to it:
/// ssh ends when it sees that it does not know the key.
pub(crate) fn ask_fingerprint(
    repo: &str,
    command_line: &str,
    environment: &Environment,
    patience: &Patience,
) -> Option<String> {
    let target = Target::of(repo)?;
    let mut script = format!("exec {command_line} -v");
    if let Some(port) = target.port {
        let _ = write!(script, " -p {port}");
    }
    let user = target.user.as_deref().unwrap_or("git");
    let _ = write!(script, " {} true", shell_quote(format!("{user}@{}", target.host)));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]);
    let answer = git::ask(command, environment, patience).ok()?;
    fingerprint(&answer.errors).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_read_from_either_form_of_url() {
        let target = |user: Option<&str>, host: &str, port| {
            Some(Target {
                user: user.map(str::to_owned),
                host: host.to_owned(),
                port,
            })
        };
        for (url, expected) in [
            ("git@GitHub.com:a/b.git", target(Some("git"), "github.com", None)),
            ("ssh://git@h:2222/a/b", target(Some("git"), "h", Some(2222))),
            ("ssh://h/a", target(None, "h", None)),
            ("SSH://u@[::1]:22/a", target(Some("u"), "::1", Some(22))),
            ("ssh://-oProxyCommand=x/a", None),
            ("ssh://h;rm/a", None),
            ("https://h/a", None),
            ("file:///a", None),
            ("h", None),
            ("", None),
        ] {
            assert_eq!(Target::of(url), expected, "{url}");
        }
    }

    #[test]
    fn the_key_is_for_the_named_hosts_alone() {
        let text = configuration(
            &["h".to_owned()],
            Path::new("/p/a key"),
            Path::new("/k%/known_hosts"),
        );
        assert!(text.starts_with("Host h\n  IdentityFile \"/p/a key\"\nHost *\n  IdentityFile none\n"));
        assert!(text.contains("StrictHostKeyChecking yes"));
        assert!(text.contains("UserKnownHostsFile \"/k%%/known_hosts\""));
    }

    #[test]
    fn what_is_no_usable_key_is_refused_before_ssh_sees_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ssh-privatekey");
        let locked = STANDARD.encode(b"openssh-key-v1\0\0\0\0\x0aaes256-ctr");
        for (text, words) in [
            ("ssh-ed25519 AAAA me\n".to_owned(), "no private key"),
            (
                format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{locked}\n-----END OPENSSH PRIVATE KEY-----\n"),
                "passphrase",
            ),
        ] {
            fs::write(&path, text).expect("written");
            let failure = read_key(&path, &Checkout::default()).expect_err("refused");
            assert_eq!(failure.reason, AUTHENTICATION_FAILED);
            assert!(failure.message.contains(words), "{failure}");
        }
        let open = STANDARD.encode(b"openssh-key-v1\0\0\0\0\x04none\0\0");
        let key =
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\r\n{open}\r\n-----END OPENSSH PRIVATE KEY-----");
        fs::write(&path, key).expect("written");
        let read = read_key(&path, &Checkout::default()).expect("a key");
        assert!(read.ends_with("KEY-----\n") && !read.contains('\r'));
    }
}
