//! Listing a folder of pictures, and their contents' hashes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use super::{Record, parse_name};
use crate::files;
use crate::hash::sha256;
use crate::progress::{Progress, say};

/// The folder that holds the pictures: `root` itself or, as archives are made, one inside it.
pub(super) fn find(root: &Path) -> Result<PathBuf> {
    let mut level = vec![root.to_owned()];
    for _ in 0..3 {
        let mut next = vec![];
        for folder in level {
            for entry in fs::read_dir(&folder)
                .with_context(|| format!("cannot list {}", folder.display()))?
            {
                let entry = entry?;
                if entry.file_name().to_str().and_then(parse_name).is_some() {
                    return Ok(folder);
                }
                if entry.file_type()?.is_dir() {
                    next.push(entry.path());
                }
            }
        }
        next.sort();
        level = next;
    }
    bail!(
        "no picture named [age]_[gender]_[race]_[timestamp].jpg.chip.jpg was found; \
         put UTKFace.tar.gz or its unpacked folder there (see data/README.md)"
    )
}

/// Size, time of change (ns) and SHA-256 of a file, as last seen.
struct Seen {
    stamp: String,
    content: String,
}

/// Every picture of the folder in byte order of the names, and the names that do not parse.
///
/// Contents are hashed at first sight; afterwards only those whose size or time has changed.
pub(super) fn records(folder: &Path) -> Result<(Vec<Record>, Vec<String>)> {
    let mut parsed = vec![];
    let mut unparsed = vec![];
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let name = entry?.file_name().to_string_lossy().into_owned();
        match parse_name(&name) {
            Some(label) => parsed.push((name, label)),
            None => unparsed.push(name),
        }
    }
    parsed.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    unparsed.sort();

    let place = folder.canonicalize()?;
    let key = sha256(place.to_string_lossy().as_bytes());
    let index = files::cache().join(format!("contents-{}.txt", &key[..12]));
    let known = read_index(&index);
    let progress = Progress::new("reading pictures", parsed.len());
    let seen: Vec<(Seen, bool)> = parsed
        .par_iter()
        .map(|(name, _)| {
            let path = folder.join(name);
            let context = || format!("cannot read {}", path.display());
            let meta = fs::metadata(&path).with_context(context)?;
            let time = meta
                .modified()?
                .duration_since(UNIX_EPOCH)
                .map_or(0, |t| t.as_nanos());
            let stamp = format!("{} {time}", meta.len());
            progress.step();
            if let Some(old) = known.get(name).filter(|old| old.stamp == stamp) {
                return Ok((
                    Seen {
                        stamp,
                        content: old.content.clone(),
                    },
                    false,
                ));
            }
            let content = sha256(&fs::read(&path).with_context(context)?);
            Ok((Seen { stamp, content }, true))
        })
        .collect::<Result<_>>()?;

    if seen.iter().any(|(_, new)| *new) {
        let names = parsed.iter().map(|(name, _)| name);
        let written = files::write_with(&index, |file| {
            for (name, (Seen { stamp, content }, _)) in names.zip(&seen) {
                writeln!(file, "{stamp} {content} {name}")?;
            }
            Ok(())
        });
        if let Err(error) = written {
            say(&format!(
                "note: the pictures' hashes are not kept for next time: {error:#}"
            ));
        }
    }
    let records = parsed
        .into_iter()
        .zip(seen)
        .map(|((file, label), (seen, _))| Record {
            file,
            label,
            content: seen.content,
        })
        .collect();
    Ok((records, unparsed))
}

/// The index of an earlier call; empty where there is none. Damaged lines are passed over: what
/// they said is found out again.
fn read_index(index: &Path) -> HashMap<String, Seen> {
    let text = fs::read_to_string(index).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(4, ' ');
            let (size, time) = (fields.next()?, fields.next()?);
            let content = fields
                .next()
                .filter(|content| content.len() == 64)?
                .to_owned();
            Some((
                fields.next()?.to_owned(),
                Seen {
                    stamp: format!("{size} {time}"),
                    content,
                },
            ))
        })
        .collect()
}
