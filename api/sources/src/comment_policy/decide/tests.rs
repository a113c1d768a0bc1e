use super::*;
use crate::comment_policy::{Body, Permission, Said, Standing};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// Comments as (author, text), one each ten seconds from 110 on, with orders from 11 on.
fn thread<'a>(body: &'a str, comments: &[(&'a str, &'a str)]) -> Thread<'a> {
    let said = comments.iter().zip(11_u32..).map(|((author, text), order)| Said {
        order: u64::from(order),
        author,
        is_bot: author.ends_with("[bot]"),
        text,
        place: None,
        commit: None,
        created: at(i64::from(order) * 10),
        updated: at(i64::from(order) * 10),
    });
    Thread {
        body: Body {
            author: "ada",
            text: body,
            created: at(100),
            edited: None,
        },
        said: said.collect(),
        own_login: Some("axon-app[bot]"),
    }
}

fn policy(trigger: Option<&str>, exclude: &[&str]) -> CommentPolicy {
    CommentPolicy {
        trigger_comment: trigger.map(str::to_owned),
        exclude_comments: exclude.iter().map(|command| (*command).to_owned()).collect(),
        ..CommentPolicy::default()
    }
}

fn yes(comment: Option<u64>, second: i64) -> Asked {
    Asked::Yes {
        comment,
        at: at(second),
    }
}

fn restricted() -> CommentPolicy {
    CommentPolicy {
        minimum_permission: Some(Permission::Write),
        ..policy(Some("/axon"), &["/stop"])
    }
}

fn authority(people: &[(&str, Option<Permission>)]) -> Authority {
    let mut authority = Authority::default();
    for (login, permission) in people {
        let standing = Standing::Known {
            permission: *permission,
            teams: BTreeSet::new(),
        };
        authority.record(login, standing);
    }
    authority
}

#[test]
fn a_trigger_alone_is_needed_and_the_newest_one_counts() {
    let policy = policy(Some("/axon"), &[]);
    for (body, comments, expected) in [
        (
            "please",
            vec![("eve", "/axon"), ("ada", "hm"), ("eve", "/axon")],
            yes(Some(13), 130),
        ),
        ("please\n/axon", vec![("eve", "nice")], yes(None, 100)),
        ("please\n/axon", vec![("eve", "/axon")], yes(Some(11), 110)),
        (
            "please",
            vec![("eve", "> /axon")],
            Asked::No("has no comment with the command `/axon`".to_owned()),
        ),
    ] {
        let thread = thread(body, &comments);
        assert_eq!(
            decide(&policy, &thread, &Authority::default()),
            expected,
            "{body:?} {comments:?}"
        );
    }
}

#[test]
fn without_a_trigger_an_item_is_in_until_it_is_taken_out() {
    let policy = policy(None, &["/stop", "/never"]);
    let taken_out =
        |word: &str, who: &str| Asked::No(format!("was taken out by `{word}`, which `{who}` wrote"));
    for (body, comments, expected) in [
        ("please", vec![("eve", "/axon")], yes(None, 100)),
        (
            "please",
            vec![("eve", "/never"), ("ada", "go on")],
            taken_out("/never", "eve"),
        ),
        ("/stop", vec![], taken_out("/stop", "ada")),
    ] {
        let thread = thread(body, &comments);
        assert_eq!(
            decide(&policy, &thread, &Authority::default()),
            expected,
            "{body:?} {comments:?}"
        );
    }
}

#[test]
fn with_both_the_newest_command_decides_and_the_body_is_the_oldest() {
    let policy = policy(Some("/axon"), &["/stop"]);
    let taken_out = |who: &str| Asked::No(format!("was taken out by `/stop`, which `{who}` wrote"));
    for (body, comments, expected) in [
        ("", vec![("eve", "/stop"), ("eve", "/axon")], yes(Some(12), 120)),
        ("", vec![("eve", "/axon"), ("eve", "/stop")], taken_out("eve")),
        ("/axon", vec![("eve", "/stop")], taken_out("eve")),
        ("/stop", vec![("eve", "/axon")], yes(Some(11), 110)),
        ("/axon\n/stop", vec![], taken_out("ada")),
        ("", vec![("eve", "/axon\n/stop")], taken_out("eve")),
    ] {
        let thread = thread(body, &comments);
        assert_eq!(
            decide(&policy, &thread, &Authority::default()),
            expected,
            "{body:?} {comments:?}"
        );
    }
}

#[test]
fn commands_of_people_who_may_not_ask_are_as_if_they_were_not_there() {
    let authority = authority(&[
        ("grace", Some(Permission::Admin)),
        ("eve", Some(Permission::Read)),
        ("ada", None),
    ]);
    for (comments, expected) in [
        (vec![("grace", "/axon"), ("eve", "/stop")], yes(Some(11), 110)),
        (vec![("Grace", "/axon"), ("EVE", "/axon")], yes(Some(11), 110)),
        (
            vec![("eve", "/axon")],
            Asked::No("has the command `/axon` of `eve` only, who may not use it".to_owned()),
        ),
    ] {
        let thread = thread("/axon", &comments);
        assert_eq!(
            decide(&restricted(), &thread, &authority),
            expected,
            "{comments:?}"
        );
    }
}

