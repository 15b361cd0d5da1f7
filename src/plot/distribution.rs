//! How ages and genders are distributed in a table of records.

use anyhow::{Context, Result, anyhow, bail, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};
use polars::prelude::{DataFrame, DataType};

use super::figure::Figure;
use super::style::{
    ACCENT, Axis, BEFORE, Canvas, FEMALE, HEIGHT, INK, MALE, MARGIN, NOTE, SOFT_INK, WIDTH, axes,
    axes_at, bold, decimal, page, percent, text, text_width, thousands, write,
};

/// No one lives longer; a higher age is a mistake in the data.
const OLDEST: u32 = 130;
/// The genders in the order and colours of all plots.
const GENDERS: [(&str, RGBColor); 2] = [("male", MALE), ("female", FEMALE)];
/// Pixels for the labels of a histogram's counts, the same in all of them.
const LEFT: i32 = 76;
/// Title of the count axes.
const PICTURES: &str = "Pictures";
/// Title of the age axes.
const AGE: &str = "Age (years)";

/// Histogram of the ages in bins of one year.
///
/// `records` needs the whole-number column `age` in years.
///
/// # Errors
///
/// When `records` is empty, lacks the column, or an age is missing or above
/// 130 years.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// use polars::prelude::df;
///
/// let records = df!["age" => [1u32, 26, 26, 80]]?;
/// let figure = ror::plot::ages(&records)?;
/// assert!(figure.svg().contains("n = 4"));
/// assert!(ror::plot::ages(&records.head(Some(0))).is_err());
/// # Ok(())
/// # }
/// ```
pub fn ages(records: &DataFrame) -> Result<Figure> {
    let ages = age_column(records)?;
    let bins = count_ages(&ages);
    let note = summary(&ages);
    page(WIDTH, HEIGHT, "Age distribution", &note, |body| {
        let y = Axis::counts(PICTURES, most(&bins), 5);
        age_histogram(body, &bins, last_age(&ages), &y, ACCENT)
    })
}

/// Histograms of the ages before and after a step such as balancing, one above
/// the other on the same axes.
///
/// Both tables need the whole-number column `age` in years.
///
/// # Errors
///
/// As for [`ages`], for either table.
pub fn ages_before_after(before: &DataFrame, after: &DataFrame) -> Result<Figure> {
    let before = age_column(before).context("the records before")?;
    let after = age_column(after).context("the records after")?;
    let panels = [
        ("Before", &before, count_ages(&before), BEFORE),
        ("After", &after, count_ages(&after), ACCENT),
    ];
    let last = last_age(&before).max(last_age(&after));
    let highest = panels.iter().map(|panel| most(&panel.2)).max().unwrap_or(1);
    let kept = after.len() as f64 / before.len() as f64;
    let note = format!(
        "n = {} before, n = {} after ({} of before)",
        thousands(before.len()),
        thousands(after.len()),
        percent(kept, 1)
    );
    let title = "Age distribution before and after";
    page(WIDTH, 600, title, &note, |body| {
        let (_, height) = body.dim_in_pixel();
        let (upper, lower) = body.split_vertically(height as i32 / 2);
        for (area, (name, ages, bins, color)) in [upper, lower].iter().zip(&panels) {
            let y = Axis::counts(PICTURES, highest, 4);
            let style = bold(NOTE + 1.0, INK, HPos::Left, VPos::Center);
            area.draw_text(name, &style, (LEFT + 14, 18))?;
            let x = LEFT + 14 + text_width(name, NOTE + 2.0) as i32 + 8;
            let style = text(NOTE, SOFT_INK, HPos::Left, VPos::Center);
            area.draw_text(&summary(ages), &style, (x, 18))?;
            let (_, area) = area.split_vertically(24);
            age_histogram(&area, bins, last, &y, *color)?;
        }
        Ok(())
    })
}

