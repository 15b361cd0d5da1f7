//! Unpacking `UTKFace.tar.gz`, or another tar file, whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::contents::{Contents, Seen};
use super::folder::{self, Tree, resolved};
use super::pictures::small_enough;
use utils::files;
use utils::hash::hex;
use utils::live::keep_going;
use utils::paths::cache;
use utils::progress::{Counted, Progress, say, thousands};
use utils::tar_members;

/// Counted up where unpacking comes to make something else: what was unpacked before is not used.
const VERSION: u32 = 2;

/// In the folder of an unpacked archive, the files, and beside them what they should contain.
const FILES: &str = "files";
const CONTENTS: &str = "contents.txt";

/// The files of an archive: unpacked now, or by an earlier call. A changed archive (size or time)
/// is unpacked anew, and so is one of whose unpacked files any is missing or has other bytes.
///
/// # Errors
/// An archive that is cut off or damaged, of another form, or larger than [`Most`]; a member that
/// would land outside the folder, or is neither a file nor a link to one; or a cache that can't be
/// written. Nothing half-unpacked stays behind.
pub(super) fn unpacked(archive: &Path) -> Result<Tree> {
    let context = || format!("cannot unpack {}", archive.display());
    let meta = fs::metadata(archive).with_context(context)?;
    // A pipe or a device may never end.
    ensure!(meta.is_file(), "{} is neither a folder nor a file", archive.display());
    let time = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos());
    let path = archive.canonicalize()?;
    let key = Sha256::digest(format!("{VERSION} {} {} {time}", path.display(), meta.len()));
    let key = hex(&key[..6]);
    let folder = cache().join(format!("unpacked-{key}"));
    // Until the end, so that two programs neither unpack the same at once nor replace each other's.
    let _lock = lock(&cache().join(format!("lock-{key}")), archive)?;
    if folder.is_dir() {
        match as_unpacked(&folder) {
            Ok(tree) => return Ok(tree),
            Err(error) => {
                keep_going()?;
                say(&format!(
                    "note: {}, unpacked from {}, is damaged and is made anew: {error:#}",
                    folder.display(),
                    archive.display()
                ));
                fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
    }
    // Removed when dropped, unless it has become the folder.
    let _writing = files::writing_to_cache();
    let half = half_unpacked()
        .with_context(|| {
            format!(
                "cannot make a folder in {} (set ROR_CACHE to a folder that can be written)",
                cache().display()
            )
        })
        .with_context(context)?;
    let unpack = || -> Result<Contents> {
        let files = unpack(archive, meta.len(), &half.path().join(FILES))?;
        let mut contents = Contents::new(half.path().join(CONTENTS));
        contents.keep(files.into_iter())?;
        fs::rename(half.path(), &folder)?;
        Ok(contents)
    };
    Ok(tree(&folder, &unpack().with_context(context)?))
}

/// What was unpacked by an earlier call, if it still is as it was.
fn as_unpacked(folder: &Path) -> Result<Tree> {
    files::remove_half_written(folder);
    let mut contents = Contents::read(folder.join(CONTENTS))?;
    let (names, expected): (Vec<String>, Vec<String>) =
        contents.all().map(|(name, seen)| (name.clone(), seen.content.clone())).unzip();
    let found = contents.look(&folder.join(FILES), &names, |_| Ok(()))?;
    let same = |seen: &Result<Seen>, content: &String| {
        seen.as_ref().is_ok_and(|seen| seen.content == *content)
    };
    let mut wrong = names.iter().zip(found.iter().zip(&expected));
    if let Some((name, _)) = wrong.find(|(_, (seen, content))| !same(seen, content)) {
        let more = 1 + wrong.filter(|(_, (seen, content))| !same(seen, content)).count();
        bail!("{} of {} files, {name} for one", thousands(more), thousands(names.len()));
    }
    // New times alone: it was copied.
    let seen = found.into_iter().filter_map(Result::ok);
    let _ = contents.keep(names.into_iter().zip(seen));
    Ok(tree(folder, &contents))
}

fn tree(folder: &Path, contents: &Contents) -> Tree {
    let file = |(name, seen): (&String, &Seen)| folder::File {
        name: name.clone(),
        content: Some(small_enough(seen.bytes()).map(|()| seen.content.clone())),
    };
    Tree { root: folder.join(FILES), files: contents.all().map(file).collect(), unreadable: vec![] }
}

/// Waits until no other program unpacks this archive; none where the cache can't have locks.
fn lock(path: &Path, archive: &Path) -> Result<Option<File>> {
    let file = fs::create_dir_all(cache()).and_then(|()| File::create(path));
    let Ok(file) = file else { return Ok(None) };
    for waited in 0.. {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::Error(_)) => return Ok(None),
            Err(fs::TryLockError::WouldBlock) => {}
        }
        // For a second it may be that the other only looks whether all is there.
        if waited == 20 {
            say(&format!("waiting for another program that unpacks {}", archive.display()));
        }
        keep_going()?;
        sleep(Duration::from_millis(50));
    }
    Ok(None)
}

