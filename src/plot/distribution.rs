//! Distributions of ages, genders and other numbers.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use indicatif::HumanCount;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use polars::prelude::{Column, DataFrame, DataType};

use super::figure::Figure;
use super::figure::page;
use super::style::{
    ACCENT, Axis, Canvas, Chart, FAINT, FEMALE, HEIGHT, INK, MALE, MARGIN, SOFT_INK, TEXT, WIDTH,
    bold, chart, counted, decimals, percent, text, ticks, write,
};

/// Highest plausible age in years; a higher one is an error in the data.
const OLDEST: f64 = 130.0;
/// The genders in the order and colors of all plots.
const GENDERS: [(&str, RGBColor); 2] = [("male", MALE), ("female", FEMALE)];
const PICTURES: &str = "Images";
const AGE: &str = "Age (years)";

/// Histogram of the ages in bins of one year.
///
/// `records` needs the whole-number column `age` in years.
///
/// # Errors
///
/// Empty `records`, a missing column, or an age that is missing or above 130 years.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// use polars::prelude::df;
///
/// let records = df!["age" => [1u32, 26, 26, 80]]?;
/// let figure = ror::plot::ages(&records)?;
/// assert!(figure.svg().contains("4 images"));
/// assert!(ror::plot::ages(&records.head(Some(0))).is_err());
/// # Ok(())
/// # }
/// ```
pub fn ages(records: &DataFrame) -> Result<Figure> {
    let bins = Bins::new(age_column(records)?, 1.0);
    let note = bins.summary("image", " years");
    page((WIDTH, HEIGHT), "Age distribution", &note, |body| {
        bins.draw(body, &age_axis(&[&bins]), PICTURES, bins.most(), ACCENT)
    })
}

/// Histograms of the ages before and after a step such as balancing, one above
/// the other on the same axes.
///
/// Both tables need the whole-number column `age` in years.
///
/// # Errors
///
/// An empty table, a missing column, or an age that is missing or above 130 years.
pub fn ages_before_after(before: &DataFrame, after: &DataFrame) -> Result<Figure> {
    let before = Bins::new(age_column(before).context("the records before")?, 1.0);
    let after = Bins::new(age_column(after).context("the records after")?, 1.0);
    let kept = after.values.len() as f64 / before.values.len() as f64;
    let note = format!("{} of the images are kept", percent(kept, 1));
    let title = "Age distribution before and after";
    page((WIDTH, 560), title, &note, |body| {
        let panels = [("Before", &before, FAINT), ("After", &after, ACCENT)];
        for (area, (name, bins, color)) in body.split_evenly((2, 1)).iter().zip(panels) {
            area.draw_text(name, &bold(TEXT, INK, HPos::Left), (MARGIN, 16))?;
            let style = text(TEXT, SOFT_INK, HPos::Left);
            area.draw_text(&bins.summary("image", " years"), &style, (MARGIN + 60, 16))?;
            let (_, area) = area.split_vertically(24);
            let most = before.most().max(after.most());
            bins.draw(&area, &age_axis(&[&before, &after]), PICTURES, most, color)?;
        }
        Ok(())
    })
}

/// Histogram of numbers; `axis` names them and their unit.
///
/// The bin width is a round number near that of Freedman and Diaconis (1981), twice the
/// interquartile range over the cube root of the count, or of Sturges (1926) if that is finer.
/// Whole numbers get bins of whole width.
///
/// # Errors
///
/// No values, or a value that is not finite.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let errors = [0.4, 1.5, 1.8, 2.2, 7.9];
/// let figure = ror::plot::histogram("Errors", "Error of the age (years)", &errors)?;
/// assert!(figure.svg().contains("5 values, 0.4 to 7.9, median 1.8"));
/// # Ok(())
/// # }
/// ```
pub fn histogram(title: &str, axis: &str, values: &[f64]) -> Result<Figure> {
    ensure!(!values.is_empty(), "there are no values to show");
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let span = high - low;
    ensure!(
        values.iter().all(|value| value.is_finite()) && span.is_finite(),
        "some values are not finite: drop them first"
    );
    let n = values.len() as f64;
    let [_, lower, _, upper, _] = Quartiles::new(values).values().map(f64::from);
    let width = match 2.0 * (upper - lower) / n.cbrt() {
        width if width > 0.0 => width.min(span / (n.log2() + 1.0)),
        _ => span / (n.log2() + 1.0),
    };
    let count = (span / width).clamp(5.0, 60.0);
    let whole = values.iter().all(|value| value.fract() == 0.0);
    let width = match ticks(&(0.0..span), 1 + count as usize)[..] {
        [first, second, ..] if whole => (second - first).max(1.0),
        [first, second, ..] => second - first,
        _ => 1.0,
    };
    let bins = Bins::new(values.to_vec(), width);
    let edge = |bin: Option<&i64>, more| width * (bin.map_or(0, |bin| *bin) + more) as f64;
    let range = edge(bins.counts.keys().next(), 0)..edge(bins.counts.keys().last(), 1);
    let note = format!("{}; bins of {width}", bins.summary("value", ""));
    page((WIDTH, HEIGHT), title, &note, |body| {
        let x = Axis::new(axis, range, 12);
        bins.draw(body, &x, "Count", bins.most(), ACCENT)
    })
}

