//! The finished figure: shown in a notebook or saved to a file.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Error, Result, bail, ensure};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend, WHITE};
use plotters::style::text_anchor::HPos;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use crate::style::{
    DARK, INK, MARGIN, SOFT_INK, TEXT, TITLE, WIDTH, bold, shrunk, text, text_width,
};
use utils::files;
use utils::html::escape;
use utils::outputs::marked_png;

/// PNG pixels per SVG pixel, so that text stays sharp on dense screens.
const SCALE: f32 = 2.0;
/// What makes a page shrink in a narrow notebook.
const SHRINKS: &str = "style=\"max-width:100%;height:auto\" ";

/// The fonts of PNG files: the machine's, as on its screen, and two for what it lacks.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_system_fonts();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.load_font_data(epaint_default_fonts::NOTO_EMOJI_REGULAR.to_vec());
    let has = |family| {
        let query = fontdb::Query { families: &[family], ..fontdb::Query::default() };
        fonts.query(&query).is_some()
    };
    // The configured family may be one that is not installed.
    let usual = ["DejaVu Sans", "Liberation Sans", "Arial", "Helvetica", "Noto Sans", "Ubuntu"];
    let found = usual.into_iter().find(|name| has(fontdb::Family::Name(name)));
    if let Some(name) = found.filter(|_| !has(fontdb::Family::SansSerif)) {
        fonts.set_sans_serif_family(name);
    }
    Arc::new(fonts)
});

/// A finished figure: an SVG document of fixed size in pixels.
///
/// A notebook cell that ends in a figure displays it.
#[derive(Clone)]
pub struct Figure {
    svg: String,
    width: u32,
    height: u32,
}

/// Draws a custom figure: what `paint` draws with plotters on a white area of `size` pixels, below
/// a title.
///
/// # Errors
/// An error of `paint` or of plotters.
///
/// ```
/// use plotters::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let figure = charts::draw("A curve", (640, 240), |area| {
///     let mut chart = ChartBuilder::on(area).margin(10).build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
///     let points = (0..=100).map(|i| f64::from(i) / 100.0).map(|x| (x, x * x));
///     chart.draw_series(LineSeries::new(points, &BLUE))?;
///     Ok(())
/// })?;
/// assert!(figure.svg().contains("A curve"));
/// # Ok(())
/// # }
/// ```
pub fn draw(
    title: &str,
    (width, height): (u32, u32),
    paint: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<()>,
) -> Result<Figure> {
    page((width as i32, height as i32), title, "", paint)
}

/// Places charts or figures beside and below each other, row by row.
///
/// # Errors
/// Nothing to place, or a chart that can't be drawn.
///
/// ```
/// # fn main() -> anyhow::Result<()> {
/// let table = polars::df!["age" => [31u32, 8, 42]]?;
/// let ages = charts::chart(&table).x("age").histogram();
/// let both = [ages.clone().size(400, 300), ages.cumulative().size(400, 300)];
/// assert_eq!(charts::grid(both, 2)?.width(), 800);
/// # Ok(())
/// # }
/// ```
pub fn grid<T>(figures: impl IntoIterator<Item = T>, columns: usize) -> Result<Figure>
where
    T: TryInto<Figure>,
    Error: From<T::Error>,
{
    let figures = figures.into_iter().map(|figure| Ok(figure.try_into()?));
    let figures = figures.collect::<Result<Vec<Figure>>>()?;
    ensure!(!figures.is_empty() && columns > 0, "there are no figures to place");
    let (mut parts, mut width, mut height) = (String::new(), 0, 0);
    for row in figures.chunks(columns) {
        let mut x = 0;
        for figure in row {
            // A part keeps its size.
            let part = figure.svg.replacen(SHRINKS, "", 1);
            parts += &part.replacen("<svg ", &format!("<svg x=\"{x}\" y=\"{height}\" "), 1);
            x += figure.width;
        }
        width = width.max(x);
        height += row.iter().map(|figure| figure.height).max().unwrap_or(0);
    }
    let svg = format!(
        "<svg {SHRINKS}role=\"img\" aria-label=\"{} figures\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">\n{parts}</svg>\n",
        figures.len()
    );
    Ok(Figure { svg, width, height })
}

/// Height of the page's title and note in pixels.
pub(crate) fn header(title: &str, note: &str) -> i32 {
    let title = if title.is_empty() { 10 } else { 44 };
    title + 18 * note.lines().count() as i32
}

