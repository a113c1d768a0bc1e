//! Whether somebody who may do so asked for work.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use super::CommentPolicy;
use super::authority::{Authority, May, needs_question};
use super::command::has_command;
use super::thread::Thread;
use crate::github::names::{is_among, same_login};

/// People whom one question at most is about: the newest commands mostly decide.
const PEOPLE_AT_ONCE: usize = 20;

/// Whether work is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Yes {
        /// The order of the comment that asks ([`super::Said::order`]); `None` when the body does, or
        /// when no command is needed.
        comment: Option<u64>,
        /// When it was asked for.
        at: Timestamp,
    },
    /// Why not, as a fragment such as "has no comment with the command `/axon`".
    No(String),
    /// What somebody may do could not be found out: why. It is not asked for now, and may be at the
    /// next look.
    Unknown(String),
}

/// Somebody's text with a command in it.
struct Command<'a> {
    author: &'a str,
    word: &'a str,
    effect: Effect,
    comment: Option<u64>,
    at: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Asks,
    TakesOut,
}

/// Decides whether work is asked for: the newest command of somebody who may ask decides. The body is
/// the oldest; in one text a command that takes out wins. Commands of others are as if they were not
/// there, and so are those of bots that `allowedUsers` does not name, and our own. The time of a
/// command is when its comment was created: editing an old one makes no new command.
pub fn decide(policy: &CommentPolicy, thread: &Thread<'_>, authority: &Authority) -> Asked {
    let mut ignored = None;
    for command in commands(policy, thread) {
        match (authority.may(policy, command.author), command.effect) {
            (May::Yes, Effect::Asks) => {
                return Asked::Yes {
                    comment: command.comment,
                    at: command.at,
                };
            }
            (May::Yes, Effect::TakesOut) => {
                return Asked::No(format!(
                    "was taken out by `{}`, which `{}` wrote",
                    command.word, command.author
                ));
            }
            (May::Unknown(why), _) => {
                return Asked::Unknown(format!(
                    "failed to find out whether `{}` may use `{}`: {why}",
                    command.author, command.word
                ));
            }
            (May::No, _) => ignored = ignored.or(Some(command)),
        }
    }
    let Some(trigger) = &policy.trigger_comment else {
        return Asked::Yes {
            comment: None,
            at: thread.body.created,
        };
    };
    Asked::No(match ignored {
        Some(command) => format!(
            "has the command `{}` of `{}` only, who may not use it",
            command.word, command.author
        ),
        None => format!("has no comment with the command `{trigger}`"),
    })
}

/// The people of whom it must be known what they may do before [`decide`] can tell, by login in lower
/// case: those with the newest commands first, 20 at most. Empty when it can tell.
pub fn people_to_ask(policy: &CommentPolicy, thread: &Thread<'_>, authority: &Authority) -> BTreeSet<String> {
    let mut people = BTreeSet::new();
    for command in commands(policy, thread) {
        let is_open = needs_question(policy, command.author) && !authority.knows(command.author);
        if is_open {
            people.insert(command.author.to_lowercase());
        }
        let decides = !is_open && authority.may(policy, command.author) != May::No;
        if decides || people.len() >= PEOPLE_AT_ONCE {
            break;
        }
    }
    people
}

/// All commands of people that count, the newest first.
fn commands<'a>(
    policy: &'a CommentPolicy,
    thread: &'a Thread<'a>,
) -> impl Iterator<Item = Command<'a>> + use<'a> {
    let counts = |author: &str, is_bot: bool| {
        let is_own = thread.own_login.is_some_and(|own| same_login(own, author));
        !is_own && (!is_bot || is_among(&policy.allowed_users, author))
    };
    let comments = thread
        .said
        .iter()
        .rev()
        .filter(move |said| counts(said.author, said.is_bot))
        .filter_map(move |said| {
            let (word, effect) = command_in(policy, said.text)?;
            Some(Command {
                author: said.author,
                word,
                effect,
                comment: Some(said.order),
                at: said.created,
            })
        });
    let body = &thread.body;
    let of_body = Some(body)
        .filter(|body| counts(body.author, body.author.ends_with("[bot]")))
        .and_then(|body| {
            let (word, effect) = command_in(policy, body.text)?;
            Some(Command {
                author: body.author,
                word,
                effect,
                comment: None,
                at: body.created,
            })
        });
    comments.chain(of_body)
}

fn command_in<'a>(policy: &'a CommentPolicy, text: &str) -> Option<(&'a str, Effect)> {
    let takes_out = policy
        .exclude_comments
        .iter()
        .find(|command| has_command(text, command));
    if let Some(command) = takes_out {
        return Some((command, Effect::TakesOut));
    }
    let trigger = policy.trigger_comment.as_deref()?;
    has_command(text, trigger).then_some((trigger, Effect::Asks))
}

#[cfg(test)]
mod tests;
