//! A chart as a PNG: a card with a background of its own, so that it reads the same on Slack's light and dark themes.
//! Series differ by colour, dash and marker, so that no colour has to be told from another.

use std::sync::OnceLock;

use jiff::Timestamp;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::prelude::{BitMapBackend, Circle, IntoDrawingArea, IntoFont, PathElement, Polygon, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, RGBColor, ShapeStyle, TextStyle, register_font};

use super::scale::{counts, short, time_label, times};
use super::words::cut;
use super::{Chart, Limit, Mark, Panel, Series, Tone};

/// Pixels from left to right: twice what Slack shows, for screens with small pixels.
pub const WIDTH: u32 = 1200;
/// Pixels from top to bottom.
pub const HEIGHT: u32 = 640;
/// The colour of limits, red, green, blue.
pub const LIMIT_COLOR: [u8; 3] = [176, 0, 32];

const FONT: &str = "alch";
const CARD: RGBColor = RGBColor(255, 255, 255);
const EDGE: RGBColor = RGBColor(201, 205, 210);
const GRID: RGBColor = RGBColor(232, 234, 237);
const INK: RGBColor = RGBColor(20, 23, 26);
const FAINT: RGBColor = RGBColor(84, 89, 96);
const LIMIT: RGBColor = RGBColor(LIMIT_COLOR[0], LIMIT_COLOR[1], LIMIT_COLOR[2]);
const GOOD: RGBColor = RGBColor(0, 110, 80);

/// Told apart by people who see few colours, too (the palette of Okabe and Ito, its light ones made darker).
const COLORS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 128, 96),
    RGBColor(170, 68, 136),
    RGBColor(60, 60, 60),
    RGBColor(176, 128, 0),
    RGBColor(46, 140, 196),
    RGBColor(120, 86, 40),
];
/// Strokes and gaps of each series' line, pixels; none for a solid line.
const DASHES: [&[i32]; 8] = [&[], &[18, 8], &[6, 6], &[22, 6, 6, 6], &[12, 12], &[30, 8], &[4, 10], &[18, 6, 4, 6]];

const PAD: i32 = 34;
const LEFT: i32 = 96;
const TITLE: i32 = 32;
const TEXT: i32 = 23;
const SMALL: i32 = 20;
/// The height of a line of text.
const ROW: i32 = 30;
/// Lines that labels of marks may take.
const MAX_LANES: usize = 3;
/// Lines that a legend may take.
const MAX_LEGEND_ROWS: i32 = 3;
/// Limits that a panel draws: the lowest ones, which are met first.
const MAX_LIMITS: usize = 2;
/// Shares of the height for a panel with counts, and for one without.
const SHARES: (i32, i32) = (3, 2);
/// A limit further above all counts than this many times is told, not drawn.
const FAR_ABOVE: i64 = 4;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The font that comes with Alch cannot be read.
    #[error("the font for charts cannot be read")]
    Font,
    /// It cannot be drawn.
    #[error("the chart cannot be drawn: {0}")]
    Drawing(String),
    /// It cannot be written as PNG.
    #[error("the chart cannot be written as PNG: {0}")]
    Png(#[from] png::EncodingError),
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PictureError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Drawing(error.to_string())
    }
}

