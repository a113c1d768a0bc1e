//! Keeps the values of credentials out of what the runner says.

use std::fs;

use axon_api::agents::{AGENTS, CredentialKind};
use axon_api::outcome::Outcome;
use axon_api::variables;

use crate::environment::Environment;
use crate::setup;

/// What stands where a credential stood.
const HIDDEN: &str = "***";

/// Shorter values are no credentials, and hiding them would garble ordinary text.
const SHORTEST: usize = 6;

/// Variables in which the token of the workspace travels.
const TOKEN_VARIABLES: &[&str] = &["GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN"];

/// The values of the credentials that this container holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn of(environment: &Environment) -> Self {
        let credentials = AGENTS.iter().flat_map(|agent| {
            [CredentialKind::ApiKey, CredentialKind::OAuth]
                .into_iter()
                .filter_map(|kind| agent.credential(kind))
                .map(|credential| credential.variable)
        });
        let mut values: Vec<String> = TOKEN_VARIABLES
            .iter()
            .copied()
            .chain(credentials)
            .chain(AGENTS.iter().filter_map(|agent| agent.provider_token_variable()))
            .filter_map(|name| environment.text(name))
            .chain(token(environment))
            .chain(setup::secret_values(environment))
            .map(|value| value.trim().to_owned())
            .filter(|value| value.len() >= SHORTEST)
            .collect();
        // The longest goes first, so that no end of it is left when a shorter one begins it.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self(values)
    }

    /// `text` without the values, and without user and password in URLs.
    pub(crate) fn hide(&self, text: &str) -> String {
        let hidden = self
            .0
            .iter()
            .fold(text.to_owned(), |text, value| text.replace(value, HIDDEN));
        hide_user_information(&hidden)
    }

    /// Hides the values in every text of an outcome.
    pub(crate) fn hide_in(&self, outcome: &mut Outcome) {
        for text in [&mut outcome.message, &mut outcome.text] {
            *text = self.hide(text);
        }
        for text in [&mut outcome.branch, &mut outcome.base_branch, &mut outcome.commit]
            .into_iter()
            .flatten()
            .chain(&mut outcome.pull_requests)
            .chain(outcome.extra.iter_mut().map(|(_, value)| value))
        {
            *text = self.hide(text);
        }
    }
}

/// The token of the workspace as it is at this moment; `None` when there is none, or none that
/// could be one line of a header.
pub(crate) fn token(environment: &Environment) -> Option<String> {
    let path = environment.path(variables::GITHUB_TOKEN_FILE)?;
    let text = fs::read_to_string(path).ok()?;
    let token = text.trim();
    (!token.is_empty() && !token.contains(char::is_control)).then(|| token.to_owned())
}

/// Replaces what stands between `://` and `@` of each URL in `text`.
pub(crate) fn hide_user_information(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after
            .find(|c: char| c == '/' || c == '\'' || c == '"' || c.is_whitespace())
            .unwrap_or(after.len());
        let (authority, remainder) = after.split_at(end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str(HIDDEN);
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = remainder;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_values_of_credentials_are_hidden() {
        let mut environment = Environment::default();
        environment.set("GITHUB_TOKEN", "ghs_secret\n");
        let secrets = Secrets::of(&environment);
        assert_eq!(secrets.hide("fatal: bad ghs_secret!"), "fatal: bad ***!");
    }

    #[test]
    fn a_url_loses_its_user_and_password() {
        let secrets = Secrets::default();
        for (text, hidden) in [
            (
                "fatal: 'https://u:p@host/x@y' and http://h/",
                "fatal: 'https://***@host/x@y' and http://h/",
            ),
            ("mail a@b.c", "mail a@b.c"),
            ("ssh://git@host", "ssh://***@host"),
        ] {
            assert_eq!(secrets.hide(text), hidden);
        }
    }

    proptest! {
        #[test]
        fn no_text_around_a_credential_shows_it(before in ".{0,40}", after in ".{0,40}") {
            let mut environment = Environment::default();
            environment.set("GITHUB_TOKEN", "ghs-very-secret");
            let hidden = Secrets::of(&environment).hide(&format!("{before}ghs-very-secret{after}"));
            prop_assert!(!hidden.contains("ghs-very-secret"));
        }
    }

    #[test]
    fn a_value_too_short_to_be_a_credential_is_left_alone() {
        let mut environment = Environment::default();
        environment.set("GITHUB_TOKEN", "a");
        assert_eq!(Secrets::of(&environment).hide("a cat"), "a cat");
    }
}
