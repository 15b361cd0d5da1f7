//! Several codes of a sequential scan at a time.
//!
//! A step passes as many codes, with the values behind them, as begin within `WIDE` bits of a scan.
//! That is faster than one code after the other, because where a code begins is known only when the
//! one before it has been looked up.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::huffman::{BLOCK_END, Code, Cursor, Table};

/// A step is looked up by this many bits.
pub(crate) const WIDE: u32 = 11;
/// Most bits that a step passes. After two of them, a full cursor has `WIDE` bits left.
const MOST: u16 = (56 - WIDE as u16) / 2;

/// How many bits are passed, whether that ends a block, and how many coefficients are passed up to
/// then. 0 for none: the first code, or it and its value, are too long.
#[derive(Clone, Copy, Default)]
pub(crate) struct Step(u16);

impl Step {
    fn of(code: Code) -> Self {
        let bits = code.bits() as u16 + code.size() as u16;
        match code.run() {
            _ if bits > MOST => Self(0),
            BLOCK_END => Self(bits | 1 << 5),
            run => Self(bits | (run as u16) << 6),
        }
    }

    /// The step that the next bits take.
    #[inline(always)]
    pub(crate) fn at(bits: &Cursor<'_>, steps: &Lookup) -> Self {
        steps[bits.peek(WIDE)]
    }

    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline(always)]
    pub(crate) fn bits(self) -> u32 {
        u32::from(self.0 & 31)
    }

    #[inline(always)]
    pub(crate) fn ends_block(self) -> bool {
        self.0 >> 5 & 1 == 1
    }

    #[inline(always)]
    pub(crate) fn run(self) -> usize {
        usize::from(self.0 >> 6)
    }

    /// This step, and then another one if that is not too long.
    fn then(self, next: Self) -> Self {
        if (self.0 & 31) + (next.0 & 31) > MOST { self } else { Self(self.0 + next.0) }
    }
}

/// Steps by `WIDE` bits.
pub(crate) type Lookup = [Step; 1 << WIDE];

/// The steps of blocks with two tables: from the first coefficient on, and from a later one on.
pub(crate) struct Steps {
    dc: Rc<Table>,
    ac: Rc<Table>,
    pub(crate) first: Lookup,
    pub(crate) later: Lookup,
}

thread_local! {
    /// Those of the last images: many images have the same tables.
    static KNOWN: RefCell<VecDeque<Rc<Steps>>> = const { RefCell::new(VecDeque::new()) };
}

impl Steps {
    /// The steps of two tables, which are kept for the next image.
    pub(crate) fn of(dc: &Rc<Table>, ac: &Rc<Table>) -> Rc<Self> {
        const KEPT: usize = 4;
        KNOWN.with_borrow_mut(|known| {
            if let Some(same) = known.iter().find(|known| known.dc == *dc && known.ac == *ac) {
                return same.clone();
            }
            let made = Rc::new(Self::new(dc.clone(), ac.clone()));
            known.truncate(KEPT - 1);
            known.push_front(made.clone());
            made
        })
    }

    fn new(dc: Rc<Table>, ac: Rc<Table>) -> Self {
        // By the first 0 to `WIDE` bits: `1 << n` of them by `n` bits, from `1 << n` on.
        let mut all = vec![Step::default(); 2 << WIDE];
        for bits in 1..=WIDE {
            let (shorter, own) = all.split_at_mut(1 << bits);
            fill(&mut own[..1 << bits], bits, &ac, shorter);
        }
        let (mut first, mut later) = ([Step::default(); 1 << WIDE], [Step::default(); 1 << WIDE]);
        fill(&mut first, WIDE, &dc, &all);
        later.copy_from_slice(&all[1 << WIDE..]);
        Self { dc, ac, first, later }
    }
}

/// Fills the steps by so many bits: the first code is in `table`, and what follows it in `shorter`.
fn fill(steps: &mut [Step], bits: u32, table: &Table, shorter: &[Step]) {
    let mut rest = steps;
    for code in table.codes().take_while(|code| code.bits() <= bits) {
        let own;
        (own, rest) = rest.split_at_mut(1 << (bits - code.bits()));
        let step = Step::of(code);
        let left = bits.saturating_sub(code.bits() + code.size());
        if left == 0 || step.is_none() || step.ends_block() {
            own.fill(step);
            continue;
        }
        let next = &shorter[1 << left..2 << left];
        for some in own.chunks_exact_mut(next.len()) {
            some.iter_mut().zip(next).for_each(|(own, next)| *own = step.then(*next));
        }
    }
}
