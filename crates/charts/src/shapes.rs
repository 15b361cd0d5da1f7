//! Shapes on a plot.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use crate::axis::{Plot, write_at};
use crate::style::{MARGIN, TEXT, blend, shrunk, text};

pub(crate) type Points = Vec<(f64, f64)>;

pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) color: RGBColor,
    pub(crate) points: Points,
}

pub(crate) enum Kind {
    /// Two corners, filled with an opacity.
    Rect(f64),
    /// An outline, filled with an opacity.
    Area(f64),
    /// A line of a width in pixels.
    Path(u32),
    /// Dots of a radius in pixels.
    Dots(f64),
    /// Thousands of dots, of which others have other colors.
    Cloud,
    Text(String, Place),
}

/// Where text is: in a cell or above a bar of a width, beside the end of a bar, or in a row on the
/// right of the plot.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Place {
    Cell(f64),
    Above(f64),
    Beside,
    Right,
}

/// The smallest range around shapes on an axis, with some air except where bars start at 0.
pub(crate) fn extent(shapes: &[Shape], y: bool) -> Option<Range<f64>> {
    let shapes = shapes.iter().filter(|shape| !matches!(shape.kind, Kind::Text(..)));
    let points = shapes.flat_map(|shape| shape.points.iter().map(|p| (p, &shape.kind)));
    let (mut low, mut high, mut from_zero) = (f64::INFINITY, f64::NEG_INFINITY, false);
    for (point, kind) in points {
        let value = if y { point.1 } else { point.0 };
        if value.is_finite() {
            (low, high) = (low.min(value), high.max(value));
            from_zero |= value == 0.0 && !matches!(kind, Kind::Dots(_) | Kind::Cloud);
        }
    }
    let air = match high - low {
        span if !span.is_finite() => return None,
        0.0 => 0.1 * low.abs().max(0.1),
        span => 0.04 * span,
    };
    let start = if from_zero && low == 0.0 { low } else { low - air };
    Some(start..if from_zero && high == 0.0 { high } else { high + air })
}

/// Draws a shape; what plotters would write at length goes into `more` as SVG.
/// Text has `font` pixels, and a cloud at most so many `dots`.
pub(crate) fn draw(
    plot: &Plot<'_>,
    shape: &Shape,
    font: f64,
    dots: usize,
    more: &mut String,
) -> Result<()> {
    let (area, color) = (plot.plotting_area(), shape.color);
    let sides = [area.get_x_range(), area.get_y_range()];
    let [xs, ys] = sides.map(|side| (side.start.min(side.end), side.start.max(side.end)));
    let clamped = |p: (f64, f64)| (p.0.clamp(xs.0, xs.1), p.1.clamp(ys.0, ys.1));
    // plotters would draw beyond the axes.
    let finite = shape.points.iter().copied().filter(|p| p.0.is_finite() && p.1.is_finite());
    let kept = finite.filter_map(|point| match shape.kind {
        Kind::Rect(_) | Kind::Area(_) => Some(clamped(point)),
        Kind::Path(_) => (clamped(point).0 == point.0).then_some(clamped(point)),
        _ => (clamped(point) == point).then_some(point),
    });
    let points: Vec<(f64, f64)> = kept.collect();
    match &shape.kind {
        Kind::Rect(opacity) => {
            let [from, to] = points[..] else { return Ok(()) };
            if from.0 == to.0 || from.1 == to.1 {
                return Ok(());
            }
            let [(x1, y1), (x2, y2)] = [from, to].map(|at| plot.backend_coord(&at));
            let unit =
                |range: Range<f64>, pixels: u32| (range.end - range.start) / f64::from(pixels);
            let (wide, high) = area.dim_in_pixel();
            // Even a single image shows as one pixel.
            let (mut right, mut top) = to;
            if x1 == x2 {
                right += unit(area.get_x_range(), wide);
            }
            if y1 == y2 {
                top += unit(area.get_y_range(), high);
            }
            let mut rect = Rectangle::new([from, (right, top)], color.mix(*opacity).filled());
            rect.set_margin(0, 0, 0, u32::from((x1 - x2).abs() > 4));
            area.draw(&rect)?;
        }
        Kind::Path(width) => area.draw(&PathElement::new(points, color.stroke_width(*width)))?,
        Kind::Area(opacity) => area.draw(&Polygon::new(points, color.mix(*opacity).filled()))?,
        Kind::Dots(_) if points.len() > 300 => {
            let pixels: Vec<_> = points.iter().map(|at| plot.backend_coord(at)).collect();
            *more += &cloud(&pixels, color, dots, &[0.34, 0.44, 0.56, 0.72]);
        }
        Kind::Cloud => {
            let pixels: Vec<_> = points.iter().map(|at| plot.backend_coord(at)).collect();
            *more += &cloud(&pixels, color, dots / 24, &[0.5]);
        }
        Kind::Dots(radius) => {
            for at in points {
                area.draw(&Circle::new(at, *radius as i32, color.mix(0.9).filled()))?;
            }
        }
        Kind::Text(words, place) => {
            let Some(at) = points.first().copied() else { return Ok(()) };
            let (at, offset, side) = match place {
                Place::Cell(_) => (at, (0, 0), HPos::Center),
                // What is wider than its bar would cover its neighbors.
                Place::Above(_) if font < 9.0 => return Ok(()),
                Place::Above(_) => (at, (0, if at.1 < 0.0 { 11 } else { -11 }), HPos::Center),
                Place::Beside if at.0 < 0.0 => (at, (-6, 0), HPos::Right),
                Place::Beside => (at, (6, 0), HPos::Left),
                Place::Right => ((area.get_x_range().end, at.1), (MARGIN, 0), HPos::Left),
            };
            let size = if matches!(place, Place::Beside | Place::Right) { TEXT } else { font };
            let middle = (words.lines().count() as f64 - 1.0) / 2.0;
            for (i, line) in words.lines().enumerate() {
                let down = (1.25 * size * (i as f64 - middle)).round() as i32;
                write_at(plot, at, (offset.0, offset.1 + down), line, text(size, color, side))?;
            }
        }
    }
    Ok(())
}

