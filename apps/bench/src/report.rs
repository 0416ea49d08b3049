//! The table of results.

use std::fmt;

use serde_json::{Value, json};

/// All rows that were measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

/// One kind of work, beside its floor.
#[derive(Debug)]
pub(crate) struct Row {
    /// What was done.
    pub(crate) work: String,
    /// What the server reached.
    pub(crate) subject: f64,
    /// What the floor reached; rows that have none compare with their bar alone.
    pub(crate) floor: Option<f64>,
    /// Of both figures.
    pub(crate) unit: &'static str,
    /// What must be reached.
    pub(crate) bar: Bar,
    /// How the figures came about.
    pub(crate) note: String,
}

/// What a row must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    /// The subject divided by its floor is at least this.
    Share(f64),
    /// The subject divided by its floor is at most this.
    Times(f64),
    /// The subject itself is at most this.
    AtMost(f64),
    /// The row is for information.
    None,
}

impl Report {
    /// Adds rows at the end.
    pub(crate) fn add(&mut self, rows: Vec<Row>) {
        self.rows.extend(rows);
    }

    /// The work whose bar is not met.
    pub(crate) fn missed(&self) -> Vec<&str> {
        let missed = self.rows.iter().filter(|row| !row.is_met());
        missed.map(|row| row.work.as_str()).collect()
    }

    /// The same as a document.
    pub(crate) fn to_json(&self) -> String {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        format!("{:#}\n", json!({ "cpus": cpus(), "rows": rows }))
    }
}

impl Row {
    fn compared(&self) -> f64 {
        self.floor.map_or(self.subject, |floor| self.subject / floor)
    }

    fn is_met(&self) -> bool {
        match self.bar {
            Bar::Share(least) => self.compared() >= least,
            Bar::Times(most) | Bar::AtMost(most) => self.compared() <= most,
            Bar::None => true,
        }
    }

    fn bar(&self) -> String {
        match self.bar {
            Bar::Share(least) => format!(">= {least:.2}"),
            Bar::Times(most) => format!("<= {most:.2}"),
            Bar::AtMost(most) => format!("<= {most} {}", self.unit),
            Bar::None => String::new(),
        }
    }

    fn has_bar(&self) -> bool {
        !matches!(self.bar, Bar::None)
    }

    fn to_json(&self) -> Value {
        json!({
            "work": self.work,
            "subject": self.subject,
            "floor": self.floor,
            "unit": self.unit,
            "ratio": self.floor.map(|_| self.compared()),
            "bar": self.has_bar().then(|| self.bar()),
            "met": self.has_bar().then(|| self.is_met()),
            "note": self.note,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        writeln!(
            f,
            "| {:<44} | {:>14} | {:>14} | {:>6} | {:<9} | met |",
            "work", "subject", "floor", "ratio", "bar"
        )?;
        writeln!(
            f,
            "| {:-<44} | {:->13}: | {:->13}: | {:->5}: | {:-<9} | --- |",
            "", "", "", "", ""
        )?;
        for row in &self.rows {
            let figure = |value: f64| format!("{} {}", rounded(value), row.unit);
            let floor = row.floor.map_or_else(String::new, figure);
            let ratio = row.floor.map_or_else(String::new, |_| format!("{:.2}", row.compared()));
            let (work, subject, bar) = (&row.work, figure(row.subject), row.bar());
            let met = match (row.has_bar(), row.is_met()) {
                (false, _) => "",
                (true, true) => "yes",
                (true, false) => "NO",
            };
            writeln!(
                f,
                "| {work:<44} | {subject:>14} | {floor:>14} | {ratio:>6} | {bar:<9} | {met:<3} |"
            )?;
        }
        writeln!(f)?;
        for row in &self.rows {
            writeln!(f, "{}: {}", row.work, row.note)?;
        }
        let barred = self.rows.iter().filter(|row| row.has_bar()).count();
        let met = barred - self.missed().len();
        write!(
            f,
            "\n{met} of {} bars met, on {} CPUs shared with the load generator",
            barred,
            cpus()
        )
    }
}

/// Three digits say all that a measurement on a shared machine knows, but rates read better whole.
pub(crate) fn rounded(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// The middle of some figures.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() / 2, sorted.len() % 2) {
        (0, 0) => f64::NAN,
        (middle, 0) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        (middle, _) => sorted[middle],
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert!((median([3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median([4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median([]).is_nan());
    }

    #[test]
    fn a_bar_is_compared_in_its_own_direction() {
        let row = |subject, floor, bar| Row {
            work: String::new(),
            subject,
            floor,
            unit: "",
            bar,
            note: String::new(),
        };

        assert!(row(50.0, Some(100.0), Bar::Share(0.5)).is_met());
        assert!(!row(49.0, Some(100.0), Bar::Share(0.5)).is_met());
        assert!(row(1.3, Some(1.0), Bar::Times(1.3)).is_met());
        assert!(!row(101.0, None, Bar::AtMost(100.0)).is_met());
        assert!(row(101.0, Some(f64::MAX), Bar::None).is_met());
    }
}