/// A new folder in the cache, with everyone's usual rights: it will be renamed.
fn half_unpacked() -> io::Result<TempDir> {
    fs::create_dir_all(cache())?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(files::UNPACKING);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(cache())
}

/// How much an archive may unpack to.
struct Most {
    /// Members of every kind.
    members: usize,
    /// Bytes of the archive when decompressed, and of the files.
    bytes: u64,
}

impl Most {
    /// UTKFace has 23,709 members and 120 MB.
    fn here() -> Result<Self> {
        Ok(Self {
            members: number("ROR_UNPACK_FILES", 1_000_000)? as usize,
            bytes: number("ROR_UNPACK_BYTES", 2 << 30)?,
        })
    }

    fn too_many_bytes(&self) -> Error {
        anyhow!(
            "it unpacks to more than {} bytes: if that is right, set ROR_UNPACK_BYTES to more",
            thousands(self.bytes as usize)
        )
    }
}

fn number(variable: &str, usual: u64) -> Result<u64> {
    let Some(text) = std::env::var_os(variable).filter(|text| !text.is_empty()) else {
        return Ok(usual);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.with_context(|| format!("{variable} is {text:?}: it should be a whole number"))
}

/// The most folders that a member may be in: they are no members, and so are not counted.
const MOST_FOLDERS: usize = 32;
/// The most bytes of a name on the average, where a link leads included: they are in memory.
const MOST_NAME: usize = 256;

/// Forms that are not read, by how they begin.
const OTHERS: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "zip"),
    (b"7z\xBC\xAF\x27\x1C", "7z"),
    (b"Rar!", "rar"),
    (b"BZh", "bzip2"),
    (b"\xFD7zXZ\0", "xz"),
    (b"\x28\xB5\x2F\xFD", "zstd"),
];

const DAMAGED: &str = "the archive is cut off or damaged: download it again";

/// Unpacks an archive into a folder; returns its files.
fn unpack(archive: &Path, bytes: u64, folder: &Path) -> Result<BTreeMap<String, Seen>> {
    let mut start = vec![];
    File::open(archive)?.take(8).read_to_end(&mut start)?;
    if let Some((_, form)) = OTHERS.iter().find(|(begin, _)| start.starts_with(begin)) {
        bail!(
            "it is compressed by {form}: unpack it and name the folder (.tar, .tar.gz and .tgz are \
             read as they are)"
        );
    }
    let most = Most::here()?;
    // Of the compressed bytes, so that progress needs no second pass.
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
                .context("it is no archive (.tar, .tar.gz and .tgz are read), or damaged"),
            _ => unpacking.unread(error),
        })?;
        members += 1;
        ensure!(
            members <= most.members,
            "it has more than {} members: if that is right, set ROR_UNPACK_FILES to more",
            thousands(most.members)
        );
        let shown = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        links.extend(unpacking.add(member).with_context(|| format!("at {shown}"))?);
        Ok(())
    })?;
    // Without them it was cut off between two members.
    ensure!(whole, "{DAMAGED} (the zeros at its end are missing)");
    unpacking.link(links)?;
    Ok(unpacking.files)
}

