//! Atomic writes of files and folders, and reading and writing text, JSON and CSV.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::destination::{Destination, open_stream};
use crate::live::keep_going;
use crate::names::nearest_file;
use crate::paths::cache;
use crate::progress::say;
use crate::text::without_mark;

/// Prefix of temporary names. It is specific to this crate, because leftovers are deleted.
const HALF: &str = ".ror-";

/// Prefix of folders into which an archive is being unpacked.
pub const UNPACKING: &str = ".ror-unpacking-";

/// Locks the cache against [`clean_cache`] while a temporary file is written there. Returns `None`
/// if the cache's file system does not support locks.
pub fn writing_to_cache() -> Option<File> {
    fs::create_dir_all(cache()).ok()?;
    let file = open_lock(&cache().join("lock")).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Opens a file to be locked, and creates it if needed. It is not emptied, and a symbolic link is
/// an error: somebody else may have put it there to have another file opened.
///
/// # Errors
/// A file that can't be opened or is a link.
pub fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NOFOLLOW | libc::O_NONBLOCK,
    );
    options.open(path)
}

/// Locks a file, and waits while another process has it locked; says `waiting` once after `patience`.
/// The inner error is that of a file system without locks.
///
/// # Errors
/// The user stops the wait.
pub fn wait_for_lock(file: &File, patience: Duration, waiting: &str) -> Result<io::Result<()>> {
    let (start, mut told) = (Instant::now(), false);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Ok(())),
            Err(TryLockError::Error(error)) => return Ok(Err(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if !told && start.elapsed() >= patience {
            say(waiting);
            told = true;
        }
        keep_going()?;
        sleep(Duration::from_millis(50));
    }
}

/// Removes partial files that killed programs left in the cache, unless a program is writing there
/// now.
pub fn clean_cache() {
    let lock = cache().join("lock");
    if lock.is_file()
        && let Ok(lock) = open_lock(&lock)
        && lock.try_lock().is_ok()
    {
        remove_half_written(&cache());
    }
}

/// Removes partial files that [`write_whole`] and archive unpacking left in a folder. Ignores
/// errors.
pub fn remove_half_written(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(HALF) {
            continue;
        }
        let _ = match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
    }
}

/// Calls `make` to write a file under a temporary name, then renames it to `path`, so that a
/// reader never sees a partial file. A symbolic link stays, and the file that it leads to is
/// replaced. A pipe or device gets the bytes once they are complete.
///
/// The file is synced before the rename and its folder after it, so a renamed file is complete
/// even after a power failure.
///
/// # Errors
/// An error of `make`, or a failure to create the folder, sync or rename. The temporary file is
/// then removed.
pub fn write_whole(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    match Destination::of(path)? {
        Destination::File(file) => write_under(HALF, &extension(&file), &file, make),
        Destination::Stream(stream) => {
            let half = tempfile::Builder::new().prefix(HALF).suffix(&extension(path)).tempfile();
            let half = half.context("cannot create a temporary file")?.into_temp_path();
            make(&half)?;
            let mut stream = open_stream(&stream)?;
            io::copy(&mut File::open(&half)?, &mut stream)
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(())
        }
    }
}

/// A path's extension with its point, because tch chooses the file format by it. The rest of the
/// name is left out: with it, the temporary name could be too long.
fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    if (1..=16).contains(&extension.len()) { format!(".{extension}") } else { String::new() }
}

/// Like [`write_whole`], with a temporary name that begins with `begin` and ends with `end`, and for
/// the files of caches: a link at `path` is replaced, because somebody else may have put it there.
///
/// # Errors
/// Same as [`write_whole`].
pub fn write_under(
    begin: &str,
    end: &str,
    path: &Path,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let write = || -> Result<()> {
        // If it is dropped before the rename, the file is removed.
        let half = tempfile::Builder::new()
            .prefix(begin)
            .suffix(end)
            .make_in(folder, |_| Ok(()))?
            .into_temp_path();
        make(&half)?;
        step("sync file", || File::options().write(true).open(&half)?.sync_all())?;
        if let Ok(old) = fs::symlink_metadata(path)
            && old.is_file()
        {
            let _ = fs::set_permissions(&half, old.permissions()); // some file systems have none
        }
        step("rename", || half.persist(path).map_err(|e| e.error))
            .with_context(|| format!("cannot rename to {}", path.display()))?;
        Ok(step("sync folder", || sync_folder(folder))?)
    };
    write().with_context(|| {
        format!("cannot write {} (is the disk full or read-only?)", path.display())
    })
}

/// Runs one step of a write. Tests observe it and can make it fail.
fn step(_name: &'static str, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    #[cfg(test)]
    tests::before(_name)?;
    work()
}

/// Syncs a folder, so that a rename in it survives a power failure.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        match File::open(folder)?.sync_all() {
            // Some network file systems can't sync a folder and don't need to.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            done => done?,
        }
    }
    Ok(())
}

