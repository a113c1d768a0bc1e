//! What GitHub says of the items of a spawner, asked now.

use axon_api::TaskSpawner;
use axon_operator::github_app::{App, GitHub};
use axon_operator::spawner::ask_of;
use axon_sources::github::client::{Access, Found as Looked, GitHubClient, Previewed, What};
use axon_sources::github::endpoint::Endpoint;
use clap::Args;
use k8s_openapi::jiff::Timestamp;

use super::forecast::{Found, Item};
use super::given::{Given, Named};
use super::would_make_none;
use crate::failure::{Failure, Result};
use crate::output;

/// The key of a Secret with a token, and the variable of one's own.
const TOKEN: &str = "GITHUB_TOKEN";
/// A key of a Secret with a GitHub App.
const APP: &str = "appID";
/// How this program calls itself.
const AGENT: &str = concat!("kubectl-axon/", env!("CARGO_PKG_VERSION"));

/// How GitHub is asked.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "GitHub")]
pub(super) struct GitHubArgs {
    /// Ask with this token; default: the credential of the workspace's Secret if you may read it,
    /// else $`GITHUB_TOKEN`, else none
    #[arg(long, value_name = "TOKEN")]
    github_token: Option<String>,

    /// Base URL of GitHub's API; default: that of the repository's server
    #[arg(long, value_name = "URL")]
    github_api_url: Option<String>,
}

/// As whom GitHub is asked.
struct Asker {
    access: Access,
    /// Login under which the operator comments, whose comments ask for nothing.
    own_login: Option<String>,
    /// The credential, for people.
    with: String,
}

/// All items of the spawner's repository, and what they were found to be.
pub(super) async fn items(given: &Given, workspace: &Named, args: &GitHubArgs) -> Result<Vec<Item>> {
    let spawner = &given.spawner;
    let Some(spec) = workspace.spec(spawner) else {
        let why = "it has no Workspace, whose repository it asks about";
        return Err(would_make_none(spawner, why));
    };
    let ask = ask_of(spawner, spec).map_err(|why| would_make_none(spawner, &why))?;
    let Some(endpoint) = Endpoint::of(&ask.repository) else {
        return Err(Failure::new(format!(
            "`{}` is not a repository on a GitHub server, so that it has no issues to ask for",
            ask.repository
        ))
        .hint("name one with `repo` of the source"));
    };
    let endpoint = endpoint.at(args.github_api_url.as_deref());
    let client = GitHubClient::new(AGENT);
    let scene = Scene {
        client: &client,
        endpoint: &endpoint,
        what: &ask.what,
        api_url: args.github_api_url.clone(),
    };
    let asker = scene.asker(given, ask.secret.as_deref(), args).await?;
    let repository = client.repository(endpoint.clone(), asker.access);
    let found = repository
        .preview(&ask.what, ask.wanted, asker.own_login.as_deref())
        .await
        .map_err(|failure| {
            let failed = Failure::new(format!(
                "failed to ask for the items of `{}` with {}: {}",
                endpoint.full_name(),
                asker.with,
                failure.message
            ));
            if failure.kind.passes() {
                failed
            } else {
                failed.hint("name a token that may read its issues and pull requests with --github-token")
            }
        })?;
    output::note(format!(
        "{} was asked for the items of `{}` with {}",
        endpoint.api,
        endpoint.full_name(),
        asker.with
    ));
    Ok(found.into_iter().map(item).collect())
}

struct Scene<'a> {
    client: &'a GitHubClient,
    endpoint: &'a Endpoint,
    what: &'a What,
    api_url: Option<String>,
}

