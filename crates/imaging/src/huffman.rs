//! The bits of a JPEG's scan, and its Huffman codes.

use memchr::memchr;

/// What is wrong with a scan.
pub(crate) type Checked<T> = Result<T, &'static str>;

pub(crate) const EARLY: &str = "its data ends before the image does";
pub(crate) const BEHIND: &str = "a block has too many coefficients";
pub(crate) const IMPOSSIBLE: &str = "it has an impossible code";
const LATE: &str = "there is data left when the image is complete";

/// Codes up to this many bits are looked up, longer ones are searched for.
const SHORT: u32 = 10;
/// How many coefficients the code of a block's end passes: more than a block has.
pub(crate) const BLOCK_END: usize = 128;
/// Most bytes of a block: 64 codes of 16 bits, each with a value of up to 16.
const MOST_BYTES: usize = 64 * 4;

/// A Huffman table.
pub(crate) struct Table {
    /// For each `SHORT` bits, the code they begin with; one of 0 bits if that is longer.
    short: [Code; 1 << SHORT],
    /// For each number of bits, the first code that is too large to have so many.
    ends: [i32; 17],
    /// For each number of bits, the position of its first symbol minus its first code.
    offsets: [i32; 17],
    symbols: Vec<u8>,
    /// The codes' numbers of bits, which rise.
    lengths: Vec<u8>,
    is_ac: bool,
}

/// A code: its number of bits with those of the value behind it, how many coefficients it passes, its
/// symbol, and its own number of bits, in a byte each.
#[derive(Clone, Copy, Default)]
pub(crate) struct Code(u32);

impl Code {
    fn new(symbol: u8, bits: u32, is_ac: bool) -> Self {
        let run = match symbol {
            _ if !is_ac => 1,
            0xF0 => 16,
            _ if symbol & 15 == 0 => BLOCK_END as u32,
            _ => u32::from(symbol >> 4) + 1,
        };
        let all = bits + u32::from(symbol & 15);
        Self(all | run << 8 | u32::from(symbol) << 16 | bits << 24)
    }

    pub(crate) fn bits(self) -> u32 {
        self.0 >> 24
    }

    /// How many coefficients it passes.
    pub(crate) fn run(self) -> usize {
        (self.0 >> 8 & 0xFF) as usize
    }

    /// How many zeros are before a coefficient, except at a block's end.
    pub(crate) fn zeros(self) -> u32 {
        self.0 >> 20 & 15
    }

    /// The number of bits of the value behind it.
    pub(crate) fn size(self) -> u32 {
        self.0 >> 16 & 15
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        (self.is_ac, &self.lengths, &self.symbols) == (other.is_ac, &other.lengths, &other.symbols)
    }
}

impl Table {
    /// Makes a table from the number of codes of 1 to 16 bits, and their symbols.
    pub(crate) fn new(counts: &[u8], symbols: &[u8], is_ac: bool) -> Checked<Self> {
        let (mut ends, mut offsets) = ([0; 17], [0; 17]);
        let mut short = [Code::default(); 1 << SHORT];
        let mut lengths = vec![];
        let (mut code, mut done) = (0, 0);
        for (bits, count) in (1..).zip(counts) {
            offsets[bits as usize] = done - code;
            for _ in 0..*count {
                let symbol = *symbols.get(done as usize).ok_or("a Huffman table is cut off")?;
                if bits <= SHORT && code < 1 << bits {
                    let first = (code as usize) << (SHORT - bits);
                    short[first..][..1 << (SHORT - bits)].fill(Code::new(symbol, bits, is_ac));
                }
                lengths.push(bits as u8);
                (code, done) = (code + 1, done + 1);
            }
            if code > 1 << bits {
                return Err("a Huffman table has too many codes");
            }
            ends[bits as usize] = code;
            code <<= 1;
        }
        Ok(Self {
            short,
            ends,
            offsets,
            symbols: symbols[..done as usize].to_vec(),
            lengths,
            is_ac,
        })
    }

    /// The codes from the smallest on, the shortest first.
    pub(crate) fn codes(&self) -> impl Iterator<Item = Code> {
        let both = self.symbols.iter().zip(&self.lengths);
        both.map(|(symbol, bits)| Code::new(*symbol, u32::from(*bits), self.is_ac))
    }

    /// The code with which bits, from the top, begin.
    #[inline(always)]
    fn code(&self, window: u64) -> Option<Code> {
        let code = self.short[(window >> (64 - SHORT)) as usize];
        if code.0 > 0 { Some(code) } else { self.long_code(window) }
    }