/// Bar chart of the number of images per gender.
///
/// `records` needs the text column `gender` of "male" and "female".
///
/// # Errors
///
/// Empty `records`, a missing column, or a row with another gender or none.
pub fn genders(records: &DataFrame) -> Result<Figure> {
    let genders = gender_column(records)?;
    let counts = [0, 1].map(|index| genders.iter().filter(|gender| **gender == index).count());
    let note = counted(genders.len(), "image");
    page((WIDTH, HEIGHT), "Gender distribution", &note, |body| {
        // Room for the numbers above the bars.
        let y = Axis::whole(PICTURES, 0.0..1.15 * counts[0].max(counts[1]) as f64, 9);
        let names = GENDERS.map(|(name, _)| name.to_string()).to_vec();
        let chart = chart(body, &Axis::names("Gender", names), &y, 2 * MARGIN)?;
        for (i, ((_, color), count)) in GENDERS.iter().zip(counts).enumerate() {
            let (x, top) = (i as f64, count as f64);
            bar(&chart, x - 0.28..x + 0.28, top, *color)?;
            let share = percent(top / genders.len() as f64, 1);
            let number = format!("{} ({share})", HumanCount(count as u64));
            write(&chart, (x, top), (0, -12), &number, bold(14.0, INK, HPos::Center))?;
        }
        Ok(())
    })
}

/// Box plot of the age by gender.
///
/// Boxes span the quartiles (by linear interpolation) and are cut by the median; whiskers reach to
/// the last age within 1.5 box lengths; dots are the ages beyond. `records` needs the whole-number
/// column `age` in years and the text column `gender` of "male" and "female".
///
/// # Errors
///
/// Empty `records`, a missing column, an age that is missing or above 130 years, or another gender.
pub fn ages_by_gender(records: &DataFrame) -> Result<Figure> {
    let (ages, genders) = (age_column(records)?, gender_column(records)?);
    let groups = [0, 1].map(|index| {
        let of_gender = ages.iter().zip(&genders).filter(|(_, g)| **g == index);
        of_gender.map(|(age, _)| *age).collect::<Vec<f64>>()
    });
    let labels = GENDERS.iter().zip(&groups).map(|((name, _), group)| {
        if group.is_empty() {
            return format!("{name}: no images");
        }
        let median = Quartiles::new(group).median();
        format!("{name}: {}, median {median} years", counted(group.len(), "image"))
    });
    let note = format!(
        "{}; box: quartiles and median, whiskers: 1.5 box lengths, dots: ages beyond",
        counted(ages.len(), "image")
    );
    page((WIDTH, HEIGHT), "Age by gender", &note, |body| {
        let oldest = ages.iter().copied().fold(100.0, f64::max);
        let y = Axis::new(AGE, 0.0..oldest + 5.0, 8);
        let x = Axis::names("Gender", labels.collect());
        let mut chart = chart(body, &x, &y, 2 * MARGIN)?;
        for (i, ((_, color), group)) in GENDERS.iter().zip(&groups).enumerate() {
            if group.is_empty() {
                continue;
            }
            let x = i as f64;
            // plotters' own box plot draws whiskers to the fences, which no age may
            // reach: below 0 years, for instance.
            let [from, lower, median, upper, to] = Quartiles::new(group).values().map(f64::from);
            let (inside, mut beyond): (Vec<f64>, Vec<f64>) =
                group.iter().partition(|age| (from..=to).contains(*age));
            let low = inside.iter().copied().fold(lower, f64::min);
            let high = inside.iter().copied().fold(upper, f64::max);
            let (left, right) = (x - 0.06, x + 0.06);
            let mut whiskers = vec![(left, low), (right, low), (x, low)];
            whiskers.extend([(x, high), (left, high), (right, high)]);
            chart.draw_series(LineSeries::new(whiskers, INK))?;
            let corners = [(x - 0.18, lower), (x + 0.18, upper)];
            let fills = [WHITE.filled(), color.mix(0.7).filled(), INK.stroke_width(1)];
            chart.draw_series(fills.map(|style| Rectangle::new(corners, style)))?;
            let line = vec![(x - 0.18, median), (x + 0.18, median)];
            chart.draw_series(LineSeries::new(line, INK.stroke_width(3)))?;
            // Equal dots would only overlap.
            beyond.sort_by(f64::total_cmp);
            beyond.dedup();
            let dot = |age| Circle::new((x, age), 2, color.filled());
            chart.draw_series(beyond.into_iter().map(dot))?;
        }
        Ok(())
    })
}

