//! Opens a data set: UTKFace, a folder, an archive, or synthetic faces.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use archive::Tree;

use super::faces::LeftOut;
use super::folder::Folder;
use super::labels::{self, LABELS, Labels};
use super::synthetic::Synthetic;
use super::{Faces, parse_name};
use crate::task::Label;
use utils::listing::is_attributes;
use utils::paths;
use utils::progress::say;

/// Number of synthetic faces that replace UTKFace: as many as it has, so that an index of one is
/// valid in the other.
const SYNTHETIC: usize = 23_708;

impl Faces {
    /// Opens the data set at `$ROR_DATA`, or else `UTKFace.tar.gz` or the folder `UTKFace` in the
    /// project's `data/`, or else synthetic faces ([`Faces::is_synthetic`] tells which, and so does
    /// displaying the set).
    ///
    /// # Errors
    /// A `$ROR_DATA` that is not a data set, a damaged archive, or a folder that can't be listed.
    pub fn open() -> Result<Self> {
        Self::find()?.map_or_else(Self::stand_in, Ok)
    }

    /// Like [`Faces::open`], but `None` where there is no data set.
    ///
    /// # Errors
    /// Those of [`Faces::open`].
    pub fn find() -> Result<Option<Self>> {
        if let Some(path) = std::env::var_os("ROR_DATA").filter(|path| !path.is_empty()) {
            let faces = Self::open_at(&path);
            return faces
                .map(Some)
                .context("ROR_DATA should be UTKFace.tar.gz or its unpacked folder");
        }
        let paths = ["UTKFace.tar.gz", "UTKFace"].map(|name| paths::data().join(name));
        paths.into_iter().find(|path| path.exists()).map(Self::open_at).transpose()
    }

    /// The synthetic faces that [`Faces::open`] returns where there is no data set.
    ///
    /// # Errors
    /// Those of [`Faces::synthetic`], which are not expected.
    pub fn stand_in() -> Result<Self> {
        Self::synthetic(SYNTHETIC, 0)
    }

    /// Opens a folder of images, or an archive of one (`.tar.gz`, `.tgz` or `.tar`, unpacked into
    /// the cache on first use). Labels come from its `labels.csv` if it has one (columns `file`,
    /// `age` in years, `gender`: male or female, and optionally `race`), or else from file names in
    /// UTKFace's scheme ([`parse_name`]) in all subfolders. Files that can't be read are left out:
    /// see [`Faces::unreadable`].
    ///
    /// An archive may have 1,000,000 members and unpack to 2 GiB; `ROR_UNPACK_FILES` and
    /// `ROR_UNPACK_BYTES` change these limits.
    ///
    /// # Errors
    /// A path that does not exist or is a pipe or device; an archive that is damaged, too large or
    /// in an unsupported format; a folder without such images; several `labels.csv` at one level;
    /// or an invalid row in one.
    pub fn open_at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        ensure!(
            path.exists(),
            "there is no data set at {}: see data/README.md for how to get UTKFace",
            path.display()
        );
        let tree = archive::open(path)?;
        let (mut tree, has_labels) =
            pictures_of(tree).with_context(|| format!("in {}", path.display()))?;
        if !has_labels {
            return Self::in_tree(tree, |name| parse_name(file_name(name)));
        }
        let Labels { labelled, missing } = labels::read(&tree)?;
        tree.unreadable.extend(missing);
        Self::in_tree(tree, |name| labelled.get(name).copied())
    }

    /// Creates `n` synthetic faces from a seed, the same on every machine.
    ///
    /// # Errors
    /// An `n` of 0.
    pub fn synthetic(n: usize, seed: u64) -> Result<Self> {
        let (source, records) = Synthetic::new(n, seed)?;
        Self::new(Box::new(source), records, LeftOut::default())
    }

    /// Opens the images in `folder` and its subfolders, with the label that `label` returns for the
    /// path of each file. Files without a label are left out: see [`Faces::unparsed`].
    ///
    /// ```
    /// use ror::{Label, Gender, data::Faces};
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::write(folder.path().join("anna-31.jpg"), Faces::synthetic(1, 0)?.bytes(0)?)?;
    /// let faces = Faces::labelled(folder.path(), |path| {
    ///     let (_, age) = path.file_stem()?.to_str()?.split_once('-')?;
    ///     Some(Label { age: age.parse().ok()?, gender: Gender::Female, race: None })
    /// })?;
    /// assert_eq!(faces.record(0)?.label.age, 31);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A folder that can't be listed, no readable file with a label, or a label out of range.
    pub fn labelled(
        folder: impl AsRef<Path>,
        label: impl Fn(&Path) -> Option<Label>,
    ) -> Result<Self> {
        let folder = folder.as_ref();
        Self::in_tree(archive::open(folder)?, |name| label(&folder.join(name)))
    }

    fn in_tree(tree: Tree, label: impl Fn(&str) -> Option<Label>) -> Result<Self> {
        let (mut labelled, mut unparsed) = (vec![], vec![]);
        for file in tree.files {
            match label(&file.name) {
                Some(label) => labelled.push((file, label)),
                None if is_attributes(Path::new(&file.name)) => {}
                None => unparsed.push(file.name),
            }
        }
        let (source, records, unread) = Folder::new(tree.root, labelled)?;
        let left_out = LeftOut { unparsed, unreadable: [tree.unreadable, unread].concat() };
        if let Some(unreadable) = left_out.unreadable() {
            say(&format!("note: {unreadable}"));
        }
        Self::new(Box::new(source), records, left_out)
    }
}

