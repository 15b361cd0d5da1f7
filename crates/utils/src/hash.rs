//! Hashes: SHA-256 to identify content, XXH3 to detect damage, and reproducible shuffling.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Formats bytes as lowercase hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

/// Returns the SHA-256 of bytes in hexadecimal (64 characters).
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns the [`sha256`] of a file.
///
/// # Errors
/// The file can't be read.
pub fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

/// A reader that hashes what it reads.
pub struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R> Hashed<R> {
    /// Hashes from here on.
    pub fn new(inner: R) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// Returns the [`sha256`] of what was read.
    pub fn sha256(self) -> String {
        hex(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}

/// Returns the XXH3 checksum of bytes. It detects damage, not forgery.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Returns the [`checksum`] of a file.
///
/// # Errors
/// The file can't be read.
pub fn checksum_of_file(path: &Path) -> io::Result<u64> {
    let (mut file, mut hasher) = (File::open(path)?, Xxh3::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.digest()),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// Returns a number that depends only on the seed and the text. Sorting by it is a shuffle that is
/// the same on every machine and with every library version, and in which the order of two texts
/// does not depend on the others.
pub fn rank(seed: u64, text: &str) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update(text);
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize()[..8]);
    u64::from_le_bytes(first)
}

/// A SHA-256 over lines, for fingerprints of data sets and splits.
#[derive(Default)]
pub struct Lines(Sha256);

impl Lines {
    pub fn add(&mut self, line: &str) {
        self.0.update(line);
        self.0.update(b"\n");
    }

    /// Returns the first 16 hexadecimal digits.
    pub fn fingerprint(self) -> String {
        hex(&self.0.finalize()[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_do_not_drift() {
        assert_eq!(sha256(b"abc")[..16], *"ba7816bf8f01cfea");
        let mut read = Hashed::new(&b"abc"[..]);
        io::copy(&mut read, &mut io::sink()).unwrap();
        assert_eq!(read.sha256(), sha256(b"abc"));
        assert_eq!(checksum(b"abc"), 0x78af_5f94_892f_3950);
        assert_ne!(rank(0, "a"), rank(1, "a"));
        let mut names = ["a", "b", "c", "d", "e"];
        names.sort_by_key(|name| rank(7, name));
        let again = rank(7, names[0]);
        assert!(names.iter().all(|name| rank(7, name) >= again));
    }
}
