//! A real ssh server on a free port of loopback, with a host key of its own, that lets one key run
//! git and nothing else.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

pub(crate) struct Server {
    root: tempfile::TempDir,
    port: u16,
}

impl Server {
    pub(crate) fn start() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        for name in ["host", "client", "stranger"] {
            make_key(&root.path().join(name));
        }
        let public = fs::read_to_string(root.path().join("client.pub")).expect("a key");
        let allowed = format!("restrict,command=\"git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"\" {public}");
        fs::write(root.path().join("authorized_keys"), allowed).expect("written");
        let config = root.path().join("sshd_config");
        let at = |name: &str| root.path().join(name).display().to_string();
        let text = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n",
            at("host"),
            at("authorized_keys")
        );
        fs::write(&config, text).expect("written");
        // Where sshd of root puts its unprivileged half.
        let _ = fs::create_dir_all("/run/sshd");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let output = stream.try_clone().expect("cloned");
                // One process for each connection, as inetd starts it: it ends with the connection.
                let child = Command::new("/usr/sbin/sshd")
                    .args(["-i", "-e", "-f"])
                    .arg(&config)
                    .stdin(Stdio::from(OwnedFd::from(stream)))
                    .stdout(Stdio::from(OwnedFd::from(output)))
                    .stderr(Stdio::null())
                    .spawn();
                let mut child = child.expect("sshd is installed: apt-get install openssh-server");
                thread::spawn(move || child.wait());
            }
        });
        Self { root, port }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The URL of a repository of this machine on the server.
    pub(crate) fn url(&self, repository: &Path) -> String {
        let user = run(Command::new("id").arg("-un"));
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, repository.display())
    }

    /// The line of `known_hosts` for the server with the key `name`.
    pub(crate) fn known_hosts(&self, name: &str) -> String {
        let public = fs::read_to_string(self.path(&format!("{name}.pub"))).expect("a key");
        let mut words = public.split_whitespace();
        let (kind, key) = (words.next().expect("a kind"), words.next().expect("a key"));
        format!("[127.0.0.1]:{} {kind} {key}\n", self.port)
    }

    /// The fingerprint of the server's key.
    pub(crate) fn fingerprint(&self) -> String {
        let said = run(Command::new("ssh-keygen").arg("-lf").arg(self.path("host.pub")));
        said.split_whitespace()
            .find(|word| word.starts_with("SHA256:"))
            .expect("a fingerprint")
            .to_owned()
    }

    /// A mounted Secret with the key `key` and these known hosts.
    pub(crate) fn secret(&self, key: &str, known_hosts: &str) -> PathBuf {
        let directory = self.path("secret");
        fs::create_dir_all(&directory).expect("made");
        // Without its last line break, as people paste keys.
        let private = fs::read_to_string(self.path(key)).expect("a key");
        fs::write(directory.join("ssh-privatekey"), private.trim_end()).expect("written");
        fs::write(directory.join("known_hosts"), known_hosts).expect("written");
        directory
    }
}

fn make_key(path: &Path) {
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path));
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("started");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
