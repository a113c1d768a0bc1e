//! The name of a Task.

use axon_api::{TaskSpawner, names};
use kube::ResourceExt;
use serde_json::Value;

use super::super::plan::Spawn;
use super::{Refusal, render};

/// Characters that the name of a Task may have: a label's.
const MAX: usize = 63;
/// Digits of the hash that keep two names apart.
const DIGITS: usize = 6;

/// The name, which is the same however often it is asked for while the item has not changed.
pub(super) fn of(spawner: &TaskSpawner, spawn: &Spawn, data: &Value) -> Result<String, Refusal> {
    let candidate = &spawn.candidate;
    let Some(template) = &spawner.spec.task_template.name_template else {
        let wanted = format!("{}-{}", spawner.name_any(), candidate.id);
        let name = sanitized(&wanted);
        // Two IDs that differ in what a name cannot have are told apart.
        let is_whole = name == wanted.to_ascii_lowercase();
        return Ok(fit(&name, &candidate.key, &spawn.suffix, is_whole));
    };
    let rendered = render("nameTemplate", template, data)?;
    if rendered.contains("<no value>") {
        return Err(Refusal::new(
            "NameInvalid",
            "taskTemplate.nameTemplate gives `<no value>`",
        ));
    }
    let name = sanitized(&rendered);
    if name.is_empty() {
        let message = "taskTemplate.nameTemplate gives a name without letters and digits";
        return Err(Refusal::new("NameInvalid", message));
    }
    Ok(fit(
        &name,
        &format!("{}\n{rendered}", candidate.key),
        &spawn.suffix,
        true,
    ))
}

/// The text as a name: in lower case, a dash for what a name cannot have, and no dash at the ends of
/// its parts.
fn sanitized(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| {
            let may_stay = c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
            if may_stay { c } else { '-' }
        })
        .collect();
    let parts = plain.split('.').map(|part| part.trim_matches('-'));
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join(".")
}

/// The name with its suffix. One that is too long is cut and has digits of a hash, so that two do not
/// meet.
fn fit(name: &str, identity: &str, suffix: &str, is_whole: bool) -> String {
    if is_whole && name.len() + suffix.len() <= MAX {
        return format!("{name}{suffix}");
    }
    let digits: String = names::sha256(identity).chars().take(DIGITS).collect();
    let room = MAX.saturating_sub(DIGITS + 1 + suffix.len());
    let cut = name.get(..room).unwrap_or(name).trim_end_matches(['-', '.']);
    if cut.is_empty() {
        return format!("{digits}{suffix}");
    }
    format!("{cut}-{digits}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_made_of_what_they_may_have() {
        for (text, name) in [
            ("Fix Bug #7", "fix-bug--7"),
            ("--force", "force"),
            ("a..b.-c-.", "a.b.c"),
            ("Ünïcode", "n-code"),
            ("🎉", ""),
        ] {
            assert_eq!(sanitized(text), name, "{text}");
        }
    }

    fn is_name(name: &str) -> bool {
        let is_part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        name.len() <= MAX && name.split('.').all(is_part)
    }

    proptest! {
        #[test]
        fn whatever_the_text_it_is_a_name(text in "\\PC{0,90}", suffix in "(-[1-9][0-9]{0,3})?") {
            let name = sanitized(&text);
            if !name.is_empty() {
                let fitted = fit(&name, &text, &suffix, true);
                prop_assert!(is_name(&fitted), "{fitted}");
            }
        }

        #[test]
        fn long_names_of_two_items_do_not_meet(text in "[a-z]{70,90}", one in 0u32..1000, two in 1000u32..2000) {
            prop_assert_ne!(fit(&text, &one.to_string(), "", true), fit(&text, &two.to_string(), "", true));
        }
    }
}