/// Returns the folder that contains a path.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Calls `make` to fill a folder under a temporary name, then syncs its files and renames it to
/// `path`, which must not exist yet. A reader never sees a partial folder.
///
/// # Errors
/// The path already exists, an error of `make`, or a failed sync or rename.
pub fn write_folder(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    ensure!(
        !path.exists(),
        "{} already exists: choose another folder or remove it",
        path.display()
    );
    let around = folder_of(path);
    let write = || -> Result<()> {
        fs::create_dir_all(around)?;
        let mut new = tempfile::Builder::new();
        new.prefix(HALF);
        #[cfg(unix)]
        new.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777)); // less the umask
        let new = new.tempdir_in(around)?;
        make(new.path())?;
        for entry in fs::read_dir(new.path())? {
            step("sync file", || File::open(entry?.path())?.sync_all())?;
        }
        sync_folder(new.path())?;
        step("rename", || fs::rename(new.path(), path))?;
        let _ = new.keep(); // renamed, so there is nothing to remove
        Ok(step("sync folder", || sync_folder(around))?)
    };
    write().with_context(|| format!("cannot write the folder {}", path.display()))
}

/// Like [`write_whole`], for content written to a buffered writer.
///
/// # Errors
/// Same as [`write_whole`].
pub fn write_with(path: &Path, fill: impl FnOnce(&mut Filling) -> Result<()>) -> Result<()> {
    write_whole(path, |half| filled(half, fill))
}

/// Like [`write_with`], for a file in the cache: a link at `path` is replaced, see [`write_under`].
///
/// # Errors
/// Same as [`write_whole`].
pub fn write_cached(path: &Path, fill: impl FnOnce(&mut Filling) -> Result<()>) -> Result<()> {
    write_under(HALF, "", path, |half| filled(half, fill))
}

/// What a file's content is written to.
pub type Filling = dyn Write + Send;

fn filled(half: &Path, fill: impl FnOnce(&mut Filling) -> Result<()>) -> Result<()> {
    let mut file = BufWriter::new(File::create(half)?);
    fill(&mut file)?;
    Ok(file.flush()?)
}

/// Like [`write_whole`], for bytes.
///
/// # Errors
/// Same as [`write_whole`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| Ok(file.write_all(bytes)?))
}

/// Reads a file.
///
/// # Errors
/// The file is missing, or it is a pipe or a device, which may never end.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    ensure!(fs::metadata(path).context("cannot be read")?.is_file(), "not a file");
    fs::read(path).context("cannot be read")
}

/// Reads a text file, also one with a byte order mark or in UTF-16.
///
/// # Errors
/// The file is missing, is a pipe or a device, or is not text. The error names the path, and for a
/// missing file one with a similar name.
pub fn read_text(path: &Path) -> Result<String> {
    let bytes = read_file(path).map_err(|error| match nearest_file(path) {
        Some(near) if !path.exists() => anyhow!("{error:#}; did you mean {}?", near.display()),
        _ => error,
    });
    let text = bytes.and_then(|bytes| {
        String::from_utf8(without_mark(bytes)?).context("the text is not UTF-8: save it as UTF-8")
    });
    text.with_context(|| format!("cannot read {}", path.display()))
}

/// Reads JSON from a file.
///
/// # Errors
/// The file is missing, is a pipe or a device, or is malformed. The error names the path.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = read_file(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is malformed", path.display()))
}

/// Writes a value as indented JSON, atomically.
///
/// # Errors
/// Same as [`write_whole`].
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    write_with(path, |file| Ok(writeln!(file, "{text}")?))
}

/// Reads a CSV file with a header, one value per row. Ignores columns that `T` does not have.
///
/// # Errors
/// The file is missing, or a row is not a `T`. The error names the line.
pub fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    csv::Reader::from_path(path)
        .and_then(|mut reader| reader.deserialize().collect())
        .with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a CSV file atomically: a header of field names, then one row per value.
