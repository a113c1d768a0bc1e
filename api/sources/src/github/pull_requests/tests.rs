use super::*;
use crate::comment_policy::Authority;
use crate::github::facts::ReviewVerdict;
use crate::github::sample::{comment, issue, line_comment, owned, pull as pull_facts, pull_request, review};

fn spec() -> GitHubPullRequests {
    GitHubPullRequests::default()
}

#[test]
fn what_the_list_tells_is_decided_without_fetching_anything() {
    let draft = IssueFacts {
        is_draft: true,
        ..pull_request()
    };
    let with_draft = |draft| GitHubPullRequests {
        draft: Some(draft),
        base_branch: Some("main".to_owned()),
        ..spec()
    };
    let labels = GitHubPullRequests {
        labels: owned(&["p1"]),
        review_state: Some(ReviewState::Approved),
        ..spec()
    };
    let authority = Authority::default();
    for (spec, issue, why) in [
        (spec(), issue(), "is an issue, and only pull requests are wanted"),
        (
            with_draft(true),
            pull_request(),
            "is no draft, and only drafts are wanted",
        ),
        (with_draft(false), draft, "is a draft"),
        (labels, pull_request(), "has not the label `p1`"),
    ] {
        let examined = candidate(&spec, &issue, &Known::nothing(&authority));
        assert_eq!(examined, Examined::NoMatch(why.to_owned()), "{spec:?}");
    }
    let pull_request = pull_request();
    let Examined::Match(candidate) = candidate(&spec(), &pull_request, &Known::nothing(&authority)) else {
        panic!("it matches");
    };
    assert_eq!((candidate.key.as_str(), candidate.id.as_str()), ("pull-7", "7"));
    assert_eq!(candidate.cause, Cause::Match);
}

#[test]
fn what_is_lacking_is_asked_for_in_turn_the_cheap_first() {
    let spec = GitHubPullRequests {
        base_branch: Some("main".to_owned()),
        file_patterns: Some(FilePatterns {
            include: owned(&["src/**"]),
            exclude: vec![],
        }),
        review_state: Some(ReviewState::ChangesRequested),
        trigger_comment: Some("/axon".to_owned()),
        ..spec()
    };
    let authority = Authority::default();
    let pull_request = pull_request();
    let pull = pull_facts();
    let files = owned(&["src/main.rs"]);
    let reviews = [review("grace", ReviewVerdict::ChangesRequested, 120)];
    let line_comments = [line_comment("eve", "/axon", 130, "head")];
    let mut known = Known::nothing(&authority);
    let ask = |known: &Known<'_>| match candidate(&spec, &pull_request, known) {
        Examined::Ask(need) => need,
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(&known), Need::Pull);
    known.pull = Some(&pull);
    assert_eq!(ask(&known), Need::Files);
    known.files = Some(&files);
    assert_eq!(ask(&known), Need::Reviews);
    known.reviews = Some(&reviews);
    assert_eq!(ask(&known), Need::Body);
    known.body = Some("");
    assert_eq!(ask(&known), Need::Comments);
    known.comments = Some(&[]);
    assert_eq!(ask(&known), Need::LineComments);
    known.line_comments = Some(&line_comments);
    let Examined::Match(candidate) = candidate(&spec, &pull_request, &known) else {
        panic!("it matches");
    };
    assert_eq!(candidate.cause, Cause::Command { comment: 130_130 });
}

#[test]
fn branches_files_and_reviews_say_why_a_pull_request_does_not_match() {
    let base = GitHubPullRequests {
        base_branch: Some("release".to_owned()),
        ..spec()
    };
    let files = GitHubPullRequests {
        file_patterns: Some(FilePatterns {
            include: owned(&["docs/**"]),
            exclude: vec![],
        }),
        ..spec()
    };
    let approved = GitHubPullRequests {
        review_state: Some(ReviewState::Approved),
        ..spec()
    };
    let changes = GitHubPullRequests {
        review_state: Some(ReviewState::ChangesRequested),
        ..spec()
    };
    let authority = Authority::default();
    let pull = pull_facts();
    let paths = owned(&["src/main.rs"]);
    let grace = [review("grace", ReviewVerdict::ChangesRequested, 120)];
    let nobody = [];
    let pull_request = pull_request();
    for (spec, reviews, expected) in [
        (
            &base,
            &nobody[..],
            Err("goes to the branch `main`, not `release`"),
        ),
        (
            &files,
            &nobody[..],
            Err("changes no file that is wanted, but `src/main.rs`"),
        ),
        (
            &approved,
            &nobody[..],
            Err("has no review of its head that counts, and `approved` is wanted"),
        ),
        (
            &approved,
            &grace[..],
            Err("has reviews that come to `changes_requested`, not `approved`"),
        ),
        (&changes, &grace[..], Ok(Cause::Review { review: 120 })),
    ] {
        let known = Known {
            pull: Some(&pull),
            files: Some(&paths),
            reviews: Some(reviews),
            ..Known::nothing(&authority)
        };
        let examined = match candidate(spec, &pull_request, &known) {
            Examined::Match(candidate) => Ok(candidate.cause),
            Examined::NoMatch(why) => Err(why),
            other => panic!("{other:?}"),
        };
        assert_eq!(examined, expected.map_err(str::to_owned), "{spec:?}");
    }
}

#[test]
fn a_newer_command_has_a_larger_number_wherever_it_was_written() {
    // GitHub counts comments, comments on lines and reviews apart: here the newest has the least ID.
    let mut conversation = comment("eve", "/axon", 110);
    conversation.id = 4_000_000_001;
    let mut on_line = line_comment("eve", "/axon", 120, "head");
    on_line.comment.id = 2_000_000_002;
    let mut of_review = review("eve", ReviewVerdict::Neither, 130);
    of_review.id = 1_000_000_003;
    of_review.body = "/axon".to_owned();
    let issue = pull_request();
    let comments = [conversation];
    let line_comments = [on_line];
    let reviews = [of_review];
    let thread = Thread::of_pull(&issue, "", &comments, &line_comments, &reviews, None);
    let orders: Vec<u64> = thread.said.iter().map(|said| said.order).collect();
    assert_eq!(orders, [110_001, 120_002, 130_003]);
}
