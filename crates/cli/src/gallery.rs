//! An HTML page with the faces of many photos.

use std::fmt::Write as _;
use std::path::{Path, PathBuf, absolute};

use anyhow::Result;

use charts::small_jpeg;
use ror::predict::Photo;
use utils::files;
use utils::html::{PAGE_STYLE, data_url, escape, page};
use utils::progress::counted;

use crate::inputs::is_stdin;

/// Side of a face on the page in pixels.
const SIDE: u32 = 112;
const SCRIPT: &str = include_str!("gallery.js");
const STYLE: &str = include_str!("gallery.css");
const CONTROLS: &str = "<form>\
    <label>Name <input type=\"search\" name=\"name\"></label>\
    <label>Gender <select name=\"gender\"><option value=\"\">any</option><option>male</option>\
    <option>female</option></select></label>\
    <label>Age <input type=\"number\" name=\"from\" min=\"0\"></label>\
    <label>to <input type=\"number\" name=\"to\" min=\"0\"></label>\
    <button type=\"reset\">Show all</button></form>\n\
    <p>Sort by <button data-by=\"place\" aria-pressed=\"true\" data-order=\"\u{25b2}\">photo</button>\
    <button data-by=\"age\">age</button><button data-by=\"female\">gender</button>\
    <button data-by=\"sure\">confidence</button></p>\n\
    <dialog aria-label=\"Photo\"><p><button>Close</button></p><div></div><p></p></dialog>\n";

/// A self-contained page of faces that can be sorted and filtered. A face links to its photo, and
/// shows it enlarged after a click.
///
/// Photos are added one by one, and only their small face crops are kept.
#[derive(Debug, Default)]
pub struct Gallery {
    /// The page's folder. The page links to photos below it by relative addresses, so that it can
    /// be moved with them.
    folder: Option<PathBuf>,
    tiles: Vec<String>,
    photos: usize,
    unread: Vec<String>,
}

impl Gallery {
    /// An empty page, which will be written to a path.
    pub fn new(page: Option<&Path>) -> Self {
        let page = page.and_then(|page| absolute(page).ok());
        let folder = page.and_then(|page| Some(page.parent()?.to_owned()));
        Self { folder, ..Self::default() }
    }

    /// Number of faces.
    pub fn faces(&self) -> usize {
        self.tiles.len()
    }

    /// Number of photos.
    pub fn photos(&self) -> usize {
        self.photos
    }

    /// Adds the faces of a photo, made by [`Gallery::tiles`].
    pub fn add(&mut self, tiles: Vec<String>) {
        self.photos += 1;
        self.tiles.extend(tiles);
    }

    /// Adds a file that could not be read, with its error.
    pub fn add_unread(&mut self, path: &Path, error: &anyhow::Error) {
        self.unread.push(format!("{}: {error:#}", path.display()));
    }

    /// Formats the faces of a photo as HTML; `path` is shown. The photo must still have its image.
    ///
    /// # Errors
    /// The photo does not have its image.
    pub fn tiles(&self, photo: &Photo, path: &Path) -> Result<Vec<String>> {
        let address = (!is_stdin(path)).then(|| self.address(path)).flatten();
        (0..photo.faces.len()).map(|face| tile(photo, path, address.as_deref(), face)).collect()
    }

    /// The address of a photo, relative to the page if the photo is in the page's folder or below.
    fn address(&self, photo: &Path) -> Option<String> {
        let photo = absolute(photo).ok()?;
        let folder = self.folder.as_ref();
        Some(match folder.and_then(|folder| photo.strip_prefix(folder).ok()) {
            Some(below) => format!("./{}", in_address(below)), // a `:` would end a scheme's name
            None => format!("file://{}", in_address(&photo)),
        })
    }