///
/// # Errors
/// Same as [`write_whole`], or a value that can't be a row.
pub fn write_csv<T: Serialize>(path: &Path, rows: &[T]) -> Result<()> {
    write_with(path, |file| {
        let mut writer = csv::Writer::from_writer(file);
        for row in rows {
            writer.serialize(row)?;
        }
        Ok(writer.flush()?)
    })
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    thread_local! {
        static STEPS: RefCell<Vec<&'static str>> = const { RefCell::new(vec![]) };
        static FAILING: Cell<&'static str> = const { Cell::new("") };
    }

    /// Records a step of this thread's writes and fails the step that a test has chosen.
    pub(super) fn before(step: &'static str) -> io::Result<()> {
        STEPS.with_borrow_mut(|steps| steps.push(step));
        if FAILING.get() == step {
            return Err(io::Error::other("the power is out"));
        }
        Ok(())
    }

    #[test]
    fn a_file_is_synced_before_its_rename_and_the_folder_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.ot");
        let write = |text: &str| {
            STEPS.take();
            let done = write_whole(&path, |half| Ok(fs::write(half, text)?));
            (done.is_ok(), STEPS.take())
        };
        let order = vec!["sync file", "rename", "sync folder"];
        assert_eq!(write("first"), (true, order));
        FAILING.set("sync file");
        assert_eq!(write("second"), (false, vec!["sync file"]));
        FAILING.set("");
        assert_eq!(read_text(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn links_stay_and_pipes_get_the_bytes() {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "old").unwrap();
        fs::set_permissions(at("file"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("file", at("link")).unwrap();
        write_bytes(&at("link"), b"new").unwrap();
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(read_text(&at("file")).unwrap(), "new");
        assert_eq!(fs::metadata(at("file")).unwrap().permissions().mode() & 0o777, 0o600);
        // What is in the cache replaces a link.
        write_cached(&at("link"), |file| Ok(file.write_all(b"own")?)).unwrap();
        assert!(fs::symlink_metadata(at("link")).unwrap().is_file());
        assert_eq!(read_text(&at("file")).unwrap(), "new");
        symlink("file", at("lock")).unwrap();
        assert!(open_lock(&at("lock")).is_err());

        let pipe = std::ffi::CString::new(at("pipe").to_str().unwrap()).unwrap();
        // SAFETY: the path ends with a zero byte.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| fs::read(at("pipe")).unwrap());
            write_bytes(&at("pipe"), &[7; 300_000]).unwrap();
            assert_eq!(reader.join().unwrap(), [7; 300_000]);
        });
        assert!(fs::symlink_metadata(at("pipe")).unwrap().file_type().is_fifo());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn the_longest_name_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("n".repeat(251) + ".csv");
        write_bytes(&path, b"x").unwrap();
        assert_eq!(read_text(&path).unwrap(), "x");
    }

    #[test]
    fn only_what_this_crate_left_half_written_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in [".cursor-server", ".vscode-server", ".python-version", ".ror", "own"] {
            fs::create_dir(at(name)).unwrap();
        }
        // Leave the temporary names that a killed process would leave.
        let mut halves = vec![];
        let half = |half: &Path| -> Result<()> {
            fs::write(half, "half")?;
            halves.push(half.to_owned());
            anyhow::bail!("killed")
        };
        write_whole(&at("net.ot"), half).unwrap_err();
        write_folder(&at("net"), |half| {
            halves.push(half.to_owned());
            anyhow::bail!("killed")
        })
        .unwrap_err();
        assert_eq!(halves.len(), 2);
        for half in &halves {
            fs::create_dir_all(half.join("deep")).unwrap();
        }
        remove_half_written(place.path());
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 5);
    }

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("deep/net");
        let fill = |folder: &Path| Ok(fs::write(folder.join("card.json"), "{}")?);
        let half = |folder: &Path| -> Result<()> {
            fill(folder)?;
            anyhow::bail!("no space left")
        };
        let entries = || fs::read_dir(place.path().join("deep")).unwrap().count();
        let failed = format!("{:#}", write_folder(&path, half).unwrap_err());
        assert!(failed.contains("deep/net") && failed.contains("no space left"), "{failed}");
        FAILING.set("rename");
        assert!(write_folder(&path, fill).is_err());
        FAILING.set("");
        assert_eq!(entries(), 0);
        STEPS.take();
        write_folder(&path, fill).unwrap();
        assert_eq!(STEPS.take(), ["sync file", "rename", "sync folder"]);
        assert_eq!((entries(), read_text(&path.join("card.json")).unwrap()), (1, "{}".to_owned()));
        let taken = format!("{:#}", write_folder(&path, half).unwrap_err());
        assert!(taken.contains("already exists"), "{taken}");
    }

    #[test]
    fn rows_come_back_from_csv_and_a_bad_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv");
        let rows = [("a, b".to_owned(), Some(0.1)), ("\"c\"".to_owned(), None)];
        #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
        struct Row {
            name: String,
            value: Option<f64>,
        }
        let rows = rows.map(|(name, value)| Row { name, value });
        write_csv(&path, &rows).unwrap();
        assert_eq!(read_csv::<Row>(&path).unwrap(), rows);
        fs::write(&path, "name,value\na,1\nb,x\n").unwrap();
        let error = format!("{:#}", read_csv::<Row>(&path).unwrap_err());
        assert!(error.contains("line: 3"), "{error}");
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.json");
        write_json(&path, &"first").unwrap();
        let failed = write_with(&path, |file| {
            file.write_all(b"half of the sec")?;
            anyhow::bail!("no space left")
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("no space left"));
        assert_eq!(read_json::<String>(&path).unwrap(), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
