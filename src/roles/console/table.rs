//! Tables as plain text.

use comfy_table::{Table, presets::NOTHING};

/// Lays out rows below a header, columns two blanks apart; ends with a newline.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_blanks_at_their_end() {
        let rows = [["acme", "-"], ["a-long-name", "paused"]].map(|row| row.map(str::to_owned));

        let text = table(["CLIENT", "STATE"], rows);

        assert_eq!(text, "CLIENT       STATE\nacme         -\na-long-name  paused\n");
    }
}
