//! Tables for a person, alike in every command.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

/// Narrowest terminal into which a table is pressed.
const WIDTH_MIN: u16 = 40;

/// A line above, below, and under the head; rows stand close together.
const TABLE_STYLE: TableStyle = TableStyle::new()
    .top_border(LineStyle::none().fill('─').junction('─'))
    .header_separator(LineStyle::none().fill('─').junction('─'))
    .bottom_border(LineStyle::none().fill('─').junction('─'));

/// An empty table in the style of all our tables.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(TABLE_STYLE).set_header(head.to_vec());
    // A terminal that does not know its width says 0.
    if table.width().is_none_or(|width| width >= WIDTH_MIN) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}
