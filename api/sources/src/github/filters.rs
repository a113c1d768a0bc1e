//! Filters that issues and pull requests have in common.

use super::examined::{Examined, Known, Need};
use super::facts::IssueFacts;
use super::issues::StateFilter;
use super::names::{is_among, missing_label, present_label, same_login};
use crate::comment_policy::{Asked, CommentPolicy, Thread, decide, people_to_ask};

/// Why the state of the item is not the wanted one.
pub(super) fn state(wanted: Option<StateFilter>, issue: &IssueFacts) -> Result<(), String> {
    match (wanted.unwrap_or_default(), issue.is_open) {
        (StateFilter::Open, false) => Err("is closed".to_owned()),
        (StateFilter::Closed, true) => Err("is open, and only closed ones are wanted".to_owned()),
        _ => Ok(()),
    }
}

/// Why the labels are not as they must be.
pub(super) fn labels(has: &[String], wanted: &[String], unwanted: &[String]) -> Result<(), String> {
    if let Some(label) = missing_label(has, wanted) {
        return Err(format!("has not the label `{label}`"));
    }
    if let Some(label) = present_label(has, unwanted) {
        return Err(format!("has the label `{label}`, which is excluded"));
    }
    Ok(())
}

/// Why the one who wrote it is not wanted.
pub(super) fn author(is: &str, wanted: Option<&str>, unwanted: &[String]) -> Result<(), String> {
    if let Some(wanted) = wanted.filter(|wanted| !same_login(wanted, is)) {
        return Err(format!("is by `{is}`, not by `{wanted}`"));
    }
    if is_among(unwanted, is) {
        return Err(format!("is by `{is}`, who is excluded"));
    }
    Ok(())
}

/// How a thread comes about once what it is made of is known; otherwise what is lacking.
pub(super) type Gather<'a> = dyn Fn(&Known<'a>) -> Result<Thread<'a>, Need> + 'a;

/// Whether work is asked for, under a policy; what remains to be found out comes as the error.
pub(super) fn asked<'a>(
    policy: &CommentPolicy,
    known: &Known<'a>,
    gather: &Gather<'a>,
) -> Result<Option<u64>, Examined> {
    let thread = gather(known).map_err(Examined::Ask)?;
    let people = people_to_ask(policy, &thread, known.authority);
    if !people.is_empty() {
        return Err(Examined::Ask(Need::People(people)));
    }
    match decide(policy, &thread, known.authority) {
        Asked::Yes { comment, .. } => Ok(comment),
        Asked::No(why) => Err(Examined::NoMatch(why)),
        Asked::Unknown(why) => Err(Examined::Unknown(why)),
    }
}