#[test]
fn bots_and_we_ourselves_ask_for_nothing() {
    let mut policy = policy(Some("/axon"), &[]);
    let comments = [("axon-app[bot]", "/axon"), ("renovate[bot]", "/axon")];
    let thread = thread("", &comments);
    assert!(matches!(
        decide(&policy, &thread, &Authority::default()),
        Asked::No(_)
    ));
    policy.allowed_users = vec!["Renovate[bot]".to_owned(), "axon-app[bot]".to_owned()];
    assert_eq!(
        decide(&policy, &thread, &Authority::default()),
        yes(Some(12), 120),
        "a bot that the policy names may ask, and we never"
    );
}

#[test]
fn who_could_not_be_looked_up_neither_starts_nor_hides_anything() {
    let mut authority = authority(&[("grace", Some(Permission::Admin))]);
    authority.record("eve", Standing::Failed("it timed out".to_owned()));
    let unknown = |word: &str| {
        Asked::Unknown(format!(
            "failed to find out whether `eve` may use `{word}`: it timed out"
        ))
    };
    for (comments, expected) in [
        (vec![("eve", "/axon")], unknown("/axon")),
        (vec![("grace", "/axon"), ("eve", "/stop")], unknown("/stop")),
        (vec![("eve", "/stop"), ("grace", "/axon")], yes(Some(12), 120)),
    ] {
        let thread = thread("", &comments);
        assert_eq!(
            decide(&restricted(), &thread, &authority),
            expected,
            "{comments:?}"
        );
    }
}

#[test]
fn only_those_are_asked_about_whose_commands_may_decide() {
    let nobody = Authority::default();
    let grace = authority(&[("grace", Some(Permission::Admin))]);
    for (authority, comments, expected) in [
        (
            &nobody,
            vec![("eve", "/axon"), ("Grace", "/stop"), ("mallory", "hello")],
            vec!["eve", "grace"],
        ),
        (
            &grace,
            vec![("eve", "/axon"), ("Grace", "/stop"), ("mallory", "/axon")],
            vec!["mallory"],
        ),
        (&grace, vec![("grace", "/axon")], vec![]),
    ] {
        let thread = thread("nothing", &comments);
        let people = people_to_ask(&restricted(), &thread, authority);
        assert_eq!(
            people,
            expected.into_iter().map(str::to_owned).collect(),
            "{comments:?}"
        );
    }
    let thread = thread("/axon", &[("eve", "/axon")]);
    assert!(people_to_ask(&policy(Some("/axon"), &[]), &thread, &nobody).is_empty());
}

#[test]
fn a_crowd_is_asked_about_twenty_at_a_time_until_it_can_be_told() {
    let names: Vec<String> = (0..50).map(|number| format!("user-{number}")).collect();
    let comments: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "/axon")).collect();
    let thread = thread("", &comments);
    let mut known = Authority::default();
    for expected in [20, 20, 10, 0] {
        let people = people_to_ask(&restricted(), &thread, &known);
        assert_eq!(people.len(), expected);
        for login in people {
            let standing = Standing::Known {
                permission: None,
                teams: BTreeSet::new(),
            };
            known.record(&login, standing);
        }
    }
    assert!(matches!(decide(&restricted(), &thread, &known), Asked::No(_)));
}

#[test]
fn what_is_said_or_edited_after_the_request_is_not_in_the_text() {
    let mut thread = thread("body", &[("eve", "early"), ("ada", "/axon"), ("eve", "late")]);
    thread.said[0].updated = at(500);
    thread.said[1].updated = at(500);
    let texts = |thread: &Thread<'_>| -> Vec<String> {
        thread.said.iter().map(|said| said.text.to_owned()).collect()
    };
    assert_eq!(texts(&thread.text_up_to(at(120), Some(12))), ["/axon"]);
    assert_eq!(texts(&thread.text_up_to(at(120), None)), Vec::<String>::new());
    assert_eq!(
        texts(&thread.text_up_to(at(500), None)),
        ["early", "/axon", "late"]
    );
    assert_eq!(
        thread.text_up_to(at(120), None).body.text,
        "body",
        "nobody knows whether it was edited"
    );
    thread.body.edited = Some(at(121));
    assert_eq!(thread.text_up_to(at(120), None).body.text, "");
    assert_eq!(thread.text_up_to(at(121), None).body.text, "body");
}

#[test]
fn editing_an_old_comment_makes_no_new_command() {
    let mut thread = thread("", &[("eve", "/axon"), ("eve", "/stop")]);
    thread.said[0].updated = at(500);
    let policy = policy(Some("/axon"), &["/stop"]);
    assert!(matches!(
        decide(&policy, &thread, &Authority::default()),
        Asked::No(_)
    ));
}
