//! Answers: their bodies, pages and links.

use serde_json::{Value, json};

use super::calls::Call;

/// Where every refusal points.
pub(super) const DOCUMENTATION: &str = "https://docs.github.com/rest";

/// The most objects on a page; more are not refused, but not given either.
const LARGEST_PAGE: usize = 100;
const DEFAULT_PAGE: usize = 30;

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    /// The value of the `Link` header, when there is more than this page.
    pub(super) link: Option<String>,
    /// A delivery to make again, by hook and id.
    pub(super) redeliver: Option<(u64, u64)>,
}

impl Answer {
    pub(super) fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            link: None,
            redeliver: None,
        }
    }

    pub(super) fn ok(body: Value) -> Self {
        Self::new(200, body)
    }

    pub(super) fn created(body: Value) -> Self {
        Self::new(201, body)
    }

    pub(super) fn refuse(status: u16, message: &str) -> Self {
        let body = json!({
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": status.to_string(),
        });
        Self::new(status, body)
    }

    pub(super) fn not_found() -> Self {
        Self::refuse(404, "Not Found")
    }

    /// GitHub's refusal of what is not valid, with each fault in `errors`.
    pub(super) fn invalid(faults: &[String]) -> Self {
        let mut answer = Self::refuse(422, "Validation Failed");
        answer.body["errors"] = faults
            .iter()
            .map(|fault| json!({"resource": "Request", "code": "custom", "message": fault}))
            .collect();
        answer
    }
}

impl Call<'_> {
    /// The page that was asked for of all these, each shown by `show`.
    pub(super) fn page<T>(&self, all: &[T], show: impl Fn(&T) -> Value) -> Answer {
        let size = self.page_size();
        let page = self.number("page").unwrap_or(1).max(1);
        let last = all.len().div_ceil(size).max(1);
        let shown: Vec<Value> = all.iter().skip((page - 1) * size).take(size).map(show).collect();
        let mut links = Vec::new();
        if page > 1 {
            links.push(("prev", page.min(last + 1) - 1));
        }
        if page < last {
            links.push(("next", page + 1));
            links.push(("last", last));
        }
        if page > 1 {
            links.push(("first", 1));
        }
        let mut answer = Answer::ok(shown.into());
        answer.link = self.link(
            links
                .iter()
                .map(|(relation, page)| (*relation, "page", page.to_string())),
        );
        answer
    }

    /// As [`Self::page`], where a page goes on after the object that `cursor` names by its id.
    /// `all` has the newest first.
    pub(super) fn page_by_cursor<T>(
        &self,
        all: &[T],
        id: impl Fn(&T) -> u64,
        show: impl Fn(&T) -> Value,
    ) -> Answer {
        let size = self.page_size();
        let after = self
            .text("cursor")
            .and_then(|cursor| cursor.strip_prefix("v1_")?.parse::<u64>().ok());
        let rest: Vec<&T> = all
            .iter()
            .filter(|one| after.is_none_or(|after| id(one) < after))
            .collect();
        let page: Vec<&&T> = rest.iter().take(size).collect();
        let next = page
            .last()
            .filter(|_| rest.len() > size)
            .map(|one| ("next", "cursor", format!("v1_{}", id(one))));
        let mut answer = Answer::ok(page.iter().map(|one| show(one)).collect());
        answer.link = self.link(next.into_iter());
        answer
    }

    fn page_size(&self) -> usize {
        self.number("per_page")
            .filter(|size| *size > 0)
            .unwrap_or(DEFAULT_PAGE)
            .min(LARGEST_PAGE)
    }

    /// A `Link` header (RFC 8288) of this request with a parameter changed, for each relation.
    fn link(&self, links: impl Iterator<Item = (&'static str, &'static str, String)>) -> Option<String> {
        let links: Vec<String> = links
            .map(|(relation, parameter, value)| {
                let mut query = form_urlencoded::Serializer::new(String::new());
                for (name, value) in self.query.iter().filter(|(name, _)| name != parameter) {
                    query.append_pair(name, value);
                }
                query.append_pair(parameter, &value);
                format!("<{}?{}>; rel=\"{relation}\"", self.url, query.finish())
            })
            .collect();
        (!links.is_empty()).then(|| links.join(", "))
    }
}
