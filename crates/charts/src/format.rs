//! How figures write numbers.

use utils::progress::counted;

use crate::stats::quantile;

/// Digits after the decimal point that distinguish values `step` apart.
pub(crate) fn decimals(step: f64) -> usize {
    if step > 0.0 { (-step.log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize } else { 0 }
}

/// A number with `digits` after the decimal point and a comma per thousand, without "-0".
pub fn number(value: f64, digits: usize) -> String {
    let unit = 10f64.powi(digits as i32);
    let fixed = format!("{:.digits$}", (value.abs() * unit).round() / unit);
    let (whole, fraction) = fixed.split_at(fixed.find('.').unwrap_or(fixed.len()));
    let negative = value < 0.0 && fixed.contains(|c| ('1'..='9').contains(&c));
    let mut text = if negative { "-".to_string() } else { String::new() };
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text + fraction
}

/// A number as short as its size allows: "29", "0.53", "23,708", "5e-6".
pub fn short(value: f64) -> String {
    if value != 0.0 && (value.abs() < 1e-3 || value.abs() >= 1e9) {
        let text = format!("{value:.2e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'));
    }
    let text = number(value, decimals(value.abs() / 100.0).min(3));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

/// A share of 0 to 1 as "12.3 %", the only way that figures write one.
pub fn percent(share: f64) -> String {
    format!("{} %", number(100.0 * share, 1))
}

/// "23,708 images, 1 to 116 years, median 29".
pub fn summary(values: &[f64], what: &str, unit: &str) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let [low, median, high] = [0.0, 0.5, 1.0].map(|share| short(quantile(&sorted, share)));
    format!("{}, {low} to {high}{unit}, median {median}", counted(values.len(), what))
}

/// Writes ticks alike: plainly, or as "5e8" and "1e-6" where that would take many zeros.
pub(crate) fn tick_texts(ticks: &[f64]) -> Vec<String> {
    let step = ticks.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(f64::INFINITY, f64::min);
    let high = ticks.iter().fold(0.0, |high: f64, tick| high.max(tick.abs()));
    if high < 1e7 && step >= 1e-4 {
        return ticks.iter().map(|tick| number(*tick, decimals(step))).collect();
    }
    let digits = (high.log10().floor() - step.min(high).log10().floor()).clamp(0.0, 15.0) as usize;
    let write = |tick: &f64| {
        let text = format!("{tick:.digits$e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = if digits.contains('.') { digits.trim_end_matches('0') } else { digits };
        let zero = tick.abs() < step * 1e-6;
        if zero { "0".to_string() } else { format!("{}e{power}", digits.trim_end_matches('.')) }
    };
    ticks.iter().map(write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_format_for_percent_and_thousands() {
        assert_eq!(percent(0.523), "52.3 %");
        assert_eq!(percent(0.3), "30.0 %");
        assert_eq!([number(-0.0001, 2), number(-1234.5, 1)], ["0.00", "-1,234.5"]);
        assert_eq!(number(5.125, 2), "5.13");
        assert_eq!([29.0, 0.5312, 0.4, 5e-6, 0.0].map(short), ["29", "0.531", "0.4", "5e-6", "0"]);
    }

    #[test]
    fn ticks_are_short_whatever_their_size() {
        assert_eq!(tick_texts(&[0.0, 5_000.0, 10_000.0]), ["0", "5,000", "10,000"]);
        assert_eq!(tick_texts(&[0.0, 0.05]), ["0.00", "0.05"]);
        assert_eq!(tick_texts(&[0.0, 5e8, 1e9, 1.5e9]), ["0", "5e8", "1e9", "1.5e9"]);
        assert_eq!(tick_texts(&[0.0, 1e-6, 2e-6]), ["0", "1e-6", "2e-6"]);
    }
}
