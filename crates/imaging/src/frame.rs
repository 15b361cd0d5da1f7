//! What a JPEG's header says of its image, and what its scans have brought so far.

use crate::huffman::Checked;

pub(crate) const MALFORMED: &str = "a segment is malformed";
const TWICE: &str = "it has a part of the image twice";
const LACKING: &str = "it has details of a part that is missing";

/// First and last coefficient of a scan, and the lowest bit before and after it.
#[derive(Clone, Copy)]
pub(crate) struct Band {
    pub(crate) first: usize,
    pub(crate) end: usize,
    pub(crate) before: u8,
    pub(crate) after: u8,
}

#[derive(Default)]
pub(crate) struct Frame {
    pub(crate) progressive: bool,
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Largest sampling factors.
    pub(crate) across: usize,
    pub(crate) down: usize,
    pub(crate) components: Vec<Component>,
}

pub(crate) struct Component {
    pub(crate) id: u8,
    pub(crate) across: usize,
    pub(crate) down: usize,
    /// For each coefficient, how many of its lowest bits are still missing; `None` for all.
    pub(crate) missing: [Option<u8>; 64],
    /// The coefficients of each block that are not 0, for the scans that refine them.
    pub(crate) nonzero: Vec<u64>,
}

impl Frame {
    /// Reads the header of a frame.
    pub(crate) fn new(segment: &[u8], progressive: bool) -> Checked<Self> {
        let [8, y, y_low, x, x_low, count, components @ ..] = segment else {
            return Err(MALFORMED);
        };
        let mut frame = Self {
            progressive,
            width: u16::from_be_bytes([*x, *x_low]).into(),
            height: u16::from_be_bytes([*y, *y_low]).into(),
            ..Self::default()
        };
        if components.len() != 3 * usize::from(*count) || frame.width * frame.height == 0 {
            return Err(MALFORMED);
        }
        for [id, sampling, _] in components.as_chunks().0 {
            let (across, down) = (usize::from(sampling >> 4), usize::from(sampling & 15));
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return Err(MALFORMED);
            }
            frame.across = frame.across.max(across);
            frame.down = frame.down.max(down);
            frame.components.push(Component {
                id: *id,
                across,
                down,
                missing: [None; 64],
                nonzero: vec![],
            });
        }
        Ok(frame)
    }
}

impl Component {
    /// Notes a scan of its coefficients, if it is due.
    pub(crate) fn receive(&mut self, band: Band) -> Checked<()> {
        if band.first > 0 && self.missing[0].is_none() {
            return Err(LACKING);
        }
        for missing in &mut self.missing[band.first..band.end] {
            match (*missing, band.before) {
                (None, 0) => {}
                (Some(bit), before) if before == bit && bit == band.after + 1 => {}
                (None, _) => return Err(LACKING),
                (Some(_), _) => return Err(TWICE),
            }
            *missing = Some(band.after);
        }
        Ok(())
    }
}
