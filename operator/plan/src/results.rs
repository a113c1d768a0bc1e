//! What a run produced, as outputs and results of the status.

use std::collections::BTreeMap;

use axon_api::TaskStatus;
use axon_api::agents::Usage;
use axon_api::kinds::task::TaskUsage;
use axon_api::outcome::Outcome;

use crate::bounded;

/// The result with the agent's final message. It is no output: outputs are lines.
const RESPONSE: &str = "response";
/// Bytes of a status, which `fit` keeps to.
const STATUS_BYTES: usize = 16 * 1024;
/// Bytes of the final message.
const RESPONSE_BYTES: usize = 4096;
/// Bytes of all outputs together, and of all results but the final message.
const OUTPUTS_BYTES: usize = 2560;
/// Bytes of one value and of one key.
const VALUE_BYTES: usize = 512;
const KEY_BYTES: usize = 64;

/// Writes what the outcome tells into the status.
pub(crate) fn record(status: &mut TaskStatus, outcome: &Outcome) {
    let known = known(outcome);
    let own: Vec<&str> = known.iter().map(|(key, _)| key.as_str()).collect();
    // What git and the agent's stream have told is not replaced by what an image prints.
    let extra = outcome
        .extra
        .iter()
        .map(|(key, value)| (bounded::line(key, KEY_BYTES), value.clone()))
        .filter(|(key, _)| !key.is_empty() && key != RESPONSE && !own.contains(&key.as_str()));
    let mut outputs = Vec::new();
    let mut results = BTreeMap::new();
    let mut bytes = 0;
    for (key, value) in known.iter().cloned().chain(extra) {
        let value = bounded::line(&value, VALUE_BYTES);
        let line = format!("{key}: {value}");
        // Quotes, comma and what JSON escapes: the bytes that the line takes in the status.
        bytes += serde_json::to_string(&line).map_or(OUTPUTS_BYTES, |json| json.len() + 4);
        if bytes > OUTPUTS_BYTES {
            break;
        }
        outputs.push(line);
        results.insert(key, value);
    }
    if !outcome.text.trim().is_empty() {
        results.insert(RESPONSE.to_owned(), bounded::text(&outcome.text, RESPONSE_BYTES));
    }
    status.outputs = outputs;
    status.results = results;
    status.usage = outcome.usage.map(usage);
}

/// What one Task keeps of another's outputs and results, in at most `bytes` as JSON: first the
/// results that are short, then the outputs, and of the final message what there is room for.
pub(crate) fn share(
    outputs: &[String],
    results: &BTreeMap<String, String>,
    bytes: usize,
) -> (Vec<String>, BTreeMap<String, String>) {
    let mut left = bytes;
    let mut fits = |needed: usize| match left.checked_sub(needed) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let mut kept: BTreeMap<String, String> = results
        .iter()
        .filter(|(key, _)| *key != RESPONSE)
        .filter(|(key, value)| fits(json_bytes(key) + json_bytes(value)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let lines = outputs
        .iter()
        .take_while(|line| fits(json_bytes(line)))
        .cloned()
        .collect();
    let room = left.saturating_sub(json_bytes(RESPONSE) + 3);
    if let Some(response) = results.get(RESPONSE).filter(|_| room > 16) {
        kept.insert(RESPONSE.to_owned(), bounded::text(response, room));
    }
    (lines, kept)
}

/// The bytes of a text as a JSON string and of what separates it from the next.
fn json_bytes(text: &str) -> usize {
    serde_json::to_string(text).map_or(text.len(), |json| json.len()) + 1
}

/// Cuts what is least needed where the status is larger than a status may be: the final message,
/// and then what dependencies had produced.
pub(crate) fn fit(status: &mut TaskStatus) {
    let excess = |status: &TaskStatus| {
        serde_json::to_vec(status)
            .map_or(0, |json| json.len())
            .checked_sub(STATUS_BYTES)
    };
    let Some(over) = excess(status) else {
        return;
    };
    if let Some(response) = status.results.get_mut(RESPONSE) {
        let limit = json_bytes(response).saturating_sub(over + 3);
        *response = bounded::text(response, limit.max(16));
    }
    while excess(status).is_some_and(|over| over > 0) {
        let Some(dependency) = status
            .dependencies
            .iter_mut()
            .rev()
            .find(|dependency| !dependency.outputs.is_empty() || !dependency.results.is_empty())
        else {
            return;
        };
        dependency.outputs.clear();
        dependency.results.clear();
    }
}

fn known(outcome: &Outcome) -> Vec<(String, String)> {
    let mut known = Vec::new();
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            known.push((key.to_owned(), value));
        }
    };
    add("branch", outcome.branch.clone());
    add("commit", outcome.commit.clone());
    add("base-branch", outcome.base_branch.clone());
    for url in &outcome.pull_requests {
        add("pr", Some(url.clone()));
    }
    if let Some(usage) = outcome.usage {
        add("cost-usd", usage.cost_usd.and_then(dollars));
        add("input-tokens", Some(usage.input_tokens.to_string()));
        add("output-tokens", Some(usage.output_tokens.to_string()));
    }
    known
}

