//! Every YAML block, command line, verb and flag that the READMEs of the five earlier systems show
//! is classified, and what its class claims is proven.
//!
//! `seeds/blocks` has what the READMEs show, word for word; `seeds/table` has the classes. With
//! `AXON_SEEDS` naming a folder with the READMEs, the blocks are compared with them as well.

#![expect(clippy::print_stdout, reason = "the summary of the table is for people")]

#[path = "seeds/blocks.rs"]
mod blocks;
#[path = "seeds/commands.rs"]
mod commands;
#[path = "seeds/manifests.rs"]
mod manifests;
#[path = "seeds/plans.rs"]
mod plans;
#[path = "seeds/spawners.rs"]
mod spawners;
#[path = "seeds/table.rs"]
mod table;
#[path = "seeds/tools.rs"]
mod tools;
#[path = "seeds/worlds.rs"]
mod worlds;

use std::collections::BTreeMap;

#[test]
fn everything_that_the_readmes_show_is_classified() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unclassified = Vec::new();
    let mut total = 0;
    for seed in blocks::SEEDS {
        let table = table::of(seed);
        let shown = blocks::items(seed);
        for item in &shown {
            total += 1;
            match table.get(&item.line) {
                Some(class) => *counts.entry(class.name()).or_default() += 1,
                None => unclassified.push(format!("{seed}:{} {}", item.line, item.text)),
            }
        }
        for line in table.keys() {
            assert!(
                shown.iter().any(|item| item.line == *line),
                "{seed}:{line} is classified, and the README shows nothing there"
            );
        }
    }
    println!("{total} items: {counts:?}, {} unclassified", unclassified.len());
    assert!(unclassified.is_empty(), "{}", unclassified.join("\n"));
}

#[test]
#[ignore = "needs AXON_SEEDS, the folder with the READMEs"]
fn the_blocks_are_those_of_the_readmes() {
    let folder = std::env::var_os("AXON_SEEDS").expect("AXON_SEEDS names the folder with the READMEs");
    for seed in blocks::SEEDS {
        let path = std::path::Path::new(&folder).join(format!("{seed}.md"));
        let markdown = std::fs::read_to_string(&path).expect("a README");
        assert_eq!(blocks::extract(&markdown), blocks::stored(seed), "{seed}");
    }
}
