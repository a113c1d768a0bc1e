//! Tables that look like kubectl's.

use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

use crate::text::one_line;

/// A table of which more rows may follow: the columns stay where they are.
pub(crate) struct Table {
    headers: Vec<String>,
    /// A stand-in for the widest cells so far.
    widest: Vec<String>,
}

/// What an empty cell shows.
const EMPTY: &str = "-";

impl Table {
    pub(crate) fn new(headers: &[&str]) -> Self {
        let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
        Self {
            widest: headers.clone(),
            headers,
        }
    }

    /// The header line and the rows.
    pub(crate) fn with_header(&mut self, rows: &[Vec<String>]) -> String {
        let mut all = vec![self.headers.clone()];
        all.extend_from_slice(rows);
        self.rows(&all)
    }

    /// The rows alone, aligned with the earlier ones where they fit.
    pub(crate) fn rows(&mut self, rows: &[Vec<String>]) -> String {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| clean(cell)).collect())
            .collect();
        for row in &rows {
            for (widest, cell) in self.widest.iter_mut().zip(row) {
                if cell.chars().count() > widest.chars().count() {
                    widest.clone_from(cell);
                }
            }
        }
        let mut builder = Builder::default();
        builder.push_record(&self.widest);
        for row in &rows {
            builder.push_record(row);
        }
        let mut table = builder.build();
        table.with(Style::empty()).with(Padding::new(0, 3, 0, 0));
        let mut text = String::new();
        for line in table.to_string().lines().skip(1) {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn clean(cell: &str) -> String {
    let line = one_line(cell);
    if line.is_empty() { EMPTY.to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).to_owned()).collect()
    }

    #[test]
    fn columns_are_three_spaces_apart_and_empty_cells_have_a_dash() {
        let mut table = Table::new(&["NAME", "PHASE", "AGE"]);
        assert_eq!(
            table.with_header(&[row(&["task-a1b2c", "Running", "3s"]), row(&["x", "", "42s"])]),
            "NAME         PHASE     AGE\n\
             task-a1b2c   Running   3s\n\
             x            -         42s\n"
        );
    }

    #[test]
    fn later_rows_stand_under_the_earlier_ones() {
        let mut table = Table::new(&["NAME", "PHASE"]);
        table.with_header(&[row(&["task-a1b2c", "Running"])]);
        assert_eq!(
            table.rows(&[row(&["x", "Succeeded"])]),
            "x            Succeeded\n"
        );
    }

    #[test]
    fn hostile_text_cannot_break_out_of_its_cell() {
        let mut table = Table::new(&["NAME"]);
        assert_eq!(table.rows(&[row(&["a\nb\u{1b}[2J"])]), "a b\\u{1b}[2J\n");
    }
}