/// Bar chart of the number of pictures per gender.
///
/// `records` needs the text column `gender` of "male" and "female".
///
/// # Errors
///
/// When `records` is empty, lacks the column, or has another or no gender in a
/// row.
pub fn genders(records: &DataFrame) -> Result<Figure> {
    let genders = gender_column(records)?;
    let counts = GENDERS.map(|(name, _)| genders.iter().filter(|gender| *gender == name).count());
    let note = format!("n = {} pictures", thousands(genders.len()));
    page(WIDTH, HEIGHT, "Gender distribution", &note, |body| {
        let highest = counts.iter().copied().max().unwrap_or(1) as u64;
        // Room for the numbers above the bars.
        let y = Axis::counts(PICTURES, highest + highest / 8, 5);
        let names = GENDERS.map(|(name, _)| capitalised(name)).to_vec();
        let chart = axes(body, &Axis::names("Gender", names), &y, 2 * MARGIN)?;
        for (i, ((_, color), count)) in GENDERS.iter().zip(counts).enumerate() {
            let (x, top) = (i as f64, count as f64);
            chart.plotting_area().draw(&Rectangle::new(
                [(x - 0.28, 0.0), (x + 0.28, top)],
                color.filled(),
            ))?;
            let share = count as f64 / genders.len() as f64;
            let number = format!("{} ({})", thousands(count), percent(share, 1));
            let style = bold(14.0, INK, HPos::Center, VPos::Bottom);
            write(&chart, (x, top), (0, -6), &number, style)?;
        }
        Ok(())
    })
}

/// Box plot of the age by gender.
///
/// Boxes span the quartiles (by linear interpolation) and are cut by the
/// median; whiskers reach to the last age within 1.5 box lengths; dots are the
/// ages beyond. `records` needs the whole-number column `age` in years and the
/// text column `gender` of "male" and "female".
///
/// # Errors
///
/// As for [`ages`] and [`genders`].
pub fn ages_by_gender(records: &DataFrame) -> Result<Figure> {
    let ages = age_column(records)?;
    let genders = gender_column(records)?;
    let groups = GENDERS.map(|(name, color)| {
        let mut group: Vec<u32> = ages
            .iter()
            .zip(&genders)
            .filter(|(_, gender)| *gender == name)
            .map(|(age, _)| *age)
            .collect();
        group.sort_unstable();
        (name, color, group)
    });
    let labels = groups
        .iter()
        .map(|(name, _, group)| {
            let median = match BoxSummary::new(group) {
                Some(summary) => format!("median {} years", years(summary.median)),
                None => "no pictures".to_string(),
            };
            let name = capitalised(name);
            format!("{name}: n = {}, {median}", thousands(group.len()))
        })
        .collect();
    let note = format!(
        "n = {} pictures; box: quartiles and median, whiskers: 1.5 box lengths, dots: ages beyond",
        thousands(ages.len())
    );
    page(WIDTH, HEIGHT, "Age by gender", &note, |body| {
        let y = Axis::new(AGE, 0.0, f64::from(last_age(&ages)), 6);
        let chart = axes(body, &Axis::names("Gender", labels), &y, 2 * MARGIN)?;
        let area = chart.plotting_area();
        for (i, (_, color, group)) in groups.iter().enumerate() {
            let Some(summary) = BoxSummary::new(group) else {
                continue;
            };
            let x = i as f64;
            let line = INK.stroke_width(1);
            for (quartile, whisker) in [
                (summary.first_quartile, summary.low),
                (summary.third_quartile, summary.high),
            ] {
                area.draw(&PathElement::new(vec![(x, quartile), (x, whisker)], line))?;
                let cap = vec![(x - 0.06, whisker), (x + 0.06, whisker)];
                area.draw(&PathElement::new(cap, line))?;
            }
            let corners = [
                (x - 0.18, summary.first_quartile),
                (x + 0.18, summary.third_quartile),
            ];
            // Lightened, so that the median stands out.
            area.draw(&Rectangle::new(corners, WHITE.filled()))?;
            area.draw(&Rectangle::new(corners, color.mix(0.7).filled()))?;
            area.draw(&Rectangle::new(corners, line))?;
            let median = vec![(x - 0.18, summary.median), (x + 0.18, summary.median)];
            area.draw(&PathElement::new(median, INK.stroke_width(3)))?;
            for outlier in &summary.outliers {
                area.draw(&Circle::new((x, *outlier), 2, color.filled()))?;
            }
        }
        Ok(())
    })
}

/// Draws the bars of one histogram.
fn age_histogram(
    area: &Canvas<'_>,
    bins: &[u64],
    last: u32,
    y: &Axis,
    color: RGBColor,
) -> Result<()> {
    let x = Axis {
        grid: false,
        ..Axis::new(AGE, 0.0, f64::from(last), 12)
    };
    let chart = axes_at(area, &x, y, LEFT, 30)?;
    // Even a single picture shows as one pixel.
    let (_, height) = chart.plotting_area().dim_in_pixel();
    let least = y.range.end / f64::from(height.max(1));
    for (age, &count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        let corners = [
            (age as f64, 0.0),
            (age as f64 + 1.0, least.max(count as f64)),
        ];
        let mut bar = Rectangle::new(corners, color.filled());
        bar.set_margin(0, 0, 0, 1);
        chart.plotting_area().draw(&bar)?;
    }
    Ok(())
}

