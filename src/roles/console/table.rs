//! Tables without lines, as they can be read and piped.

use comfy_table::{Cell, CellAlignment, Table, TableStyle};

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    title: String,
    alignment: CellAlignment,
}

impl Column {
    /// A column of words.
    pub fn left(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            alignment: CellAlignment::Left,
        }
    }

    /// A column of numbers.
    pub fn right(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            alignment: CellAlignment::Right,
        }
    }
}

/// Lays rows out under their columns, two blanks between them; a cell may have several lines.
pub fn render(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(columns.iter().map(|column| Cell::new(&column.title)));
    for row in rows {
        table.add_row(row.iter().map(|cell| Cell::new(harmless(cell))));
    }
    for (column, shape) in table.column_iter_mut().zip(columns) {
        column.set_padding((0, 2));
        column.set_cell_alignment(shape.alignment);
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// Lays out rows of words below a header.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    render(&header.map(Column::left), rows.into_iter().map(Vec::from).collect())
}

/// A text of someone else's without the characters by which it could steer a terminal.
pub fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c })
        .collect()
}

/// A text of someone else's on one line.
pub fn one_line(text: &str) -> String {
    harmless(&text.replace(['\n', '\r', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_and_lines_end_with_their_last_letter() {
        let columns = [Column::left("NAME"), Column::right("COUNT"), Column::left("NOTE")];

        let text = render(
            &columns,
            vec![
                vec!["Müller".into(), "7".into(), "one\ntwo".into()],
                vec!["x".into(), "1234567".into(), String::new()],
            ],
        );

        insta::assert_snapshot!(text, @r"
        NAME      COUNT  NOTE
        Müller        7  one
                         two
        x       1234567
        ");
    }

    #[test]
    fn columns_line_up_and_lines_have_no_blanks_at_their_end() {
        let rows = [["acme", "-"], ["a-long-name", "paused"]].map(|row| row.map(str::to_owned));

        let text = table(["CLIENT", "STATE"], rows);

        assert_eq!(text, "CLIENT       STATE\nacme         -\na-long-name  paused\n");
    }

    #[test]
    fn nothing_in_a_cell_steers_the_terminal() {
        let text = render(&[Column::left("A")], vec![vec!["\u{1b}[2J\u{7}x".into()]]);

        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text:?}");
    }
}
