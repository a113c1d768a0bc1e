//! Certificate and token of the loopback port. Both stay the same from one start to the next, so
//! that a kubeconfig that is in use goes on working.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::record::write_private;
use crate::directory::Directory;

/// Bytes of randomness in a token.
const TOKEN_BYTES: usize = 32;

/// Certificate and token of the loopback port.
pub(super) struct Credentials {
    certificate_pem: String,
    key_pem: String,
    pub(super) token: Token,
}

/// The secret of the loopback port.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token(String);

impl Token {
    /// Whether this is the value of an `Authorization` header with the token. The time it takes
    /// does not tell how much of it was right.
    pub(super) fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let Some(offered) = authorization.and_then(|value| value.strip_prefix(b"Bearer ")) else {
            return false;
        };
        let expected = self.0.as_bytes();
        let difference = expected
            .iter()
            .zip(offered)
            .fold(0, |difference, (a, b)| difference | (a ^ b));
        expected.len() == offered.len() && difference == 0
    }
}

impl Credentials {
    /// Those of the folder; what is missing is made.
    pub(super) fn of(directory: &Directory) -> anyhow::Result<Self> {
        let root = directory.root();
        let (certificate, key, token) = (root.join("tls.crt"), root.join("tls.key"), root.join("token"));
        if !certificate.exists() || !key.exists() {
            let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
            let made = rcgen::generate_simple_self_signed(names).context("failed to make a certificate")?;
            write(&key, &made.signing_key.serialize_pem())?;
            write(&certificate, &made.cert.pem())?;
        }
        if !token.exists() {
            write(&token, &random_token()?)?;
        }
        Ok(Self {
            certificate_pem: read(&certificate)?,
            key_pem: read(&key)?,
            token: Token(read(&token)?),
        })
    }

    pub(super) fn tls(&self) -> anyhow::Result<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())
            .context("failed to read the certificate `tls.crt`")?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .context("failed to read the key `tls.key`")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    /// The kubeconfig with which plain kubectl reaches the port.
    pub(super) fn kubeconfig(&self, port: u16) -> String {
        let authority = STANDARD.encode(&self.certificate_pem);
        let token = &self.token.0;
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters:\n\
             - name: axon-local\n  \
               cluster:\n    \
                 server: https://127.0.0.1:{port}\n    \
                 certificate-authority-data: {authority}\n\
             users:\n\
             - name: axon-local\n  \
               user:\n    \
                 token: {token}\n\
             contexts:\n\
             - name: axon-local\n  \
               context:\n    \
                 cluster: axon-local\n    \
                 user: axon-local\n    \
                 namespace: default\n\
             current-context: axon-local\n"
        )
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read `{}`", path.display()))
}

fn write(path: &Path, content: &str) -> anyhow::Result<()> {
    write_private(path, content.as_bytes()).with_context(|| format!("failed to write `{}`", path.display()))
}

fn random_token() -> anyhow::Result<String> {
    use std::fmt::Write as _;
    let mut bytes = [0; TOKEN_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("failed to read `/dev/urandom`")?;
    let mut token = String::with_capacity(2 * TOKEN_BYTES);
    for byte in bytes {
        write!(token, "{byte:02x}")?;
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = Token("secret".to_owned());
        for (header, expected) in [
            (Some("Bearer secret"), true),
            (Some("Bearer secre"), false),
            (Some("Bearer secret2"), false),
            (Some("Bearer "), false),
            (Some("bearer secret"), false),
            (Some("secret"), false),
            (None, false),
        ] {
            assert_eq!(token.admits(header.map(str::as_bytes)), expected, "{header:?}");
        }
    }

    #[test]
    fn credentials_stay_the_same_and_make_a_kubeconfig_that_can_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = Directory::new(folder.path());
        let first = Credentials::of(&directory).expect("made").kubeconfig(1234);
        let second = Credentials::of(&directory).expect("read");
        assert_eq!(first, second.kubeconfig(1234));
        second.tls().expect("a configuration");
        let read = kube::config::Kubeconfig::from_yaml(&first).expect("a kubeconfig");
        let cluster = read.clusters.first().and_then(|named| named.cluster.clone());
        let server = cluster.and_then(|cluster| cluster.server);
        assert_eq!(server.as_deref(), Some("https://127.0.0.1:1234"));
        assert_eq!(read.contexts.len(), 1);
    }
}
