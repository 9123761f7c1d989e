//! Columns: cells that tabs end, made as wide as the widest of their column. Pure.

/// No column is narrower, its space to the next one included.
const LEAST_WIDTH: usize = 10;
/// Between a column's widest cell and the next column.
const SPACE: usize = 3;

/// Aligns the cells of lines. What stands after a line's last tab is left as it is.
pub(crate) fn align(text: &str) -> String {
    align_by(text, LEAST_WIDTH, SPACE)
}

/// As [`align`], with a width that columns have at least, and a space between them.
pub(crate) fn align_by(text: &str, least: usize, space: usize) -> String {
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let count = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width_of = |column: usize| {
        let widest = lines
            .iter()
            .filter(|cells| column + 1 < cells.len())
            .map(|cells| cells[column].chars().count() + space)
            .max();
        widest.unwrap_or_default().max(least)
    };
    let widths: Vec<usize> = (0..count).map(width_of).collect();
    let mut aligned = String::with_capacity(text.len() * 2);
    for cells in &lines {
        for (column, cell) in cells.iter().enumerate() {
            aligned.push_str(cell);
            if column + 1 < cells.len() {
                let padding = widths[column].saturating_sub(cell.chars().count());
                aligned.extend(std::iter::repeat_n(' ', padding));
            }
        }
        aligned.push('\n');
    }
    aligned
}

#[cfg(test)]
mod tests {
    use super::align;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(
            align("NAME\tA LONG HEADER\tLAST\nétoile\tx\tsomething longer\n\t\t\n"),
            "NAME      A LONG HEADER   LAST\nétoile    x               something longer\n                          \n"
        );
        assert_eq!(align("one\n"), "one\n");
    }
}
