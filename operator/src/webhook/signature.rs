//! Signatures of deliveries: HMAC-SHA256 of the raw body
//! (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>).

use std::fmt;

use axum::http::HeaderMap;
use ring::hmac;

/// The header of GitHub's signatures, which others use too.
pub(super) const HUB_SIGNATURE: &str = "x-hub-signature-256";
/// The header of generic webhooks whose sender does not speak as GitHub does.
pub(super) const AXON_SIGNATURE: &str = "x-axon-signature-256";
/// What a signature begins with.
const ALGORITHM: &str = "sha256=";
/// Length of a signature, in bytes.
const BYTES: usize = 32;
/// Keys that one source can have at once.
const MOST_KEYS: usize = 16;

/// The signature that a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signature([u8; BYTES]);

/// Keys of which any is good, such as the old one and the new one while a key is changed. What they
/// are is never displayed.
#[derive(Clone, Default)]
pub(super) struct Keys(Vec<hmac::Key>);

/// Why a request has no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsigned {
    Missing,
    Malformed,
}

impl Signature {
    /// Reads the first of `headers` that the request has.
    pub(super) fn read(request: &HeaderMap, headers: &[&str]) -> Result<Self, Unsigned> {
        let value = headers.iter().find_map(|name| request.get(*name));
        let text = value
            .ok_or(Unsigned::Missing)?
            .to_str()
            .map_err(|_| Unsigned::Malformed)?;
        let digits = text.trim().strip_prefix(ALGORITHM).ok_or(Unsigned::Malformed)?;
        Ok(Self(bytes_of(digits).ok_or(Unsigned::Malformed)?))
    }
}

impl Keys {
    /// Reads keys, one a line. Lines of blanks are none: everybody could sign with them.
    pub(super) fn read(text: &[u8]) -> Self {
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let keys = lines.filter(|line| !line.trim_ascii().is_empty());
        Self(
            keys.take(MOST_KEYS)
                .map(|key| hmac::Key::new(hmac::HMAC_SHA256, key))
                .collect(),
        )
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the keys made this signature of `body`. The comparison takes the same time
    /// whatever the signature is.
    pub(super) fn verify(&self, body: &[u8], signature: &Signature) -> bool {
        let mut is_good = false;
        for key in &self.0 {
            is_good |= hmac::verify(key, body, &signature.0).is_ok();
        }
        is_good
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} keys", self.0.len())
    }
}

fn bytes_of(digits: &str) -> Option<[u8; BYTES]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |position: usize| char::from(pair[position]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    const KEY: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn read(name: &'static str, value: &str) -> Result<Signature, Unsigned> {
        let value = value.parse().expect("a value");
        Signature::read(
            &HeaderMap::from_iter([(name.parse().expect("a name"), value)]),
            &[HUB_SIGNATURE, AXON_SIGNATURE],
        )
    }

    #[test]
    fn githubs_example_is_good_with_githubs_key_alone() {
        let signature = read(HUB_SIGNATURE, SIGNATURE).expect("a signature");
        assert!(Keys::read(KEY.as_bytes()).verify(BODY, &signature));
        assert!(!Keys::read(b"another").verify(BODY, &signature));
        assert!(!Keys::read(KEY.as_bytes()).verify(b"Hello, World?", &signature));
        assert!(!Keys::default().verify(BODY, &signature));
    }

    #[test]
    fn while_a_key_is_changed_the_old_and_the_new_one_are_good() {
        let signature = read(AXON_SIGNATURE, SIGNATURE).expect("a signature");
        for file in [
            format!("{KEY}\nnew\n"),
            format!("new\r\n{KEY}\r\n"),
            format!("\n{KEY}"),
        ] {
            assert!(Keys::read(file.as_bytes()).verify(BODY, &signature), "{file}");
        }
    }

    #[test]
    fn an_empty_line_is_no_key() {
        for file in ["", "\n", "\r\n\r\n", "  \n\t"] {
            assert!(Keys::read(file.as_bytes()).is_empty(), "{file:?}");
        }
    }

    #[test]
    fn what_is_no_signature_is_told_from_none() {
        assert_eq!(read("other", SIGNATURE), Err(Unsigned::Missing));
        let digits = &SIGNATURE[ALGORITHM.len()..];
        for text in [
            String::new(),
            digits.to_owned(),
            format!("sha1={digits}"),
            format!("{SIGNATURE}00"),
            SIGNATURE[..SIGNATURE.len() - 1].to_owned(),
            SIGNATURE.replace('7', "g"),
        ] {
            assert_eq!(read(HUB_SIGNATURE, &text), Err(Unsigned::Malformed), "{text}");
        }
        let capitals = SIGNATURE.to_uppercase().replace("SHA256", "sha256");
        assert_eq!(read(HUB_SIGNATURE, &capitals), read(HUB_SIGNATURE, SIGNATURE));
    }

    #[test]
    fn keys_are_never_displayed() {
        assert_eq!(format!("{:?}", Keys::read(KEY.as_bytes())), "1 keys");
    }
}