/// A dashed line for comparison, over everything else.
pub(crate) fn rule(plot: &Plot<'_>, from: (f64, f64), to: (f64, f64)) -> String {
    let [(x1, y1), (x2, y2)] = [from, to].map(|at| plot.backend_coord(&at));
    format!(
        "<path d=\"M{x1} {y1}L{x2} {y2}\" stroke=\"#5C6772\" stroke-width=\"1.5\" stroke-dasharray=\"5 4\"/>\n"
    )
}

/// The font size at which the texts of all cells and bars fit, on a plot `wide` pixels wide.
pub(crate) fn font_size(shapes: &[Shape], span: f64, wide: f64) -> f64 {
    let fit = |shape: &Shape| match shape {
        Shape { kind: Kind::Text(words, Place::Cell(room) | Place::Above(room)), .. } => {
            let room = room / span * wide - 3.0;
            words.lines().map(|line| shrunk(line, TEXT, room)).fold(TEXT, f64::min)
        }
        _ => TEXT,
    };
    // Short numbers in the SVG.
    (2.0 * shapes.iter().map(fit).fold(TEXT, f64::min)).floor() / 2.0
}

/// Thousands of dots in a few paths: the more at a place, the darker, and a single one is visible.
fn cloud(pixels: &[(i32, i32)], color: RGBColor, most: usize, shades: &[f64]) -> String {
    let mut cells = HashMap::<(i32, i32), ((i32, i32), usize)>::new();
    for side in 1.. {
        cells.clear();
        for (x, y) in pixels {
            cells.entry((x / side, y / side)).or_insert(((*x, *y), 0)).1 += 1;
        }
        if cells.len() <= most {
            break;
        }
    }
    let mut cells: Vec<_> = cells.into_values().collect();
    cells.sort_unstable();
    let most = cells.iter().map(|cell| cell.1).max().unwrap_or(1) as f64;
    let top = (shades.len() - 1) as f64;
    let level = |count: usize| (top * (count as f64).ln() / most.ln().max(1.0)).round() as usize;
    let mut svg = String::new();
    for (i, shade) in shades.iter().enumerate() {
        let RGBColor(r, g, b) = blend(&[WHITE, color, BLACK], *shade);
        let _ = write!(
            svg,
            "<path fill=\"none\" stroke=\"#{r:02X}{g:02X}{b:02X}\" stroke-width=\"4\" stroke-linecap=\"round\" d=\""
        );
        for ((x, y), _) in cells.iter().filter(|cell| level(cell.1) == i) {
            let _ = write!(svg, "M{x} {y}h.01");
        }
        svg += "\"/>\n";
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_fit_the_values_and_bars_start_at_zero() {
        let shape = |kind, points| [Shape { kind, color: BLACK, points }];
        let bar = shape(Kind::Rect(1.0), vec![(25.5, 0.0), (26.5, 100.0)]);
        assert_eq!(extent(&bar, true), Some(0.0..104.0));
        let x = extent(&bar, false).unwrap();
        assert!(x.start > 25.4 && x.end < 26.6, "{x:?}");
        let line = shape(Kind::Path(2), vec![(20.0, f64::NAN), (60.0, 7.0)]);
        assert_eq!(extent(&line, false), Some(18.4..61.6));
        assert!(extent(&line, true).is_some_and(|y| y.start < 7.0 && y.end > 7.0));
        assert_eq!(extent(&[], true), None);
    }

    #[test]
    fn a_cloud_is_small_and_keeps_single_dots() {
        let mut pixels: Vec<_> = (0..24_000).map(|i| (i % 400, 7 * i % 300)).collect();
        pixels.push((700, 500));
        let svg = cloud(&pixels, RED, 4_000, &[0.3, 0.7]);
        assert!(svg.len() < 90_000 && svg.contains("M700 500h"), "{}", svg.len());
        let few = cloud(&[(1, 1), (1, 1), (5, 5)], RED, 9, &[0.5]);
        assert_eq!(few.matches("h.01").count(), 2);
        assert!(few.contains("#FF0000"), "a scale keeps its colors");
    }
}
