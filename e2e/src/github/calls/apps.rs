//! <https://docs.github.com/en/rest/apps/apps>

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Call, Outcome};
use crate::github::answer::Answer;
use crate::github::objects;

pub(super) fn get_authenticated(call: &Call<'_>) -> Answer {
    Answer::ok(objects::app(call.state))
}

/// Makes a token with what was asked for, and with all that the App has when nothing was.
pub(super) fn create_token(call: &mut Call<'_>) -> Outcome {
    if call.id("installation_id") != call.state.app.installation {
        return Err(Answer::not_found());
    }
    let permissions = permissions(call)?;
    let repositories = repositories(call)?;
    let selection = if repositories.is_some() { "selected" } else { "all" };
    let shown: Option<Vec<Value>> = repositories.as_ref().map(|names| {
        names
            .iter()
            .filter_map(|name| Some(call.state.repository(name)?.json.clone()))
            .collect()
    });
    let (token, expires) = call.state.tokens.make(permissions.clone(), repositories);
    let mut made = json!({
        "token": token,
        "expires_at": expires.to_string(),
        "permissions": permissions,
        "repository_selection": selection,
    });
    if let Some(shown) = shown {
        made["repositories"] = shown.into();
    }
    Ok(Answer::created(made))
}

fn permissions(call: &Call<'_>) -> Result<BTreeMap<String, String>, Answer> {
    let has = &call.state.app.permissions;
    let Some(asked) = call.body["permissions"].as_object() else {
        return Ok(has.clone());
    };
    let mut granted = BTreeMap::new();
    for (name, level) in asked {
        let level = level.as_str().unwrap_or_default();
        let suffices = has.get(name).is_some_and(|has| has == "write" || has == level);
        if !suffices {
            return Err(Answer::refuse(
                422,
                "The permissions requested are not granted to this installation.",
            ));
        }
        granted.insert(name.clone(), level.to_owned());
    }
    Ok(granted)
}

/// The full names, in lower case, of the repositories that were asked for by name or by id.
fn repositories(call: &Call<'_>) -> Result<Option<BTreeSet<String>>, Answer> {
    let by_name = call.body["repositories"].as_array();
    let by_id = call.body["repository_ids"].as_array();
    if by_name.is_none() && by_id.is_none() {
        return Ok(None);
    }
    let mut names = BTreeSet::new();
    for asked in by_name.into_iter().chain(by_id).flatten() {
        let found = call.state.repositories.iter().find(|(_, repository)| {
            asked
                .as_str()
                .is_some_and(|name| repository.name.eq_ignore_ascii_case(name))
                || asked.as_u64() == Some(repository.id)
        });
        let Some((name, _)) = found else {
            return Err(Answer::refuse(
                422,
                "There is at least one repository that does not exist or is not accessible to the parent installation.",
            ));
        };
        names.insert(name.clone());
    }
    Ok(Some(names))
}