/// Axis up to 120 years, enough for all but a few data sets.
fn age_axis(all: &[&Bins]) -> Axis {
    let oldest = all.iter().filter_map(|bins| bins.values.last());
    let end = oldest.fold(120.0, |end: f64, age| end.max(age + 1.0));
    Axis::new(AGE, 0.0..end, 14)
}

/// Values counted in bins of equal width; bin 0 starts at 0.
struct Bins {
    values: Vec<f64>,
    width: f64,
    counts: BTreeMap<i64, u64>,
}

impl Bins {
    fn new(mut values: Vec<f64>, width: f64) -> Self {
        values.sort_by(f64::total_cmp);
        let mut counts = BTreeMap::new();
        for value in &values {
            // 0.3 / 0.1 is a little less than 3.
            let bin = (value / width + 1e-9).floor() as i64;
            *counts.entry(bin).or_default() += 1;
        }
        Self { values, width, counts }
    }

    fn most(&self) -> u64 {
        self.counts.values().copied().max().unwrap_or(1)
    }

    /// "23,708 images, 1 to 116 years, median 29".
    fn summary(&self, what: &str, unit: &str) -> String {
        let digits = 10f64.powi(decimals(self.width / 100.0) as i32);
        let show = |value: f64| (value * digits).round() / digits;
        format!(
            "{}, {} to {}{unit}, median {}",
            counted(self.values.len(), what),
            show(self.values[0]),
            show(self.values[self.values.len() - 1]),
            show(Quartiles::new(&self.values).median())
        )
    }

    fn draw(
        &self,
        area: &Canvas<'_>,
        x: &Axis,
        what: &str,
        most: u64,
        color: RGBColor,
    ) -> Result<()> {
        let y = Axis::whole(what, 0.0..1.06 * most as f64, 6);
        let chart = chart(area, x, &y, 30)?;
        for (bin, count) in &self.counts {
            let from = *bin as f64 * self.width;
            bar(&chart, from..from + self.width, *count as f64, color)?;
        }
        Ok(())
    }
}

/// A bar from 0 up. plotters' `Histogram` draws its bars in a different order in each run.
fn bar(chart: &Chart<'_>, x: std::ops::Range<f64>, count: f64, color: RGBColor) -> Result<()> {
    // Even a single image shows as one pixel.
    let area = chart.plotting_area();
    let least = area.get_y_range().end / f64::from(area.dim_in_pixel().1);
    let top = if count > 0.0 { count.max(least) } else { 0.0 };
    let mut bar = Rectangle::new([(x.start, 0.0), (x.end, top)], color.filled());
    bar.set_margin(0, 0, 0, 1);
    Ok(area.draw(&bar)?)
}

fn age_column(records: &DataFrame) -> Result<Vec<f64>> {
    let ages = column(records, "age")?
        .strict_cast(&DataType::UInt32)
        .context("column `age` must hold whole years")?;
    let ages: Vec<f64> = ages.u32()?.iter().flatten().map(f64::from).collect();
    if let Some(age) = ages.iter().find(|age| **age > OLDEST) {
        bail!("column `age` has an age of {age} years: drop the records above {OLDEST} first");
    }
    Ok(ages)
}

