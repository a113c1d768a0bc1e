//! Whatever an agent reports, its Task's status stays within 16 KiB.

use axon_api::agents::Usage;
use axon_api::outcome::{Outcome, RunResult};
use proptest::prelude::*;

use crate::fixtures::{Scene, ended, shell};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "(?s).{0,300}",
        (
            prop::sample::select(vec!["\"", "\\", "\u{1}", "\n", "ü", "😀"]),
            0usize..20_000
        )
            .prop_map(|(piece, count)| piece.repeat(count)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_hostile_outcome_fits(
        words in prop::collection::vec(text(), 6),
        extra in prop::collection::vec((text(), text()), 0..8),
        pull_requests in prop::collection::vec(text(), 0..8),
        tokens in any::<u64>(),
    ) {
        let mut outcome = Outcome::new(RunResult::Succeeded, &*words[0], &*words[1]);
        outcome.branch = Some(words[2].clone());
        outcome.commit = Some(words[3].clone());
        outcome.base_branch = Some(words[4].clone());
        outcome.text.clone_from(&words[5]);
        outcome.extra = extra;
        outcome.pull_requests = pull_requests;
        outcome.usage = Some(Usage { input_tokens: tokens, ..Usage::default() });
        let message = serde_json::to_string(&outcome).expect("JSON");
        let plan = Scene::of(shell()).let_go().with_pod(&ended(0, "Completed", &message)).plan();
        let size = serde_json::to_vec(&plan.status).expect("JSON").len();
        prop_assert!(size <= 16 * 1024, "{size} bytes");
        let lines = plan.status.outputs.iter();
        for line in lines {
            prop_assert!(!line.contains('\n'));
        }
    }
}