/// The numbers that a box plot draws, in years.
#[derive(Debug, PartialEq)]
struct BoxSummary {
    first_quartile: f64,
    median: f64,
    third_quartile: f64,
    /// Ends of the whiskers: the last values within 1.5 box lengths.
    low: f64,
    high: f64,
    /// Values beyond the whiskers, each once.
    outliers: Vec<f64>,
}

impl BoxSummary {
    /// Of sorted values; `None` without any.
    fn new(sorted: &[u32]) -> Option<Self> {
        let first_quartile = quantile(sorted, 0.25)?;
        let median = quantile(sorted, 0.5)?;
        let third_quartile = quantile(sorted, 0.75)?;
        let reach = 1.5 * (third_quartile - first_quartile);
        let (from, to) = (first_quartile - reach, third_quartile + reach);
        let (inside, mut outliers): (Vec<f64>, Vec<f64>) = sorted
            .iter()
            .map(|&value| f64::from(value))
            .partition(|value| (from..=to).contains(value));
        // Equal dots would only lie on top of each other.
        outliers.dedup();
        Some(Self {
            first_quartile,
            median,
            third_quartile,
            low: *inside.first()?,
            high: *inside.last()?,
            outliers,
        })
    }
}

/// Quantile of sorted values by linear interpolation between neighbours.
fn quantile(sorted: &[u32], share: f64) -> Option<f64> {
    let position = share * sorted.len().checked_sub(1)? as f64;
    let below = f64::from(*sorted.get(position.floor() as usize)?);
    let above = f64::from(*sorted.get(position.ceil() as usize)?);
    Some(below + (above - below) * position.fract())
}

/// "n = 23,708 pictures, ages 1 to 116 years, median 29".
fn summary(ages: &[u32]) -> String {
    let mut sorted = ages.to_vec();
    sorted.sort_unstable();
    format!(
        "n = {} pictures, ages {} to {} years, median {}",
        thousands(ages.len()),
        sorted.first().copied().unwrap_or(0),
        sorted.last().copied().unwrap_or(0),
        years(quantile(&sorted, 0.5).unwrap_or(0.0))
    )
}

/// A median: whole, or halfway between two ages.
fn years(median: f64) -> String {
    decimal(median, usize::from(median.fract() != 0.0))
}

/// Number of records per age, from age 0.
fn count_ages(ages: &[u32]) -> Vec<u64> {
    let mut bins = vec![0; OLDEST as usize + 1];
    for &age in ages {
        bins[age as usize] += 1;
    }
    bins
}

fn most(bins: &[u64]) -> u64 {
    bins.iter().copied().max().unwrap_or(1)
}

/// Where the age axis ends: 120 years fit all but a few data sets and make
/// every bin equally many pixels wide.
fn last_age(ages: &[u32]) -> u32 {
    let last = ages.iter().copied().max().unwrap_or(0);
    if last < 120 { 120 } else { OLDEST + 10 }
}

fn age_column(records: &DataFrame) -> Result<Vec<u32>> {
    let column = column(records, "age")?;
    ensure!(
        column.dtype().is_integer(),
        "column `age` holds {} values; give whole years",
        column.dtype()
    );
    let column = column
        .cast(&DataType::UInt32)
        .context("column `age` cannot be read as whole years")?;
    let ages = column.u32()?;
    let ages: Vec<u32> = ages.iter().collect::<Option<_>>().ok_or_else(|| {
        anyhow!(
            "column `age` lacks a value in some rows, or has a negative one: drop those rows first"
        )
    })?;
    if let Some(age) = ages.iter().find(|age| **age > OLDEST) {
        bail!("column `age` has an age of {age} years: drop the records above {OLDEST} first");
    }
    Ok(ages)
}

fn gender_column(records: &DataFrame) -> Result<Vec<String>> {
    let column = column(records, "gender")?;
    let genders = column
        .str()
        .context("column `gender` must hold the text \"male\" or \"female\"")?;
    let mut names = Vec::with_capacity(genders.len());
    for (row, gender) in genders.iter().enumerate() {
        match gender {
            Some(gender) if GENDERS.iter().any(|(name, _)| *name == gender) => {
                names.push(gender.to_string());
            }
            Some(gender) => bail!(
                "row {row} has the gender {gender:?}: only \"male\" and \"female\" can be plotted"
            ),
            None => bail!("row {row} has no gender: drop such rows first"),
        }
    }
    Ok(names)
}

