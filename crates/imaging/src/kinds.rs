//! Kinds of images that are recognized but not read, and how to convert them.

/// Brands in the header of HEIC and AVIF files.
const HEIC: [&[u8]; 8] = [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"];
const AVIF: [&[u8]; 2] = [b"avif", b"avis"];

/// Says what the beginning of a file is, and which command converts it, if it is an image of a kind
/// that is not read.
pub(crate) fn unread(start: &[u8]) -> Option<&'static str> {
    let brand = start.get(4..).and_then(|rest| rest.strip_prefix(b"ftyp")?.get(..4));
    if brand.is_some_and(|brand| AVIF.contains(&brand)) {
        return Some("an AVIF image, which is not read: convert it with `avifdec IN.avif OUT.png`");
    }
    if brand.is_some_and(|brand| HEIC.contains(&brand)) {
        return Some(
            "a HEIC image, which is not read: convert it with `heif-convert IN.heic OUT.jpg`",
        );
    }
    if start.starts_with(b"\xFF\x0A") || start.starts_with(b"\0\0\0\x0CJXL ") {
        return Some("a JPEG XL image, which is not read: convert it with `djxl IN.jxl OUT.png`");
    }
    if start.starts_with(b"\0\0\0\x0CjP  ") {
        return Some(
            "a JPEG 2000 image, which is not read: convert it with `opj_decompress -i IN.jp2 -o OUT.png`",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_first_bytes() {
        for (start, words) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "heif-convert"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0", "heif-convert"),
            (b"\0\0\0\x20ftypavif", "avifdec"),
            (b"\xFF\x0A\xFA", "djxl"),
            (b"\0\0\0\x0CjP  \r\n", "JPEG 2000"),
        ] {
            assert!(unread(start).unwrap().contains(words));
        }
        for start in [&b"\0\0\0\x18ftypmp42"[..], b"\xFF\xD8\xFF", b"ftyp", b""] {
            assert_eq!(unread(start), None);
        }
    }
}