impl Scene<'_> {
    /// The credential that was given, else the one of the workspace, else one's own, else none.
    async fn asker(&self, given: &Given, secret: Option<&str>, args: &GitHubArgs) -> Result<Asker> {
        if let Some(token) = &args.github_token {
            return own(token, "the token of --github-token");
        }
        if let Some(name) = secret {
            match self.of_secret(given, name).await {
                Ok(asker) => return Ok(asker),
                Err(why) => output::note(format!("warning: {why}: GitHub is asked with another credential")),
            }
        }
        match std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
            Some(token) => own(&token, "the token of $GITHUB_TOKEN"),
            None => Ok(Asker {
                access: Access::anonymous(),
                own_login: None,
                with: "no credential".to_owned(),
            }),
        }
    }

    /// The credential that the operator asks with. An error is a sentence for people.
    async fn of_secret(&self, given: &Given, name: &str) -> Result<Asker, String> {
        let secret = given.secret(name).await?;
        let mut data = secret.data.unwrap_or_default();
        let written = secret.string_data.unwrap_or_default().into_iter();
        data.extend(written.map(|(key, text)| (key, k8s_openapi::ByteString(text.into_bytes()))));
        let wrong = |why: &str| format!("Secret `{name}`: {why}");
        let has_policy = self.what.has_policy();
        if data.contains_key(APP) {
            let app = App::read(&data).map_err(|why| wrong(&why))?;
            let tokens = GitHub::new(self.api_url.clone());
            let token = tokens.scoped_token(&app, self.endpoint, None).await;
            let token = token.map_err(|error| wrong(&error.to_string()))?;
            let mut own_login = None;
            if has_policy {
                let proof = app.jwt(Timestamp::now()).map_err(|why| wrong(&why))?;
                own_login = Some(self.app_login(&proof).await.map_err(|why| wrong(&why))?);
            }
            return Ok(Asker {
                access: Access::token(&token.value).ok_or_else(|| wrong("GitHub made no token"))?,
                own_login,
                with: format!("a token of the GitHub App in Secret `{name}`"),
            });
        }
        let Some(token) = data.get(TOKEN) else {
            return Err(wrong("it has neither `GITHUB_TOKEN` nor a GitHub App"));
        };
        let token = std::str::from_utf8(&token.0).unwrap_or_default().trim();
        let access = Access::token(token).filter(|_| !token.is_empty());
        let access = access.ok_or_else(|| wrong("the value of `GITHUB_TOKEN` is no token"))?;
        let mut own_login = None;
        if has_policy {
            let repository = self.client.repository(self.endpoint.clone(), access.clone());
            own_login = repository
                .login()
                .await
                .map_err(|failure| wrong(&failure.message))?;
        }
        Ok(Asker {
            access,
            own_login,
            with: format!("the token of Secret `{name}`"),
        })
    }

    async fn app_login(&self, proof: &str) -> Result<String, String> {
        let access = Access::token(proof).ok_or("the App cannot prove that it asks")?;
        let repository = self.client.repository(self.endpoint.clone(), access);
        repository.app_login().await.map_err(|failure| failure.message)
    }
}

/// A credential of one's own: whose comments ask for nothing is not known by it.
fn own(token: &str, with: &str) -> Result<Asker> {
    let access = Access::token(token.trim());
    let access = access.ok_or_else(|| Failure::new(format!("{with} cannot be sent: it is no token")))?;
    Ok(Asker {
        access,
        own_login: None,
        with: with.to_owned(),
    })
}

fn item(previewed: Previewed) -> Item {
    let Previewed { issue, found, item } = previewed;
    let kind = if issue.is_pull_request { "pull" } else { "issue" };
    Item {
        key: format!("{kind}-{}", issue.number),
        title: issue.title,
        url: issue.url,
        found: match (found, item) {
            (Looked::Match(_), Some(item)) => Found::Match(Box::new(item), String::new()),
            (Looked::Match(_), None) => Found::Unknown("it could not be fetched".to_owned()),
            (Looked::NoMatch(why), _) => Found::NoMatch(why),
            (Looked::Unknown(why), _) => Found::Unknown(why),
        },
    }
}

/// Whether the source of the spawner is one that is polled.
pub(super) fn is_polled(spawner: &TaskSpawner) -> bool {
    let when = &spawner.spec.when;
    when.github_issues.is_some() || when.github_pull_requests.is_some()
}
