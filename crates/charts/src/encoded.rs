//! A layer of a chart with the values of its columns.

use anyhow::{Context, Result, bail, ensure};
use plotters::prelude::RGBColor;

use crate::chart::{Chart, Mark};
use crate::column::{Values, read};
use crate::format::short;
use crate::stats::Bins;
use crate::style::{GRID, blend};

pub(crate) struct Encoded {
    pub(crate) mark: Mark,
    /// What is on the horizontal and the vertical axis.
    pub(crate) axes: [Option<Values>; 2],
    /// Names of these columns, and bins of their numbers.
    titles: [Option<String>; 2],
    pub(crate) bins: [Option<Bins>; 2],
    pub(crate) color: Option<Values>,
    /// Of the color's names, or of the scale of its numbers.
    pub(crate) colors: Vec<RGBColor>,
    /// The numbers at the ends of that scale.
    pub(crate) scale: (f64, f64),
    pub(crate) text: Option<Vec<String>>,
    pub(crate) area: Option<Vec<f64>>,
    pub(crate) interval: Option<[Vec<f64>; 2]>,
    /// Whether color and category are the same column.
    pub(crate) same: bool,
    pub(crate) shares: bool,
    pub(crate) outline_highest: bool,
    /// Width of the bins of a histogram that a density lies over.
    pub(crate) per_bin: Option<f64>,
}

/// The rows of each code that has any, by code.
pub(crate) fn by_code(rows: &[usize], code: impl Fn(usize) -> usize) -> Vec<(usize, Vec<usize>)> {
    let mut found: Vec<Vec<usize>> = vec![];
    for row in rows {
        let code = code(*row);
        found.resize(found.len().max(code + 1), vec![]);
        found[code].push(*row);
    }
    found.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()).collect()
}

fn are_numbers(values: &Option<Values>) -> bool {
    matches!(values, Some(Values::Numbers { .. }))
}

impl Encoded {
    pub(crate) fn new(layer: &Chart, look: &Chart) -> Result<Self> {
        let mut mark =
            layer.mark.context("the chart has no mark: add .histogram(), .points(), ...")?;
        let find = |name: &Option<String>| {
            name.as_ref().map(|name| read(&layer.data, name, layer.in_order)).transpose()
        };
        let (mut x, mut y) = (find(&layer.x)?, find(&layer.y)?);
        let color = match &layer.color {
            name if name.is_some() && *name == layer.x => x.clone(),
            name if name.is_some() && *name == layer.y => y.clone(),
            name => find(name)?,
        };
        ensure!(x.is_some() || y.is_some(), "the chart has no columns: add .x(\"...\")");
        if mark == Mark::Histogram && !are_numbers(&x) && !are_numbers(&y) {
            mark = Mark::Bars;
        }
        let both = are_numbers(&x) && are_numbers(&y);
        match mark {
            Mark::Bars if both || y.is_none() => x = x.map(Values::into_names),
            Mark::Bars if x.is_none() => y = y.map(Values::into_names),
            Mark::Boxes | Mark::Violins if both => x = x.map(Values::into_names),
            Mark::Boxes | Mark::Violins => {
                ensure!(are_numbers(&x) || are_numbers(&y), "boxes and violins need numbers");
                // A single box has a category without a name.
                let category = if are_numbers(&x) { &mut y } else { &mut x };
                let codes = vec![0; layer.data.height()];
                category.get_or_insert(Values::Names { codes, names: vec![String::new()] });
            }
            Mark::Line | Mark::Points | Mark::HeatMap if x.is_none() || y.is_none() => {
                bail!("lines, points and heat maps need .x(...) and .y(...)")
            }
            _ => {}
        }
        let numbers =
            |name: &str| anyhow::Ok(read(&layer.data, name, false)?.numbers(name)?.to_vec());
        let text = layer.text.as_ref().map(|name| read(&layer.data, name, true)).transpose()?;
        let text = text.map(|values| match values {
            Values::Numbers { values, .. } => values.into_iter().map(short).collect(),
            Values::Names { codes, names } => codes.iter().map(|i| names[*i].clone()).collect(),
        });
        let interval = layer.interval.as_ref();
        let interval = interval.map(|[low, high]| anyhow::Ok([numbers(low)?, numbers(high)?]));
        let width = look.bins.filter(|bins| bins.1 == 0).map_or(1.0, |bins| bins.0);
        ensure!(width > 0.0 && width.is_finite(), "bins can't have a width of {width}");
        let bins = |values: &Option<Values>| match values {
            Some(Values::Numbers { values, whole }) => Some(Bins::new(values, *whole, look.bins)),
            _ => None,
        };
        let category = if are_numbers(&x) { &layer.y } else { &layer.x };
        Ok(Self {
            mark,
            bins: [bins(&x), bins(&y)],
            axes: [x, y],
            titles: [layer.x.clone(), layer.y.clone()],
            color,
            colors: vec![],
            scale: (0.0, 1.0),
            text,
            area: layer.area.as_deref().map(numbers).transpose()?,
            interval: interval.transpose()?,
            same: layer.color.is_some() && layer.color == *category,
            shares: look.shares,
            outline_highest: layer.outline_highest,
            per_bin: None,
        })
    }

