//! From a chart to its figure: what its columns mean, and which colors they get.

use std::ops::Range;
use std::path::Path;

use anyhow::{Error, Result, ensure};
use plotters::prelude::RGBColor;
use utils::progress::counted;

use crate::chart::{Chart, Mark};
use crate::column::{MISSING, Values, read};
use crate::encoded::Encoded;
use crate::figure::Figure;
use crate::format::short;
use crate::layout::{Layout, Panel};
use crate::marks::{cells, shapes};
use crate::style::{FAINT, FEMALE, MALE, blend, palette};

/// The rows of each panel.
type Rows = Vec<Vec<usize>>;

impl Chart {
    /// Draws the chart.
    ///
    /// # Errors
    /// No mark or columns, a column that is missing or of another kind, no rows, or no such color.
    pub fn figure(&self) -> Result<Figure> {
        render(self)
    }

    /// Saves the chart as `.svg` or `.png`, as [`Figure::save`] does.
    ///
    /// # Errors
    /// Those of [`Chart::figure`] and of [`Figure::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.figure()?.save(path)
    }
}

impl TryFrom<&Chart> for Figure {
    type Error = Error;

    fn try_from(chart: &Chart) -> Result<Self> {
        chart.figure()
    }
}

impl TryFrom<Chart> for Figure {
    type Error = Error;

    fn try_from(chart: Chart) -> Result<Self> {
        chart.figure()
    }
}

fn render(look: &Chart) -> Result<Figure> {
    for range in look.ranges.iter().flatten().chain(&look.color_range) {
        let valid = range.start < range.end && (range.end - range.start).is_finite();
        ensure!(valid, "an axis can't go from {} to {}", range.start, range.end);
    }
    let layers: Vec<&Chart> = [look].into_iter().chain(&look.over).collect();
    let (layers, mut encoded) = (&layers[..], vec![]);
    for layer in layers {
        ensure!(layer.data.height() > 0, "there is nothing to plot: the table is empty");
        encoded.push(Encoded::new(layer, look)?);
    }
    // Names mean the same in all layers and panels.
    let mut names: [Vec<String>; 3] = Default::default();
    for layer in &mut encoded {
        for (values, names) in layer.axes.iter_mut().chain([&mut layer.color]).zip(&mut names) {
            values.iter_mut().for_each(|values| values.share(names));
        }
    }
    let (headings, rows) = facets(layers, look)?;
    for names in names.iter().chain([&headings]) {
        let n = names.len();
        ensure!(n <= 200, "{n} different names are too many to plot, such as {:?}", names[0]);
    }
    color(&mut encoded, look, &names[2], &rows)?;
    let panel = |(i, heading): (usize, String)| {
        let shapes = encoded.iter().zip(&rows).flat_map(|(layer, rows)| shapes(layer, &rows[i]));
        Panel { heading, shapes: shapes.collect() }
    };
    let panels: Vec<Panel> = headings.into_iter().enumerate().map(panel).collect();
    let note = match encoded.iter().map(Encoded::left_out).max().unwrap_or(0) {
        0 => look.note.clone(),
        n => format!("{}\n{} without a value left out", look.note, counted(n, "row")),
    };
    let legend = legend(look, &encoded, &names[2]);
    Layout::new(look, &encoded, &names, &panels, legend).draw(look, note.trim(), &panels)
}

/// The names of the panels, and for each layer the rows of each panel.
fn facets(layers: &[&Chart], look: &Chart) -> Result<(Vec<String>, Vec<Rows>)> {
    let Some(facet) = &look.facet else {
        let all = layers.iter().map(|layer| vec![(0..layer.data.height()).collect()]);
        return Ok((vec![String::new()], all.collect()));
    };
    let (mut names, mut columns) = (vec![], vec![]);
    for (i, layer) in layers.iter().enumerate() {
        let column = read(&layer.data, facet, layer.in_order).map(Values::into_names);
        // A layer without the column is in every panel.
        columns.push(if i == 0 { Some(column?) } else { column.ok() });
        columns[i].iter_mut().for_each(|column| column.share(&mut names));
    }
    let rows = layers.iter().zip(&columns).map(|(layer, column)| {
        let all = 0..layer.data.height();
        let of = |panel| match column {
            Some(column) => all.clone().filter(|row| column.at(*row) == panel as f64).collect(),
            None => all.clone().collect(),
        };
        (0..names.len()).map(of).collect()
    });
    let rows = rows.collect();
    Ok((names, rows))
}

