//! What each mark draws: shapes in the units of the axes, where names are at 0, 1, 2 ...

use std::collections::BTreeMap;

use plotters::prelude::RGBColor;

use crate::chart::Mark;
use crate::column::Values;
use crate::encoded::{Encoded, by_code};
use crate::format::{decimals, number, percent};
use crate::shapes::{Kind, Place, Points, Shape};
use crate::stats::{Bins, box_of, density, mean};
use crate::style::{FAINT, INK, OUTLINE, SOFT_INK, ink_on};

/// A cell of a heat map: its edges, the mean of its colors or the number of its rows, and a row.
pub(crate) struct Cell {
    x: [f64; 2],
    y: [f64; 2],
    pub(crate) value: f64,
    row: usize,
}

/// The shapes of a layer for some of its rows.
pub(crate) fn shapes(layer: &Encoded, rows: &[usize]) -> Vec<Shape> {
    let mut shapes = match layer.mark {
        Mark::Histogram | Mark::Density | Mark::Cumulative => distribution(layer, rows),
        Mark::Bars | Mark::Boxes | Mark::Violins => by_category(layer, rows),
        Mark::Line => lines(layer, rows),
        Mark::Points => points(layer, rows),
        Mark::HeatMap => heat_map(layer, rows),
    };
    for shape in shapes.iter_mut().filter(|_| layer.lies()) {
        shape.points.iter_mut().for_each(|point| *point = (point.1, point.0));
        if let Kind::Text(_, place) = &mut shape.kind {
            *place = Place::Beside;
        }
    }
    shapes
}

