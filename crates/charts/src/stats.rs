//! Bins, quartiles and densities.

use std::collections::BTreeMap;
use std::ops::Range;

use plotters::coord::ranged1d::BoldPoints;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::Ranged;

/// At most `count` round values within a range.
pub(crate) fn ticks(range: &Range<f64>, count: usize) -> Vec<f64> {
    RangedCoordf64::from(range.clone()).key_points(BoldPoints(count))
}

/// Bins of one width. Those of single whole numbers have the number in their middle.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Bins {
    pub(crate) width: f64,
    start: f64,
}

impl Bins {
    /// Bins of the `wanted` width or number (about, for whole numbers), or as many as suit the finite
    /// `values`: a round width near that of Freedman and Diaconis (1981), twice the interquartile
    /// range over the cube root of the count, or of Sturges (1926) if that is finer.
    pub(crate) fn new(values: &[f64], whole: bool, wanted: Option<(f64, usize)>) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (low, n) = (sorted.first().copied().unwrap_or(0.0), (sorted.len() as f64).max(1.0));
        let span = sorted.last().map_or(0.0, |last| last - low).min(f64::MAX);
        if let Some((_, count @ 1..)) = wanted {
            let width = if span > 0.0 { span / count as f64 } else { 1.0 };
            return match whole {
                true => Self { width: width.round().max(1.0), start: low - 0.5 },
                false => Self { width, start: low },
            };
        }
        let [_, lower, _, upper, _] = box_of(&sorted);
        let (fine, sturges) = (2.0 * (upper - lower) / n.cbrt(), span / (n.log2() + 1.0));
        let count = span / if fine > 0.0 { fine.min(sturges) } else { sturges };
        // Few whole numbers get a bin each.
        let most = if whole && span <= 60.0 { span.max(5.0) } else { 60.0 };
        let round = ticks(&(0.0..span), 1 + count.clamp(5.0, most) as usize);
        let width = match (wanted, &round[..]) {
            (Some((width, _)), _) => width,
            (None, [first, second, ..]) if whole => (second - first).max(1.0),
            (None, [first, second, ..]) => second - first,
            _ => 1.0,
        };
        Self { width, start: if whole && width == 1.0 { -0.5 } else { 0.0 } }
    }

    /// A bin per name of an axis.
    pub(crate) fn of_names() -> Self {
        Self { width: 1.0, start: -0.5 }
    }

    /// The number of values in each bin that has any, by the bin's lower edge.
    pub(crate) fn counts(self, values: impl Iterator<Item = f64>) -> Vec<(f64, usize)> {
        let mut counts = BTreeMap::new();
        for value in values.filter(|value| value.is_finite()) {
            *counts.entry(self.index(value)).or_default() += 1;
        }
        counts.into_iter().map(|(bin, count)| (self.edge(bin), count)).collect()
    }

    pub(crate) fn index(self, value: f64) -> i64 {
        // 0.3 / 0.1 is a little less than 3.
        ((value - self.start) / self.width + 1e-9).floor() as i64
    }

    pub(crate) fn edge(self, bin: i64) -> f64 {
        self.start + bin as f64 * self.width
    }
}

/// The value below which a `share` of the sorted values lie, by linear interpolation.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * sorted.len().saturating_sub(1) as f64;
    let value = |i: usize| sorted.get(i).copied().unwrap_or(f64::NAN);
    let (low, high) = (value(at.floor() as usize), value(at.ceil() as usize));
    low + (high - low) * at.fract()
}

/// Lower whisker, quartiles and upper whisker of sorted values. Whiskers reach to the last value
/// within 1.5 box lengths.
pub(crate) fn box_of(sorted: &[f64]) -> [f64; 5] {
    let [lower, median, upper] = [0.25, 0.5, 0.75].map(|share| quantile(sorted, share));
    let reach = 1.5 * (upper - lower);
    let inside = || sorted.iter().filter(|v| **v >= lower - reach && **v <= upper + reach);
    let (first, last) = (inside().next(), inside().next_back());
    [*first.unwrap_or(&lower), lower, median, upper, *last.unwrap_or(&upper)]
}