impl Chart {
    /// The picture, a PNG of [`WIDTH`] × [`HEIGHT`] pixels.
    ///
    /// # Errors
    /// When it cannot be drawn or written.
    pub fn png(&self) -> Result<Vec<u8>, PictureError> {
        fonts()?;
        let mut pixels = vec![0_u8; WIDTH as usize * HEIGHT as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, (WIDTH, HEIGHT)).into_drawing_area();
            draw(&Canvas { area: &area }, self)?;
            area.present()?;
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, WIDTH, HEIGHT);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

/// Registers the font, once for the process.
fn fonts() -> Result<(), PictureError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let register = || register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok();
    if *REGISTERED.get_or_init(register) { Ok(()) } else { Err(PictureError::Font) }
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// The few things that are drawn.
struct Canvas<'a, 'b> {
    area: &'a Area<'b>,
}

/// Where a text is put: its top left, or another corner.
#[derive(Clone, Copy)]
struct Type {
    size: i32,
    color: RGBColor,
    align: HPos,
    /// Thicker, for headings: the font has one weight only.
    bold: bool,
}

const fn plain(size: i32, color: RGBColor) -> Type {
    Type { size, color, align: HPos::Left, bold: false }
}

impl Canvas<'_, '_> {
    fn text(&self, text: &str, (x, y): (i32, i32), how: Type) -> Result<(), PictureError> {
        let style =
            TextStyle::from((FONT, how.size).into_font()).color(&how.color).pos(Pos::new(how.align, VPos::Center));
        self.area.draw_text(text, &style, (x, y))?;
        if how.bold {
            self.area.draw_text(text, &style, (x + 1, y))?;
        }
        Ok(())
    }

    fn width(&self, text: &str, size: i32) -> Result<i32, PictureError> {
        let (width, _) = self.area.estimate_text_size(text, &TextStyle::from((FONT, size).into_font()))?;
        Ok(i32::try_from(width).unwrap_or(i32::MAX / 4))
    }

    /// As much of a text as fits.
    fn fitting(&self, text: &str, size: i32, most: i32) -> Result<String, PictureError> {
        let mut chars = text.chars().count();
        let mut fitting = text.to_owned();
        while self.width(&fitting, size)? > most && chars > 1 {
            chars -= 1;
            fitting = cut(text, chars);
        }
        Ok(fitting)
    }

    fn rectangle(&self, from: (i32, i32), to: (i32, i32), style: ShapeStyle) -> Result<(), PictureError> {
        Ok(self.area.draw(&Rectangle::new([from, to], style))?)
    }

    /// A line through the points, in strokes and gaps.
    fn line(&self, points: &[(i32, i32)], dash: &[i32], color: RGBColor, width: u32) -> Result<(), PictureError> {
        let style = color.stroke_width(width);
        if dash.is_empty() {
            return Ok(self.area.draw(&PathElement::new(points.to_vec(), style))?);
        }
        let (mut at, mut left) = (0_usize, f64::from(dash[0]));
        for pair in points.windows(2) {
            let [(x, y), (to_x, to_y)] = pair else { continue };
            let (dx, dy) = (f64::from(to_x - x), f64::from(to_y - y));
            let long = dx.hypot(dy);
            let mut done = 0.0;
            while done < long {
                let stroke = left.min(long - done);
                if at % 2 == 0 {
                    let point =
                        |part: f64| (x + (dx * part / long).round() as i32, y + (dy * part / long).round() as i32);
                    self.area.draw(&PathElement::new(vec![point(done), point(done + stroke)], style))?;
                }
                done += stroke;
                left -= stroke;
                if left <= 0.0 {
                    at = (at + 1) % (dash.len() * (1 + dash.len() % 2));
                    left = f64::from(dash[at % dash.len()].max(1));
                }
            }
        }
        Ok(())
    }

