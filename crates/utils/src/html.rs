//! Embedding text and images in HTML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The style of every page; each adds its own.
pub const PAGE_STYLE: &str = include_str!("page.css");

/// The line of a page that says that this program made it.
pub const PAGE_MARK: &str = "<meta name=\"generator\" content=\"ror\">";

/// Returns a page that asks for nothing else, from its CSS, HTML and JavaScript.
pub fn page(style: &str, body: &str, script: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{PAGE_MARK}\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Faces</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>{style}</style>\n\
         </head>\n<body>\n{body}<script>{script}</script>\n</body>\n</html>\n"
    )
}

/// Returns the bytes of an image file as a `data:` URL for HTML and SVG.
pub fn data_url(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", STANDARD.encode(bytes))
}

/// Escapes text for XML and HTML, including attribute values. Line ends become entities, which are
/// shown the same, so that no text begins a line: a line can be a message to a notebook's kernel.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace("EVCXR_", "EVCXR&#95;")
        .replace('\n', "&#10;")
        .replace('\r', "&#13;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
        // XML does not allow any other control characters.
        .replace(|c: char| c.is_control() && c != '\t', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_covers_markup_and_control_characters() {
        assert_eq!(escape("<a & \"b'>"), "&lt;a &amp; &quot;b&#39;&gt;");
        assert_eq!(escape("\u{0}a\r\nb"), "\u{fffd}a&#13;&#10;b");
        assert_eq!(escape("\nEVCXR_END_CONTENT\n"), "&#10;EVCXR&#95;END_CONTENT&#10;");
    }
}
