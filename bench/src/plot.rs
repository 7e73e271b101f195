//! A plot as SVG text: panels beside each other, both axes logarithmic, one colour for each who is compared.

use std::fmt::{self, Display, Write};

/// Each value of one at the steps that it has one for.
pub(crate) struct Series {
    pub(crate) label: String,
    /// Which of the [colours](COLOURS) it has.
    pub(crate) colour: usize,
    pub(crate) points: Vec<(usize, f64)>,
}

/// One measure.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) series: Vec<Series>,
}

/// A whole picture.
pub(crate) struct Plot {
    pub(crate) title: String,
    /// The ticks of the axis across, and how they are written.
    pub(crate) steps: Vec<(usize, String)>,
    pub(crate) across: &'static str,
    pub(crate) panels: Vec<Panel>,
    pub(crate) small_print: Vec<String>,
}

/// The field of one panel.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 300.0;
/// Left of each panel, where its numbers are; above the first; and below them all.
const LEFT: f64 = 70.0;
const TOP: f64 = 120.0;
const BELOW: f64 = 60.0;
const LINE: f64 = 18.0;
/// Most that a character of a label takes.
const CHARACTER: f64 = 8.0;
const MIDDLE: &str = r#"text-anchor="middle""#;

/// Told apart with any kind of eyesight, and on paper (after Okabe and Ito).
const COLOURS: [&str; 5] = ["#0060b0", "#e07b00", "#009e73", "#b03a8c", "#777777"];

impl Display for Plot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = (LEFT + WIDTH) * self.panels.len() as f64 + LEFT / 2.0;
        let height = TOP + HEIGHT + BELOW + LINE * self.small_print.len() as f64;
        writeln!(
            out,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"
  font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="12" fill="#222">
<rect width="100%" height="100%" fill="white"/>"##
        )?;
        text(
            out,
            (LEFT, 32.0),
            r#"font-size="17" font-weight="bold""#,
            &self.title,
        )?;
        self.legend(out)?;
        for (place, panel) in self.panels.iter().enumerate() {
            let left = LEFT + (LEFT + WIDTH) * place as f64;
            writeln!(out, r#"<g transform="translate({left} {TOP})">"#)?;
            self.panel(out, panel)?;
            writeln!(out, "</g>")?;
        }
        for (line, words) in self.small_print.iter().enumerate() {
            let at = (LEFT, TOP + HEIGHT + BELOW + LINE * line as f64);
            text(out, at, r##"font-size="10" fill="#666""##, words)?;
        }
        writeln!(out, "</svg>")
    }
}

impl Plot {
    fn legend(&self, out: &mut impl Write) -> fmt::Result {
        let series = self.panels.first().map_or(&[][..], |panel| &panel.series);
        let mut left = LEFT;
        for Series { label, colour, .. } in series {
            let (end, colour) = (left + 22.0, COLOURS[*colour]);
            writeln!(
                out,
                r#"<path d="M{left} 58H{end}" stroke="{colour}" stroke-width="3"/>"#
            )?;
            text(out, (end + 6.0, 62.0), "", label)?;
            left = end + 30.0 + CHARACTER * label.len() as f64;
        }
        Ok(())
    }

    fn panel(&self, out: &mut impl Write, panel: &Panel) -> fmt::Result {
        let across = Axis::of(self.steps.iter().map(|(step, _)| place(*step)), 1.0, WIDTH);
        let values = panel.series.iter().flat_map(|series| &series.points);
        let up = Axis::of(values.map(|(_, value)| *value), 1.3, HEIGHT);
        text(out, (0.0, -14.0), r#"font-weight="bold""#, &panel.title)?;
        let mut free = f64::INFINITY;
        for (step, label) in self.steps.iter().rev() {
            let x = across.at(place(*step));
            writeln!(out, r##"<path d="M{x:.1} 0V{HEIGHT}" stroke="#e4e4e4"/>"##)?;
            // Not over the one to its right.
            let half = CHARACTER * label.len() as f64 / 2.0;
            if x + half < free {
                text(out, (x, HEIGHT + 18.0), MIDDLE, label)?;
                free = x - half;
            }
        }
        for value in up.ticks() {
            let y = HEIGHT - up.at(value);
            writeln!(out, r##"<path d="M0 {y:.1}H{WIDTH}" stroke="#e4e4e4"/>"##)?;
            text(out, (-8.0, y + 4.0), r#"text-anchor="end""#, &short(value))?;
        }
        writeln!(
            out,
            r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>"##
        )?;
        text(out, (WIDTH / 2.0, HEIGHT + 38.0), MIDDLE, self.across)?;
        // The first is drawn last, on top of the others, and thicker.
        for (number, series) in panel.series.iter().enumerate().rev() {
            let thick = if number == 0 { 3.0 } else { 1.8 };
            let at =
                |(step, value): &(usize, f64)| (across.at(place(*step)), HEIGHT - up.at(*value));
            line(
                out,
                COLOURS[series.colour],
                thick,
                series.points.iter().map(at),
            )?;
        }
        Ok(())
    }
}

/// Where a step is on its axis. Nothing has no logarithm: it stands left of the others.
fn place(step: usize) -> f64 {
    if step == 0 { 4.0 } else { step as f64 }
}

/// A logarithmic axis.
struct Axis {
    least: f64,
    most: f64,
    length: f64,
}

impl Axis {
    /// From the least of these values to the most, and some room at both ends.
    fn of(values: impl Iterator<Item = f64>, room: f64, length: f64) -> Self {
        let ends = |(least, most), value| (f64::min(least, value), f64::max(most, value));
        let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), ends);
        Self {
            least: least / room,
            most: most * room,
            length,
        }
    }

    fn at(&self, value: f64) -> f64 {
        (value / self.least).ln() / (self.most / self.least).ln() * self.length
    }

    /// Powers of ten, and twice and five times those where there are few.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let few = self.most / self.least < 1e3;
        let parts: &[f64] = if few { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = self.least.log10().floor() as i32..=self.most.log10() as i32;
        let all = powers.flat_map(|power| parts.iter().map(move |part| part * 10f64.powi(power)));
        all.filter(|value| (self.least..=self.most).contains(value))
    }
}

fn line(
    out: &mut impl Write,
    colour: &str,
    thick: f64,
    points: impl Iterator<Item = (f64, f64)> + Clone,
) -> fmt::Result {
    write!(
        out,
        r#"<polyline fill="none" stroke="{colour}" stroke-width="{thick}" points=""#
    )?;
    for (x, y) in points.clone() {
        write!(out, "{x:.1},{y:.1} ")?;
    }
    writeln!(out, r#""/>"#)?;
    for (x, y) in points {
        let radius = thick + 1.2;
        writeln!(
            out,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{colour}"/>"#
        )?;
    }
    Ok(())
}

fn text(out: &mut impl Write, (x, y): (f64, f64), style: &str, words: &str) -> fmt::Result {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" {style}>{words}</text>"#)
}

/// 20 k rather than 20000.
fn short(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{} M", value / 1e6),
        _ if value >= 1e3 => format!("{} k", value / 1e3),
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}
