//! A plot as SVG text: panels beside each other, both axes logarithmic, one colour for each who is compared.

use std::fmt::{self, Display, Write};

/// Each value of one at the steps that it has one for.
#[derive(Clone)]
pub(crate) struct Series {
    pub(crate) label: String,
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

/// Told apart with any kind of eyesight, and on paper (after Okabe and Ito); the first is drawn last, on top of the others.
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
        for (Series { label, .. }, colour) in series.iter().zip(COLOURS) {
            let (end, y) = (left + 22.0, 58.0);
            writeln!(
                out,
                r#"<path d="M{left} {y}H{end}" stroke="{colour}" stroke-width="3"/>"#
            )?;
            text(out, (end + 6.0, y + 4.0), "", label)?;
            left = end + 30.0 + 8.0 * label.len() as f64;
        }
        Ok(())
    }

    fn panel(&self, out: &mut impl Write, panel: &Panel) -> fmt::Result {
        text(out, (0.0, -14.0), r#"font-weight="bold""#, &panel.title)?;
        let least = self
            .steps
            .iter()
            .map(|(step, _)| *step)
            .find(|step| *step > 0);
        let least = least.unwrap_or(1) as f64;
        // Nothing has no logarithm: it stands as far left of the least as a step is wide.
        let zero = least / 16.0;
        let place = |step: usize| if step == 0 { zero } else { step as f64 };
        let ends = self.steps.first().zip(self.steps.last());
        let (first, last) = ends.map_or((1.0, 10.0), |(a, b)| (place(a.0), place(b.0)));
        let across = Axis::new(first, last, WIDTH);
        let values = panel.series.iter().flat_map(|series| &series.points);
        let values: Vec<f64> = values.map(|point| point.1).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        if values.is_empty() {
            return text(
                out,
                (WIDTH / 2.0, HEIGHT / 2.0),
                MIDDLE,
                "nothing was measured",
            );
        }
        let up = Axis::new(least / 1.3, most * 1.3, HEIGHT);

        let mut free = f64::INFINITY;
        for (step, label) in self.steps.iter().rev() {
            let x = across.at(place(*step));
            grid(out, &format!("M{x:.1} 0V{HEIGHT}"))?;
            // Not over the one to its right.
            let half = 4.0 * label.len() as f64;
            if x + half < free {
                text(out, (x, HEIGHT + 18.0), MIDDLE, label)?;
                free = x - half;
            }
        }
        for value in up.ticks() {
            let y = HEIGHT - up.at(value);
            grid(out, &format!("M0 {y:.1}H{WIDTH}"))?;
            text(out, (-8.0, y + 4.0), r#"text-anchor="end""#, &short(value))?;
        }
        writeln!(
            out,
            r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>"##
        )?;
        text(out, (WIDTH / 2.0, HEIGHT + 38.0), MIDDLE, self.across)?;
        for (place_in_field, (series, colour)) in panel.series.iter().zip(COLOURS).enumerate().rev()
        {
            let at =
                |&(step, value): &(usize, f64)| (across.at(place(step)), HEIGHT - up.at(value));
            let points: Vec<(f64, f64)> = series.points.iter().map(at).collect();
            let line: Vec<String> = points
                .iter()
                .map(|(x, y)| format!("{x:.1},{y:.1}"))
                .collect();
            let thick = if place_in_field == 0 { 3.0 } else { 1.8 };
            writeln!(
                out,
                r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="{thick}"/>"#,
                line.join(" ")
            )?;
            for (x, y) in points {
                let radius = thick + 1.2;
                writeln!(
                    out,
                    r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{colour}"/>"#
                )?;
            }
        }
        Ok(())
    }
}

/// A logarithmic axis.
struct Axis {
    least: f64,
    most: f64,
    length: f64,
}

impl Axis {
    fn new(least: f64, most: f64, length: f64) -> Self {
        Self {
            least,
            most,
            length,
        }
    }

    fn at(&self, value: f64) -> f64 {
        (value / self.least).ln() / (self.most / self.least).ln() * self.length
    }

    /// Powers of ten, and twice and five times those where there are few.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let decades = (self.most / self.least).log10();
        let between: &[f64] = if decades < 3.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let powers = self.least.log10().floor() as i32..=self.most.log10().ceil() as i32;
        let all = powers.flat_map(|power| between.iter().map(move |part| part * 10f64.powi(power)));
        all.filter(|value| (self.least..=self.most).contains(value))
    }
}

const MIDDLE: &str = r#"text-anchor="middle""#;

fn grid(out: &mut impl Write, path: &str) -> fmt::Result {
    writeln!(out, r##"<path d="{path}" stroke="#e4e4e4"/>"##)
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
