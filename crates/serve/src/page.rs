//! The page: one document that asks for nothing else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use utils::html::{self, PAGE_STYLE};

const STYLE: &str = include_str!("../page/style.css");
const SCRIPT: &str = concat!(
    include_str!("../page/results.js"),
    include_str!("../page/photos.js"),
    include_str!("../page/camera.js"),
);
const BODY: &str = include_str!("../page/page.html");

/// The page's HTML and its Content-Security-Policy, which allows its own style and script alone.
pub fn page() -> (String, String) {
    let style = format!("{PAGE_STYLE}{STYLE}");
    let html = html::page(&style, BODY, SCRIPT);
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; \
         img-src blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(&style)
    );
    (html, policy)
}
