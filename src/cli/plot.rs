//! A plot of accuracy against training time, as SVG and PNG. The font is part of the program.

use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::train::compare::result::{CellResult, Point, Spread};

const SIZE: (u32, u32) = (960, 600);
const FONT: &str = "sans-serif";
/// Okabe and Ito (2008): colours that colour-blind people can distinguish.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// A variant in the plot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// The name in the legend.
    pub(crate) name: String,
    /// Seconds of training, accuracy and its standard deviation (both 0 to 1), sorted by time.
    pub(crate) points: Vec<(f64, f64, f64)>,
    /// Accuracy of a baseline that is not trained, as a horizontal line.
    pub(crate) level: Option<f64>,
}

impl Line {
    /// The mean curve of a variant's runs, at each evaluation that all of them reached. The majority class is a horizontal line.
    #[must_use]
    pub(crate) fn of(name: &str, cells: &[CellResult]) -> Self {
        let runs: Vec<&CellResult> = cells.iter().filter(|cell| cell.name == name).collect();
        let count = runs.iter().map(|cell| cell.curve.len()).min().unwrap_or(0);
        let point = |i: usize| {
            let of =
                |figure: &dyn Fn(&Point) -> f64| Spread::of(&runs.iter().map(|run| figure(&run.curve[i])).collect::<Vec<_>>());
            let accuracy = of(&|point| point.accuracy);
            (of(&|point| point.seconds).mean, accuracy.mean, accuracy.deviation)
        };
        let level = (count == 0).then(|| Spread::of(&runs.iter().map(|cell| cell.accuracy).collect::<Vec<_>>()).mean);
        Self { name: name.to_owned(), points: (0..count).map(point).collect(), level }
    }
}

/// The plot as SVG.
///
/// # Errors
/// The message of the drawing library.
pub(crate) fn svg(title: &str, lines: &[Line]) -> Result<String, String> {
    let mut text = String::new();
    draw(SVGBackend::with_string(&mut text, SIZE).into_drawing_area(), title, lines)?;
    Ok(text)
}

/// The plot as PNG.
///
/// # Errors
/// The message of the drawing library.
pub(crate) fn png(title: &str, lines: &[Line]) -> Result<Vec<u8>, String> {
    let (width, height) = SIZE;
    let mut pixels = vec![255; (width * height * 3) as usize];
    draw(BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area(), title, lines)?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels));
    written.map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn draw<B: DrawingBackend>(area: DrawingArea<B, plotters::coord::Shift>, title: &str, lines: &[Line]) -> Result<(), String> {
    let wrong = |error: DrawingAreaErrorKind<B::ErrorType>| error.to_string();
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).map_err(|_| "the font cannot be read".to_owned())?;
    area.fill(&WHITE).map_err(wrong)?;
    let points = || lines.iter().flat_map(|line| &line.points);
    let last = points().map(|point| point.0).fold(0.0, f64::max).max(1e-3) * 1.02;
    let levels = lines.iter().filter_map(|line| line.level);
    let low = points().map(|point| point.1 - point.2).chain(levels.clone()).fold(1.0, f64::min);
    let high = points().map(|point| point.1 + point.2).chain(levels).fold(0.0, f64::max);
    let room = ((high - low) * 0.05).max(0.01);
    let (low, high) = ((low - room).max(0.0), (high + room).min(1.02));
    let mut chart = ChartBuilder::on(&area)
        .caption(title, (FONT, 20))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, low..high)
        .map_err(wrong)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("training time in seconds, without evaluations")
        .y_desc("held-out accuracy")
        .y_label_formatter(&|share| format!("{:.0}%", share * 100.0))
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .draw()
        .map_err(wrong)?;
    for (i, line) in lines.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        // After the last colour, the colours repeat with thinner lines.
        let style = colour.stroke_width(if i < COLOURS.len() { 2 } else { 1 });
        if let Some(level) = line.level {
            let dashes = (0..40).map(|i| {
                PathElement::new(vec![(last * f64::from(i) / 40.0, level), (last * (f64::from(i) + 0.5) / 40.0, level)], style)
            });
            chart
                .draw_series(dashes)
                .map_err(wrong)?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 9, y)], style));
            continue;
        }
        let band = line.points.iter().map(|&(x, y, spread)| (x, y + spread));
        let band: Vec<_> = band.chain(line.points.iter().rev().map(|&(x, y, spread)| (x, y - spread))).collect();
        chart.draw_series([Polygon::new(band, colour.mix(0.12).filled())]).map_err(wrong)?;
        let series = LineSeries::new(line.points.iter().map(|&(x, y, _)| (x, y)), style).point_size(3);
        chart
            .draw_series(series)
            .map_err(wrong)?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 15))
        .draw()
        .map_err(wrong)?;
    area.present().map_err(wrong)
}
