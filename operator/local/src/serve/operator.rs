//! What the plane's operator is told: by the same variables that a cluster's operator has as options.
//! Without them no webhook arrives.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use axon_operator::Config;
use axon_operator::config::WebhookConfig;
use axon_operator::webhook::ServerOptions;

/// Base URL of GitHub's API for all repositories.
const GITHUB_API_URL: &str = "AXON_GITHUB_API_URL";
/// Where webhooks arrive, such as 127.0.0.1:8082.
const WEBHOOK_ADDRESS: &str = "AXON_WEBHOOK_ADDRESS";
/// Folder with the keys that webhooks are signed with.
const WEBHOOK_SECRETS: &str = "AXON_WEBHOOK_SECRETS";
/// URL under which GitHub reaches the address.
const WEBHOOK_URL: &str = "AXON_WEBHOOK_URL";

/// What the operator and its webhook server are told.
#[derive(Debug)]
pub(super) struct OperatorOptions {
    pub(super) config: Config,
    /// `None` means that no webhook arrives.
    pub(super) webhooks: Option<ServerOptions>,
}

/// Reads them with `variable`, which gives the value of a variable that is set.
///
/// # Errors
/// When the address of webhooks is none.
pub(super) fn options(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<OperatorOptions> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let address = match set(WEBHOOK_ADDRESS) {
        Some(text) if text != "none" => Some(address(&text)?),
        _ => None,
    };
    let secrets = set(WEBHOOK_SECRETS).map(PathBuf::from);
    let config = Config {
        github_api_url: set(GITHUB_API_URL),
        webhook: WebhookConfig {
            is_served: address.is_some(),
            secrets: secrets.clone(),
            url: set(WEBHOOK_URL),
        },
        ..Config::default()
    };
    let webhooks = address.map(|address| ServerOptions {
        address,
        secrets,
        namespace: config.settings.lease_namespace.clone(),
        watch_namespaces: Vec::new(),
    });
    Ok(OperatorOptions { config, webhooks })
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| {
        format!("failed to read `{text}` of {WEBHOOK_ADDRESS}\nhint: an address such as 127.0.0.1:8082")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)]) -> anyhow::Result<OperatorOptions> {
        options(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn no_webhook_arrives_unless_an_address_is_given() {
        for variables in [
            &[][..],
            &[(WEBHOOK_ADDRESS, "")],
            &[(WEBHOOK_ADDRESS, "none")],
            &[(WEBHOOK_URL, "https://example.com/webhook/github")],
        ] {
            let told = told(variables).expect("options");
            assert!(
                told.webhooks.is_none() && !told.config.webhook.is_served,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn the_server_and_the_controllers_have_the_same_keys() {
        let variables = [
            (WEBHOOK_ADDRESS, "127.0.0.1:8082"),
            (WEBHOOK_SECRETS, "/keys"),
            (GITHUB_API_URL, "http://127.0.0.1:1/api/v3"),
        ];
        let told = told(&variables).expect("options");
        let server = told.webhooks.expect("a server");
        assert_eq!(server.address, SocketAddr::from(([127, 0, 0, 1], 8082)));
        assert_eq!(server.secrets, Some(PathBuf::from("/keys")));
        assert_eq!(server.secrets, told.config.webhook.secrets);
        assert!(told.config.webhook.is_served);
        assert_eq!(
            told.config.github_api_url.as_deref(),
            Some("http://127.0.0.1:1/api/v3")
        );
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let refused = told(&[(WEBHOOK_ADDRESS, "8082")]).expect_err("refused");
        assert!(refused.to_string().contains("`8082`"), "{refused:#}");
    }
}