/// Where a symbolic link leads: by its own words, and which member that would be.
struct Link {
    to: String,
    member: Option<String>,
}

/// A folder that is filled from an archive.
struct Unpacking<'a> {
    folder: &'a Path,
    most: &'a Most,
    /// How many bytes may still be written.
    left: u64,
    /// Bytes of the names so far.
    named: usize,
    /// What is there.
    files: BTreeMap<String, Seen>,
}

impl Unpacking<'_> {
    /// Why an archive could not be read on.
    fn unread(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::FileTooLarge => self.most.too_many_bytes(),
            _ => anyhow!(error).context(DAMAGED),
        }
    }

    /// Unpacks a member; a symbolic link, by its name, waits until all are there.
    fn add(&mut self, mut member: tar::Entry<impl Read>) -> Result<Option<(String, Link)>> {
        let kind = member.header().entry_type();
        // Of a folder the files' names say enough; the others are remarks about the archive.
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.as_byte() == b'V' {
            return Ok(None);
        }
        let elsewhere = "unpack it yourself and name the folder";
        let text = |bytes: &[u8]| -> Result<String> {
            let text = String::from_utf8(bytes.to_vec()).ok();
            text.with_context(|| format!("a name that is not UTF-8: {elsewhere}"))
        };
        let name = text(&member.path_bytes())?;
        let climbs = |c| !matches!(c, Component::Normal(_) | Component::CurDir);
        let name = match resolved("", &name) {
            Some(inside) if !Path::new(&name).components().any(climbs) => inside,
            _ => bail!("it would land outside the folder: this is not UTKFace, don't use it"),
        };
        ensure!(
            name.matches('/').count() <= MOST_FOLDERS,
            "it is in too many folders: {elsewhere}"
        );
        let to = member.link_name_bytes().map(|to| text(&to)).transpose()?.unwrap_or_default();
        self.named += name.len() + to.len();
        ensure!(
            self.named <= self.most.members.saturating_mul(MOST_NAME),
            "the names are too long: more than {MOST_NAME} bytes each for {} members; if that is \
             right, set ROR_UNPACK_FILES to more",
            thousands(self.most.members)
        );
        if kind.is_symlink() {
            let around = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let member = resolved(around, &to);
            return Ok(Some((name, Link { to, member })));
        }
        if kind.is_hard_link() {
            let linked = resolved("", &to).is_some_and(|to| self.files.contains_key(&to));
            ensure!(linked, "a link to {to}, which does not stand before it: {elsewhere}");
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
            "neither a file nor a link, or a sparse file of a kind that is not read: {elsewhere}"
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

    /// Writes a file that is there under another name, too.
    fn copy(&mut self, from: &str, name: String) -> Result<()> {
        let Some(Seen { content, .. }) = self.files.get(from).cloned() else {
            bail!("{from} is not there");
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

    /// Counts so many bytes as written.
    fn take(&mut self, bytes: u64) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.most.too_many_bytes())?;
        Ok(())
    }

    /// The path of a new file, whose folder is made; an earlier member of that name gives way.
    fn make_room(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| unwritten(parent))?;
        }
        Ok(path)
    }

    /// Writes a file for each link to one of the archive, be it by way of other links.
    fn link(&mut self, mut links: BTreeMap<String, Link>) -> Result<()> {
        while let Some(first) = links.pop_first() {
            // From link to link until there is a file. Each is taken out: none is come by twice.
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
                        "its member {name} is a link to {to}, which is no file of the archive: \
                         unpack it yourself and name the folder"
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
