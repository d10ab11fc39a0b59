//! Charts as inline SVG. Colours are classes of the report's style.

use std::fmt::Write as _;

use super::markup::escape;
use crate::eval::calibration::Calibration;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 10.0;
/// Maximum number of points of a curve; of more, neighbours are averaged.
const POINTS: usize = 400;

/// A curve, or a horizontal line if it is a constant.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// Colour, a class of the style.
    pub(super) class: &'a str,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) level: bool,
}

/// Curves over steps. `describe` is the accessible description; `shares`: the values are shares from 0 to 1.
pub(super) fn lines(title: &str, describe: &str, lines: &[Line<'_>], shares: bool) -> String {
    let finite = |points: &[(f64, f64)]| points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let drawn: Vec<(&Line<'_>, Vec<(f64, f64)>)> = lines.iter().map(|line| (line, finite(&line.points))).collect();
    let all = || drawn.iter().flat_map(|(_, points)| points.iter().copied());
    let end = drawn.iter().filter(|(line, _)| !line.level).flat_map(|(_, points)| points).map(|(x, _)| *x).fold(1.0, f64::max);
    let top = if shares { 1.0 } else { nice(all().map(|(_, y)| y).fold(0.0, f64::max)) };
    let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * value / end;
    let y = |value: f64| HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / top;
    let mut out = format!(
        "<figure>\n<figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escape(title),
        escape(describe)
    );
    for tick in 0..=4 {
        let value = top * f64::from(tick) / 4.0;
        let label = if shares { format!("{:.0}%", value * 100.0) } else { format!("{:.2}", value) };
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{LEFT} {0:.1}H{1}\"/><text class=\"end\" x=\"{2}\" y=\"{3:.1}\">{label}</text>",
            y(value),
            WIDTH - RIGHT,
            LEFT - 6.0,
            y(value) + 4.0
        );
    }
    let below = HEIGHT - 6.0;
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"{below}\">step 0</text>");
    let _ = writeln!(out, "<text class=\"end\" x=\"{}\" y=\"{below}\">step {end:.0}</text>", WIDTH - RIGHT);
    for (line, points) in &drawn {
        let class = line.class;
        match points.as_slice() {
            [] => {}
            [(_, value)] if line.level => {
                let _ = writeln!(out, "<path class=\"{class} level\" d=\"M{LEFT} {:.1}H{}\"/>", y(*value), WIDTH - RIGHT);
            }
            [(at, value)] => {
                let _ = writeln!(out, "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"/>", x(*at), y(*value));
            }
            points => {
                let path: Vec<String> =
                    thinned(points).iter().map(|&(at, value)| format!("{:.1} {:.1}", x(at), y(value))).collect();
                let _ = writeln!(out, "<path class=\"{class}\" d=\"M{}\"/>", path.join("L"));
            }
        }
    }
    out += "</svg>\n<ul class=\"legend\">\n";
    for (line, points) in &drawn {
        if !points.is_empty() {
            let dash = if line.level { " level" } else { "" };
            let _ = writeln!(
                out,
                "<li><svg viewBox=\"0 0 24 8\" aria-hidden=\"true\"><path class=\"{}{dash}\" d=\"M0 4H24\"/></svg>{}</li>",
                line.class,
                escape(line.name)
            );
        }
    }
    out + "</ul>\n</figure>\n"
}

/// A reliability diagram: for each bin, a bar with the height of its accuracy, and the diagonal where confidence equals accuracy.
pub(super) fn reliability(describe: &str, calibration: &Calibration) -> String {
    let (side, left) = (220.0, 36.0);
    let mut out = format!(
        "<figure class=\"small\">\n<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n",
        left + side + 4.0,
        side + 44.0,
        escape(describe)
    );
    let (x, y) = (|share: f64| left + side * share, |share: f64| 4.0 + side * (1.0 - share));
    for tick in [0.0, 0.5, 1.0] {
        let percent = tick * 100.0;
        let _ = writeln!(
            out,
            "<path class=\"grid\" d=\"M{left} {0:.1}H{1}\"/><text class=\"end\" x=\"{2}\" y=\"{3:.1}\">{percent:.0}%</text>\
             <text class=\"middle\" x=\"{4:.1}\" y=\"{5}\">{percent:.0}%</text>",
            y(tick),
            x(1.0),
            left - 4.0,
            y(tick) + 4.0,
            x(tick).clamp(left + 8.0, left + side - 14.0),
            side + 18.0
        );
    }
    let most = calibration.bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1) as f64;
    for bin in calibration.bins.iter().filter(|bin| bin.count > 0) {
        // Bins with more rows are more opaque.
        let opacity = 0.3 + 0.7 * bin.count as f64 / most;
        let _ = writeln!(
            out,
            "<rect class=\"bar\" fill-opacity=\"{opacity:.2}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            x(bin.low) + 1.0,
            y(bin.accuracy),
            side / calibration.bins.len() as f64 - 2.0,
            (side * bin.accuracy).max(1.0)
        );
    }
    let _ = writeln!(out, "<path class=\"majority level\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>", x(0.0), y(0.0), x(1.0), y(1.0));
    let _ = writeln!(out, "<text class=\"middle\" x=\"{:.1}\" y=\"{}\">predicted probability</text>", x(0.5), side + 36.0);
    out + "</svg>\n</figure>\n"
}

/// The next larger value of 1, 2, 2.5 or 5 times a power of ten.
fn nice(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|step| step * power).find(|&top| top >= value).unwrap_or(value)
}

/// At most [`POINTS`] points: means of neighbours.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(POINTS);
    let mean = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        (chunk.iter().map(|(x, _)| x).sum::<f64>() / n, chunk.iter().map(|(_, y)| y).sum::<f64>() / n)
    };
    points.chunks(size.max(1)).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_above_the_values() {
        for (value, top) in [(0.9, 1.0), (1.0, 1.0), (1.95, 2.0), (2.2, 2.5), (3.0, 5.0), (0.012, 0.02), (7.0, 10.0), (0.0, 1.0)]
        {
            assert!((nice(value) - top).abs() < 1e-12, "{value}: {}", nice(value));
        }
    }

    #[test]
    fn a_long_curve_keeps_its_ends_and_its_mean() {
        let points: Vec<(f64, f64)> = (0..10_000).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        let thin = thinned(&points);
        assert!(thin.len() <= POINTS && thin.len() > POINTS / 2, "{}", thin.len());
        assert!(thin.iter().all(|(_, y)| (y - 0.5).abs() < 0.05), "a mean of neighbours is the mean");
        assert_eq!(thinned(&points[..3]), points[..3]);
    }
}
