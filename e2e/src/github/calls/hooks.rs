//! <https://docs.github.com/en/rest/repos/webhooks> and <https://docs.github.com/en/rest/apps/webhooks>

use serde_json::json;

use super::{Call, Outcome};
use crate::github::answer::Answer;
use crate::github::hooks::{Delivered, Hook};
use crate::github::objects;

pub(super) fn list(call: &Call<'_>) -> Outcome {
    call.view()?;
    let full_name = call.full_name();
    let found: Vec<&Hook> = call
        .state
        .hooks
        .values()
        .filter(|hook| hook.is_of(Some(&full_name)))
        .collect();
    Ok(call.page(&found, |hook| objects::hook(call.state, hook)))
}

pub(super) fn list_deliveries(call: &Call<'_>) -> Outcome {
    let mut found: Vec<&Delivered> = hooks(call)?
        .iter()
        .flat_map(|hook| &hook.deliveries)
        .filter(|delivered| match call.text("status") {
            Some("success") => delivered.delivery.succeeded(),
            Some(_) => !delivered.delivery.succeeded(),
            None => true,
        })
        .collect();
    found.sort_by_key(|delivered| std::cmp::Reverse(delivered.delivery.id));
    let id = |delivered: &&Delivered| delivered.delivery.id;
    Ok(call.page_by_cursor(&found, id, |delivered| {
        objects::delivery_summary(call.state, delivered)
    }))
}

pub(super) fn get_delivery(call: &Call<'_>) -> Outcome {
    let (hook, delivered) = delivery(call)?;
    Ok(Answer::ok(objects::delivery(call.state, &hook.url, delivered)))
}

/// Where the App's hook sends to.
pub(super) fn get_app_config(call: &Call<'_>) -> Outcome {
    let hook = hooks(call)?.into_iter().next().ok_or_else(Answer::not_found)?;
    let shown = objects::hook(call.state, hook);
    Ok(Answer::ok(shown["config"].clone()))
}

/// Takes note of it; the delivery is made after the answer.
pub(super) fn redeliver(call: &Call<'_>) -> Outcome {
    let (hook, delivered) = delivery(call)?;
    let mut answer = Answer::new(202, json!({}));
    answer.redeliver = Some((hook.id, delivered.delivery.id));
    Ok(answer)
}

fn delivery<'a>(call: &'a Call<'_>) -> Result<(&'a Hook, &'a Delivered), Answer> {
    let id = call.id("delivery_id");
    hooks(call)?
        .into_iter()
        .find_map(|hook| Some((hook, hook.deliveries.iter().find(|one| one.delivery.id == id)?)))
        .ok_or_else(Answer::not_found)
}

/// The hook of the path, or those of the App.
fn hooks<'a>(call: &'a Call<'_>) -> Result<Vec<&'a Hook>, Answer> {
    if call.parameter("hook_id").is_empty() {
        let of_app = call.state.hooks.values().filter(|hook| hook.is_of(None));
        return Ok(of_app.collect());
    }
    let full_name = call.full_name();
    call.state
        .hooks
        .get(&call.id("hook_id"))
        .filter(|hook| hook.is_of(Some(&full_name)))
        .map(|hook| vec![hook])
        .ok_or_else(Answer::not_found)
}
