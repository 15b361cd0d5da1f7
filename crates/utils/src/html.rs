//! Text and images in HTML.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The bytes of a picture file as an address that HTML and SVG take.
pub fn data_url(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", STANDARD.encode(bytes))
}

/// Text as it may stand in XML and HTML, also within quotes.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
        // XML knows no other control characters.
        .replace(|c: char| c.is_control() && !"\n\t\r".contains(c), "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaping_covers_markup_and_control_characters() {
        assert_eq!(escape("<a & \"b'>"), "&lt;a &amp; &quot;b&#39;&gt;");
        assert_eq!(escape("\u{0}"), "\u{fffd}");
    }
}
