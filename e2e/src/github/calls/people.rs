//! Repositories, and who may do what in them.

use serde_json::json;

use super::{Call, Outcome};
use crate::github::answer::Answer;
use crate::github::new::Role;
use crate::github::objects;

pub(super) fn get_repository(call: &Call<'_>) -> Outcome {
    Ok(Answer::ok(call.view()?.repository.json.clone()))
}

/// <https://docs.github.com/en/rest/collaborators/collaborators#get-repository-permissions-for-a-user>
pub(super) fn get_permission(call: &Call<'_>) -> Outcome {
    let view = call.view()?;
    let login = call.parameter("username");
    let everyone = if view.repository.private {
        Role::None
    } else {
        Role::Read
    };
    let role = view.repository.role(login).unwrap_or(everyone);
    let mut user = objects::user(&call.state.base, login);
    user["permissions"] = json!({
        "pull": role >= Role::Read,
        "triage": role >= Role::Triage,
        "push": role >= Role::Write,
        "maintain": role >= Role::Maintain,
        "admin": role >= Role::Admin,
    });
    user["role_name"] = role.name().into();
    Ok(Answer::ok(json!({
        "permission": role.permission(),
        "role_name": role.name(),
        "user": user,
    })))
}

/// <https://docs.github.com/en/rest/teams/members#get-team-membership-for-a-user>
pub(super) fn get_membership(call: &Call<'_>) -> Outcome {
    let (organization, slug) = (call.parameter("org"), call.parameter("team_slug"));
    let login = call.parameter("username");
    let team = (organization.to_owned(), slug.to_owned());
    let role = call
        .state
        .teams
        .get(&team)
        .and_then(|members| members.get(login))
        .ok_or_else(Answer::not_found)?;
    let role = if *role >= Role::Maintain {
        "maintainer"
    } else {
        "member"
    };
    Ok(Answer::ok(json!({
        "url": format!("{}/orgs/{organization}/teams/{slug}/memberships/{login}", call.state.base),
        "role": role,
        "state": "active",
    })))
}

pub(super) fn get_authenticated(call: &Call<'_>) -> Outcome {
    let login = call.caller.user().ok_or_else(Answer::not_found)?;
    Ok(Answer::ok(objects::private_user(call.state, login)))
}

pub(super) fn get_rate_limit(call: &Call<'_>) -> Answer {
    let rate = &call.rate;
    Answer::ok(json!({
        "resources": {"core": rate, "search": rate, "graphql": rate},
        "rate": rate,
    }))
}