fn column<'a>(records: &'a DataFrame, name: &str) -> Result<&'a polars::prelude::Column> {
    let column = records.column(name).map_err(|_| {
        anyhow!(
            "the records have no column `{name}`, only {:?}",
            records.get_column_names()
        )
    })?;
    ensure!(
        !column.is_empty(),
        "there are no records to plot: the table is empty"
    );
    Ok(column)
}

fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().collect::<String>() + letters.as_str(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::super::style::MALE;
    use super::*;

    fn hex(color: RGBColor) -> String {
        format!("fill=\"#{:02X}{:02X}{:02X}\"", color.0, color.1, color.2)
    }

    fn records() -> DataFrame {
        df![
            "age" => [1u32, 26, 26, 26, 80, 116],
            "gender" => ["male", "female", "male", "female", "male", "male"],
        ]
        .unwrap()
    }

    #[test]
    fn histogram_has_a_bar_per_age() {
        let figure = ages(&records()).unwrap();
        assert_eq!(figure.svg().matches(&hex(ACCENT)).count(), 4);
        for words in [
            "n = 6 pictures",
            "Age (years)",
            "Pictures",
            "1 to 116",
            ">\n120\n<",
        ] {
            assert!(figure.svg().contains(words), "{words}");
        }
    }

    #[test]
    fn histograms_before_and_after_share_axes() {
        let after = records().head(Some(2));
        let figure = ages_before_after(&records(), &after).unwrap();
        assert_eq!(figure.svg().matches(&hex(BEFORE)).count(), 4);
        assert_eq!(figure.svg().matches(&hex(ACCENT)).count(), 2);
        assert!(
            figure
                .svg()
                .contains("n = 6 before, n = 2 after (33.3% of before)")
        );
        // The highest count, 3, labels both panels.
        assert_eq!(figure.svg().matches(">\n3\n<").count(), 2);
    }

    #[test]
    fn genders_are_counted() {
        let figure = genders(&records()).unwrap();
        assert!(figure.svg().contains("4 (66.7%)") && figure.svg().contains("2 (33.3%)"));
        assert_eq!(figure.svg().matches(&hex(MALE)).count(), 1);
        assert_eq!(figure.svg().matches(&hex(FEMALE)).count(), 1);
    }

    #[test]
    fn quartiles_interpolate() {
        let summary = BoxSummary::new(&[1, 2, 3, 4, 5, 6, 7, 30, 30]).unwrap();
        assert_eq!(
            summary,
            BoxSummary {
                first_quartile: 3.0,
                median: 5.0,
                third_quartile: 7.0,
                low: 1.0,
                high: 7.0,
                outliers: vec![30.0],
            }
        );
        assert_eq!(quantile(&[1, 2, 3, 4], 0.25), Some(1.75));
        assert_eq!(quantile(&[7], 0.75), Some(7.0));
        assert_eq!(BoxSummary::new(&[]), None);
    }

    #[test]
    fn boxes_show_n_and_median() {
        let figure = ages_by_gender(&records()).unwrap();
        assert!(figure.svg().contains("Male: n = 4, median 53 years"));
        assert!(figure.svg().contains("Female: n = 2, median 26 years"));
        let men = df!["age" => [20u32], "gender" => ["male"]].unwrap();
        let figure = ages_by_gender(&men).unwrap();
        assert!(figure.svg().contains("Female: n = 0, no pictures"));
    }

    #[test]
    fn unusable_records_are_errors() {
        let empty = records().head(Some(0));
        for plot in [ages, genders, ages_by_gender] {
            let message = plot(&empty).unwrap_err().to_string();
            assert!(message.contains("empty"), "{message}");
        }
        let nameless = df!["years" => [1u32]].unwrap();
        let message = ages(&nameless).unwrap_err().to_string();
        assert!(message.contains("no column `age`") && message.contains("years"));
        assert!(ages(&df!["age" => [Some(1u32), None]].unwrap()).is_err());
        assert!(ages(&df!["age" => [4_000_000_000u32]].unwrap()).is_err());
        assert!(ages(&df!["age" => [-1i64]].unwrap()).is_err());
        assert!(ages(&df!["age" => ["old"]].unwrap()).is_err());
        assert!(genders(&df!["gender" => ["Male"]].unwrap()).is_err());
        assert!(genders(&df!["gender" => [None::<&str>]].unwrap()).is_err());
        assert!(ages_before_after(&records(), &empty).is_err());
    }
}
