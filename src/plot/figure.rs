//! The finished figure: shown in a notebook or saved to a file.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result, bail, ensure};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend, WHITE};
use plotters::style::text_anchor::HPos;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::style::{
    Canvas, INK, MARGIN, SOFT_INK, TEXT, TITLE, WIDTH, bold, header, shrunk, text, text_width,
};
use utils::files;
use utils::html::escape;

/// PNG pixels per SVG pixel, so that text stays sharp on dense screens.
const SCALE: f32 = 2.0;

/// The only font of PNG files, so that they look alike on every machine, even without fonts.
static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    let family = fonts.faces().next().and_then(|face| face.families.first());
    if let Some((family, _)) = family.cloned() {
        fonts.set_sans_serif_family(family);
    }
    Arc::new(fonts)
});

/// A finished plot: an SVG document of fixed size in pixels.
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
/// let figure = ror::plot::draw("A curve", (640, 240), |area| {
///     let mut chart = ChartBuilder::on(area)
///         .margin(10)
///         .x_label_area_size(30)
///         .y_label_area_size(40)
///         .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
///     chart.configure_mesh().draw()?;
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
    ensure!(
        (1..=10_000).contains(&width) && (1..=10_000).contains(&height),
        "the figure has {width} x {height} pixels: choose 1 to 10,000"
    );
    page((width as i32, height as i32), title, "", paint)
}

/// Draws a page with a title, a note of any number of lines, and below them what `paint` draws on
/// `size` pixels.
pub(crate) fn page(
    size: (i32, i32),
    title: &str,
    note: &str,
    paint: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<Figure> {
    let top = header(note);
    let longest = note.lines().map(|line| text_width(line, TEXT));
    let words = longest.fold(text_width(title, TITLE), f64::max) as i32;
    let width = size.0.max((words + 2 * MARGIN).min(WIDTH));
    let (wide, high) = (width as u32, (top + size.1) as u32);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (wide, high)).into_drawing_area();
        root.fill(&WHITE)?;
        let room = f64::from(width - 2 * MARGIN);
        let style = bold(shrunk(title, TITLE, room), INK, HPos::Left);
        root.draw_text(title, &style, (MARGIN, 25))?;
        for (i, line) in note.lines().enumerate() {
            let style = text(shrunk(line, TEXT, room), SOFT_INK, HPos::Left);
            root.draw_text(line, &style, (MARGIN, 48 + 18 * i as i32))?;
        }
        paint(&root.clone().shrink((0, top), size))?;
        root.present()?;
    }
    // Lets the figure shrink in a narrow notebook, and names it to screen readers.
    let attributes = format!(
        "<svg style=\"max-width:100%;height:auto\" role=\"img\" aria-label=\"{}\" ",
        escape(title)
    );
    let svg = svg.replacen("<svg ", &attributes, 1);
    // A control character in a label would make the document malformed.
    let svg = svg.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
    Ok(Figure::new(svg, wide, high))
}

impl Figure {
    /// Wraps an SVG document of `width` x `height` pixels.
    pub(crate) fn new(svg: String, width: u32, height: u32) -> Self {
        Self { svg, width, height }
    }

    /// Adds SVG elements on top of the drawing.
    pub(crate) fn with_elements(mut self, elements: &str) -> Self {
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
    /// A PNG file has a white background, twice the figure's size in pixels, and an embedded font.
    /// The file is written atomically; a missing folder is created.
    ///
    /// # Errors
    ///
    /// Another extension, or a file that cannot be drawn or written.
    ///
    /// ```
    /// # fn main() -> anyhow::Result<()> {
    /// let bars = [("male".to_string(), 0.9), ("female".to_string(), 0.1)];
    /// let figure = ror::plot::probabilities("Gender", &bars, None)?;
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
    pub fn html(&self) -> String {
        let title = self.svg.split_once("aria-label=\"").and_then(|(_, rest)| rest.split_once('"'));
        format!(
            "<img width=\"{}\" style=\"max-width:100%\" alt=\"{}\" src=\"{}\">",
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
        page.encode_png().context("cannot encode the figure as PNG")
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

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Figure({} x {} px)", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{confusion, probabilities};
    use super::*;

    fn figure() -> Figure {
        let bars = [("a".to_string(), 0.25), ("b".to_string(), 0.75)];
        probabilities("Title", &bars, None).unwrap()
    }

    #[test]
    fn png_has_the_title_in_the_embedded_font() {
        let figure = figure();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figure.PNG");
        figure.save(&path).unwrap();
        let drawn = image::open(path).unwrap().to_luma8();
        assert_eq!(drawn.dimensions(), (2 * figure.width(), 2 * figure.height()));
        let dark = |left: u32, top: u32, right: u32, bottom: u32| {
            (top..bottom)
                .flat_map(|y| (left..right).map(move |x| (x, y)))
                .filter(|&(x, y)| drawn.get_pixel(x, y).0[0] < 100)
                .count()
        };
        assert!(dark(40, 30, 120, 70) > 50, "no title");
        assert_eq!(dark(0, 0, 38, 70), 0, "ink in the margin");
    }

    #[test]
    fn only_known_extensions_are_saved() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["figure.pdf", "figure", ".png"] {
            let message = figure().save(folder.path().join(name)).unwrap_err();
            assert!(message.to_string().contains(".svg or .png"), "{message}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn labels_with_markup_and_control_characters_survive() {
        let labels = ["<a> & \u{1}".to_string()];
        let figure = confusion("\"T\" \u{0}", &labels, &[vec![1]]).unwrap();
        assert!(figure.png().is_ok());
        // For frontends that show no SVG in HTML: markup in the title is text there, too.
        let html = figure.html();
        assert!(html.starts_with("<img width=") && html.contains("alt=\"&quot;T&quot; "), "{html}");
        let (_, url) = html.split_once("src=\"data:image/svg+xml,").unwrap();
        assert!(url.ends_with("%3C/svg%3E \">") && url.matches('"').count() == 1, "{url}");
        assert!(!url.contains(['<', '#', '&']), "{url}");
        assert!(url.contains("%26lt;a%26gt; %26amp;"), "text is escaped twice: {url}");
    }
}
