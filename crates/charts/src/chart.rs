//! A chart that is described, and drawn when it is shown or saved.

use std::fmt;
use std::ops::Range;

use polars::prelude::DataFrame;

/// How rows become shapes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mark {
    Histogram,
    Density,
    Cumulative,
    Bars,
    Boxes,
    Violins,
    Line,
    Points,
    HeatMap,
}

/// A chart of the rows of a table: see [`chart`].
///
/// Every method returns the chart, so a finished one can be changed further. A cell that ends in a
/// chart displays it, [`Chart::save`] writes it, and [`Chart::figure`] draws it. A wrong column is an
/// error only there.
#[derive(Clone, Default)]
pub struct Chart {
    pub(crate) data: DataFrame,
    pub(crate) mark: Option<Mark>,
    pub(crate) x: Option<String>,
    pub(crate) y: Option<String>,
    pub(crate) color: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) area: Option<String>,
    pub(crate) interval: Option<[String; 2]>,
    pub(crate) in_order: bool,
    /// Charts that are drawn over this one; what follows is asked of this one only.
    pub(crate) over: Vec<Chart>,
    pub(crate) facet: Option<String>,
    pub(crate) columns: Option<usize>,
    pub(crate) free_y: bool,
    pub(crate) title: String,
    pub(crate) note: String,
    pub(crate) labels: [Option<String>; 2],
    pub(crate) ranges: [Option<Range<f64>>; 2],
    pub(crate) size: Option<(u32, u32)>,
    /// Width of the bins, or their number if that is not 0.
    pub(crate) bins: Option<(f64, usize)>,
    pub(crate) shares: bool,
    pub(crate) palette: Option<String>,
    pub(crate) color_range: Option<Range<f64>>,
    pub(crate) no_legend: bool,
    pub(crate) diagonal: bool,
    pub(crate) vertical: Option<f64>,
    pub(crate) outline_highest: bool,
    pub(crate) tall_cells: bool,
}

/// Starts a chart of a table: say what goes on the axes, then how rows become marks.
///
/// Columns of text are categories, in natural order; a missing one is called "missing". Rows
/// without a number are left out, and the chart says how many.
///
/// ```
/// use charts::chart;
///
/// # fn main() -> anyhow::Result<()> {
/// let records = polars::df![
///     "age" => [31u32, 8, 42, 26],
///     "gender" => ["male", "female", "male", "female"],
///     "race" => ["White", "Asian", "White", "Asian"],
/// ]?;
/// let ages = chart(&records).x("age").color("gender").histogram().bins(40).title("Ages");
/// assert!(ages.figure()?.svg().contains("Ages"));
/// chart(&records).x("age").facet("race").boxes().figure()?;
/// chart(&records).x("race").bars().y_label("Images").figure()?;
/// chart(&records).x("race").y("age").color("gender").violins().figure()?;
///
/// let both = chart(&records).x("age");
/// both.clone().histogram().layer(both.density()).figure()?; // one over the other
/// assert!(chart(&records).x("years").histogram().figure().is_err());
/// # Ok(())
/// # }
/// ```
pub fn chart(data: &DataFrame) -> Chart {
    Chart { data: data.clone(), ..Chart::default() }
}

/// Methods that set a field.
macro_rules! set {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) $field:ident $([$axis:literal])? = $value:expr;)+) => {
        $($(#[$doc])*
        pub fn $name(mut self $(, $arg: $type)*) -> Self {
            self.$field $([$axis])? = $value;
            self
        })+
    };
}

impl Chart {
    set! {
        /// Column on the horizontal axis.
        x(column: &str) x = Some(column.to_string());
        /// Column on the vertical axis.
        y(column: &str) y = Some(column.to_string());
        /// Column that colors the marks: categories by a legend, numbers by a scale.
        color(column: &str) color = Some(column.to_string());
        /// Column that is written at bars, beside points or in the cells of a heat map.
        text(column: &str) text = Some(column.to_string());
        /// Column that the area of points is proportional to.
        area(column: &str) area = Some(column.to_string());
        /// Keeps categories in the order of the table.
        in_order() in_order = true;
        /// Counts the rows in bins: overlaid by color.
        histogram() mark = Some(Mark::Histogram);
        /// Smooths the distribution with Gaussian kernels; over a histogram, in its units.
        density() mark = Some(Mark::Density);
        /// Share of the rows up to each value.
        cumulative() mark = Some(Mark::Cumulative);
        /// A bar per category: the number of rows, or the mean of the other axis. From ten rows on, a line
        /// shows the 95 % interval of the mean, 1.96 standard errors to either side.
        bars() mark = Some(Mark::Bars);
        /// Quartiles and median, whiskers to the last value within 1.5 box lengths, dots beyond.
        boxes() mark = Some(Mark::Boxes);
        /// The density of each category, with its quartiles and median.
        violins() mark = Some(Mark::Violins);
        /// A line per color, from left to right; missing values leave gaps.
        line() mark = Some(Mark::Line);
        /// A point per row. Thousands are darker where there are more, and single ones visible.
        points() mark = Some(Mark::Points);
        /// Cells of two columns, colored by the mean of the color or by the number of rows.
        heat_map() mark = Some(Mark::HeatMap);
        /// Columns with the ends of an interval around each point.
        interval(low: &str, high: &str) interval = Some([low.to_string(), high.to_string()]);
        /// Splits the rows into panels by a column.
        facet(column: &str) facet = Some(column.to_string());
        /// Number of panels beside each other.
        columns(n: usize) columns = Some(n);
        /// Gives each panel a vertical axis of its own.
        free_y() free_y = true;
        /// Heading of the figure.
        title(text: &str) title = text.to_string();
        /// Lines below the title.
        note(text: &str) note = text.to_string();
        /// Title of the horizontal axis, with its unit; by default the column's name.
        x_label(text: &str) labels[0] = Some(text.to_string());
        /// Title of the vertical axis, with its unit.
        y_label(text: &str) labels[1] = Some(text.to_string());
        /// Ends of the horizontal axis; by default those of the data.
        x_range(range: Range<f64>) ranges[0] = Some(range);
        /// Ends of the vertical axis.
        y_range(range: Range<f64>) ranges[1] = Some(range);
        /// Size of the figure below its title, in pixels.
        size(width: u32, height: u32) size = Some((width, height));
        /// Number of bins; about so many for whole numbers, whose bins have a whole width.
        bins(n: usize) bins = Some((0.0, n.max(1)));
        /// Width of the bins, in the column's unit.
        bin_width(width: f64) bins = Some((width, 0));
        /// Leaves the legend out.
        no_legend() no_legend = true;
        /// Shares of each color in percent instead of numbers of rows.
        shares() shares = true;
        /// Colors: "default", "okabe-ito", "viridis", "blues", "grays", or a list such as
        /// "#2C847A, #E69146".
        palette(colors: &str) palette = Some(colors.to_string());
        /// Ends of the color scale of numbers.
        color_range(range: Range<f64>) color_range = Some(range);
        /// Dashes the diagonal, where prediction and truth agree.
        diagonal() diagonal = true;
        /// Dashes a vertical line.
        vertical(x: f64) vertical = Some(x);
        /// Gives cells of categories room for two lines of text.
        tall_cells() tall_cells = true;
        /// Outlines the cells with the highest value.
        outline_highest() outline_highest = true;
    }

    /// Draws another chart's marks over this one's, on the same axes; its options don't count.
    pub fn layer(mut self, other: Chart) -> Self {
        self.over.push(other);
        self
    }
}

impl fmt::Debug for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chart({:?}, {} rows)", self.title, self.data.height())
    }
}
