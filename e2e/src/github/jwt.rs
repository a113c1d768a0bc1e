//! The proof that an App shows: a JSON Web Token, signed with RS256.
//!
//! Format: <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

/// A proof is good for no longer than this, in seconds.
const LONGEST: i64 = 600;

/// Checks a proof as GitHub does: algorithm, signature, times and issuer. An error is what GitHub
/// says. `public_key` is the RSA public key in DER (PKCS #1).
pub(crate) fn verify(
    token: &str,
    public_key: &[u8],
    issuer: &str,
    now: Timestamp,
) -> Result<(), &'static str> {
    const UNREADABLE: &str = "A JSON web token could not be decoded";
    let (signed, signature) = token.rsplit_once('.').ok_or(UNREADABLE)?;
    let (header, claims) = signed.split_once('.').ok_or(UNREADABLE)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| UNREADABLE)?;
    if read(header).ok_or(UNREADABLE)?["alg"] != "RS256" {
        return Err(UNREADABLE);
    }
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key)
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| UNREADABLE)?;
    let claims = read(claims).ok_or(UNREADABLE)?;
    let Some(expires) = claims["exp"].as_i64() else {
        return Err("Missing 'expiration time' claim ('exp') in assertion");
    };
    let Some(start) = claims["iat"].as_i64() else {
        return Err("Missing 'issued at' claim ('iat') in assertion");
    };
    let now = now.as_second();
    if expires <= now {
        return Err(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        );
    }
    if expires - now > LONGEST {
        return Err("'Expiration time' claim ('exp') is too far in the future");
    }
    if start > now {
        return Err(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        );
    }
    let is_issuer = match &claims["iss"] {
        Value::String(claimed) => claimed == issuer,
        Value::Number(claimed) => claimed.to_string() == issuer,
        _ => false,
    };
    is_issuer.then_some(()).ok_or("Integration not found")
}

fn read(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