/// Returns the part of a tree that holds the images, without the folders around them, and whether
/// the labels are in a `labels.csv`. One above all images, or next to the uppermost, gives the
/// labels; otherwise the names do, in all folders.
fn pictures_of(mut tree: Tree) -> Result<(Tree, bool)> {
    let depth = |name: &str| name.matches('/').count();
    let is_table = |name: &str| file_name(name) == LABELS;
    let names = || tree.files.iter().map(|file| file.name.as_str());
    let named = || names().filter(|name| parse_name(file_name(name)).is_some());
    let tables: Vec<&str> = names().filter(|name| is_table(name)).collect();
    let uppermost = named().chain(tables.iter().copied()).map(depth).min();
    let uppermost = uppermost.with_context(|| {
        let more = match tree.unreadable.first() {
            Some(unreadable) => format!(" (left out: {unreadable})"),
            None => String::new(),
        };
        format!(
            "no image named [age]_[gender]_[race]_[timestamp].jpg.chip.jpg and no {LABELS} was \
             found{more}: put UTKFace.tar.gz or its unpacked folder there (see data/README.md)"
        )
    })?;
    let mut tables = tables.into_iter().filter(|name| depth(name) == uppermost);
    let table = tables.next();
    if let (Some(one), Some(other)) = (table, tables.next()) {
        bail!("found {one} and {other}: merge them into one table above all images");
    }
    let folder = match table {
        Some(table) => folder_of(table).to_owned(),
        None => named().map(folder_of).reduce(common).unwrap_or_default().to_owned(),
    };
    let has_table = table.is_some();
    let mut files = vec![];
    for mut file in tree.files {
        match file.name.strip_prefix(&folder) {
            Some(LABELS) if has_table => {}
            Some(inside) => {
                file.name = inside.to_owned();
                files.push(file);
            }
            None if has_table && parse_name(file_name(&file.name)).is_some() => {
                tree.unreadable.push(format!("{} (outside the folder of {LABELS})", file.name));
            }
            None => {}
        }
    }
    let root = tree.root.join(&folder);
    Ok((Tree { root, files, unreadable: tree.unreadable }, has_table))
}

/// The last component of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The folder of a path, with a trailing `/`.
fn folder_of(path: &str) -> &str {
    &path[..path.len() - file_name(path).len()]
}

/// The deepest folder that contains both folders.
fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let same = a.split_inclusive('/').zip(b.split_inclusive('/')).take_while(|(a, b)| a == b);
    &a[..same.map(|(part, _)| part.len()).sum()]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::task::Gender;

    #[test]
    fn files_without_a_label_are_left_out_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let three = Faces::synthetic(3, 0).unwrap();
        fs::create_dir(folder.path().join("female")).unwrap();
        for (index, file) in ["8.jpg", "female/31.jpg", "anna.jpg"].iter().enumerate() {
            fs::write(folder.path().join(file), three.bytes(index).unwrap()).unwrap();
        }
        let faces = Faces::labelled(folder.path(), |path| {
            let gender = match path.parent()?.ends_with("female") {
                true => Gender::Female,
                false => Gender::Male,
            };
            Some(Label { age: path.file_stem()?.to_str()?.parse().ok()?, gender, race: None })
        })
        .unwrap();
        assert_eq!(faces.unparsed(), ["anna.jpg"]);
        let labels = faces.labels(&[0, 1]).unwrap();
        assert_eq!((labels[0].age, labels[0].gender), (8, Gender::Male));
        assert_eq!((labels[1].age, labels[1].gender), (31, Gender::Female));
        assert_eq!(faces.bytes(1).unwrap(), three.bytes(1).unwrap());
        assert!(faces.to_string().contains("\n1 file left out"));
        let none = Faces::labelled(folder.path(), |_| None).unwrap_err();
        assert!(none.to_string().contains("no labeled image"));
    }
}
