//! Which changed files a filter wants.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::pattern;

/// Which changed files there must be, as globs in which * stays within a folder and ** does not.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FilePatterns {
    /// At least one changed file must match one of these. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)))]
    pub include: Vec<String>,

    /// Files that match one of these do not count. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)))]
    pub exclude: Vec<String>,
}

impl FilePatterns {
    /// Whether these changed files are wanted: without those that `exclude` matches, one must match
    /// `include`; without `include`, one must be left.
    ///
    /// # Errors
    /// Why they are not, as a fragment; also when a pattern is no glob.
    pub fn passes(&self, files: &[String]) -> Result<(), String> {
        let include = pattern::globs(&self.include)?;
        let exclude = pattern::globs(&self.exclude)?;
        let counts = |file: &&String| !exclude.is_match(file);
        let is_included = |file: &String| self.include.is_empty() || include.is_match(file);
        if files.iter().filter(counts).any(is_included) {
            return Ok(());
        }
        Err(match files.iter().find(counts) {
            Some(file) => format!("changes no file that is wanted, but `{file}`"),
            None => "changes no file that counts".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn excluded_files_do_not_count_and_one_of_the_others_must_be_included() {
        let no_match = |file: &str| Err(format!("changes no file that is wanted, but `{file}`"));
        let nothing = || Err("changes no file that counts".to_owned());
        for (include, exclude, files, expected) in [
            (vec!["src/**"], vec![], vec!["src/a/b.rs"], Ok(())),
            (vec!["src/*"], vec![], vec!["src/a/b.rs"], no_match("src/a/b.rs")),
            (vec!["**/*.rs"], vec![], vec!["b.rs"], Ok(())),
            (vec!["*.rs"], vec![], vec!["src/b.rs"], no_match("src/b.rs")),
            (vec!["**/*.{rs,toml}"], vec![], vec!["a/Cargo.toml"], Ok(())),
            (
                vec!["src/**"],
                vec!["**/*.md"],
                vec!["src/a.md", "README.md"],
                nothing(),
            ),
            (vec![], vec!["docs/**"], vec!["docs/a.md", "src/a.rs"], Ok(())),
            (vec![], vec!["docs/**"], vec!["docs/a.md"], nothing()),
            (vec!["src/**"], vec![], vec![], nothing()),
            (
                vec!["src/["],
                vec![],
                vec!["src/a"],
                Err("failed to read the glob `src/[`: unclosed character class; missing ']'".to_owned()),
            ),
        ] {
            let patterns = FilePatterns {
                include: owned(&include),
                exclude: owned(&exclude),
            };
            assert_eq!(
                patterns.passes(&owned(&files)),
                expected,
                "{patterns:?} {files:?}"
            );
        }
    }
}
