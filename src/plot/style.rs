//! The common look of all figures: colors, text, and how numbers are written.

use anyhow::{Result, bail, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of an ordinary figure and height below its title, in pixels.
pub(super) const WIDTH: i32 = 720;
pub(super) const HEIGHT: i32 = 360;
/// Space between the page's edge and its contents, in pixels.
pub(super) const MARGIN: i32 = 20;

// Each pair differs in lightness too, for color-blind readers and grayscale printers.
pub(super) const MALE: RGBColor = RGBColor(58, 110, 165);
pub(super) const FEMALE: RGBColor = RGBColor(230, 145, 70);
pub(super) const WRONG: RGBColor = RGBColor(190, 40, 50);
pub(super) const FAINT: RGBColor = RGBColor(160, 171, 182);
pub(super) const INK: RGBColor = RGBColor(33, 41, 49);
pub(super) const SOFT_INK: RGBColor = RGBColor(92, 103, 114);
pub(super) const GRID: RGBColor = RGBColor(230, 234, 238);

/// Where a page has a dark background: none of its own, and these colors instead of those above.
pub(super) const DARK: &str = "<style>@media (prefers-color-scheme:dark){[fill=\"#FFFFFF\"]{fill:none}\
[fill=\"#212931\"]{fill:#E8ECF0}[stroke=\"#212931\"]{stroke:#E8ECF0}\
[fill=\"#5C6772\"]{fill:#A9B4BF}[stroke=\"#5C6772\"]{stroke:#A9B4BF}\
[stroke=\"#E6EAEE\"]{stroke:#343B42}[fill=\"#E6EAEE\"]{fill:#343B42}\
[fill=\"#BE2832\"]{fill:#FF7B80}}</style>\n";

/// Size of titles and of all other text, in pixels.
pub(super) const TITLE: f64 = 18.0;
pub(super) const TEXT: f64 = 13.0;

const PALETTES: [(&str, &str); 5] = [
    ("default", "#2C847A #E69146 #3A6EA5 #A02869 #8A9A2B #7A5AA6 #C8553D #5C6772"),
    ("okabe-ito", "#E69F00 #56B4E9 #009E73 #0072B2 #D55E00 #CC79A7 #F0E442 #000000"),
    ("viridis", "#440154 #3B528B #21918C #5EC962 #FDE725"),
    ("blues", "#E4EEF7 #A6C8E4 #4A8CC2 #084B91"),
    ("grays", "#F4F4F4 #A8A8A8 #3C3C3C"),
];

/// The colors of a named palette, or of a list such as "#2C847A, #E69146".
pub(super) fn palette(words: &str) -> Result<Vec<RGBColor>> {
    let named = PALETTES.iter().find(|(name, _)| *name == words).map_or(words, |(_, list)| list);
    let words = named.split([' ', ',']).filter(|word| !word.is_empty());
    let colors = words.map(|word| {
        let digits = word.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii());
        match digits.map(|digits| u32::from_str_radix(digits, 16)) {
            Some(Ok(rgb)) => Ok(RGBColor((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)),
            _ => bail!(
                "{word:?} is no color: write colors as \"#2C847A, #E69146\", or name a palette: {}",
                PALETTES.map(|(name, _)| name).join(", ")
            ),
        }
    });
    let colors = colors.collect::<Result<Vec<_>>>()?;
    ensure!(!colors.is_empty(), "the palette has no colors");
    Ok(colors)
}

/// The color at `level`, 0 to 1, of a scale through `colors`; one color starts at white.
pub(super) fn blend(colors: &[RGBColor], level: f64) -> RGBColor {
    if let [color] = colors {
        return blend(&[WHITE, *color], level);
    }
    let at = level.clamp(0.0, 1.0) * (colors.len() - 1) as f64;
    let (from, part) = ((at as usize).min(colors.len() - 2), at - at.floor());
    let part = if at as usize > from { 1.0 } else { part };
    let mix = |a: u8, b: u8| (f64::from(a) + part * (f64::from(b) - f64::from(a))).round() as u8;
    let (a, b) = (colors[from], colors[from + 1]);
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// The color of text on a background; neither changes in a dark theme.
pub(super) fn ink_on(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light > 140.0 { RGBColor(34, 41, 49) } else { RGBColor(254, 254, 254) }
}

/// A font of `size` pixels, anchored at the given side and vertically centered.
pub(super) fn text(size: f64, color: RGBColor, h: HPos) -> TextStyle<'static> {
    // plotters divides font sizes by 1.24 when it writes the SVG.
    let font = ("sans-serif", 1.24 * size).into_font().color(&color);
    font.pos(Pos::new(h, VPos::Center))
}

/// The same in bold.
pub(super) fn bold(size: f64, color: RGBColor, h: HPos) -> TextStyle<'static> {
    let style = text(size, color, h);
    TextStyle { font: style.font.style(FontStyle::Bold), ..style }
}