    #[inline(never)]
    fn long_code(&self, window: u64) -> Option<Code> {
        (SHORT + 1..=16).find_map(|bits| {
            let code = (window >> (64 - bits)) as i32;
            let at = code + self.offsets[bits as usize];
            let symbol = self.symbols.get(at as usize);
            symbol
                .filter(|_| code < self.ends[bits as usize])
                .map(|symbol| Code::new(*symbol, bits, self.is_ac))
        })
    }
}

/// Reads bits, and zeros behind the last one.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    /// How many bytes are in `window` or were before.
    read: usize,
    /// The next bits, from the top: `left` of them, then perhaps some of the next bytes.
    window: u64,
    left: u32,
}

impl Cursor<'_> {
    /// Makes 56 bits or more available.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        let next = match self.bytes.get(self.read..self.read + 8) {
            Some(eight) => u64::from_be_bytes(eight.try_into().unwrap_or_default()),
            None => last_bytes(self.bytes, self.read),
        };
        self.window |= next >> self.left;
        self.read += ((63 - self.left) >> 3) as usize;
        self.left |= 56;
    }

    #[inline(always)]
    pub(crate) fn skip(&mut self, bits: u32) {
        self.window <<= bits;
        self.left -= bits;
    }

    /// Passes any number of bits.
    pub(crate) fn pass(&mut self, mut bits: u32) {
        while bits > 0 {
            let some = bits.min(32);
            self.refill();
            self.skip(some);
            bits -= some;
        }
    }

    /// Reads up to 16 bits.
    #[inline(always)]
    pub(crate) fn read(&mut self, bits: u32) -> u32 {
        self.refill();
        let value = (self.window >> 32 >> (32 - bits)) as u32;
        self.skip(bits);
        value
    }

    /// The next bits. There must be so many of them.
    #[inline(always)]
    pub(crate) fn peek(&self, bits: u32) -> usize {
        (self.window >> (64 - bits)) as usize
    }

    /// Reads a code.
    #[inline(always)]
    pub(crate) fn code(&mut self, table: &Table) -> Checked<Code> {
        self.refill();
        let code = table.code(self.window).ok_or(IMPOSSIBLE)?;
        self.skip(code.bits());
        Ok(code)
    }

    /// Reads a code, and passes the value behind it.
    #[inline(always)]
    pub(crate) fn pass_value(&mut self, table: &Table) -> Checked<Code> {
        // The 24 bits that are left by whatever was read before suffice for a code. Looking it up
        // does not wait for the refill.
        let code = table.code(self.window).ok_or(IMPOSSIBLE)?;
        self.refill();
        self.skip(code.0 & 63);
        Ok(code)
    }

    /// Fails unless these were all bits, except for those that fill up a byte and, if `padded`, bytes
    /// of 0.
    pub(crate) fn end(&self, padded: bool) -> Checked<()> {
        let used = 8 * self.read - self.left as usize;
        let rest = self.bytes.get(used.div_ceil(8)..).ok_or(EARLY)?;
        let is_padding = padded && rest.iter().all(|byte| *byte == 0);
        if rest.is_empty() || is_padding { Ok(()) } else { Err(LATE) }
    }
}

#[inline(never)]
fn last_bytes(bytes: &[u8], from: usize) -> u64 {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().rev().fold(0, |all, byte| all >> 8 | u64::from(*byte) << 56)
}

/// The data of a scan up to a marker.
pub(crate) struct Segment {
    /// Its bytes, without those that are stuffed in behind 0xFF.
    bytes: Vec<u8>,
    /// Position of the marker's second byte.
    pub(crate) marker: usize,
}

impl Segment {
    /// Reads the data of some blocks from a position on.
    pub(crate) fn new(data: &[u8], mut at: usize, blocks: usize) -> Checked<Self> {
        let mut bytes = vec![];
        loop {
            let rest = data.get(at..).ok_or(EARLY)?;
            let plain = memchr(0xFF, rest).ok_or(EARLY)?;
            if bytes.len() + plain > MOST_BYTES * blocks {
                return Err(LATE);
            }
            bytes.extend_from_slice(&rest[..plain]);
            let fill = rest[plain..].iter().take_while(|byte| **byte == 0xFF).count();
            at += plain + fill;
            match rest.get(plain + fill).ok_or(EARLY)? {
                0 if fill == 1 => bytes.push(0xFF),
                _ => return Ok(Self { bytes, marker: at }),
            }
            at += 1;
        }
    }

    pub(crate) fn bits(&self) -> Cursor<'_> {
        let mut bits = Cursor { bytes: &self.bytes, read: 0, window: 0, left: 0 };
        bits.refill();
        bits
    }
}
