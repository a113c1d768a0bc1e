//! Webhooks and what they have delivered, to find again what was sent while nobody listened.

use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Page;
use super::failure::Failure;
use super::{PER_PAGE, Question, Repository};

/// Whose webhook it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookOwner {
    /// This one of the repository.
    Repository { hook: u64 },
    /// The App's own; asked with the App's proof as credential.
    App,
}

/// A webhook of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hook {
    pub id: u64,
    #[serde(default)]
    pub active: bool,
    #[serde(default)]
    pub events: Vec<String>,
    #[serde(default)]
    pub config: HookConfig,
}

/// Where a webhook sends to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct HookConfig {
    #[serde(default)]
    pub url: String,
}

/// Something that a webhook has sent, or tried to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Delivery {
    /// GitHub's number of this try.
    pub id: u64,
    /// What the receiver knows it by, the same for each try (`X-GitHub-Delivery`).
    pub guid: String,
    pub delivered_at: Timestamp,
    #[serde(default)]
    pub redelivery: bool,
    /// `OK` when the receiver took it.
    #[serde(default)]
    pub status: String,
    /// HTTP status that the receiver answered with; 0 when it did not.
    #[serde(default)]
    pub status_code: u16,
    pub event: String,
    #[serde(default)]
    pub action: Option<String>,
}

/// A page of deliveries, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deliveries {
    pub deliveries: Vec<Delivery>,
    /// What to ask for the older ones with.
    pub cursor: Option<String>,
}

/// A delivery with what was sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DeliveryBody {
    #[serde(flatten)]
    pub delivery: Delivery,
    pub request: DeliveryRequest,
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DeliveryRequest {
    #[serde(default)]
    pub headers: Option<Value>,
    #[serde(default)]
    pub payload: Value,
}

impl Repository {
    /// The webhooks of the repository, at most a hundred. Needs a token that administers them.
    pub async fn hooks(&self) -> Result<Vec<Hook>, Failure> {
        let url = self.url(&format!("/hooks?per_page={PER_PAGE}"));
        self.ask(Question::get(url, "hooks")).await?.read()
    }

    /// Where the App's own webhook sends to. Asked with the App's proof as credential. A failure
    /// `NotFound` means that it has none.
    pub async fn app_hook(&self) -> Result<HookConfig, Failure> {
        let url = format!("{}/app/hook/config", self.endpoint.api);
        self.ask(Question::get(url, "hooks")).await?.read()
    }

    /// A page of what a webhook has delivered in the last days, the newest first. Without a cursor,
    /// the first page.
    pub async fn hook_deliveries(
        &self,
        owner: HookOwner,
        cursor: Option<&str>,
    ) -> Result<Deliveries, Failure> {
        // What was handed out as cursor is the whole address of the next page.
        let first = || self.deliveries(owner, &format!("?per_page={PER_PAGE}"));
        let url = cursor.map_or_else(first, str::to_owned);
        let answer = self.ask(Question::get(url, "deliveries")).await?;
        let page: Page<Delivery> = answer.page(|delivery| delivery)?;
        Ok(Deliveries {
            deliveries: page.items.unwrap_or_default(),
            cursor: page.next,
        })
    }

    /// A delivery with what was sent.
    pub async fn delivery(&self, owner: HookOwner, id: u64) -> Result<DeliveryBody, Failure> {
        let url = self.deliveries(owner, &format!("/{id}"));
        self.ask(Question::get(url, "delivery")).await?.read()
    }

    /// Has a delivery sent once more.
    pub async fn redeliver(&self, owner: HookOwner, id: u64) -> Result<(), Failure> {
        let url = self.deliveries(owner, &format!("/{id}/attempts"));
        let question = Question::send(Method::POST, url, json!({}), "redelivery");
        self.ask(question).await.map(|_| ())
    }

    fn deliveries(&self, owner: HookOwner, rest: &str) -> String {
        match owner {
            HookOwner::Repository { hook } => self.url(&format!("/hooks/{hook}/deliveries{rest}")),
            HookOwner::App => format!("{}/app/hook/deliveries{rest}", self.endpoint.api),
        }
    }
}
