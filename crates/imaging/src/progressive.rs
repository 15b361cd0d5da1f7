//! The AC coefficients of a progressive JPEG: which ones are not 0, without their values.

use std::ops::Range;

use crate::huffman::{BEHIND, Checked, Cursor, IMPOSSIBLE, Table};

const TOO_MANY: &str = "it has more blocks than the image";

/// Reads the coefficients `band` of blocks that have none yet.
pub(crate) fn begin(
    bits: &mut Cursor<'_>,
    table: &Table,
    band: Range<usize>,
    blocks: &mut [u64],
) -> Checked<()> {
    let mut block = 0;
    while block < blocks.len() {
        let (mut at, mut empty) = (band.start, 0);
        while at < band.end {
            let code = bits.code(table)?;
            let (run, size) = (code.zeros(), code.size());
            if size == 0 && run < 15 {
                empty = (1 << run) + bits.read(run) as usize;
                break;
            }
            at += run as usize;
            if at >= band.end {
                return Err(BEHIND);
            }
            if size > 0 {
                bits.pass(size);
                blocks[block] |= 1 << at;
            }
            at += 1;
        }
        block += empty.max(1);
    }
    if block > blocks.len() { Err(TOO_MANY) } else { Ok(()) }
}

/// Reads one more bit of the coefficients `band`, and those that begin with it.
pub(crate) fn refine(
    bits: &mut Cursor<'_>,
    table: &Table,
    band: Range<usize>,
    blocks: &mut [u64],
) -> Checked<()> {
    let inside = u64::MAX >> (64 - band.end);
    let mut empty = 0;
    for block in blocks {
        let mut at = band.start;
        while empty == 0 && at < band.end {
            let code = bits.code(table)?;
            let (mut run, size) = (code.zeros(), code.size());
            if size == 0 && run < 15 {
                empty = (1 << run) + bits.read(run);
                break;
            }
            if size > 1 {
                return Err(IMPOSSIBLE);
            }
            // The sign, and a bit for each coefficient that has begun and is passed.
            let mut more = size;
            loop {
                if at == band.end {
                    return Err(BEHIND);
                }
                match *block >> at & 1 {
                    1 => more += 1,
                    _ if run == 0 => break,
                    _ => run -= 1,
                }
                at += 1;
            }
            bits.pass(more);
            *block |= u64::from(size) << at;
            at += 1;
        }
        if empty > 0 {
            bits.pass((*block & inside & u64::MAX << at).count_ones());
            empty -= 1;
        }
    }
    if empty > 0 { Err(TOO_MANY) } else { Ok(()) }
}
