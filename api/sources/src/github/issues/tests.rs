use super::*;
use crate::comment_policy::{Authority, Permission, Standing};
use crate::github::sample::{at, comment, issue, owned};

fn spec() -> GitHubIssues {
    GitHubIssues::default()
}

#[test]
fn each_filter_says_why_an_issue_does_not_match() {
    let closed = IssueFacts {
        is_open: false,
        ..issue()
    };
    let pull = IssueFacts {
        is_pull_request: true,
        ..issue()
    };
    let unassigned = IssueFacts {
        assignees: vec![],
        ..issue()
    };
    let with = |change: &dyn Fn(&mut GitHubIssues)| {
        let mut spec = spec();
        change(&mut spec);
        spec
    };
    let labels = |labels: &[&str], exclude: &[&str]| GitHubIssues {
        labels: owned(labels),
        exclude_labels: owned(exclude),
        ..spec()
    };
    let state = |state| GitHubIssues {
        state: Some(state),
        ..spec()
    };
    let types = |types: &[IssueType]| GitHubIssues {
        types: types.to_vec(),
        ..spec()
    };
    let assignee = |login: &str| with(&|spec| spec.assignee = Some(login.to_owned()));
    let author = |login: &str| with(&|spec| spec.author = Some(login.to_owned()));
    let excluded = with(&|spec| spec.exclude_authors = owned(&["ADA"]));
    for (spec, issue, expected) in [
        (spec(), issue(), None),
        (spec(), closed.clone(), Some("is closed")),
        (
            state(StateFilter::Closed),
            issue(),
            Some("is open, and only closed ones are wanted"),
        ),
        (state(StateFilter::All), closed.clone(), None),
        (
            spec(),
            pull.clone(),
            Some("is a pull request, and only issues are wanted"),
        ),
        (
            types(&[IssueType::Pulls]),
            issue(),
            Some("is an issue, and only pull requests are wanted"),
        ),
        (types(&[IssueType::Pulls, IssueType::Issues]), issue(), None),
        (types(&[IssueType::Pulls, IssueType::Issues]), pull, None),
        (labels(&["BUG", "Help Wanted"], &[]), issue(), None),
        (
            labels(&["bug", "p1"], &[]),
            issue(),
            Some("has not the label `p1`"),
        ),
        (
            labels(&[], &["wontfix", "Bug"]),
            issue(),
            Some("has the label `Bug`, which is excluded"),
        ),
        (assignee("*"), issue(), None),
        (assignee("*"), unassigned.clone(), Some("is assigned to nobody")),
        (assignee("none"), unassigned, None),
        (
            assignee("none"),
            issue(),
            Some("is assigned to `grace`, and nobody is wanted"),
        ),
        (assignee("GRACE"), issue(), None),
        (assignee("linus"), issue(), Some("is not assigned to `linus`")),
        (author("ada"), issue(), None),
        (author("eve"), issue(), Some("is by `Ada`, not by `eve`")),
        (excluded, issue(), Some("is by `Ada`, who is excluded")),
    ] {
        let expected = match expected {
            None => Verdict::Match,
            Some(why) => Verdict::NoMatch(why.to_owned()),
        };
        assert_eq!(verdict(&spec, &issue), expected, "{spec:?}");
    }
}

#[test]
fn without_commands_nothing_needs_to_be_fetched() {
    let issue = issue();
    let examined = candidate(&spec(), &issue, &Known::nothing(&Authority::default()));
    assert_eq!(
        examined,
        Examined::Match(Candidate {
            key: "issue-42".to_owned(),
            id: "42".to_owned(),
            cause: Cause::Match,
            labels: owned(&["bug", "help wanted"]),
            created: at(100),
        })
    );
}

#[test]
fn what_is_cheap_is_decided_first_and_what_is_lacking_is_asked_for_in_turn() {
    let spec = GitHubIssues {
        labels: owned(&["bug"]),
        comment_policy: Some(CommentPolicy {
            trigger_comment: Some("/axon".to_owned()),
            minimum_permission: Some(Permission::Write),
            ..CommentPolicy::default()
        }),
        ..spec()
    };
    let unlabelled = IssueFacts {
        labels: vec![],
        ..issue()
    };
    let mut authority = Authority::default();
    let examined = candidate(&spec, &unlabelled, &Known::nothing(&authority));
    assert_eq!(examined, Examined::NoMatch("has not the label `bug`".to_owned()));

    let issue = issue();
    let comments = [comment("Eve", "/axon", 150)];
    let known = Known::nothing(&authority);
    assert_eq!(candidate(&spec, &issue, &known), Examined::Ask(Need::Body));
    let known = Known {
        body: Some("text"),
        ..known
    };
    assert_eq!(candidate(&spec, &issue, &known), Examined::Ask(Need::Comments));
    let known = Known {
        comments: Some(&comments),
        ..known
    };
    let eve = ["eve".to_owned()].into();
    assert_eq!(candidate(&spec, &issue, &known), Examined::Ask(Need::People(eve)));

    let standing = Standing::Known {
        permission: Some(Permission::Admin),
        teams: std::collections::BTreeSet::new(),
    };
    authority.record("eve", standing);
    let known = Known {
        body: Some("text"),
        comments: Some(&comments),
        ..Known::nothing(&authority)
    };
    let Examined::Match(candidate) = candidate(&spec, &issue, &known) else {
        panic!("it matches");
    };
    assert_eq!(candidate.cause, Cause::Command { comment: 150 });
}

#[test]
fn the_older_fields_are_a_policy_that_everybody_may_use() {
    let spec = GitHubIssues {
        trigger_comment: Some("/axon".to_owned()),
        exclude_comments: owned(&["/stop"]),
        ..spec()
    };
    let authority = Authority::default();
    let issue = issue();
    for (comments, expected) in [
        (vec![comment("eve", "/axon", 150)], Ok(150)),
        (
            vec![comment("eve", "/axon", 150), comment("eve", "/stop", 151)],
            Err("was taken out by `/stop`, which `eve` wrote"),
        ),
    ] {
        let known = Known {
            body: Some(""),
            comments: Some(&comments),
            ..Known::nothing(&authority)
        };
        match (candidate(&spec, &issue, &known), expected) {
            (Examined::Match(candidate), Ok(comment)) => {
                assert_eq!(candidate.cause, Cause::Command { comment });
            }
            (examined, Err(why)) => assert_eq!(examined, Examined::NoMatch(why.to_owned())),
            (examined, expected) => panic!("{examined:?}, not {expected:?}"),
        }
    }
}