/// Chooses the colors of all layers, and the scales of those that color numbers.
fn color(encoded: &mut [Encoded], look: &Chart, names: &[String], rows: &[Rows]) -> Result<()> {
    let histogram = encoded.iter().find(|layer| layer.mark == Mark::Histogram);
    let per_bin = histogram.and_then(|layer| layer.bins[0]).map(|bins| bins.width);
    let chosen = look.palette.as_deref();
    let list = palette(chosen.unwrap_or("default"))?;
    for (i, layer) in encoded.iter_mut().enumerate() {
        layer.per_bin = per_bin;
        let heat = layer.mark == Mark::HeatMap;
        if heat || matches!(layer.color, Some(Values::Numbers { .. })) {
            layer.colors = palette(chosen.unwrap_or(if heat { "blues" } else { "viridis" }))?;
            let values: Vec<f64> = match (heat, &layer.color) {
                (false, Some(Values::Numbers { values, .. })) => values.clone(),
                _ => rows[i].iter().flat_map(|rows| cells(layer, rows)).map(|c| c.value).collect(),
            };
            let values = values.into_iter().filter(|value| !value.is_nan());
            let ends = values.map(|v| (v, v)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
            layer.scale = ends.unwrap_or((0.0, 1.0));
            if let Some(Range { start, end }) = look.color_range.clone() {
                layer.scale = (start, end);
            }
        } else if layer.color.is_some() {
            let named = |(i, name): (usize, &String)| match name.as_str() {
                "male" if chosen.is_none() => MALE,
                "female" if chosen.is_none() => FEMALE,
                MISSING => FAINT,
                _ => list[i % list.len()],
            };
            layer.colors = names.iter().enumerate().map(named).collect();
        } else {
            layer.colors = vec![list[i % list.len()]];
        }
    }
    Ok(())
}

/// The names of colors, or five steps of the scale of numbers.
fn legend(look: &Chart, encoded: &[Encoded], names: &[String]) -> Vec<(String, RGBColor)> {
    if let Some(layer) = encoded.iter().find(|layer| layer.shows_scale()) {
        return scale(layer);
    }
    let named = encoded.iter().find(|layer| layer.color.is_some() && !layer.same);
    let named = named.filter(|_| !look.no_legend && names.len() > 1 && look.color != look.facet);
    let colors = named.map(|layer| layer.colors.iter().copied());
    colors.into_iter().flat_map(|colors| names.iter().cloned().zip(colors)).collect()
}

fn scale(layer: &Encoded) -> Vec<(String, RGBColor)> {
    let (low, high) = layer.scale;
    let step = |i: u8| {
        let part = f64::from(i) / 4.0;
        (short(low + part * (high - low)), blend(&layer.colors, part))
    };
    (0..5).rev().map(step).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::{DataFrame, df};

    use super::*;
    use crate::chart::chart;

    fn records() -> DataFrame {
        df![
            "age" => [Some(1u32), Some(26), Some(26), Some(80), None],
            "gender" => ["male", "female", "male", "female", "male"],
            "race" => [Some("White"), None, Some("White"), Some("<b>"), Some("White")],
        ]
        .unwrap()
    }

    fn svg(chart: Chart) -> String {
        chart.figure().unwrap().svg().to_string()
    }

    fn count(svg: &str, color: &str) -> usize {
        svg.matches(&format!("fill=\"{color}\"")).count()
    }

    #[test]
    fn a_histogram_has_a_bar_per_bin_and_color() {
        let plain = chart(&records()).x("age").histogram().bin_width(1.0);
        assert_eq!(count(&svg(plain.clone()), "#2C847A"), 3);
        assert!(svg(plain.clone()).contains("1 row without a value left out"));
        let colored = svg(plain.clone().color("gender"));
        // Bars, and a patch of the legend.
        assert_eq!((count(&colored, "#3A6EA5"), count(&colored, "#E69146")), (2 + 1, 2 + 1));
        assert_eq!(count(&svg(plain.clone().bin_width(100.0)), "#2C847A"), 1);
        assert_eq!(count(&svg(plain.clone().bins(2)), "#2C847A"), 2, "the last call counts");
        assert_eq!(count(&svg(plain.clone().x_range(0.0..30.0)), "#2C847A"), 2, "80 is beyond");
        let one = svg(plain.palette("#123456").no_legend().x_label("Years").title("T & T"));
        assert!(count(&one, "#123456") == 3 && one.contains("Years") && one.contains("T &amp; T"));
    }

    #[test]
    fn a_missing_category_has_a_name_and_names_are_escaped() {
        let race = || chart(&records()).x("age").facet("race");
        for chart in [race().boxes(), race().density(), race().cumulative(), race().histogram()] {
            let svg = svg(chart);
            for words in [">\nmissing\n<", ">\nWhite\n<", ">\n&lt;b&gt;\n<"] {
                assert!(svg.contains(words), "{words}");
            }
            assert!(!svg.contains("<b>"));
        }
    }

    #[test]
    fn bars_count_or_average_and_lie_if_names_are_below_each_other() {
        let counted = svg(chart(&records()).x("race").bars());
        assert!(counted.contains(">\n3 (60.0 %)\n<") && counted.contains(">\n1 (20.0 %)\n<"));
        let shares = svg(chart(&records()).x("race").color("gender").bars().shares());
        assert!(shares.contains(">\n50.0 %\n<") && shares.contains("Share (%)"));
        let mean = svg(chart(&records()).x("age").y("gender").bars());
        let none = df!["n" => ["a", "b"], "v" => [Some(4.0), None]].unwrap();
        let none = svg(chart(&none).x("n").y("v").bars());
        assert!(none.contains(">\n4\n<") && none.matches("fill=\"#2C847A\"").count() == 1);
        assert!(mean.contains(">\n13.5\n<") && mean.contains(">\n53.0\n<"), "{mean}");
        let lines = |svg: &str| svg.matches("stroke-width=\"2\"").count();
        assert_eq!(lines(&mean), 0, "two and three rows");
        let ten = df!["n" => vec!["a"; 10], "v" => (1..=10).collect::<Vec<_>>()].unwrap();
        assert_eq!(lines(&svg(chart(&ten).x("n").y("v").bars())), 1, "an interval");
    }

    #[test]
    fn cells_hold_counts_or_means() {
        let map = chart(&records()).x("gender").y("race").heat_map();
        assert!(svg(map.clone()).contains(">\n3\n<"));
        assert!(svg(map.color("age")).contains(">\n80\n<"));
        let binned = svg(chart(&records()).x("age").y("age").heat_map());
        assert!(binned.contains("left out"), "rows without an age");
    }

    #[test]
    fn layers_share_axes_and_their_order_gives_colors() {
        let base = chart(&records()).x("age");
        let both = svg(base.clone().histogram().layer(base.density()));
        assert!(both.contains("<polygon") && both.contains(">\nCount\n<"), "{both}");
        assert!(count(&both, "#2C847A") >= 2 && both.contains("#E69146"));
    }

    #[test]
    fn thousands_of_points_stay_small_and_rare_ones_visible() {
        let n = 23_708;
        let x: Vec<f64> =
            (0..n).map(|i| f64::from(i % 100) + if i == 9 { 400.0 } else { 0.0 }).collect();
        let y: Vec<f64> = (0..n).map(|i| f64::from(i * 7919 % 10_007)).collect();
        let table = df!["x" => x, "y" => y].unwrap();
        let figure = chart(&table).x("x").y("y").points().diagonal();
        let svg = svg(figure);
        assert!(svg.len() < 100_000, "{} bytes", svg.len());
        assert!(svg.contains("stroke-dasharray"));
        let scale = chart(&table).x("x").y("y").color("y").points();
        assert!(self::svg(scale).len() < 100_000);
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error_that_says_why() {
        let error = |chart: Chart| format!("{:#}", chart.figure().unwrap_err());
        let base = || chart(&records());
        assert!(error(base().x("age")).contains("no mark"));
        assert!(error(base().histogram()).contains("no columns"));
        assert!(error(base().x("years").histogram()).contains("age, gender, race"));
        assert!(error(base().x("age").points()).contains("need .x(...) and .y(...)"));
        assert!(error(base().x("race").boxes()).contains("need numbers"));
        assert!(error(base().x("age").histogram().palette("red")).contains("\"red\""));
        assert!(error(base().x("age").histogram().bin_width(0.0)).contains("width of 0"));
        assert!(error(base().x("age").histogram().x_range(9.0..9.0)).contains("from 9 to 9"));
        assert!(error(base().x("age").facet("sex").histogram()).contains("no column `sex`"));
        assert!(error(base().x("age").histogram().size(20_000, 9)).contains("10,000"));
        let ages: Vec<f64> = (0..300).map(f64::from).collect();
        assert!(
            error(chart(&df!["age" => ages].unwrap()).x("age").bars()).contains("300 different")
        );
        let empty = records().head(Some(0));
        assert!(error(chart(&empty).x("age").histogram()).contains("the table is empty"));
    }
}