/// Indices into [`GENDERS`].
fn gender_column(records: &DataFrame) -> Result<Vec<usize>> {
    let genders = column(records, "gender")?.str();
    let genders = genders.context("column `gender` must hold \"male\" or \"female\"")?;
    let index = |gender: &str| GENDERS.iter().position(|(name, _)| *name == gender);
    (genders.iter().flatten())
        .map(|gender| {
            index(gender).with_context(|| {
                format!("a gender is {gender:?}: only \"male\" and \"female\" can be plotted")
            })
        })
        .collect()
}

fn column<'a>(records: &'a DataFrame, name: &str) -> Result<&'a Column> {
    let column = records.column(name).with_context(|| {
        let names = records.get_column_names();
        format!("the records have no column `{name}`, only {names:?}")
    })?;
    ensure!(!column.is_empty(), "there are no records to plot: the table is empty");
    ensure!(
        column.null_count() == 0,
        "column `{name}` has no value in {}: drop those first",
        counted(column.null_count(), "row")
    );
    Ok(column)
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    fn bars(figure: &Figure, color: RGBColor) -> usize {
        let RGBColor(red, green, blue) = color;
        let fill = format!("fill=\"#{red:02X}{green:02X}{blue:02X}\"");
        figure.svg().matches(&fill).count()
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
        assert_eq!(bars(&figure, ACCENT), 4);
        for words in ["6 images, 1 to 116 years, median 26", AGE, PICTURES, ">\n120\n<"] {
            assert!(figure.svg().contains(words), "{words}");
        }
    }

    #[test]
    fn histograms_before_and_after_share_axes() {
        let figure = ages_before_after(&records(), &records().head(Some(2))).unwrap();
        assert_eq!((bars(&figure, FAINT), bars(&figure, ACCENT)), (4, 2));
        assert!(figure.svg().contains("33.3% of the images are kept"));
        // The highest count, 3, labels both panels.
        assert_eq!(figure.svg().matches(">\n3\n<").count(), 2);
    }

    #[test]
    fn bins_are_round_and_hold_every_value() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i) / 100.0).collect();
        let figure = histogram("Even", "x", &values).unwrap();
        assert!(figure.svg().contains("1,000 values, 0 to 9.99, median 5"));
        assert!(figure.svg().contains("bins of 1"), "{}", figure.svg());
        assert_eq!(bars(&figure, ACCENT), 10);
        let whole = histogram("Whole", "x", &[1.0, 2.0, 2.0, 3.0]).unwrap();
        assert_eq!(bars(&whole, ACCENT), 3);
        assert_eq!(bars(&histogram("One", "x", &[-0.7]).unwrap(), ACCENT), 1);
        for bad in [&[][..], &[f64::NAN], &[1.0, f64::INFINITY], &[f64::MAX, f64::MIN]] {
            assert!(histogram("Bad", "x", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn genders_are_counted() {
        let figure = genders(&records()).unwrap();
        assert!(figure.svg().contains("4 (66.7%)") && figure.svg().contains("2 (33.3%)"));
        assert_eq!((bars(&figure, MALE), bars(&figure, FEMALE)), (1, 1));
    }

    #[test]
    fn boxes_show_counts_medians_and_ages_beyond() {
        let figure = ages_by_gender(&records()).unwrap();
        assert!(figure.svg().contains("male: 4 images, median 53 years"));
        assert!(figure.svg().contains("female: 2 images, median 26 years"));
        let men = df!["age" => [1u32, 2, 3, 4, 5, 6, 7, 30, 30], "gender" => ["male"; 9]].unwrap();
        let figure = ages_by_gender(&men).unwrap();
        assert!(figure.svg().contains("female: no images"));
        assert_eq!(figure.svg().matches("<circle").count(), 1, "30 years");
    }

    #[test]
    fn unusable_records_are_errors() {
        let empty = records().head(Some(0));
        for plot in [ages, genders, ages_by_gender] {
            let message = plot(&empty).unwrap_err().to_string();
            assert!(message.contains("empty"), "{message}");
        }
        let message = ages(&df!["years" => [1u32]].unwrap()).unwrap_err().to_string();
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
