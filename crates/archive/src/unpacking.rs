//! Writes the members of a tar archive into a folder, within limits.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::contents::Seen;
use crate::tree::resolved;
use utils::hash::hex;
use utils::live::keep_going;
use utils::progress::{Counted, Progress, thousands};
use utils::tar_members;

/// Limits of an unpacked archive.
struct Most {
    /// Number of members of any kind.
    members: usize,
    /// Bytes of the decompressed archive, and of its files.
    bytes: u64,
}

impl Most {
    /// The limits from the environment or their defaults; UTKFace has 23,709 members and 120 MB.
    fn here() -> Result<Self> {
        Ok(Self {
            members: number("ROR_UNPACK_FILES", 1_000_000)? as usize,
            bytes: number("ROR_UNPACK_BYTES", 2 << 30)?,
        })
    }

    fn too_many_bytes(&self) -> Error {
        anyhow!(
            "it unpacks to more than {} bytes: set ROR_UNPACK_BYTES to raise the limit",
            thousands(self.bytes as usize)
        )
    }
}

fn number(variable: &str, usual: u64) -> Result<u64> {
    let Some(text) = std::env::var_os(variable).filter(|text| !text.is_empty()) else {
        return Ok(usual);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.with_context(|| format!("{variable} is {text:?}: set it to a whole number"))
}

/// Maximum folder depth of a member. Folders are not members, so they are not counted.
const MOST_FOLDERS: usize = 32;
/// Maximum average length of a name with its link target, in bytes: names are kept in memory.
const MOST_NAME: usize = 256;

/// Unsupported formats, by their first bytes.
const OTHERS: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "zip"),
    (b"7z\xBC\xAF\x27\x1C", "7z"),
    (b"Rar!", "rar"),
    (b"BZh", "bzip2"),
    (b"\xFD7zXZ\0", "xz"),
    (b"\x28\xB5\x2F\xFD", "zstd"),
];

const DAMAGED: &str = "the archive is truncated or damaged: download it again";

/// Unpacks an archive into a folder; returns its files.
pub(crate) fn unpack(archive: &Path, bytes: u64, folder: &Path) -> Result<BTreeMap<String, Seen>> {
    let mut start = vec![];
    File::open(archive)?.take(8).read_to_end(&mut start)?;
    if let Some((_, form)) = OTHERS.iter().find(|(begin, _)| start.starts_with(begin)) {
        bail!(
            "it is compressed with {form}: unpack it and pass the folder (only .tar, .tar.gz \
             and .tgz are supported)"
        );
    }
    let most = Most::here()?;
    // Counts compressed bytes, so that progress needs no second pass.
    let progress = Progress::new("unpacking (MiB)", (bytes >> 20) as usize);
    let counted = Counted { inner: BufReader::new(File::open(archive)?), progress: &progress };
    let is_compressed = start.starts_with(&[0x1F, 0x8B]);
    let plain: Box<dyn Read> = match is_compressed {
        true => Box::new(MultiGzDecoder::new(counted)),
        false => Box::new(counted),
    };
    let mut unpacking =
        Unpacking { folder, left: most.bytes, named: 0, files: BTreeMap::new(), most: &most };
    let (mut members, mut links) = (0, BTreeMap::new());
    let whole = tar_members::each(plain, most.bytes, |member| {
        keep_going()?;
        let member = member.map_err(|error| match members {
            0 if !is_compressed => anyhow!(error)
                .context("it is damaged or not an archive (.tar, .tar.gz and .tgz are supported)"),
            _ => unpacking.unread(error),
        })?;
        members += 1;
        ensure!(
            members <= most.members,
            "it has more than {} members: set ROR_UNPACK_FILES to raise the limit",
            thousands(most.members)
        );
        let shown = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        links.extend(unpacking.add(member).with_context(|| format!("in member {shown}"))?);
        Ok(())
    })?;
    // An archive without them was truncated between two members.
    ensure!(whole, "{DAMAGED} (its end marker is missing)");
    unpacking.link(links)?;
    Ok(unpacking.files)
}

/// A symbolic link: its target as written, and the member that this refers to.
struct Link {
    to: String,
    member: Option<String>,
}

/// A folder being filled from an archive.
struct Unpacking<'a> {
    folder: &'a Path,
    most: &'a Most,
    /// Bytes that may still be written.
    left: u64,
    /// Total bytes of the names so far.
    named: usize,
    /// Files unpacked so far.
    files: BTreeMap<String, Seen>,
}