/// Digits after the decimal point that distinguish values `step` apart.
pub(super) fn decimals(step: f64) -> usize {
    if step > 0.0 { (-step.log10() - 1e-9).ceil().clamp(0.0, 9.0) as usize } else { 0 }
}

/// A number with `digits` after the decimal point and a comma per thousand, without "-0".
pub(super) fn number(value: f64, digits: usize) -> String {
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
pub(super) fn short(value: f64) -> String {
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
pub(super) fn percent(share: f64) -> String {
    format!("{} %", number(100.0 * share, 1))
}

/// "1 image", "23,708 images".
pub(super) fn counted(count: usize, what: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} {what}{s}", number(count as f64, 0))
}

/// Writes ticks alike: plainly, or as "5e8" and "1e-6" where that would take many zeros.
pub(super) fn tick_texts(ticks: &[f64]) -> Vec<String> {
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

/// Estimated width in pixels. The browser chooses the font; the estimate fits the wide DejaVu Sans,
/// so that labels do not collide in other fonts either.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '\'' | '|' => 0.29,
        ' ' | '.' | ',' | ':' | ';' | '!' => 0.34,
        'f' | 't' | 'r' | '-' | '(' | ')' | '[' | ']' | '/' => 0.4,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.96,
        '\u{300}'..'\u{370}' | '\u{200b}'..'\u{2010}' | '\u{fe00}'..'\u{fe10}' => 0.0,
        '\u{1100}'.. => 1.2,
        c if c.is_uppercase() => 0.7,
        _ => 0.63,
    };
    text.chars().map(|c| size * em(c)).sum()
}

/// Font size, at most `size` pixels, at which the text fits into `room`.
pub(super) fn shrunk(text: &str, size: f64, room: f64) -> f64 {
    size.min(size * room / text_width(text, size).max(1.0))
}

/// Breaks a text between words into lines of at most `room` pixels.
pub(super) fn lines(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if text_width(&format!("{line} {word}"), size) <= room => {
                *line = format!("{line} {word}");
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_format_for_percent_and_thousands() {
        assert_eq!(counted(1, "image"), "1 image");
        assert_eq!(counted(23_708, "image"), "23,708 images");
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

    #[test]
    fn palettes_are_named_or_listed() {
        assert_eq!(palette("#2C847A, #E69146").unwrap(), [RGBColor(44, 132, 122), FEMALE]);
        assert_eq!(palette("viridis").unwrap().len(), 5);
        let error = palette("red").unwrap_err().to_string();
        assert!(error.contains("\"red\"") && error.contains("viridis"), "{error}");
        assert_eq!(blend(&[BLACK, WHITE], 0.0), BLACK);
        assert_eq!(blend(&[BLACK, RED, WHITE], 0.5), RED);
        assert_eq!(blend(&[BLACK], 1.0), BLACK);
        assert_ne!(ink_on(BLACK), ink_on(WHITE));
    }

    #[test]
    fn long_text_shrinks_or_breaks() {
        assert_eq!(shrunk("short", 18.0, 300.0), 18.0);
        let long = "word ".repeat(20);
        assert!(text_width(&long, shrunk(&long, 18.0, 300.0)) < 300.1);
        assert!(lines(&long, TEXT, 100.0).iter().all(|line| text_width(line, TEXT) <= 100.0));
        assert!(text_width("한국어", 13.0) > text_width("abc", 13.0));
    }
}
