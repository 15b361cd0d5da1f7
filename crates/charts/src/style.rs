//! The common look of all figures: colors and text.

use anyhow::{Result, bail, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of an ordinary figure and height below its title, in pixels.
pub(crate) const WIDTH: i32 = 720;
pub(crate) const HEIGHT: i32 = 360;
/// Space between the page's edge and its contents, in pixels.
pub(crate) const MARGIN: i32 = 20;

// Each pair differs in lightness too, for color-blind readers and grayscale printers.
pub(crate) const MALE: RGBColor = RGBColor(58, 110, 165);
pub(crate) const FEMALE: RGBColor = RGBColor(230, 145, 70);
pub(crate) const WRONG: RGBColor = RGBColor(190, 40, 50);
pub(crate) const OUTLINE: RGBColor = RGBColor(226, 120, 30);
pub(crate) const FAINT: RGBColor = RGBColor(160, 171, 182);
pub(crate) const INK: RGBColor = RGBColor(33, 41, 49);
pub(crate) const SOFT_INK: RGBColor = RGBColor(92, 103, 114);
pub(crate) const GRID: RGBColor = RGBColor(230, 234, 238);

/// Where a page has a dark background: none of its own, and these colors instead of those above.
pub(crate) const DARK: &str = "<style>@media (prefers-color-scheme:dark){[fill=\"#FFFFFF\"]{fill:none}\
[fill=\"#212931\"]{fill:#E8ECF0}[stroke=\"#212931\"]{stroke:#E8ECF0}\
[fill=\"#5C6772\"]{fill:#A9B4BF}[stroke=\"#5C6772\"]{stroke:#A9B4BF}\
[stroke=\"#E6EAEE\"]{stroke:#343B42}[fill=\"#E6EAEE\"]{fill:#343B42}\
[fill=\"#BE2832\"]{fill:#FF7B80}}</style>\n";

/// Size of titles and of all other text, in pixels.
pub(crate) const TITLE: f64 = 18.0;
pub(crate) const TEXT: f64 = 13.0;

const PALETTES: [(&str, &str); 5] = [
    ("default", "#2C847A #E69146 #3A6EA5 #A02869 #8A9A2B #7A5AA6 #C8553D #5C6772"),
    ("okabe-ito", "#E69F00 #56B4E9 #009E73 #0072B2 #D55E00 #CC79A7 #F0E442 #000000"),
    ("viridis", "#440154 #3B528B #21918C #5EC962 #FDE725"),
    ("blues", "#E4EEF7 #A6C8E4 #4A8CC2 #084B91"),
    ("grays", "#F4F4F4 #A8A8A8 #3C3C3C"),
];

/// The colors of a named palette, or of a list such as "#2C847A, #E69146".
pub(crate) fn palette(words: &str) -> Result<Vec<RGBColor>> {
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
pub(crate) fn blend(colors: &[RGBColor], level: f64) -> RGBColor {
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
pub(crate) fn ink_on(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light > 140.0 { RGBColor(34, 41, 49) } else { RGBColor(254, 254, 254) }
}

/// A font of `size` pixels, anchored at the given side and vertically centered.
pub(crate) fn text(size: f64, color: RGBColor, h: HPos) -> TextStyle<'static> {
    // plotters divides font sizes by 1.24 when it writes the SVG.
    let font = ("sans-serif", 1.24 * size).into_font().color(&color);
    font.pos(Pos::new(h, VPos::Center))
}

/// The same in bold.
pub(crate) fn bold(size: f64, color: RGBColor, h: HPos) -> TextStyle<'static> {
    let style = text(size, color, h);
    TextStyle { font: style.font.style(FontStyle::Bold), ..style }
}

/// Estimated width in pixels. The browser chooses the font; the estimate fits the wide DejaVu Sans,
/// so that labels do not collide in other fonts either.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
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
pub(crate) fn shrunk(text: &str, size: f64, room: f64) -> f64 {
    size.min(size * room / text_width(text, size).max(1.0))
}

/// Breaks a text between words into lines of at most `room` pixels.
pub(crate) fn lines(text: &str, size: f64, room: f64) -> Vec<String> {
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