/// The finite values of some rows in order.
fn sorted(values: &Values, rows: &[usize]) -> Vec<f64> {
    let mut sorted: Vec<f64> = rows.iter().map(|row| values.at(*row)).collect();
    sorted.retain(|value| value.is_finite());
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

fn distribution(layer: &Encoded, rows: &[usize]) -> Vec<Shape> {
    let axis = usize::from(layer.lies());
    let (Some(values), Some(bins)) = (&layer.axes[axis], layer.bins[axis]) else { return vec![] };
    let groups = layer.groups(rows);
    let opacity = if groups.len() > 1 { 0.5 } else { 1.0 };
    let mut shapes = vec![];
    for (code, rows) in groups {
        let color = layer.color(code);
        let sorted = sorted(values, &rows);
        let n = sorted.len() as f64;
        let each = if layer.shares { 100.0 / n } else { 1.0 };
        match layer.mark {
            _ if sorted.is_empty() => {}
            Mark::Histogram => {
                let bar = |(edge, count): (f64, usize)| {
                    vec![(edge, 0.0), (edge + bins.width, each * count as f64)]
                };
                let bars = bins.counts(sorted.into_iter()).into_iter().map(bar);
                shapes.extend(bars.map(|points| Shape {
                    kind: Kind::Rect(opacity),
                    color,
                    points,
                }));
            }
            Mark::Density => {
                let factor = layer.per_bin.map_or(1.0, |width| width * n * each);
                let mut points = density(&sorted, 160);
                points.iter_mut().for_each(|point| point.1 *= factor);
                let (first, last) = (points[0], points[points.len() - 1]);
                let mut under = points.clone();
                under.extend([(last.0, 0.0), (first.0, 0.0)]);
                shapes.push(Shape { kind: Kind::Area(0.25), color, points: under });
                shapes.push(Shape { kind: Kind::Path(2), color, points });
            }
            _ => {
                let last = sorted.len() - 1;
                let some = (0..last).step_by(sorted.len().div_ceil(500)).chain([last]);
                let place = |i| (sorted[i], 100.0 * (i + 1) as f64 / n);
                let points = [(sorted[0], 0.0)].into_iter().chain(some.map(place)).collect();
                shapes.push(Shape { kind: Kind::Path(2), color, points });
            }
        }
    }
    shapes
}

/// Bars, boxes and violins, as if the categories were on the horizontal axis.
fn by_category(layer: &Encoded, rows: &[usize]) -> Vec<Shape> {
    let axis = usize::from(layer.lies());
    let (category, value) = (&layer.axes[axis], &layer.axes[1 - axis]);
    let groups: BTreeMap<usize, Vec<usize>> = layer.groups(rows).into_iter().collect();
    let at = |row| category.as_ref().map_or(0, |values| values.at(row) as usize);
    let mut places = BTreeMap::<(usize, usize), Vec<usize>>::new();
    for (code, rows) in &groups {
        places.extend(by_code(rows, at).into_iter().map(|(at, rows)| ((at, *code), rows)));
    }
    // Colors share a place side by side, if any place has several.
    let dodged = places.keys().zip(places.keys().skip(1)).any(|(a, b)| a.0 == b.0);
    let all = if dodged { layer.colors.len() } else { 1 };
    let half = 0.36 / all as f64;
    let apart = dodged || (layer.shares && layer.may_dodge());
    let few = places.len() <= 32;
    let values = |members: &Vec<usize>| value.as_ref().map_or(vec![], |of| sorted(of, members));
    let values: Vec<Vec<f64>> = places.values().map(values).collect();
    let means = || values.iter().map(|values| mean(values).0);
    let most = means().fold(0.0, |most: f64, mean| most.max(mean.abs()));
    let whole = means().all(|mean| mean.is_nan() || mean.fract() == 0.0);
    let digits = if whole { 0 } else { decimals(most / 100.0) };
    let mut shapes = vec![];
    for (((at, code), members), sorted) in places.into_iter().zip(&values) {
        let shift = if dodged { (2 * code + 1) as f64 - all as f64 } else { 0.0 };
        let (x, color) = (at as f64 + shift * half, layer.color(code));
        match layer.mark {
            Mark::Bars => {
                let n = members.len() as f64;
                let share = n / if apart { groups[&code].len() } else { rows.len() } as f64;
                if value.is_some() && sorted.is_empty() {
                    continue;
                }
                let mut reach = 0.0;
                let (top, words) = if value.is_some() {
                    let (mean, error) = mean(sorted);
                    reach = 1.96 * error.unwrap_or(0.0);
                    (mean, number(mean, digits))
                } else if layer.shares {
                    (100.0 * share, percent(share))
                } else if dodged {
                    (n, number(n, 0))
                } else {
                    (n, format!("{} ({})", number(n, 0), percent(share)))
                };
                let points = vec![(x - 0.9 * half, 0.0), (x + 0.9 * half, top)];
                shapes.push(Shape { kind: Kind::Rect(1.0), color, points });
                if reach > 0.0 {
                    shapes.push(line(vec![(x, top - reach), (x, top + reach)], 2));
                }
                let own = layer.text.as_ref().map(|texts| texts[members[0]].clone());
                if few || own.is_some() {
                    let place = Place::Above(if dodged { 2.0 * half } else { 1.0 });
                    let kind = Kind::Text(own.unwrap_or(words), place);
                    shapes.push(Shape { kind, color: INK, points: vec![(x, top + reach)] });
                }
            }
            _ if sorted.is_empty() => {}
            Mark::Boxes => shapes.extend(a_box(x, 0.6 * half, sorted, color)),
            _ => shapes.extend(violin(x, half, sorted, color)),
        }
    }
    shapes
}

fn line(points: Points, width: u32) -> Shape {
    Shape { kind: Kind::Path(width), color: INK, points }
}

/// A box with its whiskers, and the values beyond as dots.
fn a_box(x: f64, half: f64, sorted: &[f64], color: RGBColor) -> [Shape; 8] {
    let [from, lower, median, upper, to] = box_of(sorted);
    let across = |y: f64, half: f64| vec![(x - half, y), (x + half, y)];
    let mut around = across(lower, half);
    around.extend([(x + half, upper), (x - half, upper), (x - half, lower)]);
    let mut beyond: Points = sorted.iter().map(|value| (x, *value)).collect();
    beyond.retain(|(_, value)| *value < from || *value > to);
    // Equal dots would only overlap.
    beyond.dedup();
    [
        Shape { kind: Kind::Area(0.7), color, points: around.clone() },
        line(around, 1),
        line(vec![(x, from), (x, lower)], 1),
        line(vec![(x, upper), (x, to)], 1),
        line(across(from, half / 3.0), 1),
        line(across(to, half / 3.0), 1),
        line(across(median, half), 3),
        Shape { kind: Kind::Dots(2.0), color, points: beyond },
    ]
}

fn violin(x: f64, half: f64, sorted: &[f64], color: RGBColor) -> [Shape; 4] {
    let curve = density(sorted, 100);
    let most = curve.iter().fold(1e-12, |most: f64, point| most.max(point.1));
    let side = |sign: f64| move |p: &(f64, f64)| (x + sign * half * p.1 / most, p.0);
    let mut points: Points = curve.iter().map(side(-1.0)).collect();
    points.extend(curve.iter().rev().map(side(1.0)));
    points.push(points[0]);
    let [_, lower, median, upper, _] = box_of(sorted);
    [
        Shape { kind: Kind::Area(0.4), color, points: points.clone() },
        Shape { kind: Kind::Path(1), color, points },
        line(vec![(x, lower), (x, upper)], 1),
        line(vec![(x - half / 4.0, median), (x + half / 4.0, median)], 3),
    ]
}

fn lines(layer: &Encoded, rows: &[usize]) -> Vec<Shape> {
    let [Some(x), Some(y)] = &layer.axes else { return vec![] };
    let groups = layer.groups(rows);
    // Dots would hide a long line, but a single point has nothing else.
    let few = groups.iter().all(|group| group.1.len() <= 30);
    let mut shapes = vec![];
    for (code, mut rows) in groups {
        let color = layer.color(code);
        rows.sort_by(|a, b| x.at(*a).total_cmp(&x.at(*b)));
        let points: Points = rows.iter().map(|row| (x.at(*row), y.at(*row))).collect();
        for run in points.split(|p| !p.1.is_finite()).filter(|run| !run.is_empty()) {
            shapes.push(Shape { kind: Kind::Path(2), color, points: run.to_vec() });
            if few || run.len() == 1 {
                shapes.push(Shape { kind: Kind::Dots(3.0), color, points: run.to_vec() });
            }
        }
    }
    shapes
}

/// Points with their intervals and texts.
fn points(layer: &Encoded, rows: &[usize]) -> Vec<Shape> {
    let [Some(x), Some(y)] = &layer.axes else { return vec![] };
    let most = layer.area.iter().flatten().copied().fold(0.0, f64::max);
    let (mut shapes, mut dots) = (vec![], BTreeMap::<_, Points>::new());
    let many = layer.shows_scale() && rows.len() > 300;
    for (code, rows) in layer.groups(rows) {
        for row in rows {
            let mut color = match &layer.color {
                Some(Values::Numbers { values, .. }) if many => {
                    // Few colors, so that each is one path.
                    let (low, high) = layer.scale;
                    let step = (high - low).max(1e-300) / 23.0;
                    layer.scaled(low + step * ((values[row] - low) / step).round())
                }
                Some(Values::Numbers { values, .. }) => layer.scaled(values[row]),
                _ => layer.color(code),
            };
            let (x, y, mut radius) = (x.at(row), y.at(row), 3.0);
            if let Some([low, high]) =
                layer.interval.as_ref().map(|ends| [ends[0][row], ends[1][row]])
            {
                (color, radius) = (if low == high { FAINT } else { color }, 5.0);
                let points = match layer.bins[1] {
                    Some(_) => vec![(x, low), (x, high)],
                    None => vec![(low, y), (high, y)],
                };
                shapes.push(Shape { kind: Kind::Path(2), color, points });
            }
            if let Some(area) = &layer.area {
                radius = 3.0 + 9.0 * (area[row] / most).sqrt();
            }
            let key = (radius as u32, color.0, color.1, color.2);
            dots.entry(key).or_default().push((x, y));
            if let Some(text) = &layer.text {
                let kind = Kind::Text(text[row].clone(), Place::Right);
                shapes.push(Shape { kind, color: INK, points: vec![(x, y)] });
            }
        }
    }
    shapes.extend(dots.into_iter().map(|((radius, r, g, b), points)| {
        let kind = if many { Kind::Cloud } else { Kind::Dots(f64::from(radius)) };
        Shape { kind, color: RGBColor(r, g, b), points }
    }));
    shapes
}

/// The cells of a heat map that have rows.
pub(crate) fn cells(layer: &Encoded, rows: &[usize]) -> Vec<Cell> {
    let [Some(x), Some(y)] = &layer.axes else { return vec![] };
    let names = Bins::of_names();
    let (x_bins, y_bins) = (layer.bins[0].unwrap_or(names), layer.bins[1].unwrap_or(names));
    let mut cells = BTreeMap::<(i64, i64), Vec<usize>>::new();
    for row in rows.iter().filter(|row| x.at(**row).is_finite() && y.at(**row).is_finite()) {
        let at = (x_bins.index(x.at(*row)), y_bins.index(y.at(*row)));
        cells.entry(at).or_default().push(*row);
    }
    let edges = |bins: Bins, at| [bins.edge(at), bins.edge(at + 1)];
    let cell = |((x, y), rows): ((i64, i64), Vec<usize>)| {
        let n = rows.len() as f64;
        let value = match &layer.color {
            Some(color) => rows.iter().map(|row| color.at(*row)).sum::<f64>() / n,
            None => n,
        };
        Cell { x: edges(x_bins, x), y: edges(y_bins, y), value, row: rows[0] }
    };
    cells.into_iter().map(cell).collect()
}

fn heat_map(layer: &Encoded, rows: &[usize]) -> Vec<Shape> {
    let cells = cells(layer, rows);
    let mut shapes: Vec<Shape> = cells.iter().flat_map(|cell| filled(layer, cell)).collect();
    let values = cells.iter().map(|cell| cell.value);
    let highest = values.filter(|value| layer.outline_highest && !value.is_nan()).reduce(f64::max);
    for Cell { x, y, .. } in cells.iter().filter(|cell| Some(cell.value) == highest) {
        // Past the first corner, so that it is as sharp as the others.
        let sides = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0), (1, 0)];
        let points = sides.map(|(right, up)| (x[right], y[up])).to_vec();
        shapes.push(Shape { kind: Kind::Path(4), color: OUTLINE, points });
    }
    shapes
}

fn filled(layer: &Encoded, cell: &Cell) -> Vec<Shape> {
    let Cell { x, y, value, row } = *cell;
    let color = layer.scaled(value);
    let points = vec![(x[0], y[0]), (x[1], y[1])];
    let mut shapes = vec![Shape { kind: Kind::Rect(1.0), color, points }];
    if layer.bins == [None, None] || layer.text.is_some() {
        let (low, high) = layer.scale;
        let digits = decimals(if high > low { (high - low) / 20.0 } else { high.abs() / 100.0 });
        let (words, color) = match &layer.text {
            _ if value.is_nan() => ("-".to_string(), SOFT_INK),
            Some(text) => (text[row].clone(), ink_on(color)),
            None if layer.color.is_none() => (number(value, 0), ink_on(color)),
            None => (number(value, digits), ink_on(color)),
        };
        let blank = words.trim().is_empty();
        let kind = Kind::Text(words, Place::Cell(x[1] - x[0]));
        let points = vec![((x[0] + x[1]) / 2.0, (y[0] + y[1]) / 2.0)];
        shapes.extend((!blank).then_some(Shape { kind, color, points }));
    }
    shapes
}
