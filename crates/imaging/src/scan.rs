//! Whether a JPEG is whole. Decoders fill up what is missing and go on after damage, without a word.
//!
//! Reads the Huffman codes of every scan, without their values: the image must be complete exactly
//! where the data ends. A changed bit usually changes the length of a code, and with it how many
//! blocks the rest has.

use std::ops::Range;
use std::rc::Rc;

use crate::frame::{Band, Component, Frame, MALFORMED};
use crate::huffman::{BEHIND, BLOCK_END, Checked, Cursor, EARLY, Segment, Table};
use crate::progressive::{begin, refine};
use crate::steps::{Lookup, Step, Steps};

/// The marker of the image's end.
const END: u8 = 0xD9;

const NO_TABLE: &str = "a Huffman table is missing";

/// A component's part in a scan.
struct Part<'a> {
    component: &'a mut Component,
    dc: Option<&'a Rc<Table>>,
    ac: Option<&'a Rc<Table>>,
    /// Blocks in each unit of the scan.
    blocks: usize,
}

/// What the segments before a scan say of it.
#[derive(Default)]
struct Reader {
    frame: Option<Frame>,
    dc: [Option<Rc<Table>>; 4],
    ac: [Option<Rc<Table>>; 4],
    restart: usize,
}

/// Checks that a JPEG has its whole image and nothing else up to its end marker. What follows is of
/// no interest: phones append videos and further images.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(data: &[u8]) -> Checked<()> {
    let (mut reader, mut at) = (Reader::default(), 2);
    loop {
        if data.get(at).is_some_and(|byte| *byte != 0xFF) {
            return Err("there are bytes that belong to no segment");
        }
        at += data[at.min(data.len())..].iter().take_while(|byte| **byte == 0xFF).count();
        let marker = *data.get(at).ok_or("its end marker is missing")?;
        at += 1;
        match marker {
            END => return reader.complete(),
            0x01 | 0xD0..=0xD7 => continue,
            0xC0..=0xCF | 0xDA..=0xDF | 0xE0..=0xEF | 0xFE => {}
            _ => return Err("it has an unknown marker"),
        }
        let length = data.get(at..at + 2).ok_or(EARLY)?;
        let end = at + usize::from(u16::from_be_bytes([length[0], length[1]]));
        let segment = data.get(at + 2..end).ok_or(EARLY)?;
        at = end;
        match marker {
            0xC4 => reader.huffman(segment)?,
            0xDD => match segment {
                [high, low] => reader.restart = u16::from_be_bytes([*high, *low]).into(),
                _ => return Err(MALFORMED),
            },
            0xDA => at = reader.scan(segment, data, at)?,
            0xC0..=0xC2 if reader.frame.is_none() => {
                reader.frame = Some(Frame::new(segment, marker == 0xC2)?);
            }
            0xC0..=0xCF => return Err("it has a second or unsupported frame"),
            _ => {}
        }
    }
}

impl Reader {
    fn complete(&self) -> Checked<()> {
        let frame = self.frame.as_ref().ok_or("it has no image")?;
        let whole = |component: &Component| component.missing == [Some(0); 64];
        match frame.components.iter().all(whole) {
            true => Ok(()),
            false => Err("a part of the image is missing"),
        }
    }

    fn huffman(&mut self, mut segment: &[u8]) -> Checked<()> {
        while let [place, rest @ ..] = segment {
            let (counts, rest) = rest.split_at_checked(16).ok_or(MALFORMED)?;
            let is_ac = place & 0x10 != 0;
            let table = Table::new(counts, rest, is_ac)?;
            segment = &rest[counts.iter().map(|count| usize::from(*count)).sum()..];
            let tables = if is_ac { &mut self.ac } else { &mut self.dc };
            *tables.get_mut(usize::from(place & !0x10)).ok_or(MALFORMED)? = Some(Rc::new(table));
        }
        Ok(())
    }

    /// Reads a scan, and returns the position of the marker behind it.
    fn scan(&mut self, header: &[u8], data: &[u8], mut at: usize) -> Checked<usize> {
        let frame = self.frame.as_mut().ok_or("it has no frame")?;
        let (count, header) = header.split_first().ok_or(MALFORMED)?;
        let (ids, rest) = header.split_at_checked(2 * usize::from(*count)).ok_or(MALFORMED)?;
        let &[first, last, bits] = rest else { return Err(MALFORMED) };
        let band = match frame.progressive {
            false => Band { first: 0, end: 64, before: 0, after: 0 },
            true => Band {
                first: first.into(),
                end: usize::from(last) + 1,
                before: bits >> 4,
                after: bits & 15,
            },
        };
        if band.first >= band.end || band.end > 64 || *count == 0 {
            return Err(MALFORMED);
        }
        // Coefficients of 0 and above 0 are in scans of their own, the latter of one component.
        if frame.progressive && (band.first == 0 && band.end > 1 || band.first > 0 && *count > 1) {
            return Err(MALFORMED);
        }
        let mut parts: Vec<Part<'_>> = vec![];
        let mut components = frame.components.iter_mut();
        for [id, tables] in ids.as_chunks().0 {
            // A scan has its components in the frame's order.
            let component = components.find(|component| component.id == *id).ok_or(MALFORMED)?;
            component.receive(band)?;
            let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
            parts.push(Part {
                dc: self.dc.get(dc).and_then(Option::as_ref),
                ac: self.ac.get(ac).and_then(Option::as_ref),
                blocks: if *count == 1 { 1 } else { component.across * component.down },
                component,
            });
        }
        let (across, down) = match &parts[..] {
            [Part { component, .. }] => (
                (frame.width * component.across).div_ceil(8 * frame.across),
                (frame.height * component.down).div_ceil(8 * frame.down),
            ),
            _ => (frame.width.div_ceil(8 * frame.across), frame.height.div_ceil(8 * frame.down)),
        };
        let (units, mut done) = (across * down, 0);
        let each = if self.restart == 0 { units } else { self.restart };
        let steps: Vec<usize> =
            parts.iter().enumerate().flat_map(|(i, part)| vec![i; part.blocks]).collect();
        for restart in 0.. {
            let end = units.min(done + each);
            let segment = Segment::new(data, at, (end - done) * steps.len())?;
            let mut bits = segment.bits();
            match frame.progressive {
                false => sequential(&mut bits, &mut parts, &steps, end - done)?,
                true => progressive(&mut bits, &mut parts, band, done..end, units)?,
            }
            // Some cameras fill up the file in front of its end marker.
            bits.end(data[segment.marker] == END)?;
            if end == units {
                return Ok(segment.marker - 1);
            }
            if data[segment.marker] != 0xD0 + restart % 8 {
                return Err("a restart marker is missing or out of order");
            }
            (done, at) = (end, segment.marker + 1);
        }
        Err(EARLY)
    }
}

