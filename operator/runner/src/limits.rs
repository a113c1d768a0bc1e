//! Whether a run has used more than it may.

use axon_api::agents::Usage;
use axon_api::run::RunLimits;

/// What a run has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Used {
    /// With the cost, reported or computed.
    pub(crate) usage: Usage,
    pub(crate) turns: u32,
}

/// A sentence that names the first limit that `used` is over, and by what; `None` within all of
/// them. A run may use up to its limit, the limit included.
pub(crate) fn exceeded(limits: &RunLimits, used: &Used) -> Option<String> {
    let tokens = used.usage.input_tokens.saturating_add(used.usage.output_tokens);
    if let (Some(limit), Some(cost)) = (limits.cost_usd, used.usage.cost_usd)
        && cost > limit
    {
        return Some(format!("the agent used {cost:.4} USD, its limit is {limit} USD"));
    }
    if let Some(limit) = limits.tokens
        && tokens > limit
    {
        return Some(format!("the agent used {tokens} tokens, its limit is {limit}"));
    }
    if let Some(limit) = limits.turns
        && used.turns > limit
    {
        return Some(format!(
            "the agent began turn {}, its limit is {limit}",
            used.turns
        ));
    }
    None
}

/// Whether anything is limited at all.
pub(crate) fn any(limits: &RunLimits) -> bool {
    limits.cost_usd.is_some() || limits.tokens.is_some() || limits.turns.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(cost_usd: Option<f64>, input_tokens: u64, output_tokens: u64, turns: u32) -> Used {
        Used {
            usage: Usage {
                input_tokens,
                output_tokens,
                cost_usd,
                ..Usage::default()
            },
            turns,
        }
    }

    #[test]
    fn a_limit_is_exceeded_by_more_than_it_and_not_by_itself() {
        let limits = RunLimits {
            cost_usd: Some(0.5),
            tokens: Some(100),
            turns: Some(3),
        };
        for (used, word) in [
            (used(Some(0.5), 60, 40, 3), None),
            (used(None, 0, 0, 0), None),
            (used(Some(0.51), 0, 0, 0), Some("USD")),
            (used(None, 60, 41, 0), Some("tokens")),
            (used(None, 0, 0, 4), Some("turn")),
            (used(None, u64::MAX, u64::MAX, 0), Some("tokens")),
        ] {
            let sentence = exceeded(&limits, &used);
            assert_eq!(sentence.is_some(), word.is_some(), "{sentence:?}");
            assert!(sentence.unwrap_or_default().contains(word.unwrap_or_default()));
        }
    }

    #[test]
    fn what_is_not_limited_may_be_used_without_end() {
        assert_eq!(
            exceeded(&RunLimits::default(), &used(Some(1e9), u64::MAX, 1, u32::MAX)),
            None
        );
    }
}
