//! Where the parts of a JPEG are.

/// Where the data of each scan begins and ends.
pub fn scans(jpeg: &[u8]) -> Vec<(usize, usize)> {
    let (mut scans, mut at) = (vec![], 2);
    while jpeg[at + 1] != 0xD9 {
        let is_scan = jpeg[at + 1] == 0xDA;
        at += 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if is_scan {
            let is_marker = |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7);
            let length = jpeg[at..].windows(2).position(is_marker).unwrap();
            scans.push((at, at + length));
            at += length;
        }
    }
    scans
}