fn usage(usage: Usage) -> TaskUsage {
    TaskUsage {
        cost_usd: usage.cost_usd.and_then(dollars),
        input_tokens: count(usage.input_tokens),
        cache_read_tokens: count(usage.cache_read_tokens),
        cache_write_tokens: count(usage.cache_write_tokens),
        output_tokens: count(usage.output_tokens),
    }
}

fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// A decimal with as many digits as it needs, at most six; `None` for what is no amount.
fn dollars(amount: f64) -> Option<String> {
    if !amount.is_finite() || !(0.0..1e9).contains(&amount) {
        return None;
    }
    let decimal = format!("{amount:.6}");
    Some(decimal.trim_end_matches('0').trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use axon_api::outcome::RunResult;

    use super::*;

    fn recorded(change: impl FnOnce(&mut Outcome)) -> TaskStatus {
        let mut outcome = Outcome::new(RunResult::Succeeded, "Completed", "");
        change(&mut outcome);
        let mut status = TaskStatus::default();
        record(&mut status, &outcome);
        status
    }

    #[test]
    fn outputs_have_the_keys_and_the_order_of_the_seeds() {
        let status = recorded(|outcome| {
            outcome.branch = Some("fix".into());
            outcome.commit = Some("abc".into());
            outcome.base_branch = Some("main".into());
            outcome.pull_requests = vec!["https://e/1".into(), "https://e/2".into()];
            outcome.usage = Some(Usage {
                input_tokens: 10,
                output_tokens: 2,
                cost_usd: Some(0.012_5),
                ..Usage::default()
            });
        });
        assert_eq!(
            status.outputs,
            [
                "branch: fix",
                "commit: abc",
                "base-branch: main",
                "pr: https://e/1",
                "pr: https://e/2",
                "cost-usd: 0.0125",
                "input-tokens: 10",
                "output-tokens: 2"
            ]
        );
        assert_eq!(status.results["pr"], "https://e/2");
    }

    #[test]
    fn an_image_cannot_replace_what_git_has_told() {
        let status = recorded(|outcome| {
            outcome.commit = Some("real".into());
            outcome.extra = vec![("commit".into(), "forged".into()), ("score".into(), "7".into())];
        });
        assert_eq!(status.outputs, ["commit: real", "score: 7"]);
    }

    #[test]
    fn a_value_with_line_breaks_stays_one_line() {
        let status = recorded(|outcome| outcome.extra = vec![("a".into(), "b\nbranch: x".into())]);
        assert_eq!(status.outputs, ["a: b branch: x"]);
    }

    #[test]
    fn what_is_no_amount_of_money_is_left_out() {
        for cost in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(dollars(cost), None);
        }
        assert_eq!(dollars(0.0).as_deref(), Some("0"));
        assert_eq!(dollars(2.5).as_deref(), Some("2.5"));
    }
}