/// Draws a page with a title, a note of any number of lines, and below them what `paint` draws on
/// `size` pixels.
pub(crate) fn page(
    size: (i32, i32),
    title: &str,
    note: &str,
    paint: impl FnOnce(&DrawingArea<SVGBackend<'_>, Shift>) -> Result<()>,
) -> Result<Figure> {
    let top = header(title, note);
    ensure!(
        (1..=10_000).contains(&size.0) && (1..=10_000 - top).contains(&size.1),
        "the figure has {} x {} pixels: choose 1 to 10,000",
        size.0,
        size.1
    );
    let longest = note.lines().map(|line| text_width(line, TEXT));
    let words = longest.fold(1.1 * text_width(title, TITLE), f64::max) as i32;
    let width = size.0.max((words + 2 * MARGIN).min(WIDTH));
    let (wide, high) = (width as u32, (top + size.1) as u32);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (wide, high)).into_drawing_area();
        root.fill(&WHITE)?;
        let room = f64::from(width - 2 * MARGIN);
        let style = bold(shrunk(title, TITLE, room / 1.1), INK, HPos::Left);
        root.draw_text(title, &style, (MARGIN, 25))?;
        for (i, line) in note.lines().enumerate() {
            let style = text(shrunk(line, TEXT, room), SOFT_INK, HPos::Left);
            let below = header(title, "") + 4 + 18 * i as i32;
            root.draw_text(line, &style, (MARGIN, below))?;
        }
        paint(&root.clone().shrink((0, top), size))?;
        root.present()?;
    }
    // Says once what plotters says at each element, and names the figure to screen readers.
    let svg = svg.replace(" opacity=\"1\"", "").replace(" font-family=\"sans-serif\"", "");
    let svg = svg.replace(" stroke=\"none\"", "");
    let mut parts = svg.split(" font-size=\"");
    let first = parts.next().unwrap_or_default().to_string();
    let svg = parts.fold(first, |svg, part| {
        // "10.48387096774194": a tenth of a pixel is enough.
        let (size, rest) = part.split_once('"').unwrap_or(("", part));
        svg + &format!(" font-size=\"{:.1}\"{rest}", size.parse().unwrap_or(TEXT))
    });
    let label = if title.is_empty() { "chart" } else { title };
    let label = escape(label);
    let attributes =
        format!("<svg {SHRINKS}role=\"img\" aria-label=\"{label}\" font-family=\"sans-serif\" ");
    let svg = svg.replacen("<svg ", &attributes, 1).replacen(">\n", &format!(">\n{DARK}"), 1);
    // A control character in a label would make the document malformed.
    let svg = svg.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
    Ok(Figure { svg, width: wide, height: high })
}

impl Figure {
    /// Adds SVG elements, which must be well-formed, on top of the drawing.
    pub fn with_elements(mut self, elements: &str) -> Self {
        if let Some(end) = self.svg.rfind("</svg>") {
            self.svg.insert_str(end, elements);
        }
        self
    }

    /// The SVG document.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// Width in SVG pixels; a PNG file is twice as wide.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in SVG pixels; a PNG file is twice as high.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Saves the figure as `.svg` or `.png`, by the extension of `path`.
    ///
    /// A PNG file has a white background, twice the figure's size in pixels, and this machine's fonts.
    /// The file is written atomically; a missing folder is created.
    ///
    /// # Errors
    /// Another extension, or a file that cannot be drawn or written.
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// let table = polars::df!["gender" => ["male", "female"]]?;
    /// let figure = charts::chart(&table).x("gender").bars().figure()?;
    /// let folder = tempfile::tempdir()?;
    /// figure.save(folder.path().join("gender.png"))?;
    /// assert!(figure.save(folder.path().join("gender.pdf")).is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let extension =
            path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("svg") => files::write_bytes(path, self.svg.as_bytes()),
            Some("png") => files::write_bytes(path, &self.png()?),
            _ => bail!(
                "cannot save a figure as {}: use a file name that ends in .svg or .png",
                path.display()
            ),
        }
    }

    /// An `<img>` with the SVG in it: the one form that is shown in an untrusted notebook, on a
    /// page without scripts and on code-hosting sites, and that shrinks with the notebook's column.
    /// In JupyterLab's dark themes it is dark.
    pub fn html(&self) -> String {
        let title = self.svg.split_once("aria-label=\"").and_then(|(_, rest)| rest.split_once('"'));
        format!(
            "<img class=\"ror\" width=\"{}\" style=\"max-width:100%\" alt=\"{}\" src=\"{}\">\
             <style>[data-jp-theme-light=\"false\"] img.ror{{color-scheme:dark}}</style>",
            self.width,
            title.map_or("", |(title, _)| title),
            svg_url(&self.svg)
        )
    }

    fn png(&self) -> Result<Vec<u8>> {
        let options = Options { fontdb: FONTS.clone(), ..Options::default() };
        let tree = Tree::from_str(&self.svg, &options).context("the figure's SVG is malformed")?;
        let (width, height) = (self.width * SCALE as u32, self.height * SCALE as u32);
        let mut page = Pixmap::new(width, height)
            .with_context(|| format!("a figure of {width} x {height} pixels cannot be drawn"))?;
        page.fill(Color::WHITE);
        resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut page.as_mut());
        page.encode_png().map(marked_png).context("cannot encode the figure as PNG")
    }
}

