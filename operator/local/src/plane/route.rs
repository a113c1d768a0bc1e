//! What a path and a query ask for.

use serde_json::Value;

use super::status::{Cause, Failure};

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/healthz`, `/readyz`, `/livez` and what lies below them.
    Health,
    /// `/version`
    Version,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/GROUP`
    Group(String),
    /// `/api/v1` or `/apis/GROUP/VERSION`
    Resources { group: String, version: String },
    /// `/openapi/v3`
    OpenApiIndex,
    /// `/openapi/v3/apis/GROUP/VERSION`
    OpenApi { group: String, version: String },
    /// `/openapi/v2`
    OpenApiV2,
    /// Objects.
    Objects(Target),
    /// Anything else.
    Unknown,
}

/// Objects or one object of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    /// Empty for all namespaces and for resources without any.
    pub(crate) namespace: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// The old form `/watch/` in front of a list.
    pub(crate) watch: bool,
}

/// Reads a path, which is still percent-encoded.
pub(crate) fn route(path: &str) -> Route {
    let parts: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(decode)
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["healthz" | "readyz" | "livez", ..] => Route::Health,
        ["version"] => Route::Version,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["openapi", "v2"] => Route::OpenApiV2,
        ["openapi", "v3"] => Route::OpenApiIndex,
        ["openapi", "v3", "api", version] => Route::OpenApi {
            group: String::new(),
            version: (*version).to_owned(),
        },
        ["openapi", "v3", "apis", group, version] => Route::OpenApi {
            group: (*group).to_owned(),
            version: (*version).to_owned(),
        },
        ["api", version, rest @ ..] => objects("", version, rest),
        ["apis", group] => Route::Group((*group).to_owned()),
        ["apis", group, version, rest @ ..] => objects(group, version, rest),
        _ => Route::Unknown,
    }
}

fn objects(group: &str, version: &str, rest: &[&str]) -> Route {
    let (rest, watch) = match rest {
        ["watch", rest @ ..] => (rest, true),
        rest => (rest, false),
    };
    // `namespaces/NAME` is a namespace, also with its own subresources; anything longer is in it.
    let (namespace, rest) = match rest {
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, rest @ ..] => (*namespace, rest),
        rest => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [] => {
            return Route::Resources {
                group: group.to_owned(),
                version: version.to_owned(),
            };
        }
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(name), None),
        [plural, name, subresource] => (plural, Some(name), Some(subresource)),
        _ => return Route::Unknown,
    };
    Route::Objects(Target {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: (*plural).to_owned(),
        namespace: namespace.to_owned(),
        name: name.map(|name| (*name).to_owned()),
        subresource: subresource.map(|name| (*name).to_owned()),
        watch,
    })
}

/// Undoes percent-encoding; what is not valid stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut ahead = rest.clone();
        let digits: Option<Vec<u32>> = [ahead.next(), ahead.next()]
            .into_iter()
            .map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)))
            .collect();
        match digits.as_deref() {
            Some([high, low]) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'%'));
                rest = ahead;
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The parameters of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
                })
                .collect(),
        )
    }

    /// A parameter that is given and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(key, _)| key == name)?;
        Some(pair.1.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a parameter says yes.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|(key, value)| key == name && !["false", "0"].contains(&value.as_str()))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Failure::bad_request(format!(
                "strconv.ParseInt: parsing \"{text}\": invalid syntax"
            ))),
        }
    }

    /// Whether nothing is to be stored; `options` is the kind that an error speaks of.
    pub(crate) fn dry_run(&self, options: &str) -> Result<bool, Failure> {
        let mut dry = false;
        for value in self.all("dryRun") {
            match value {
                "All" => dry = true,
                "" => {}
                other => {
                    let given = Value::from(vec![other]);
                    let cause = Cause::unsupported("dryRun", &given, "\"All\"");
                    return Err(Failure::invalid("meta.k8s.io", options, "", &[cause]));
                }
            }
        }
        Ok(dry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(
        group: &str,
        plural: &str,
        namespace: &str,
        name: Option<&str>,
        subresource: Option<&str>,
    ) -> Route {
        Route::Objects(Target {
            group: group.to_owned(),
            version: "v1".to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
            watch: false,
        })
    }

    #[test]
    fn paths_name_objects() {
        let cases = [
            ("/api/v1/namespaces", target("", "namespaces", "", None, None)),
            (
                "/api/v1/namespaces/n",
                target("", "namespaces", "", Some("n"), None),
            ),
            (
                "/api/v1/namespaces/n/finalize",
                target("", "namespaces", "", Some("n"), Some("finalize")),
            ),
            ("/api/v1/namespaces/n/pods", target("", "pods", "n", None, None)),
            (
                "/api/v1/namespaces/n/pods/p/log",
                target("", "pods", "n", Some("p"), Some("log")),
            ),
            ("/apis/batch/v1/jobs", target("batch", "jobs", "", None, None)),
            (
                "/apis/batch/v1/namespaces/n/jobs/a%2Fb/",
                target("batch", "jobs", "n", Some("a/b"), None),
            ),
            ("/apis/batch", Route::Group("batch".to_owned())),
            ("/healthz/ping", Route::Health),
            ("/api/v1/a/b/c/d", Route::Unknown),
            ("/", Route::Unknown),
        ];
        for (path, expected) in cases {
            assert_eq!(route(path), expected, "{path}");
        }
    }

    #[test]
    fn queries_are_read() {
        let query = Query::parse("labelSelector=a%3Db%2Cc+in+(d)&watch=true&limit=5&empty=&follow");
        assert_eq!(query.get("labelSelector"), Some("a=b,c in (d)"));
        assert!(query.is_set("watch") && query.is_set("follow") && !query.is_set("absent"));
        assert_eq!(query.number("limit"), Ok(Some(5)));
        assert_eq!(query.get("empty"), None);
    }

    proptest! {
        #[test]
        fn no_path_or_query_makes_them_panic(text in ".*") {
            let _ = route(&text);
            let _ = Query::parse(&text);
        }
    }
}
