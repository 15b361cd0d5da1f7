//! Predictions for files, and what is written of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Error, Result};
use polars::prelude::DataFrame;
use ror::data::Frame;
use ror::plot;
use ror::predict::Predictor;
use shards::{Answers, WriteParquet, crop_table, photo_table};
use utils::escape;
use utils::progress::{Progress, counted};

use super::super::printed;
use super::args::Args;
use crate::gallery::Gallery;
use crate::inputs::{Inputs, in_table};

/// The answers for a table that are known before predicting: paths that name no image.
fn unread<T>(args: &Args, inputs: &Inputs) -> Answers<T> {
    let errors = inputs.found.errors.iter().filter(|_| args.table());
    let copied = |error: &Error| Error::msg(format!("{error:#}"));
    errors.map(|(path, error)| (in_table(path), Err(copied(error)))).collect()
}

/// Predicts all faces in photos, and returns how many photos could not be read.
pub fn photos(
    args: &Args,
    predictor: &Predictor,
    inputs: &Inputs,
    drawings: &HashMap<&Path, PathBuf>,
) -> Result<usize> {
    let detector = args.detector()?;
    let (mut wrong, mut empty) = (0, 0);
    let (found, mut drawn_photos, mut drawn_faces) = (&inputs.found, 0, 0);
    let mut gallery = Gallery::new(args.html.as_deref());
    let (mut all, mut failed) = (unread(args, inputs), vec![]);
    let mut printed = Ok(());
    found.errors.iter().for_each(|(path, error)| gallery.add_unread(path, error));
    let progress = Progress::new("predicting photos", found.files.len());
    for some in found.files.chunks(256) {
        let photos = predictor.predict_photos(&detector, some, |photo| {
            // A drawing that fails does not cost the answer.
            let drawing = drawings.get(photo.path.as_path());
            let drawn = drawing.map_or(Ok(()), |path| plot::photo(photo)?.save(path));
            let tiles = match args.html {
                Some(_) => gallery.tiles(photo, inputs.shown(&photo.path)),
                None => Ok(vec![]),
            };
            progress.step()?;
            Ok((tiles, drawn))
        })?;
        for (path, photo) in some.iter().zip(photos) {
            let path = inputs.shown(path);
            let answer = match photo {
                Ok((mut photo, (tiles, drawn))) => {
                    photo.path = path.to_owned();
                    empty += usize::from(photo.faces.is_empty());
                    printed = printed.and_then(|()| printed::photo(&photo, args.json));
                    match drawn {
                        Ok(()) => {
                            drawn_photos += 1;
                            drawn_faces += photo.faces.len();
                        }
                        Err(error) => failed.push(error),
                    }
                    match tiles {
                        Ok(tiles) => gallery.add(tiles),
                        Err(error) => gallery.add_unread(path, &error),
                    }
                    Ok(photo)
                }
                Err(error) => {
                    wrong += 1;
                    gallery.add_unread(path, &error);
                    printed = printed.and_then(|()| printed::unread(path, &error, args.json));
                    Err(error)
                }
            };
            all.extend(args.table().then(|| (in_table(path), answer)));
        }
    }
    failed.extend(printed.err());
    // The tables first: they hold the numbers.
    failed.extend(write(args, || photo_table(all)));
    if let Some(path) = &args.html {
        let what = faces_in(gallery.faces(), gallery.photos());
        failed.extend(gallery.write(path).inspect(|()| say_written(path, &what)).err());
    }
    if let Some(folder) = &args.draw {
        say_written(folder, &faces_in(drawn_faces, drawn_photos));
    }
    if empty > 0 && !args.json {
        note!("note: if the images are aligned crops, use --aligned");
    }
    written(failed).map(|()| wrong)
}

/// Predicts aligned crops, and returns how many failed.
pub fn aligned(args: &Args, predictor: &Predictor, inputs: &Inputs) -> Result<usize> {
    let (found, mut printed) = (&inputs.found, Ok(()));
    let (mut wrong, mut all) = (0, unread(args, inputs));
    let progress = Progress::new("predicting images", found.files.len());
    // Large enough to keep every core busy, small enough to print lines early.
    for some in found.files.chunks(2048) {
        for (path, face) in some.iter().zip(predictor.predict_files(some)?) {
            let path = inputs.shown(path);
            wrong += usize::from(face.is_err());
            printed = printed.and_then(|()| match &face {
                Ok(face) => printed::chip(path, face, args.json),
                Err(error) => printed::unread(path, error, args.json),
            });
            all.extend(args.table().then(|| (in_table(path), face)));
            progress.step()?;
        }
    }
    let mut failed: Vec<Error> = printed.err().into_iter().collect();
    failed.extend(write(args, || crop_table(all)));
    written(failed).map(|()| wrong)
}

/// Writes the requested tables, and returns what failed.
fn write(args: &Args, make: impl FnOnce() -> Result<DataFrame>) -> Vec<Error> {
    if !args.table() {
        return vec![];
    }
    let table = match make() {
        Ok(table) => table,
        Err(error) => return vec![error],
    };
    let csv = args.csv.as_ref().map(|path| (path, table.write_csv(path)));
    let parquet = args.parquet.as_ref().map(|path| (path, table.write_parquet(path)));
    let rows = counted(table.height(), "row");
    let written = csv.into_iter().chain(parquet);
    let failed =
        written.filter_map(|(path, written)| written.inspect(|()| say_written(path, &rows)).err());
    failed.collect()
}

/// Says what was written where.
fn say_written(path: &Path, what: &str) {
    note!("wrote {}: {what}", escape::path(path));
}

/// `8 faces in 2 photos`.
fn faces_in(faces: usize, photos: usize) -> String {
    format!("{} in {}", counted(faces, "face"), counted(photos, "photo"))
}

/// Fails if an output could not be written, or standard output. The others have been written.
fn written(failed: Vec<Error>) -> Result<()> {
    let mut failed = failed.into_iter();
    let first = failed.next();
    failed.for_each(|error| note!("error: {}", escape::error(&error)));
    first.map_or(Ok(()), Err)
}
