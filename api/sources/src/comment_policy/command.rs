//! Whether a text has a command.

/// Whether a line of the text, with blanks around it removed, is the command exactly. What is quoted
/// (`> /axon`) is another line by that; lines within a fenced block of code do not count.
pub fn has_command(text: &str, command: &str) -> bool {
    let command = command.trim();
    !command.is_empty() && spoken_lines(text).any(|line| line == command)
}

/// The lines that are not in a fenced block of code, with blanks around them removed.
fn spoken_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut fence: Option<Fence> = None;
    text.lines().filter_map(move |line| {
        let trimmed = line.trim();
        if let Some(open) = fence {
            fence = fence.filter(|_| !open.is_closed_by(trimmed));
            return None;
        }
        fence = Fence::opened_by(line);
        fence.is_none().then_some(trimmed)
    })
}

/// The beginning of a fenced block of code (<https://spec.commonmark.org/0.31.2/#fenced-code-blocks>).
#[derive(Clone, Copy)]
struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    fn opened_by(line: &str) -> Option<Self> {
        let trimmed = line.trim();
        let mark = trimmed.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let length = trimmed.chars().take_while(|other| *other == mark).count();
        let info = trimmed.get(length..).unwrap_or_default();
        let is_code_span = mark == '`' && info.contains('`');
        (length >= 3 && !is_code_span).then_some(Self { mark, length })
    }

    fn is_closed_by(self, trimmed: &str) -> bool {
        trimmed.chars().all(|other| other == self.mark) && trimmed.chars().count() >= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_the_command_is_one() {
        for (text, expected) in [
            ("/axon", true),
            ("  /axon\t", true),
            ("Please look.\n/axon\nThanks", true),
            ("Please look.\r\n/axon\r\nThanks", true),
            ("/axon please", false),
            ("/axon stop", false),
            ("please /axon", false),
            ("/AXON", false),
            ("> /axon", false),
            ("`/axon`", false),
            ("- /axon", false),
            ("", false),
            ("```\n/axon\n```", false),
            ("~~~ sh\n/axon\n~~~", false),
            ("````\n```\n/axon\n````", false),
            ("```\nsome code\n```\n/axon", true),
            ("```never closed\n/axon", false),
            ("```inline``` code\n/axon", true),
            ("~~struck out~~\n/axon", true),
        ] {
            assert_eq!(has_command(text, "/axon"), expected, "{text:?}");
        }
    }

    #[test]
    fn a_command_of_blanks_is_never_there() {
        assert!(!has_command("\n \n", " "));
        assert!(!has_command("", ""));
    }

    #[test]
    fn blanks_around_the_command_itself_do_not_matter() {
        assert!(has_command("/axon", " /axon "));
    }
}