    /// The sign of a series at a count.
    fn marker(&self, (x, y): (i32, i32), series: usize) -> Result<(), PictureError> {
        let color = COLORS[series % COLORS.len()];
        let shape = |points: &[(i32, i32)]| points.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>();
        match series % 8 {
            0 => self.area.draw(&Circle::new((x, y), 6, color.filled()))?,
            1 => self.area.draw(&Polygon::new(shape(&[(0, -8), (8, 6), (-8, 6)]), color.filled()))?,
            2 => self.rectangle((x - 6, y - 6), (x + 6, y + 6), color.filled())?,
            3 => self.area.draw(&Polygon::new(shape(&[(0, -8), (8, 0), (0, 8), (-8, 0)]), color.filled()))?,
            4 => {
                self.line(&shape(&[(-6, -6), (6, 6)]), &[], color, 3)?;
                self.line(&shape(&[(-6, 6), (6, -6)]), &[], color, 3)?;
            }
            5 => {
                self.area.draw(&Circle::new((x, y), 7, color.filled()))?;
                self.area.draw(&Circle::new((x, y), 3, CARD.filled()))?;
            }
            6 => self.area.draw(&Polygon::new(shape(&[(0, 8), (8, -6), (-8, -6)]), color.filled()))?,
            _ => {
                self.line(&shape(&[(-7, 0), (7, 0)]), &[], color, 3)?;
                self.line(&shape(&[(0, -7), (0, 7)]), &[], color, 3)?;
            }
        }
        Ok(())
    }
}

/// A rectangle for the counts of one panel, with its scale.
struct Plot {
    top: i32,
    bottom: i32,
    ticks: Vec<i64>,
    from: Timestamp,
    until: Timestamp,
}

impl Plot {
    fn x(&self, at: Timestamp) -> i32 {
        let span = (self.until.as_second() - self.from.as_second()).max(60) as f64;
        let part = (at.as_second() - self.from.as_second()) as f64 / span;
        LEFT + (f64::from(right() - LEFT) * part.clamp(0.0, 1.0)).round() as i32
    }

    fn y(&self, count: i64) -> i32 {
        let top = self.ticks.last().copied().unwrap_or(1).max(1) as f64;
        let part = (count as f64 / top).clamp(0.0, 1.0);
        self.bottom - (f64::from(self.bottom - self.top) * part).round() as i32
    }
}

fn right() -> i32 {
    WIDTH as i32 - PAD
}

fn draw(canvas: &Canvas<'_, '_>, chart: &Chart) -> Result<(), PictureError> {
    let (width, height) = (WIDTH as i32, HEIGHT as i32);
    canvas.rectangle((0, 0), (width, height), CARD.filled())?;
    for inset in 0..2 {
        canvas.rectangle((inset, inset), (width - 1 - inset, height - 1 - inset), EDGE.stroke_width(1))?;
    }
    let title = canvas.fitting(&chart.title, TITLE, width - 2 * PAD)?;
    canvas.text(&title, (PAD, 38), Type { bold: true, ..plain(TITLE, INK) })?;
    let subtitle = canvas.fitting(&chart.subtitle, TEXT, width - 2 * PAD)?;
    canvas.text(&subtitle, (PAD, 74), plain(TEXT, FAINT))?;
    let (lanes, labels) = lay_out_marks(canvas, chart)?;
    let marks_top = 106;
    let top = marks_top + i32::try_from(lanes).unwrap_or(0) * ROW;
    let bottom = height - 74;
    let panels = chart.shown();
    let shares: i32 = panels.iter().map(share).sum();
    let mut above = top;
    for panel in panels {
        let below = above + (bottom - top) * share(panel) / shares.max(1);
        draw_panel(canvas, chart, panel, &labels, (above, below - 10))?;
        above = below;
    }
    let plot = Plot { top, bottom, ticks: vec![0, 1], from: chart.from, until: chart.until };
    draw_labels(canvas, &plot, &labels, (marks_top, top))?;
    draw_time(canvas, &plot, bottom - 10)
}

/// How much of the height a panel gets: one that reports nothing needs less.
fn share(panel: &Panel) -> i32 {
    if panel.series.iter().any(|series| !series.points.is_empty()) { SHARES.0 } else { SHARES.1 }
}

/// A mark with where its label is: its line of labels, and where the label begins.
struct Label<'a> {
    mark: &'a Mark,
    text: String,
    lane: Option<(usize, i32)>,
}

/// The sign that says how to take a mark.
fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Good => "+ ",
        Tone::Bad => "! ",
    }
}

