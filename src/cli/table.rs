//! Tables as kubectl prints them: capitals for the heads, two spaces between the columns, no lines.

use comfy_table::{ContentArrangement, Table, TableStyle};

/// A table with these heads.
pub(super) struct Columns(Table);

impl Columns {
    pub fn new<const N: usize>(heads: [&str; N]) -> Self {
        Self::with(heads.into_iter().map(str::to_owned))
    }

    /// A table whose heads are only known when the data is.
    pub fn with(heads: impl IntoIterator<Item = String>) -> Self {
        let mut table = Table::new();
        table
            .load_style(TableStyle::new())
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(heads.into_iter().collect::<Vec<_>>());
        Self(table)
    }

    /// Adds a line. An empty cell is shown as `-`, so that columns can be counted by awk; a line break in one is a
    /// blank.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.0.add_row(
            cells
                .into_iter()
                .map(|cell| match cell.is_empty() {
                    true => "-".to_owned(),
                    false => cell.replace(['\n', '\r'], " "),
                })
                .collect::<Vec<_>>(),
        );
    }

    /// Each line of the table without its end, the heads first: one line per row.
    pub fn lines(self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// The table as text, a newline at the end of each line and no blanks before it.
    pub fn text(mut self) -> String {
        for column in self.0.column_iter_mut() {
            column.set_padding((0, 2));
        }
        self.0
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}