/// The mean of values, and from ten values on, its standard error.
pub(crate) fn mean(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (n >= 10.0).then(|| (variance / n).sqrt()))
}

/// Density of sorted values at `points` places from the lowest to the highest: Gaussian kernels of
/// Silverman's width.
pub(crate) fn density(sorted: &[f64], points: usize) -> Vec<(f64, f64)> {
    let n = sorted.len() as f64;
    let (Some(low), Some(high)) = (sorted.first(), sorted.last()) else { return vec![] };
    let (mean, _) = mean(sorted);
    let deviation = (sorted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let [_, lower, _, upper, _] = box_of(sorted);
    let spread = if upper > lower { deviation.min((upper - lower) / 1.34) } else { deviation };
    let width = (0.9 * spread / n.powf(0.2)).max((high - low).max(1e-9) * 1e-3);
    // Values are counted first: thousands would take a kernel each.
    let step = (high - low).max(1e-9) / 512.0;
    let counts = Bins { width: step, start: *low }.counts(sorted.iter().copied());
    let at = |x: f64| {
        let kernel = |(edge, count): &(f64, usize)| {
            let distance = (x - edge - step / 2.0) / width;
            *count as f64 * (-0.5 * distance * distance).exp()
        };
        counts.iter().map(kernel).sum::<f64>() / (n * width * (2.0 * std::f64::consts::PI).sqrt())
    };
    let place = |i: usize| low + (high - low) * i as f64 / (points - 1) as f64;
    (0..points).map(|i| (place(i), at(place(i)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_round_and_whole_numbers_lie_in_the_middle() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i) / 100.0).collect();
        let bins = Bins::new(&values, false, None);
        let counts = bins.counts(values.iter().copied());
        assert_eq!((bins.width, counts.len(), counts[0]), (1.0, 10, (0.0, 100)));
        let twenty = Bins::new(&values, false, Some((0.0, 20))).counts(values.iter().copied());
        assert_eq!(twenty.iter().map(|bin| bin.1).sum::<usize>(), 1000);
        assert!((20..=21).contains(&twenty.len()));
        let ages = [26.0, 26.0, 27.0, f64::NAN];
        let counts = Bins::new(&ages, true, None).counts(ages.into_iter());
        assert_eq!(counts, [(25.5, 2), (26.5, 1)]);
        let five = Bins::new(&ages, true, Some((5.0, 0))).counts([0.0, 4.0, 5.0].into_iter());
        assert_eq!(five, [(0.0, 2), (5.0, 1)]);
        assert_eq!(Bins::new(&[0.7], false, None).counts([0.7].into_iter()).len(), 1);
    }

    #[test]
    fn whiskers_reach_to_values_not_to_fences() {
        let [from, lower, median, upper, to] = box_of(&[1.0, 2.0, 3.0, 4.0, 5.0, 30.0]);
        assert_eq!([from, lower, median, upper, to], [1.0, 2.25, 3.5, 4.75, 5.0]);
        assert_eq!(quantile(&[1.0, 2.0], 0.5), 1.5);
    }

    #[test]
    fn a_mean_of_ten_values_has_an_error() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let (middle, error) = mean(&values);
        assert_eq!(middle, 5.5);
        assert!((error.unwrap() - 0.957_427).abs() < 1e-6, "{error:?}");
        assert_eq!(mean(&values[..9]), (5.0, None));
    }

    #[test]
    fn a_density_has_an_area_of_one_and_stays_within_the_values() {
        let sorted: Vec<f64> = (0..2000).map(|i| f64::from(i) / 20.0).collect();
        let curve = density(&sorted, 201);
        let area: f64 = curve.windows(2).map(|p| (p[1].0 - p[0].0) * (p[0].1 + p[1].1) / 2.0).sum();
        assert!((0.93..1.01).contains(&area), "{area}");
        assert_eq!((curve[0].0, curve[200].0), (0.0, sorted[1999]));
        assert!(density(&[], 10).is_empty());
        assert!(density(&[3.0], 10).iter().all(|(_, d)| d.is_finite()));
    }
}
