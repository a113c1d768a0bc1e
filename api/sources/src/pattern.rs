//! Globs and regular expressions of specs. Both match in time linear in the text, whatever they are.

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use regex::{Regex, RegexBuilder};

/// Bytes that a compiled regular expression may take.
const MAX_COMPILED_BYTES: usize = 1 << 20;

/// Reads a glob, in which `*` and `?` stay within a folder, `**` as a whole part does not, and
/// `[a-z]` and `{a,b}` are as in a shell. A backslash takes a character's meaning away.
pub fn glob(text: &str) -> Result<GlobMatcher, String> {
    read_glob(text).map(|glob| glob.compile_matcher())
}

/// Reads globs of which one must match.
pub fn globs(texts: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for text in texts {
        set.add(read_glob(text)?);
    }
    set.build()
        .map_err(|error| format!("failed to read the globs: {}", error.kind()))
}

fn read_glob(text: &str) -> Result<globset::Glob, String> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| format!("failed to read the glob `{text}`: {}", error.kind()))
}

/// Reads a regular expression of RE2's syntax, with a bound on what it takes.
pub fn regex(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_COMPILED_BYTES)
        .build()
        .map_err(|error| {
            let why = match error {
                regex::Error::CompiledTooBig(limit) => format!("it takes more than {limit} bytes"),
                // The parser's message draws the place below the expression, on further lines.
                other => other
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            };
            format!("failed to read the regular expression `{text}`: {why}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_part_of_a_branch() {
        for (text, branch, expected) in [
            ("main", "main", true),
            ("release/*", "release/1.2", true),
            ("release/*", "release/1/2", false),
            ("release/**", "release/1/2", true),
            ("v[0-9]*", "v1.2", true),
            ("v?", "v12", false),
            ("*", "main", true),
            ("*", "feature/x", false),
        ] {
            let glob = glob(text).expect("a glob");
            assert_eq!(glob.is_match(branch), expected, "{text} {branch}");
        }
    }

    #[test]
    fn a_regular_expression_has_a_bounded_size_and_a_reason() {
        assert!(regex("(?i)fix|bug").expect("one").is_match("A BUG"));
        assert_eq!(
            regex("(").expect_err("none"),
            "failed to read the regular expression `(`: error: unclosed group"
        );
        assert_eq!(
            regex(r"\w{1000}").expect_err("too large"),
            r"failed to read the regular expression `\w{1000}`: it takes more than 1048576 bytes"
        );
        assert!(regex(r"(a)\1").is_err(), "no back references");
    }
}