    /// Returns the page.
    pub fn html(&self) -> String {
        let (faces, photos) = (counted(self.faces(), "face"), counted(self.photos, "photo"));
        let mut body = format!(
            "<header>\n<h1>Faces</h1>\n<p role=\"status\">{faces} in {photos}</p>\n{CONTROLS}\
             </header>\n<main>\n{}\n</main>\n",
            self.tiles.join("\n")
        );
        if !self.unread.is_empty() {
            body += "<section aria-labelledby=\"unread\">\n\
                     <h2 id=\"unread\">Files that could not be read</h2>\n<ul>";
            for line in &self.unread {
                body += &format!("<li>{}</li>", escape(line));
            }
            body += "</ul>\n</section>\n";
        }
        page(&format!("{PAGE_STYLE}{STYLE}"), &body, SCRIPT)
    }

    /// Writes the page atomically.
    ///
    /// # Errors
    /// The path can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_bytes(path, self.html().as_bytes())
    }
}

/// A path as part of an address: all bytes but the plainest as `%20`.
fn in_address(path: &Path) -> String {
    let mut address = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => address.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => address.push(char::from(*byte)),
            byte => address += &format!("%{byte:02X}"),
        }
    }
    address
}

fn tile(photo: &Photo, path: &Path, address: Option<&str>, number: usize) -> Result<String> {
    let jpeg = small_jpeg(&photo.chip(number)?, (SIDE, SIDE), 80)?;
    let found = &photo.faces[number];
    let face = &found.face;
    let (gender, sure) = (face.gender.name(), face.confidence());
    let whole = escape(&path.display().to_string());
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let name = escape(&name);
    let mut caption = format!(
        "<span>{gender} ({:.0} %)</span><span>{}</span><span>80 %: {:.0} to {:.0}</span>",
        100.0 * sure,
        face.age_in_words(),
        face.age_range[0],
        face.age_range[1]
    );
    for note in &found.notes {
        write!(caption, "<small>{}</small>", escape(note))?;
    }
    match address.map(escape) {
        Some(address) => {
            write!(caption, "<small><a href=\"{address}\" title=\"{whole}\">{name}</a></small>")?;
        }
        None => write!(caption, "<small title=\"{whole}\">{name}</small>")?,
    }
    // Where the face is in the photo, in percent of its sides.
    let [x, y, wide, high] = found.bounds;
    let (width, height) = (f64::from(photo.width), f64::from(photo.height));
    let bounds = [x / width, y / height, wide / width, high / height];
    let bounds = bounds.map(|share| format!("{:.2}", 100.0 * share)).join(" ");
    Ok(format!(
        "<figure class=\"{gender}\" data-age=\"{:.2}\" data-female=\"{:.4}\" data-sure=\"{sure:.4}\" \
         data-path=\"{whole}\" data-bounds=\"{bounds}\">\
         <button type=\"button\" aria-label=\"Enlarge {name}, face {}\">\
         <img width=\"{SIDE}\" height=\"{SIDE}\" alt=\"\" src=\"{}\"></button>\
         <figcaption>{caption}</figcaption></figure>",
        face.age,
        face.female,
        number + 1,
        data_url("image/jpeg", &jpeg),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_relative_below_the_page_and_name_any_file() {
        let page = Gallery::new(Some(Path::new("/photos/faces.html")));
        let address = |path: &str| page.address(Path::new(path)).unwrap();
        assert_eq!(address("/photos/a/b.jpg"), "./a/b.jpg");
        assert_eq!(address("/photos/x:\"<1> ä%.jpg"), "./x%3A%22%3C1%3E%20%C3%A4%25.jpg");
        assert_eq!(address("/other/a b.jpg"), "file:///other/a%20b.jpg");
        let own = std::env::current_dir().unwrap().join("a.jpg");
        let page = Gallery::new(Some(Path::new("faces.html")));
        assert_eq!(page.address(&own).unwrap(), "./a.jpg");
        assert_eq!(page.address(Path::new("a.jpg")).unwrap(), "./a.jpg");
    }
}
