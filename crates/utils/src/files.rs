//! Where the project's files live, and writing them whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::paths::cache;

/// How the names begin of what is half-written: of this crate's alone, as they are removed.
const HALF: &str = ".ror-";

/// How a folder is called into which an archive is being unpacked.
pub const UNPACKING: &str = ".ror-unpacking-";

/// Held while something is written into the cache under a temporary name, so that
/// [`clean_cache`] leaves it alone; none where the cache has no locks.
pub fn writing_to_cache() -> Option<File> {
    fs::create_dir_all(cache()).ok()?;
    let file = File::create(cache().join("lock")).ok()?;
    file.lock_shared().ok()?;
    Some(file)
}

/// Removes what programs that were killed have left half-written in the cache, unless one is writing
/// there now.
pub fn clean_cache() {
    if let Ok(lock) = File::open(cache().join("lock"))
        && lock.try_lock().is_ok()
    {
        remove_half_written(&cache());
    }
}

/// Removes what [`write_whole`] and the unpacking of archives have left half-written in a folder, if
/// it can be: nothing depends on it.
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

/// Has `make` write a file under a temporary name and then renames it to `path`, so that a
/// reader sees the old file or the new one and never half of one.
///
/// The file is synced before the rename, and its folder after it: also after a power cut a
/// renamed file is whole.
///
/// # Errors
/// What `make` returns, or the folder, a sync or the rename failing; the temporary file is
/// removed.
pub fn write_whole(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    // The ending is kept: tch chooses a file format by it.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    write_under(HALF, &format!("-{name}"), path, make)
}

/// [`write_whole`] under a temporary name that begins and ends so.
///
/// # Errors
/// As [`write_whole`].
pub fn write_under(
    begin: &str,
    end: &str,
    path: &Path,
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let folder = folder_of(path);
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let write = || -> Result<()> {
        // Dropped before it is renamed, the file is removed.
        let half = tempfile::Builder::new()
            .prefix(begin)
            .suffix(end)
            .make_in(folder, |_| Ok(()))?
            .into_temp_path();
        make(&half)?;
        step("sync file", || File::options().write(true).open(&half)?.sync_all())?;
        step("rename", || half.persist(path).map_err(|e| e.error))
            .with_context(|| format!("cannot rename to {}", path.display()))?;
        Ok(step("sync folder", || sync_folder(folder))?)
    };
    write().with_context(|| {
        format!("cannot write {} (is the disk full, or read-only?)", path.display())
    })
}

/// One step of a write; tests see it, and can make it fail.
fn step(_name: &'static str, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    #[cfg(test)]
    tests::before(_name)?;
    work()
}

/// Makes a rename in `folder` last.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        match File::open(folder)?.sync_all() {
            // Some network file systems can't sync a folder, and need not.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            done => done?,
        }
    }
    Ok(())
}

/// The folder that a path lies in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Has `make` fill a folder under a temporary name and then renames it to `path`, where there must
/// be nothing yet: the folder is there with all its files, which are synced, or not at all.
///
/// # Errors
/// A path that is taken, what `make` returns, or a sync or the rename failing.
pub fn write_folder(path: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    ensure!(
        !path.exists(),
        "{} is there already: name a folder that is not, or remove it first",
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
        let _ = new.keep(); // it has another name now
        Ok(step("sync folder", || sync_folder(around))?)
    };
    write().with_context(|| format!("cannot write the folder {}", path.display()))
}

/// [`write_whole`] for contents in memory, or made piece by piece.
///
/// # Errors
/// As [`write_whole`].
pub fn write_with(
    path: &Path,
    fill: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>,
) -> Result<()> {
    write_whole(path, |half| {
        let mut file = BufWriter::new(File::create(half)?);
        fill(&mut file)?;
        Ok(file.flush()?)
    })
}

/// [`write_whole`] for bytes.
///
/// # Errors
/// As [`write_whole`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |file| Ok(file.write_all(bytes)?))
}

/// The bytes of a file.
///
/// # Errors
/// A file that is missing, or that is a pipe or a device, which may never end.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    ensure!(fs::metadata(path).context("cannot be read")?.is_file(), "not a file");
    fs::read(path).context("cannot be read")
}

/// Reads a text file.
///
/// # Errors
/// The file missing or not text, with its path.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads JSON from a file.
///
/// # Errors
/// The file missing, a pipe or a device, or not of the expected form, with its path.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = read_file(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&bytes)
        .with_context(|| format!("{} is not what it should be", path.display()))
}

/// Writes a value as indented JSON, whole or not at all.
///
/// # Errors
/// As [`write_whole`].
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    write_with(path, |file| Ok(writeln!(file, "{text}")?))
}

/// Reads a CSV file with a heading, one value a row; columns that `T` does not name are passed
/// over.
///
/// # Errors
/// The file missing, or a row that is not a `T`: with its line.
pub fn read_csv<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    csv::Reader::from_path(path)
        .and_then(|mut reader| reader.deserialize().collect())
        .with_context(|| format!("cannot read {}", path.display()))
}

/// Writes one row a value under a heading of the fields' names, whole or not at all.
///
/// # Errors
/// As [`write_whole`], or a value that is no row.
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

    /// Notes a step of this thread's writes, and fails the one that a test has chosen.
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
    fn only_what_this_crate_left_half_written_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in [".cursor-server", ".vscode-server", ".python-version", ".ror", "own"] {
            fs::create_dir(at(name)).unwrap();
        }
        // What a kill would leave, by their true names.
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
        assert!(taken.contains("is there already"), "{taken}");
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
