//! A real ssh server on a free port, with a host key of its own, that lets one key run git and
//! nothing else.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, ensure};

const SSHD: &str = "/usr/sbin/sshd";

/// The running server. It takes no more connections when this is dropped.
#[derive(Debug)]
pub struct SshServer {
    root: tempfile::TempDir,
    user: String,
    host: String,
    address: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl SshServer {
    /// Listens on a free port of `address`; clients reach it by `host`.
    pub fn start(address: IpAddr, host: &str) -> anyhow::Result<Self> {
        ensure!(
            Path::new(SSHD).is_file(),
            "failed to find `{SSHD}`\nhint: e2e/setup installs it"
        );
        let root = tempfile::Builder::new().prefix("axon-e2e-ssh-").tempdir()?;
        for name in ["host", "client"] {
            said(
                Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-C", "axon-e2e", "-f"])
                    .arg(root.path().join(name)),
            )?;
        }
        let public = std::fs::read_to_string(root.path().join("client.pub"))?;
        std::fs::write(
            root.path().join("authorized_keys"),
            format!("restrict,command=\"git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"\" {public}"),
        )?;
        let config = root.path().join("sshd_config");
        std::fs::write(
            &config,
            format!(
                "HostKey {0}/host\nAuthorizedKeysFile {0}/authorized_keys\nStrictModes no\nUsePAM \
                 no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n",
                root.path().display()
            ),
        )?;
        // Where the sshd of root puts its unprivileged half; others need none.
        let _ = std::fs::create_dir_all("/run/sshd");
        let listener =
            TcpListener::bind((address, 0)).with_context(|| format!("failed to listen on `{address}`"))?;
        let address = listener.local_addr()?;
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if until.load(Ordering::Relaxed) {
                    break;
                }
                let _ = serve(stream, &config);
            }
        });
        Ok(Self {
            user: said(Command::new("id").arg("-un"))?,
            root,
            host: host.to_owned(),
            address,
            ended,
        })
    }

    /// The URL of a repository of this machine on the server.
    pub fn url(&self, repository: &Path) -> String {
        format!(
            "ssh://{}@{}:{}{}",
            self.user,
            self.host,
            self.address.port(),
            repository.display()
        )
    }

    /// The private key that may run git.
    pub fn private_key(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.path("client"))?)
    }

    /// The server's line in `known_hosts`.
    pub fn known_hosts(&self) -> anyhow::Result<String> {
        let key = std::fs::read_to_string(self.path("host.pub"))?;
        Ok(format!("[{}]:{} {key}", self.host, self.address.port()))
    }

    /// The fingerprint of the server's key.
    pub fn fingerprint(&self) -> anyhow::Result<String> {
        let line = said(Command::new("ssh-keygen").arg("-lf").arg(self.path("host.pub")))?;
        line.split_whitespace()
            .find(|word| word.starts_with("SHA256:"))
            .map(str::to_owned)
            .context("ssh-keygen shows no fingerprint")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// One process for each connection, as inetd starts it: it ends with the connection.
fn serve(stream: TcpStream, config: &Path) -> anyhow::Result<()> {
    let output = stream.try_clone()?;
    let mut child = Command::new(SSHD)
        .args(["-i", "-e", "-f"])
        .arg(config)
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::from(OwnedFd::from(output)))
        .stderr(Stdio::null())
        .spawn()?;
    thread::spawn(move || child.wait());
    Ok(())
}

fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("failed to start {command:?}"))?;
    ensure!(
        output.status.success(),
        "failed to run {command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
