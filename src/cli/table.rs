//! Text in columns, as Go's tabwriter lays it out, which kubectl prints with.

/// Columns of `get`: each at least six wide with the three blanks that part it from the next.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| row.join("\t")).collect();
    lay_out(&lines.join("\n"), 6, 3)
}

/// The text of `describe`: two blanks between columns.
pub(crate) fn describe(text: &str) -> String {
    lay_out(text, 0, 2)
}

/// Pads cells that a tab ends. Cells above one another in lines without a gap are a column.
fn lay_out(text: &str, width_min: usize, padding: usize) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len()]).collect();
    let columns = lines.iter().map(|cells| cells.len() - 1).max().unwrap_or(0);
    for column in 0..columns {
        let mut from = 0;
        while from < lines.len() {
            let has = |line: &Vec<&str>| line.len() > column + 1;
            let length = lines[from..].iter().take_while(|line| has(line)).count();
            let cells = lines[from..from + length].iter().map(|line| line[column]);
            let width = cells.map(|cell| cell.chars().count() + padding).max().unwrap_or(0);
            for line in &mut widths[from..from + length] {
                line[column] = width.max(width_min);
            }
            from += length.max(1);
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (cells, widths) in lines.iter().zip(&widths) {
        for (cell, width) in cells.iter().zip(widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_kubectls() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let rows: Vec<Vec<String>> = vec![
            row(&["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"]),
            row(&["sus", "Suspended", "0/1", "", "3s"]),
        ];
        let want = "\
NAME   STATUS      COMPLETIONS   DURATION   AGE
sus    Suspended   0/1                      3s
";
        assert_eq!(table(&rows), want);
    }

    #[test]
    fn a_line_without_tabs_ends_a_column() {
        let text = "Name:\tx\nLonger Name:\ty\nPart:\n  A:\t1\n  Bcd:\t2\n";
        let want = "Name:         x\nLonger Name:  y\nPart:\n  A:    1\n  Bcd:  2\n";
        assert_eq!(describe(text), want);
    }
}