/// An SVG document as the URL of an image. Base64 would make it a third longer; double quotes
/// become single ones, so that they need no escape in HTML and in a notebook's JSON.
fn svg_url(svg: &str) -> String {
    let mut url = String::with_capacity(svg.len() + svg.len() / 8 + 32);
    url += "data:image/svg+xml,";
    for c in svg.chars() {
        match c {
            '"' => url.push('\''),
            '\'' => url += "%22",
            '\n' => url.push(' '),
            '%' | '#' | '<' | '>' | '&' | '?' | '\u{0}'..'\u{20}' => {
                url += &format!("%{:02X}", u32::from(c));
            }
            _ => url.push(c),
        }
    }
    url
}

impl From<&Figure> for Figure {
    fn from(figure: &Figure) -> Self {
        figure.clone()
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figure({} x {} px)", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chart, confusion};

    fn figure() -> Figure {
        let table = polars::df!["n" => ["a"], "v" => [0.25]].unwrap();
        chart(&table).x("v").y("n").bars().title("Title").figure().unwrap()
    }

    #[test]
    fn png_has_a_title_and_a_white_background() {
        let figure = figure();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figure.PNG");
        figure.save(&path).unwrap();
        let drawn = image::open(path).unwrap().to_luma8();
        assert_eq!(drawn.dimensions(), (2 * figure.width(), 2 * figure.height()));
        let dark = |left: u32, top: u32, right: u32, bottom: u32| {
            let pixels = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y)));
            pixels.filter(|&(x, y)| drawn.get_pixel(x, y).0[0] < 100).count()
        };
        assert!(dark(40, 30, 120, 70) > 50, "no title");
        assert_eq!(dark(0, 0, 38, 70), 0, "ink in the margin");
        assert_eq!(drawn.get_pixel(2, 2).0[0], 255);
        for name in ["figure.pdf", "figure", ".png"] {
            let message = figure.save(folder.path().join(name)).unwrap_err();
            assert!(message.to_string().contains(".svg or .png"), "{message}");
        }
    }

    #[test]
    fn labels_with_markup_and_control_characters_survive() {
        let labels = ["<a> & \u{1}".to_string()];
        let figure = confusion("\"T\" \u{0}", &labels, &[vec![1]]).unwrap().figure().unwrap();
        assert!(figure.png().is_ok());
        // For frontends that show no SVG in HTML: markup in the title is text there, too.
        let html = figure.html();
        assert!(html.contains("alt=\"&quot;T&quot; "), "{html}");
        let (_, url) = html.split_once("src=\"data:image/svg+xml,").unwrap();
        let (url, style) = url.split_once("\">").unwrap();
        assert!(url.ends_with("%3C/svg%3E ") && style.contains("color-scheme:dark"), "{style}");
        assert!(!url.contains(['<', '#', '&', '"']), "{url}");
        assert!(url.contains("%26lt;a%26gt; %26amp;"), "text is escaped twice: {url}");
    }

    #[test]
    fn a_grid_holds_every_figure_at_its_place() {
        let grid = grid([&figure(), &figure(), &figure()], 2).unwrap();
        let (wide, high) = (figure().width(), figure().height());
        assert_eq!((grid.width(), grid.height()), (2 * wide, 2 * high));
        assert_eq!(grid.svg().matches("Title\n").count(), 3);
        assert!(grid.svg().contains(&format!("<svg x=\"{wide}\" y=\"0\"")) && grid.png().is_ok());
        assert!(super::grid(Vec::<Figure>::new(), 2).is_err());
    }
}
