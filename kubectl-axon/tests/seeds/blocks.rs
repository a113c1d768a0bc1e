//! What the READMEs show: their blocks of YAML and of commands, and the verbs and flags that their
//! references list.

/// The READMEs, by the names of their files.
pub(crate) const SEEDS: &[&str] = &[
    "1-axon-early",
    "2-axon-late",
    "3-agent-operator",
    "4-xonovex-agent-operator",
    "5-kelos",
];

/// Something that a README shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The line of its fence, or of itself, counted from 1.
    pub(crate) line: usize,
    /// `yaml`, `bash`, `verb` or `flag`.
    pub(crate) language: String,
    pub(crate) text: String,
}

/// What one entry of the table is about: a whole YAML block, one command, one verb or one flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Reads the blocks out of a README.
pub(crate) fn extract(markdown: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (index, line) in markdown.lines().enumerate() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let fence = line.trim_start_matches(' ').strip_prefix("```").map(str::trim);
        match (&mut open, fence) {
            (None, Some(language)) => {
                let block = Block {
                    line: index + 1,
                    language: language.to_owned(),
                    text: String::new(),
                };
                open = Some((block, indent));
            }
            (Some(_), Some("")) => blocks.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), _) => {
                let inner = line.get(..*indent).filter(|start| start.trim().is_empty());
                block
                    .text
                    .push_str(inner.map_or(line, |_| line.get(*indent..).unwrap_or(line)));
                block.text.push('\n');
            }
            (None, None) => blocks.extend(reference(index + 1, line)),
        }
    }
    blocks.retain(|block| ["yaml", "bash", "verb", "flag"].contains(&block.language.as_str()));
    blocks
}

/// A row ``| `axon get <resource>` | ...`` of a table of verbs, or an item ``- `--flag, -f`: ...``.
fn reference(line: usize, text: &str) -> Option<Block> {
    let (language, code) = match text.strip_prefix("| `") {
        Some(rest) => ("verb", rest.split_once("` |")?.0),
        None => ("flag", text.strip_prefix("- `")?.split_once("`:")?.0),
    };
    let is_shown = match language {
        "verb" => code.starts_with("axon ") || code.starts_with("kelos "),
        _ => code.starts_with("--"),
    };
    is_shown.then(|| Block {
        line,
        language: language.to_owned(),
        text: format!("{code}\n"),
    })
}

/// The blocks of a README as they are kept here.
pub(crate) fn stored(seed: &str) -> Vec<Block> {
    let path = format!("{}/tests/seeds/blocks/{seed}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("the stored blocks");
    let mut blocks: Vec<Block> = Vec::new();
    for line in text.lines() {
        if let Some((number, language)) = line.strip_prefix("@@ ").and_then(|head| head.split_once(' ')) {
            blocks.push(Block {
                line: number.parse().expect("a line number"),
                language: language.to_owned(),
                text: String::new(),
            });
        } else if let Some(block) = blocks.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        }
    }
    blocks
}

/// What is to be classified of a README.
pub(crate) fn items(seed: &str) -> Vec<Item> {
    stored(seed)
        .iter()
        .flat_map(|block| match block.language.as_str() {
            "bash" => commands(block),
            _ => vec![Item {
                line: block.line,
                text: block.text.clone(),
            }],
        })
        .collect()
}

/// The command lines of a block: without comments and without what a command prints, which blocks
/// with a `$` before their commands show.
fn commands(block: &Block) -> Vec<Item> {
    let has_prompts = block.text.lines().any(|line| line.starts_with("$ "));
    let mut items: Vec<Item> = Vec::new();
    let mut goes_on = false;
    for (index, line) in block.text.lines().enumerate() {
        let content = line.trim();
        if goes_on {
            let item = items.last_mut().expect("a line that goes on");
            item.text = format!("{} {content}", item.text.trim_end_matches('\\').trim_end());
        } else if !content.is_empty()
            && !content.starts_with('#')
            && (!has_prompts || content.starts_with("$ "))
        {
            items.push(Item {
                line: block.line + 1 + index,
                text: content.trim_start_matches("$ ").to_owned(),
            });
        }
        goes_on = content.ends_with('\\') && (goes_on || !content.starts_with('#'));
    }
    items
}

#[test]
fn blocks_verbs_and_flags_are_read_out_of_markdown() {
    let markdown = "text\n```mermaid\na\n```\n  ```bash\n  # why\n  $ axon run \\\n      -p x\n  task/x created\n  ```\n\
                    | `axon get` | Lists |\n| `other` | x |\n- `--env`: More\n```yaml\na:\n  b: c\n```\n";
    let blocks = extract(markdown);
    let found: Vec<_> = blocks
        .iter()
        .map(|block| (block.line, block.language.as_str(), block.text.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (5, "bash", "# why\n$ axon run \\\n    -p x\ntask/x created\n"),
            (11, "verb", "axon get\n"),
            (13, "flag", "--env\n"),
            (14, "yaml", "a:\n  b: c\n"),
        ]
    );
    let commands = commands(blocks.first().expect("one"));
    assert_eq!(
        commands,
        [Item {
            line: 7,
            text: "axon run -p x".to_owned()
        }]
    );
}