/// Reads some units, whose blocks belong to the parts at `steps`.
///
/// Lengths of codes and blocks are as good as random, so nothing branches on them: a processor would
/// guess half of them wrong.
fn sequential(
    bits: &mut Cursor<'_>,
    parts: &mut [Part<'_>],
    steps: &[usize],
    units: usize,
) -> Checked<()> {
    let tables: Vec<(&Rc<Table>, &Rc<Table>)> = (parts.iter())
        .map(|part| Some((part.dc?, part.ac?)))
        .collect::<Option<_>>()
        .ok_or(NO_TABLE)?;
    let lookups: Vec<Rc<Steps>> = tables.iter().map(|(dc, ac)| Steps::of(dc, ac)).collect();
    let order: Vec<Block<'_>> = (0..steps.len())
        .map(|i| {
            let (own, next) = (steps[i], steps[(i + 1) % steps.len()]);
            let (dc, ac) = tables[own];
            Block { dc, ac, later: &lookups[own].later, next: &lookups[next].first }
        })
        .collect();
    let mut walk = Walk {
        bits: *bits,
        order: &order,
        block: 0,
        steps: &lookups[steps[0]].first,
        at: 0,
        left: units * steps.len(),
        behind: false,
    };
    while walk.left > 0 {
        walk.step::<true>()?;
        if walk.left > 0 {
            walk.step::<false>()?;
        }
    }
    *bits = walk.bits;
    if walk.behind { Err(BEHIND) } else { Ok(()) }
}

/// How the codes of a block are read.
struct Block<'a> {
    dc: &'a Table,
    ac: &'a Table,
    /// Steps within the block.
    later: &'a Lookup,
    /// Steps from the beginning of the next block.
    next: &'a Lookup,
}

/// A position in a sequential scan.
struct Walk<'a, 'b> {
    bits: Cursor<'b>,
    order: &'a [Block<'a>],
    /// Position of this block in `order`.
    block: usize,
    steps: &'a Lookup,
    /// The next coefficient of this block.
    at: usize,
    /// How many blocks are left.
    left: usize,
    /// Whether a block went on behind its last coefficient.
    behind: bool,
}

impl Walk<'_, '_> {
    /// Takes a step. The bits are refilled at every second one.
    #[inline(always)]
    fn step<const REFILLS: bool>(&mut self) -> Checked<()> {
        let step = Step::at(&self.bits, self.steps);
        if REFILLS {
            self.bits.refill(); // the step does not wait for it
        }
        let block = &self.order[self.block];
        let (mut at, mut ends) = (self.at + step.run(), step.ends_block());
        if step.is_none() || at >= 64 {
            // The next code alone.
            let table = if self.at == 0 { block.dc } else { block.ac };
            at = self.at + self.bits.pass_value(table)?.run();
            self.behind |= at > 64 && at < BLOCK_END;
            ends = at >= 64;
        } else {
            self.bits.skip(step.bits());
        }
        let after = if self.block + 1 == self.order.len() { 0 } else { self.block + 1 };
        self.steps = if ends { block.next } else { block.later };
        self.block = if ends { after } else { self.block };
        self.at = if ends { 0 } else { at };
        self.left -= usize::from(ends);
        Ok(())
    }
}

/// Reads some units of a progressive image, which has `units`.
fn progressive(
    bits: &mut Cursor<'_>,
    parts: &mut [Part<'_>],
    band: Band,
    some: Range<usize>,
    units: usize,
) -> Checked<()> {
    if let [part] = parts
        && band.first > 0
    {
        let table = part.ac.ok_or(NO_TABLE)?;
        part.component.nonzero.resize(units, 0);
        let blocks = &mut part.component.nonzero[some];
        return match band.before {
            0 => begin(bits, table, band.first..band.end, blocks),
            _ => refine(bits, table, band.first..band.end, blocks),
        };
    }
    for _ in some {
        for part in &mut *parts {
            for _ in 0..part.blocks {
                match band.before {
                    0 => drop(bits.pass_value(part.dc.ok_or(NO_TABLE)?)?),
                    _ => bits.pass(1),
                }
            }
        }
    }
    Ok(())
}
