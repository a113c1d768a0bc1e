//! `$(NAME)` in commands and variables, as Kubernetes expands it
//! (`third_party/forked/golang/expansion/expand.go`).

/// Replaces each `$(NAME)` that `lookup` knows and leaves the others; `$$` stands for `$`.
pub(super) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let name = after.strip_prefix('(').and_then(|name| name.split_once(')'));
        let Some((name, after_name)) = name else {
            expanded.push('$');
            rest = after;
            continue;
        };
        if let Some(value) = lookup(name) {
            expanded.push_str(&value);
        } else {
            expanded.push_str("$(");
            expanded.push_str(name);
            expanded.push(')');
        }
        rest = after_name;
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(name: &str) -> Option<String> {
        (name == "A").then(|| "value".to_owned())
    }

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$(A)", "value"),
            ("x$(A)y$(A)", "xvalueyvalue"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$value"),
            ("$$$$", "$$"),
            ("$A", "$A"),
            ("$", "$"),
            ("a$", "a$"),
            ("$(A", "$(A"),
            ("$()", "$()"),
            ("ü$(A)ü", "üvalueü"),
        ] {
            assert_eq!(expand(text, lookup), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_whose_dollars_are_doubled_comes_back(text in ".*") {
            prop_assert_eq!(expand(&text.replace('$', "$$"), lookup), text);
        }
    }
}
