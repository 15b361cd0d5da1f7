//! An HTML page with the faces of many photos.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use charts::small_jpeg;
use ror::predict::Photo;
use utils::files;
use utils::html::{data_url, escape};
use utils::outputs::PAGE_MARK;
use utils::progress::thousands;

/// Side of a face on the page in pixels.
const SIDE: u32 = 112;
const SCRIPT: &str = include_str!("gallery.js");
const STYLE: &str = "body{font:14px sans-serif;margin:24px;color:#212931}\
    main{display:grid;grid-template-columns:repeat(auto-fill,minmax(124px,1fr));gap:16px 12px}\
    figure{margin:0}img{display:block;border-radius:4px}figcaption{margin-top:4px;overflow-wrap:anywhere}\
    span{display:block}small{color:#5c6772;display:block;font-size:12px}li{overflow-wrap:anywhere}\
    button{margin:0 6px 6px 0;cursor:pointer}button[aria-pressed=true]{font-weight:bold}\
    button::after{content:attr(data-order);margin-left:4px}";

/// A self-contained page of faces that can be sorted by age, gender and confidence.
///
/// Photos are added one by one, and only their small face crops are kept.
#[derive(Debug, Default)]
pub struct Gallery {
    faces: Vec<String>,
    photos: usize,
    unread: Vec<String>,
}

impl Gallery {
    /// Adds the faces of a photo, made by [`Gallery::tiles`].
    pub fn add(&mut self, tiles: Vec<String>) {
        self.photos += 1;
        self.faces.extend(tiles);
    }

    /// Adds a file that could not be read, with its error.
    pub fn add_unread(&mut self, path: &Path, error: &anyhow::Error) {
        self.unread.push(format!("{}: {error:#}", path.display()));
    }

    /// Formats the faces of a photo as HTML. The photo must still have its image.
    ///
    /// # Errors
    /// The photo does not have its image.
    pub fn tiles(photo: &Photo) -> Result<Vec<String>> {
        (0..photo.faces.len()).map(|face| tile(photo, face)).collect()
    }

    /// Returns the page.
    pub fn html(&self) -> String {
        let mut html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             {PAGE_MARK}\n<meta name=\"viewport\" content=\"width=device-width\"><title>Faces</title>\
             <style>{STYLE}</style></head><body>\n<h1>Faces</h1>\n<p>{} faces in {} photos. \
             Sort by <button data-by=\"place\" aria-pressed=\"true\" data-order=\"\u{25b2}\">photo</button><button data-by=\"age\">age</button>\
             <button data-by=\"female\">gender</button><button data-by=\"sure\">confidence</button></p>\n\
             <main>\n{}\n</main>\n",
            thousands(self.faces.len()),
            thousands(self.photos),
            self.faces.join("\n")
        );
        if !self.unread.is_empty() {
            html += "<h2>Files that could not be read</h2>\n<ul>";
            for line in &self.unread {
                html += &format!("<li>{}</li>", escape(line));
            }
            html += "</ul>\n";
        }
        html + "<script>" + SCRIPT + "</script></body></html>\n"
    }

    /// Writes the page atomically.
    ///
    /// # Errors
    /// The path can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_bytes(path, self.html().as_bytes())
    }
}

fn tile(photo: &Photo, number: usize) -> Result<String> {
    let jpeg = small_jpeg(&photo.chip(number)?, (SIDE, SIDE), 80)?;
    let face = &photo.faces[number];
    let sure = face.face.confidence();
    let name = photo.path.file_name().unwrap_or_default().to_string_lossy();
    let mut caption = format!(
        "<span>{} ({:.0} %)</span><span>{:.0} years</span><span>80 %: {:.0} to {:.0}</span>",
        face.face.gender.name(),
        100.0 * sure,
        face.face.age,
        face.face.age_range[0],
        face.face.age_range[1]
    );
    for note in &face.notes {
        write!(caption, "<small>{}</small>", escape(note))?;
    }
    Ok(format!(
        "<figure data-age=\"{:.2}\" data-female=\"{:.4}\" data-sure=\"{sure:.4}\">\
         <img width=\"{SIDE}\" height=\"{SIDE}\" alt=\"a face\" src=\"{}\">\
         <figcaption>{caption}<small title=\"{}\">{}</small></figcaption></figure>",
        face.face.age,
        face.face.female,
        data_url("image/jpeg", &jpeg),
        escape(&photo.path.display().to_string()),
        escape(&name)
    ))
}