impl Unpacking<'_> {
    /// Explains why reading an archive failed.
    fn unread(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::FileTooLarge => self.most.too_many_bytes(),
            _ => anyhow!(error).context(DAMAGED),
        }
    }

    /// Unpacks a member. Returns a symbolic link with its name, to be written after all files.
    fn add(&mut self, mut member: tar::Entry<impl Read>) -> Result<Option<(String, Link)>> {
        let kind = member.header().entry_type();
        // Folders follow from the file names; the other kinds describe the archive.
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.as_byte() == b'V' {
            return Ok(None);
        }
        let elsewhere = "unpack it yourself and pass the folder";
        let text = |bytes: &[u8]| -> Result<String> {
            let text = String::from_utf8(bytes.to_vec()).ok();
            text.with_context(|| format!("the name is not UTF-8: {elsewhere}"))
        };
        let name = text(&member.path_bytes())?;
        let climbs = |c| !matches!(c, Component::Normal(_) | Component::CurDir);
        let name = match resolved("", &name) {
            Some(inside) if !Path::new(&name).components().any(climbs) => inside,
            _ => bail!("it would be written outside the folder: do not use this archive"),
        };
        ensure!(
            name.matches('/').count() <= MOST_FOLDERS,
            "it is nested in more than {MOST_FOLDERS} folders: {elsewhere}"
        );
        let to = member.link_name_bytes().map(|to| text(&to)).transpose()?.unwrap_or_default();
        self.named += name.len() + to.len();
        ensure!(
            self.named <= self.most.members.saturating_mul(MOST_NAME),
            "the names are too long (more than {MOST_NAME} bytes on average for {} members): set \
             ROR_UNPACK_FILES to raise the limit",
            thousands(self.most.members)
        );
        if kind.is_symlink() {
            let around = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let member = resolved(around, &to);
            return Ok(Some((name, Link { to, member })));
        }
        if kind.is_hard_link() {
            let linked = resolved("", &to).is_some_and(|to| self.files.contains_key(&to));
            ensure!(linked, "it is a hard link to {to}, which does not precede it: {elsewhere}");
            self.copy(&to, name)?;
            return Ok(None);
        }
        let sparse =
            member.pax_extensions().map_err(|error| self.unread(error))?.is_some_and(|mut more| {
                more.any(|one| one.is_ok_and(|one| one.key_bytes().starts_with(b"GNU.sparse")))
            });
        let is_file = kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse();
        ensure!(
            is_file && !sparse,
            "it is neither a file nor a link, or an unsupported kind of sparse file: {elsewhere}"
        );
        self.write(name, &mut member)?;
        Ok(None)
    }

    fn write(&mut self, name: String, member: &mut tar::Entry<impl Read>) -> Result<()> {
        let size = member.size();
        self.take(size)?;
        let path = self.make_room(&name)?;
        let full = || unwritten(&path);
        let mut file = File::create(&path).with_context(full)?;
        let (mut hasher, mut written) = (Sha256::new(), 0);
        let mut buffer = [0; 1 << 16];
        loop {
            let n = member.read(&mut buffer).map_err(|error| self.unread(error))?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            file.write_all(&buffer[..n]).with_context(full)?;
            written += n as u64;
        }
        ensure!(written == size, DAMAGED);
        let seen = Seen::new(&file.metadata()?, hex(&hasher.finalize()))?;
        self.files.insert(name, seen);
        Ok(())
    }

    /// Copies an unpacked file to another name.
    fn copy(&mut self, from: &str, name: String) -> Result<()> {
        let Some(Seen { content, .. }) = self.files.get(from).cloned() else {
            bail!("{from} is missing");
        };
        if from == name {
            return Ok(());
        }
        self.take(fs::metadata(self.folder.join(from))?.len())?;
        let path = self.make_room(&name)?;
        fs::copy(self.folder.join(from), &path).with_context(|| unwritten(&path))?;
        self.files.insert(name, Seen::new(&fs::metadata(&path)?, content)?);
        Ok(())
    }

    /// Counts `bytes` as written.
    fn take(&mut self, bytes: u64) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.most.too_many_bytes())?;
        Ok(())
    }

    /// Creates the folder of a new file and returns its path. An existing file is overwritten.
    fn make_room(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| unwritten(parent))?;
        }
        Ok(path)
    }

    /// Writes a copy of the target of each link, following links to links.
    fn link(&mut self, mut links: BTreeMap<String, Link>) -> Result<()> {
        while let Some(first) = links.pop_first() {
            // Follows links up to a file. Each link is removed from the map, so cycles end.
            let mut way = vec![first];
            loop {
                keep_going()?;
                let (name, Link { to, member }) = &way[way.len() - 1];
                if member.as_ref().is_some_and(|member| self.files.contains_key(member)) {
                    break;
                }
                let next = member.as_ref().and_then(|member| links.remove_entry(member));
                way.push(next.with_context(|| {
                    format!(
                        "its member {name} is a link to {to}, which is not a file of the archive: \
                         unpack it yourself and pass the folder"
                    )
                })?);
            }
            for (name, Link { member, .. }) in way.into_iter().rev() {
                keep_going()?;
                self.copy(&member.unwrap_or_default(), name)?;
            }
        }
        Ok(())
    }
}

fn unwritten(path: &Path) -> String {
    format!("cannot write {} (is the disk full, or read-only?)", path.display())
}
