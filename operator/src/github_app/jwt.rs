//! What an App shows to prove that it is itself: a JSON Web Token, signed with RS256.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use serde_json::json;

/// How far the clock of GitHub may be behind this one.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// How long the proof is good: GitHub takes ten minutes at most.
const VALID: SignedDuration = SignedDuration::from_mins(9);

/// The private key of an App.
pub(super) struct Signer(Arc<dyn SigningKey>);

impl Signer {
    /// Reads a private key in PEM, PKCS #1 or PKCS #8. An error is a sentence for people.
    pub(super) fn read(pem: &str) -> Result<Self, String> {
        let not = |what: &str| format!("the value of `privateKey` is not {what}");
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes());
        let der = der.map_err(|_| not("a private key in PEM"))?;
        let key = any_supported_type(&der).map_err(|_| not("an RSA key of 2048 bits or more"))?;
        let signer = Self(key);
        signer.scheme().ok_or_else(|| not("an RSA key"))?;
        Ok(signer)
    }

    /// The proof that App `id` asks, good from a minute before `now`.
    pub(super) fn jwt(&self, id: &str, now: Timestamp) -> Result<String, String> {
        let issued = now.saturating_sub(SKEW).unwrap_or(now).as_second();
        let expires = now.saturating_add(VALID).unwrap_or(now).as_second();
        let header = json!({ "alg": "RS256", "typ": "JWT" });
        let claims = json!({ "iss": id, "iat": issued, "exp": expires });
        let mut token = encode(header.to_string().as_bytes());
        let _ = write!(token, ".{}", encode(claims.to_string().as_bytes()));
        let signer = self.scheme().ok_or("the private key is not an RSA key")?;
        let signature = signer.sign(token.as_bytes());
        let signature = signature.map_err(|_| "the private key cannot sign")?;
        let _ = write!(token, ".{}", encode(&signature));
        Ok(token)
    }

    fn scheme(&self) -> Option<Box<dyn rustls::sign::Signer>> {
        self.0.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