/// Puts each label beside its line where it does not run into another; what has no room is told in words only.
fn lay_out_marks<'a>(canvas: &Canvas<'_, '_>, chart: &'a Chart) -> Result<(usize, Vec<Label<'a>>), PictureError> {
    let plot = Plot { top: 0, bottom: 0, ticks: vec![0, 1], from: chart.from, until: chart.until };
    let mut ends = [0_i32; MAX_LANES];
    let mut lanes = 0;
    let mut labels = Vec::new();
    let inside = |mark: &&Mark| mark.at >= chart.from && mark.at <= chart.until;
    for mark in chart.shown_marks().into_iter().filter(inside) {
        let text = canvas.fitting(&format!("{}{}", sign(mark.tone), mark.label), SMALL, 330)?;
        let wide = canvas.width(&text, SMALL)?;
        let begin = (plot.x(mark.at) + 8).min(right() - wide);
        let lane = ends.iter().position(|end| *end <= begin);
        if let Some(lane) = lane {
            ends[lane] = begin + wide + 18;
            lanes = lanes.max(lane + 1);
        }
        labels.push(Label { mark, text, lane: lane.map(|lane| (lane, begin)) });
    }
    Ok((lanes, labels))
}

/// The lines of marks within one plot, so that none runs through a title or a legend. What is drawn later lies above them.
fn draw_marks(canvas: &Canvas<'_, '_>, plot: &Plot, labels: &[Label<'_>]) -> Result<(), PictureError> {
    for Label { mark, .. } in labels {
        let x = plot.x(mark.at);
        canvas.line(&[(x, plot.top), (x, plot.bottom)], &[3, 7], color(mark.tone), 2)?;
    }
    Ok(())
}

/// The labels of marks with the beginnings of their lines. The texts come last, each on a ground of its own, so that no
/// other mark's line runs through it.
fn draw_labels(
    canvas: &Canvas<'_, '_>,
    plot: &Plot,
    labels: &[Label<'_>],
    (top, bottom): (i32, i32),
) -> Result<(), PictureError> {
    let placed = || labels.iter().filter_map(|label| label.lane.map(|(lane, begin)| (label, lane, begin)));
    let middle = |lane: usize| top + i32::try_from(lane).unwrap_or(0) * ROW + ROW / 2;
    for (Label { mark, .. }, lane, _) in placed() {
        let x = plot.x(mark.at);
        canvas.line(&[(x, middle(lane) - ROW / 2 + 4), (x, bottom)], &[3, 7], color(mark.tone), 2)?;
    }
    for (Label { mark, text, .. }, lane, begin) in placed() {
        let wide = canvas.width(text, SMALL)?;
        canvas.rectangle((begin - 3, middle(lane) - 12), (begin + wide + 3, middle(lane) + 12), CARD.filled())?;
        canvas.text(text, (begin, middle(lane)), plain(SMALL, color(mark.tone)))?;
    }
    Ok(())
}

fn color(tone: Tone) -> RGBColor {
    match tone {
        Tone::Plain => FAINT,
        Tone::Good => GOOD,
        Tone::Bad => LIMIT,
    }
}

fn draw_time(canvas: &Canvas<'_, '_>, plot: &Plot, bottom: i32) -> Result<(), PictureError> {
    let centered = Type { align: HPos::Center, ..plain(SMALL, FAINT) };
    let mut free_from = 0;
    for at in times(plot.from, plot.until, 8) {
        let (x, label) = (plot.x(at), time_label(at, plot.from, plot.until));
        canvas.line(&[(x, bottom), (x, bottom + 7)], &[], FAINT, 2)?;
        let wide = canvas.width(&label, SMALL)?;
        let middle = x.clamp(LEFT, right() - wide / 2);
        if middle - wide / 2 >= free_from {
            canvas.text(&label, (middle, bottom + 23), centered)?;
            free_from = middle + wide / 2 + 16;
        }
    }
    let span = format!(
        "time in UTC, {} to {}",
        plot.from.to_zoned(jiff::tz::TimeZone::UTC).strftime("%-d %B %Y %H:%M"),
        time_label(plot.until, plot.from, plot.until),
    );
    canvas.text(&span, (LEFT, bottom + 54), plain(SMALL, FAINT))
}

/// Draws a panel between two heights: its legend, its grid, its series, its limits.
fn draw_panel(
    canvas: &Canvas<'_, '_>,
    chart: &Chart,
    panel: &Panel,
    labels: &[Label<'_>],
    (top, bottom): (i32, i32),
) -> Result<(), PictureError> {
    let rows = draw_legend(canvas, panel, top + ROW / 2 + 2)?;
    let (series, _) = panel.shown();
    let largest = series.iter().filter_map(Series::extent).map(|extent| extent.max).max().unwrap_or(0);
    let is_near = |limit: &&Limit| largest <= 0 || limit.value / FAR_ABOVE <= largest;
    let (mut near, far): (Vec<&Limit>, Vec<&Limit>) = panel.limits.iter().partition(is_near);
    keep_lowest(&mut near);
    let highest = near.iter().map(|limit| limit.value).max().unwrap_or(0).max(largest);
    let plot_top = (top + rows * ROW + 14).min(bottom - 24);
    let most = i64::from((bottom - plot_top) / 44).clamp(1, 5);
    let plot = Plot { top: plot_top, bottom, ticks: counts(highest, most), from: chart.from, until: chart.until };
    for tick in &plot.ticks {
        let y = plot.y(*tick);
        canvas.line(&[(LEFT, y), (right(), y)], &[], if *tick == 0 { FAINT } else { GRID }, 2)?;
        canvas.text(&short(*tick), (LEFT - 14, y), Type { align: HPos::Right, ..plain(SMALL, FAINT) })?;
    }
    draw_marks(canvas, &plot, labels)?;
    for (n, series) in series.iter().enumerate() {
        draw_series(canvas, &plot, series, n)?;
    }
    draw_limits(canvas, &plot, series, (near, far))?;
    if largest <= 0 && series.iter().all(|series| series.points.is_empty()) {
        let middle = ((LEFT + right()) / 2, (plot.top + plot.bottom) / 2);
        let half = canvas.width("nothing reported", TEXT)? / 2 + 6;
        canvas.rectangle((middle.0 - half, middle.1 - 14), (middle.0 + half, middle.1 + 14), CARD.filled())?;
        canvas.text("nothing reported", middle, Type { align: HPos::Center, ..plain(TEXT, FAINT) })?;
    }
    Ok(())
}

/// The panel's title and, after it, the sign and name of each series. Says how many rows that took.
fn draw_legend(canvas: &Canvas<'_, '_>, panel: &Panel, top: i32) -> Result<i32, PictureError> {
    let title = canvas.fitting(&panel.title, TEXT, (right() - PAD) / 2)?;
    canvas.text(&title, (PAD, top), Type { bold: true, ..plain(TEXT, INK) })?;
    let (mut x, mut row) = (PAD + canvas.width(&title, TEXT)? + 30, 0);
    let (series, left_out) = panel.shown();
    for (n, series) in series.iter().enumerate() {
        let told = match series.extent() {
            Some(extent) => format!("{} (max {}, last {})", series.name, short(extent.max), short(extent.last)),
            None => format!("{} (nothing reported)", series.name),
        };
        let told = canvas.fitting(&told, SMALL, right() - PAD - 70)?;
        let wide = 64 + canvas.width(&told, SMALL)?;
        if x + wide > right() && x > PAD {
            (x, row) = (PAD, row + 1);
        }
        if row >= MAX_LEGEND_ROWS {
            break;
        }
        let y = top + row * ROW;
        canvas.line(&[(x, y), (x + 48, y)], DASHES[n % DASHES.len()], COLORS[n % COLORS.len()], 3)?;
        canvas.marker((x + 24, y), n)?;
        canvas.text(&told, (x + 58, y), plain(SMALL, INK))?;
        x += wide + 26;
    }
    if left_out > 0 && row < MAX_LEGEND_ROWS {
        canvas.text(&format!("and {left_out} more"), (x, top + row * ROW), plain(SMALL, FAINT))?;
    }
    Ok((row + 1).min(MAX_LEGEND_ROWS))
}

/// A line through the counts of minutes that follow each other; a stem for one that stands alone.
fn draw_series(canvas: &Canvas<'_, '_>, plot: &Plot, series: &Series, n: usize) -> Result<(), PictureError> {
    let (color, dash) = (COLORS[n % COLORS.len()], DASHES[n % DASHES.len()]);
    let mut stretches: Vec<Vec<(Timestamp, i64)>> = Vec::new();
    for (at, count) in series.within(plot.from, plot.until) {
        match stretches.last_mut() {
            Some(stretch) if stretch.last().is_some_and(|(last, _)| at.as_second() - last.as_second() <= 60) => {
                stretch.push((*at, *count));
            }
            Some(_) | None => stretches.push(vec![(*at, *count)]),
        }
    }
    let drawn: usize = stretches.iter().map(Vec::len).sum();
    let every = drawn.div_ceil(40).max(1);
    let mut nth = 0;
    for stretch in &stretches {
        let points: Vec<(i32, i32)> = stretch.iter().map(|(at, count)| (plot.x(*at), plot.y(*count))).collect();
        match points.as_slice() {
            [(x, y)] => canvas.line(&[(*x, plot.bottom), (*x, *y)], dash, color, 2)?,
            points => canvas.line(points, dash, color, 3)?,
        }
        for (index, point) in points.iter().enumerate() {
            if nth % every == 0 || points.len() == 1 || index + 1 == points.len() {
                canvas.marker(*point, n)?;
            }
            nth += 1;
        }
    }
    Ok(())
}

/// Of limits only those that are drawn: what is not must not stretch the scale either.
fn keep_lowest(limits: &mut Vec<&Limit>) {
    let mut values: Vec<i64> = limits.iter().map(|limit| limit.value).collect();
    values.sort_unstable();
    values.dedup();
    if let Some(highest) = values.get(MAX_LIMITS - 1) {
        limits.retain(|limit| limit.value <= *highest);
    }
}

/// Limits as lines with their names, and a ring around each count that is above the lowest.
fn draw_limits(
    canvas: &Canvas<'_, '_>,
    plot: &Plot,
    series: &[Series],
    (near, far): (Vec<&Limit>, Vec<&Limit>),
) -> Result<(), PictureError> {
    let mut told: Vec<(i64, String)> = Vec::new();
    for limit in near {
        match told.iter_mut().find(|(value, _)| *value == limit.value) {
            Some((_, names)) if names.contains(&limit.name) => {}
            Some((_, names)) => names.push_str(&format!(", {}", limit.name)),
            None => told.push((limit.value, limit.name.clone())),
        }
    }
    let lowest = told.iter().map(|(value, _)| *value).min();
    for (value, name) in &told {
        let y = plot.y(*value);
        canvas.line(&[(LEFT, y), (right(), y)], &[14, 8], LIMIT, 3)?;
        let name = canvas.fitting(name, SMALL, 420)?;
        let wide = canvas.width(&name, SMALL)?;
        let middle = if y - plot.top > 26 { y - 15 } else { y + 15 };
        canvas.rectangle((right() - wide - 8, middle - 12), (right(), middle + 12), CARD.mix(0.85).filled())?;
        canvas.text(&name, (right() - 4, middle), Type { align: HPos::Right, ..plain(SMALL, LIMIT) })?;
    }
    if let Some(limit) = far.iter().min_by_key(|limit| limit.value) {
        let name = canvas.fitting(&format!("{} is far above", limit.name), SMALL, 420)?;
        canvas.text(&name, (right() - 4, plot.top + 12), Type { align: HPos::Right, ..plain(SMALL, LIMIT) })?;
    }
    let over = series.iter().flat_map(|series| series.within(plot.from, plot.until));
    for (at, count) in over.filter(|(_, count)| lowest.is_some_and(|lowest| **count > lowest)) {
        for radius in [12, 13, 14] {
            canvas.area.draw(&Circle::new((plot.x(*at), plot.y(*count)), radius, LIMIT.stroke_width(1)))?;
        }
    }
    Ok(())
}
