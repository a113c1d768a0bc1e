//! Cuts a stream of bytes into lines, with a bound on what is held.

/// A line longer than this comes in pieces. The longest real events hold whole files.
const MAX_LINE_BYTES: usize = 32 * 1024 * 1024;

/// Collects bytes until they are lines.
#[derive(Default)]
pub(crate) struct Lines {
    held: Vec<u8>,
    /// Whether the beginning of the current line was given out as a piece.
    broken: bool,
}

/// A line, or a piece of one that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its line break. Bytes that are no UTF-8 have become U+FFFD.
    Whole(String),
    /// A part of a line that is too long to be held, with the line break if it is the last part.
    Piece(String),
}

impl Lines {
    /// Takes bytes and gives the lines that they complete.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = bytes.split_at(end);
            self.held.extend_from_slice(head);
            lines.push(self.complete());
            bytes = tail.get(1..).unwrap_or_default();
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() > MAX_LINE_BYTES {
            lines.push(Line::Piece(text(&std::mem::take(&mut self.held))));
            self.broken = true;
        }
        lines
    }

    /// What is left when the stream has ended without a line break.
    pub(crate) fn finish(&mut self) -> Option<Line> {
        (!self.held.is_empty()).then(|| self.complete())
    }

    fn complete(&mut self) -> Line {
        let held = std::mem::take(&mut self.held);
        if std::mem::take(&mut self.broken) {
            return Line::Piece(text(&held) + "\n");
        }
        let without_return = held.strip_suffix(b"\r").unwrap_or(&held);
        Line::Whole(text(without_return))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Line {
        Line::Whole(text.to_owned())
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_arrive() {
        let text = "a\r\n\nbä\u{1f642}c\nend";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut all: Vec<Line> = text
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| lines.push(chunk))
                .collect();
            all.extend(lines.finish());
            assert_eq!(
                all,
                [whole("a"), whole(""), whole("bä\u{1f642}c"), whole("end")],
                "{size}"
            );
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(Lines::default().push(b"a\xff\n"), [whole("a\u{fffd}")]);
    }

    #[test]
    fn a_line_without_end_is_given_out_in_pieces() {
        let mut lines = Lines::default();
        let chunk = vec![b'x'; MAX_LINE_BYTES + 1];
        assert!(matches!(lines.push(&chunk).as_slice(), [Line::Piece(piece)] if piece.len() == chunk.len()));
        assert_eq!(lines.push(b"y\nz\n"), [Line::Piece("y\n".to_owned()), whole("z")]);
    }
}
