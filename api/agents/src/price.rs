//! The cost of tokens, for CLIs that do not report it.

use crate::event::Usage;

/// List prices of one model, in US dollars per million tokens.
#[derive(Clone, Copy)]
pub(crate) struct Price {
    /// The model's name. Dated and otherwise suffixed releases of it cost the same.
    pub(crate) model: &'static str,
    /// Input that is neither read from nor written to the cache.
    pub(crate) input: f64,
    pub(crate) cache_read: f64,
    pub(crate) cache_write: f64,
    pub(crate) output: f64,
}

/// The price of a model whose provider charges what it writes to the cache as any other input.
pub(crate) const fn price(model: &'static str, input: f64, cache_read: f64, output: f64) -> Price {
    Price {
        model,
        input,
        cache_read,
        cache_write: input,
        output,
    }
}

/// The cost in US dollars of `usage` with `model`, or `None` when `prices` does not list it.
pub(crate) fn cost(prices: &'static [Price], model: &str, usage: &Usage) -> Option<f64> {
    let price = find(prices, model)?;
    let uncached = usage
        .input_tokens
        .saturating_sub(usage.cache_read_tokens)
        .saturating_sub(usage.cache_write_tokens);
    let dollars = [
        (uncached, price.input),
        (usage.cache_read_tokens, price.cache_read),
        (usage.cache_write_tokens, price.cache_write),
        (usage.output_tokens, price.output),
    ]
    .iter()
    .map(|(tokens, per_million)| tokens_as_millions(*tokens) * per_million)
    .sum();
    Some(dollars)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "token counts stay far below 2^52, and a price is an estimate"
)]
fn tokens_as_millions(tokens: u64) -> f64 {
    tokens as f64 / 1e6
}

/// The price whose name is `model`, or `model` before a release date: `gpt-5` is the price of
/// `gpt-5-2025-08-07`, but not of `gpt-5-nano`.
fn find(prices: &'static [Price], model: &str) -> Option<&'static Price> {
    let model = model.rsplit_once('/').map_or(model, |(_, name)| name);
    prices
        .iter()
        .filter(|price| {
            model
                .strip_prefix(price.model)
                .is_some_and(|rest| rest.is_empty() || is_release(rest))
        })
        .max_by_key(|price| price.model.len())
}

/// Whether the rest of a model's name only says which release of the model it is.
fn is_release(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| {
        rest == "latest"
            || rest
                .strip_prefix("preview")
                .is_some_and(|rest| rest.chars().all(|c| c == '-' || c.is_ascii_digit()))
            || rest.len() >= 3 && rest.chars().all(|c| c == '-' || c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: &[Price] = &[
        Price {
            model: "gpt-5",
            input: 1.0,
            cache_read: 0.1,
            cache_write: 2.0,
            output: 10.0,
        },
        Price {
            model: "gpt-5-mini",
            input: 0.5,
            cache_read: 0.05,
            cache_write: 0.5,
            output: 5.0,
        },
    ];

    fn price_of(model: &str) -> Option<f64> {
        let usage = Usage {
            input_tokens: 1_000_000,
            ..Usage::default()
        };
        cost(PRICES, model, &usage)
    }

    #[test]
    fn a_price_is_found_by_name_and_release_only() {
        assert_eq!(price_of("gpt-5"), Some(1.0));
        assert_eq!(price_of("gpt-5-2025-08-07"), Some(1.0));
        assert_eq!(price_of("gpt-5-latest"), Some(1.0));
        assert_eq!(price_of("openai/gpt-5-mini"), Some(0.5));
        for unknown in ["gpt-5-nano", "gpt-5.5", "gpt-50", "gpt-5-1", "gpt", ""] {
            assert_eq!(price_of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let usage = Usage {
            input_tokens: 6_000_000,
            cache_read_tokens: 2_000_000,
            cache_write_tokens: 1_000_000,
            output_tokens: 100_000,
            cost_usd: None,
        };
        assert_eq!(cost(PRICES, "gpt-5", &usage), Some(3.0 + 0.2 + 2.0 + 1.0));
    }
}
