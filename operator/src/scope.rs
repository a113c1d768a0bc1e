//! What the operator looks at: which namespaces, and which Secrets in them.

use std::collections::BTreeSet;
use std::str::FromStr;

/// Where a watch looks: everywhere, into one namespace, or at one object of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The namespace; `None` means all.
    pub namespace: Option<String>,
    /// The object; `None` means all of the namespace.
    pub name: Option<String>,
}

impl Place {
    /// The whole of a namespace.
    pub fn namespace(namespace: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()),
            name: None,
        }
    }

    /// These namespaces; all when none is named.
    pub fn namespaces(namespaces: &[String]) -> Vec<Self> {
        if namespaces.is_empty() {
            return vec![Self::default()];
        }
        let unique: BTreeSet<&String> = namespaces.iter().collect();
        unique
            .into_iter()
            .map(|namespace| Self::namespace(namespace))
            .collect()
    }
}

/// The Secrets of users that the operator may read. Whatever it may, it keeps no value of any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretScope {
    /// All of the namespaces that are watched.
    #[default]
    All,
    /// Those that are listed; with none, none.
    Listed(BTreeSet<ListedSecret>),
}

/// One Secret, or all of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name; `None` means all of the namespace.
    pub name: Option<String>,
}

impl SecretScope {
    /// Whether the Secret of this name may be read.
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        let Self::Listed(listed) = self else {
            return true;
        };
        let is_it = |secret: &ListedSecret| secret.name.as_deref().is_none_or(|listed| listed == name);
        listed
            .iter()
            .any(|secret| secret.namespace == namespace && is_it(secret))
    }

    /// Whether every Secret of the namespace may be read, also those that the operator makes.
    pub fn has_all_of(&self, namespace: &str) -> bool {
        let Self::Listed(listed) = self else {
            return true;
        };
        listed
            .iter()
            .any(|secret| secret.namespace == namespace && secret.name.is_none())
    }

    /// Where to watch Secrets when these namespaces are watched. What a namespace that is listed whole
    /// has is not watched by its name too.
    pub fn places(&self, namespaces: &[String]) -> Vec<Place> {
        let Self::Listed(listed) = self else {
            return Place::namespaces(namespaces);
        };
        listed
            .iter()
            .filter(|secret| namespaces.is_empty() || namespaces.contains(&secret.namespace))
            .filter(|secret| secret.name.is_none() || !self.has_all_of(&secret.namespace))
            .map(|secret| Place {
                namespace: Some(secret.namespace.clone()),
                name: secret.name.clone(),
            })
            .collect()
    }
}

impl FromStr for SecretScope {
    type Err = String;

    /// Reads `all`, `none`, or `NAMESPACE/NAME` and `NAMESPACE/*` separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => return Ok(Self::All),
            "none" => return Ok(Self::Listed(BTreeSet::new())),
            _ => {}
        }
        let secrets = text.split(',').map(|word| match word.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && (name == "*" || is_name(name)) => {
                Ok(ListedSecret {
                    namespace: namespace.to_owned(),
                    name: (name != "*").then(|| name.to_owned()),
                })
            }
            _ => Err(format!(
                "`{word}` is neither `all` nor `none` nor NAMESPACE/NAME nor NAMESPACE/*"
            )),
        });
        Ok(Self::Listed(secrets.collect::<Result<_, _>>()?))
    }
}

/// Whether this could be the name of an object: it goes into field selectors.
fn is_name(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    !text.is_empty() && text.len() <= 253 && text.chars().all(is_of_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> SecretScope {
        text.parse().expect("a scope")
    }

    fn place(namespace: &str, name: Option<&str>) -> Place {
        Place {
            namespace: Some(namespace.to_owned()),
            name: name.map(str::to_owned),
        }
    }

    #[test]
    fn only_what_is_listed_may_be_read() {
        for (text, key, whole) in [
            ("all", true, true),
            ("none", false, false),
            ("team-a/key", true, false),
            ("team-a/other,team-b/key", false, false),
            ("team-a/*", true, true),
            ("team-b/*", false, false),
        ] {
            assert_eq!(scope(text).has("team-a", "key"), key, "{text}");
            assert_eq!(scope(text).has_all_of("team-a"), whole, "{text}");
        }
    }

    #[test]
    fn secrets_are_watched_where_they_are_listed_and_each_once() {
        let listed = scope("a/x,a/y,b/*,b/x,a/x");
        let expected = [place("a", Some("x")), place("a", Some("y")), place("b", None)];
        assert_eq!(listed.places(&[]), expected);
        assert_eq!(listed.places(&["b".to_owned()]), [place("b", None)]);
        assert_eq!(scope("none").places(&[]), []);
        assert_eq!(scope("all").places(&[]), [Place::default()]);
        let twice = ["b".to_owned(), "a".to_owned(), "b".to_owned()];
        assert_eq!(scope("all").places(&twice), [place("a", None), place("b", None)]);
    }

    #[test]
    fn what_is_no_list_of_secrets_is_refused() {
        for text in [
            "", "key", "a/", "/key", "*/key", "a/b/c", "a/key,", "a/k=y", "All",
        ] {
            assert!(text.parse::<SecretScope>().is_err(), "{text}");
        }
    }
}