    /// Whether the marks lie on their side: what they count or measure is on the horizontal axis.
    pub(crate) fn lies(&self) -> bool {
        match self.mark {
            Mark::Histogram | Mark::Density | Mark::Cumulative => !are_numbers(&self.axes[0]),
            Mark::Bars | Mark::Boxes | Mark::Violins => {
                are_numbers(&self.axes[0]) || self.axes[0].is_none()
            }
            _ => false,
        }
    }

    /// Whether a category can have several marks, one for each color.
    pub(crate) fn may_dodge(&self) -> bool {
        let by_category = matches!(self.mark, Mark::Bars | Mark::Boxes | Mark::Violins);
        by_category && self.color.is_some() && !self.same
    }

    /// The title of an axis: its column, or what is counted.
    pub(crate) fn title(&self, axis: usize) -> String {
        let counted = match self.mark {
            Mark::Boxes | Mark::Violins => "",
            Mark::Cumulative => "Share of rows (%)",
            Mark::Density if self.per_bin.is_none() => "Density",
            _ if self.shares => "Share (%)",
            _ => "Count",
        };
        self.titles[axis].clone().unwrap_or_else(|| counted.to_string())
    }

    /// Whether an axis has whole numbers only.
    pub(crate) fn is_whole(&self, axis: usize) -> bool {
        match &self.axes[axis] {
            Some(Values::Numbers { whole, .. }) => *whole && self.mark != Mark::Bars,
            _ => self.title(axis) == "Count",
        }
    }

    /// The number of rows that have no place on an axis.
    pub(crate) fn left_out(&self) -> usize {
        let columns = || self.axes.iter().flatten();
        let rows = columns().map(Values::len).max().unwrap_or(0);
        let out = |row: &usize| columns().any(|values| values.at(*row).is_nan());
        if self.mark == Mark::Line { 0 } else { (0..rows).filter(out).count() }
    }

    /// Whether a legend must say what the colors of numbers mean.
    pub(crate) fn shows_scale(&self) -> bool {
        match self.mark {
            Mark::HeatMap => self.bins != [None, None] && self.text.is_none(),
            _ => are_numbers(&self.color),
        }
    }

    /// The rows of each color.
    pub(crate) fn groups(&self, rows: &[usize]) -> Vec<(usize, Vec<usize>)> {
        let Some(Values::Names { codes, .. }) = &self.color else {
            return if rows.is_empty() { vec![] } else { vec![(0, rows.to_vec())] };
        };
        by_code(rows, |row| codes[row])
    }

    /// The color of a name.
    pub(crate) fn color(&self, code: usize) -> RGBColor {
        self.colors[code % self.colors.len()]
    }

    /// The color of a number.
    pub(crate) fn scaled(&self, value: f64) -> RGBColor {
        let (low, high) = self.scale;
        let level = if high > low { (value - low) / (high - low) } else { 0.5 };
        if value.is_nan() { GRID } else { blend(&self.colors, level) }
    }
}
