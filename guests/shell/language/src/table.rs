// SPDX-License-Identifier: BSD-2-Clause
//! Tables and numbers for people.

use alloc::{string::String, vec::Vec};
use core::fmt;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How a column is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a heading, each column as wide as its widest entry.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without rows.
    pub fn new(columns: &[(&str, Align)]) -> Self {
        Self {
            columns: columns
                .iter()
                .map(|(name, align)| (String::from(*name), *align))
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Control characters are shown as question marks: names come from anybody.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().take(self.columns.len());
        let harmless = |cell: String| {
            cell.chars()
                .map(|char| if char.is_control() { '?' } else { char })
                .collect()
        };
        self.rows.push(cells.map(harmless).collect());
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |n: usize, (name, _): &(String, Align)| {
            let cells = self.rows.iter().filter_map(|row| row.get(n));
            cells
                .map(|cell| cell.width())
                .fold(name.width(), usize::max)
        };
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(n, column)| width(n, column))
            .collect();
        let heading: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        for row in core::iter::once(&heading).chain(&self.rows) {
            let mut line = String::new();
            for (((_, align), width), cell) in self.columns.iter().zip(&widths).zip(row) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let space = " ".repeat(width.saturating_sub(cell.width()));
                match align {
                    Align::Left => line.extend([cell.as_str(), &space]),
                    Align::Right => line.extend([space.as_str(), cell]),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// As much of a line as goes into so many columns.
pub fn clip(line: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = line.char_indices().find(|(_, char)| {
        used += char.width().unwrap_or(0);
        used > columns
    });
    let end = end.map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or(line)
}

/// Bytes, as `1.5M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unit = 1_u64;
        let mut mark = "";
        for larger in ["K", "M", "G", "T"] {
            if self.0 / unit < 1024 {
                break;
            }
            unit <<= 10;
            mark = larger;
        }
        let whole = self.0 / unit;
        let tenth = (self.0 % unit) * 10 / unit;
        let text = if whole < 10 && tenth > 0 {
            alloc::format!("{whole}.{tenth}{mark}")
        } else {
            alloc::format!("{whole}{mark}")
        };
        f.pad(&text)
    }
}

/// Nanoseconds, as `1.234s` or `2h03m`; with `#` in three digits, as `1.23s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub u64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000_000_000;
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        let micros = self.0 / 1000;
        let text = match () {
            () if f.alternate() && micros < 1_000_000 => alloc::format!("{}ms", micros / 1000),
            () if f.alternate() && seconds < 10 => {
                alloc::format!("{seconds}.{:02}s", micros / 10_000 % 100)
            }
            () if f.alternate() && minutes == 0 => {
                alloc::format!("{seconds}.{}s", micros / 100_000 % 10)
            }
            () if hours >= 24 => alloc::format!("{}d{:02}h", hours / 24, hours % 24),
            () if hours > 0 => alloc::format!("{hours}h{:02}m", minutes % 60),
            () if minutes > 0 => alloc::format!("{minutes}m{:02}s", seconds % 60),
            () if seconds > 0 => alloc::format!("{seconds}.{:03}s", self.0 / 1_000_000 % 1000),
            () => alloc::format!("{}.{:03}ms", self.0 / 1_000_000, self.0 / 1000 % 1000),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    #[test]
    fn lines_are_cut_where_the_room_ends() {
        assert_eq!(clip("größe 世界", 20), "größe 世界");
        assert_eq!(clip("größe 世界", 9), "größe 世");
        assert_eq!(clip("größe 世界", 3), "grö");
        assert_eq!(clip("", 0), "");
    }

    #[test]
    fn columns_are_as_wide_as_they_need_to_be() {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right)]);
        table.row(["größe".into(), "7".into()]);
        table.row(["x\x1b[2J".into(), "1234".into()]);
        assert_eq!(table.len(), 2);
        let shown = "NAME      N\ngröße     7\nx?[2J  1234\n";
        assert_eq!(table.to_string(), shown);
    }

    #[test]
    fn numbers_for_people() {
        for (bytes, shown) in [
            (0, "0"),
            (1023, "1023"),
            (1024, "1K"),
            (1536, "1.5K"),
            (10 << 20, "10M"),
            (u64::MAX, "16777215T"),
        ] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
        for (nanoseconds, shown) in [
            (0, "0.000ms"),
            (1_234_567, "1.234ms"),
            (1_234_567_890, "1.234s"),
            (61_000_000_000, "1m01s"),
            (3_700_000_000_000, "1h01m"),
            (90_000_000_000_000, "1d01h"),
        ] {
            assert_eq!(Duration(nanoseconds).to_string(), shown);
        }
        for (nanoseconds, shown) in [
            (0, "0ms"),
            (123_456_789, "123ms"),
            (1_234_567_890, "1.23s"),
            (59_990_000_000, "59.9s"),
            (61_000_000_000, "1m01s"),
        ] {
            assert_eq!(alloc::format!("{:#}", Duration(nanoseconds)), shown);
        }
        assert_eq!(alloc::format!("{:>6}|", Size(1024)), "    1K|");
    }
}
