//! Finds the pull request that a step has opened.

use axon_api::kinds::task_pipeline::PullRequest;

use super::kept::KeptRun;

/// The result with the address of a pull request, which the runner has asked the forge for.
const RESULT: &str = "pr";
/// What stands between repository and number in such an address, on the forges that are about.
const PATHS: &[&str] = &[
    "/pull/",
    "/pulls/",
    "/merge_requests/",
    "/pull-requests/",
    "/pullrequest/",
];
/// Bytes that an address may have.
const MAX_BYTES: usize = 512;

/// The pull request that the forge has told of.
pub(crate) fn told(run: &KeptRun) -> Option<PullRequest> {
    let url = run.results.get(RESULT).filter(|url| url.len() <= MAX_BYTES)?;
    Some(PullRequest {
        url: url.clone(),
        number: number(url),
    })
}

/// The last address of a pull request in a text.
pub(crate) fn named_in(text: &str) -> Option<PullRequest> {
    let is_around = |character: char| {
        character.is_whitespace() || character.is_control() || "<>()[]{}\"'`*,;|".contains(character)
    };
    let url = text
        .split(is_around)
        .map(|word| word.trim_end_matches(['.', ':', '!', '?', '/']))
        .rfind(|word| {
            (word.starts_with("https://") || word.starts_with("http://"))
                && word.len() <= MAX_BYTES
                && number(word).is_some()
        })?;
    Some(PullRequest {
        url: url.to_owned(),
        number: number(url),
    })
}

fn number(url: &str) -> Option<i64> {
    let (_, rest) = PATHS.iter().find_map(|path| url.rsplit_once(path))?;
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_is_taken_without_what_is_around_it() {
        let text = "Looked at https://e.example/o/r/pull/3 and https://e.example/x.\n\
                    **Pull request:** [#12](https://e.example/o/r/pull/12).\nDone: https://e.example/o/r";
        assert_eq!(
            named_in(text),
            Some(PullRequest {
                url: "https://e.example/o/r/pull/12".to_owned(),
                number: Some(12)
            })
        );
    }

    #[test]
    fn other_forges_have_other_addresses() {
        for (url, number) in [
            ("https://gitea.example/o/r/pulls/4", 4),
            ("https://gitlab.example/g/p/-/merge_requests/5", 5),
            ("https://bitbucket.example/projects/P/repos/r/pull-requests/6", 6),
            ("https://azure.example/o/p/_git/r/pullrequest/7", 7),
        ] {
            assert_eq!(
                named_in(url).and_then(|found| found.number),
                Some(number),
                "{url}"
            );
        }
    }

    #[test]
    fn a_text_without_an_address_names_none() {
        for text in [
            "",
            "I opened PR 7",
            "https://e.example/pull/",
            "ftp://e/pull/1",
            "/pull/1",
        ] {
            assert_eq!(named_in(text), None, "{text}");
        }
    }
}
