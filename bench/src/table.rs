//! A plain table of text: columns as wide as they need, numbers to the right.

use std::fmt;

/// Rows of words; the first is the heading.
pub(crate) struct Table(Vec<Vec<String>>);

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self(vec![
            heading.iter().map(|word| (*word).to_owned()).collect(),
        ])
    }

    pub(crate) fn row(&mut self, words: Vec<String>) {
        self.0.push(words);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.0
                .iter()
                .filter_map(|row| row.get(column))
                .map(|word: &String| word.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect();
        for row in &self.0 {
            let mut line = String::new();
            for (column, word) in row.iter().enumerate() {
                let width = widths[column];
                line += &if column == 0 {
                    format!("  {word:<width$}")
                } else {
                    format!("  {word:>width$}")
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A number with as many decimals as say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The median, the least and the most.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    match (values.first(), values.last()) {
        (Some(least), Some(most)) => (values[values.len() / 2], *least, *most),
        _ => (f64::NAN, f64::NAN, f64::NAN),
    }
}
