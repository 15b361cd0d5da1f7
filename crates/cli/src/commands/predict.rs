//! `predict`: predictions for photos, aligned crops, shards and images of the data set.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, ensure};
use charts::format::counted;
use polars::prelude::DataFrame;
use ror::data::Frame;
use ror::device_named;
use ror::plot;
use ror::predict::{Detector, Predictor, detector};
use ror::store::DEFAULT_MODEL;
use ror::tch::Device;
use shards::{
    Answers, Shard, Share, WriteParquet, crop_table, is_our_parquet, photo_table, predict_shards,
};
use utils::escape;
use utils::outputs::{Outputs, has_heading, is_our_page, is_our_png, names_of};
use utils::progress::Progress;

use super::{data_set, print_json, printed};
use crate::gallery::Gallery;
use crate::inputs::{Inputs, in_table, is_stdin};

#[derive(clap::Args)]
pub struct Args {
    /// Photos (JPEG, PNG, WebP, BMP, GIF or TIFF), folders, lists (.txt, one path per line), - for an
    /// image from standard input, or data set indices (from 0, in byte order of the file names); with
    /// --to, tar shards, folders and lists.
    #[arg(required_unless_present = "list", allow_negative_numbers = true)]
    what: Vec<PathBuf>,
    /// Also predict the paths in this file, one per line; - reads them from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    list: Option<PathBuf>,
    /// Network, by name or card; repeat to average several. [default: pretrained-both]
    #[arg(long)]
    model: Vec<String>,
    /// The images are aligned crops like UTKFace's: make one prediction per image.
    #[arg(long)]
    aligned: bool,
    /// Minimum face size in pixels. [default: 40]
    #[arg(long, value_name = "PIXELS", conflicts_with = "aligned")]
    smallest: Option<f64>,
    /// Write the photos with boxes around the faces to this folder, as PNG. It can't be a folder
    /// of the photos.
    #[arg(long, value_name = "FOLDER", conflicts_with = "aligned")]
    draw: Option<PathBuf>,
    /// Write an HTML page of all faces, to sort and filter; each links to its photo.
    #[arg(long, value_name = "FILE", conflicts_with = "aligned")]
    html: Option<PathBuf>,
    /// Write a CSV file with one row per face: path, box, score, gender, age and more. Files
    /// without a face, or that can't be read, have one row with their status.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the same table as a Parquet file.
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// Replace files that this command did not write. Its own are replaced without it. Files that
    /// are read are never replaced.
    #[arg(long)]
    force: bool,
    /// Predict shards (tar files in webdataset format, folders, lists) and write a Parquet file per
    /// shard to this folder; skips finished shards.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["draw", "html", "csv", "parquet", "json"])]
    to: Option<PathBuf>,
    /// Process only share i (from 0) of n of the shards. [default: set by torchrun or Slurm, or
    /// all]
    #[arg(long, value_name = "i/n", requires = "to")]
    shard: Option<Share>,
    /// Include subfolders.
    #[arg(long)]
    recursive: bool,
    /// Device: auto, cpu, cuda, or cuda:1 for the second GPU.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Use synthetic faces for data set indices; a network is trained on them first, for minutes.
    #[arg(long)]
    synthetic: bool,
    /// Print one JSON object per image, one per line.
    #[arg(long)]
    json: bool,
}

impl Args {
    fn predictor(&self, device: Device) -> Result<Predictor> {
        let names: Vec<&str> = self.model.iter().map(String::as_str).collect();
        Predictor::open_on(if names.is_empty() { &[DEFAULT_MODEL] } else { &names }, device)
    }

    fn detector(&self) -> Result<Detector> {
        let detector = detector()?;
        match self.smallest {
            Some(pixels) => detector.smallest(pixels),
            None => Ok(detector),
        }
    }

    /// Whether a table was requested.
    fn table(&self) -> bool {
        self.csv.is_some() || self.parquet.is_some()
    }

    /// Checks all outputs before any work, and returns where each photo is drawn.
    fn outputs<'a>(&self, files: &'a [PathBuf]) -> Result<HashMap<&'a Path, PathBuf>> {
        let named = self.what.iter().chain(&self.list).filter(|path| !is_stdin(path));
        let inputs = files.iter().chain(named).cloned();
        let inputs = inputs.chain(self.model.iter().map(PathBuf::from)).collect();
        let mut outputs = Outputs::new(inputs, self.force);
        if let Some(path) = &self.csv {
            let headings = headings()?;
            outputs.table("--csv", path, |path| has_heading(path, &headings))?;
        }
        if let Some(path) = &self.parquet {
            outputs.table("--parquet", path, is_our_parquet)?;
        }
        if let Some(path) = &self.html {
            outputs.table("--html", path, is_our_page)?;
        }
        let Some(folder) = &self.draw else {
            return Ok(HashMap::new());
        };
        outputs.folder("--draw", folder)?;
        let mut drawings = HashMap::new();
        for (photo, name) in names_of(files, ".png") {
            let drawing = folder.join(name);
            outputs.file("--draw", &drawing, is_our_png)?;
            drawings.insert(photo, drawing);
        }
        Ok(drawings)
    }

    /// Writes the requested tables, and returns what failed.
    fn write(&self, make: impl FnOnce() -> Result<DataFrame>) -> Vec<Error> {
        if !self.table() {
            return vec![];
        }
        let table = match make() {
            Ok(table) => table,
            Err(error) => return vec![error],
        };
        let csv = self.csv.as_ref().map(|path| (path, table.write_csv(path)));
        let parquet = self.parquet.as_ref().map(|path| (path, table.write_parquet(path)));
        let rows = counted(table.height(), "row");
        let written = csv.into_iter().chain(parquet);
        written.filter_map(|(path, written)| reported(path, written, &rows).err()).collect()
    }
}

/// The first lines of the CSV files that this command writes, and that version 0.3 wrote.
fn headings() -> Result<Vec<String>> {
    let now = [photo_table(vec![])?, crop_table(vec![])?];
    let names = |table: DataFrame| {
        let names = table.columns().iter().map(|column| column.name().to_string());
        names.collect::<Vec<_>>().join(",")
    };
    let now = now.map(names);
    let before = now.iter().filter_map(|now| now.strip_suffix(",status,error"));
    Ok(before.map(str::to_owned).chain(now.iter().cloned()).collect())
}

/// Says what was written where, unless that failed.
fn reported(path: &Path, written: Result<()>, what: &str) -> Result<()> {
    written.inspect(|()| note!("wrote {}: {what}", escape::path(path)))
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

pub fn run(args: &Args) -> Result<()> {
    let device = device_named(&args.device)?;
    if let Some(to) = &args.to {
        return shards(args, device, to);
    }
    let by_index: Option<Vec<i64>> = args.what.iter().map(|path| index(path)).collect();
    if let Some(indices) = by_index
        && args.model.is_empty()
        && args.list.is_none()
    {
        ensure!(
            !args.table() && args.html.is_none() && args.draw.is_none(),
            "--csv, --parquet, --html and --draw work with paths, not with data set indices"
        );
        return all_predicted(labelled(args, device, &indices)?, indices.len());
    }
    ensure!(!args.synthetic, "--synthetic works with data set indices, not with paths");
    let mut inputs = Inputs::new(&args.what, args.list.as_deref(), args.recursive)?;
    let found = &mut inputs.found;
    for path in found.files.extract_if(.., |path| index(path).is_some()) {
        let error =
            Error::msg("no such file (data set indices can't be combined with paths or --model)");
        found.errors.push((path, error));
    }
    let found = &inputs.found;
    let drawings = args.outputs(&found.files)?;
    let predictor = args.predictor(device)?;
    for (path, error) in &found.errors {
        printed::unread(path, error, args.json)?;
    }
    let wrong = match args.aligned {
        true => aligned(args, &predictor, &inputs)?,
        false => photos(args, &predictor, &inputs, &drawings)?,
    };
    let errors = found.errors.len();
    all_predicted(wrong + errors, found.files.len() + errors)
}

/// Parses a data set index: a number that is not an existing file.
fn index(path: &Path) -> Option<i64> {
    path.to_str()?.parse().ok().filter(|_| !path.exists())
}

/// Predicts the images at data set indices, and returns how many failed.
fn labelled(args: &Args, device: Device, indices: &[i64]) -> Result<usize> {
    let (faces, json) = (data_set(None, args.synthetic)?, args.json);
    let open = || match faces.is_synthetic() {
        true => Predictor::suited(&faces),
        false => args.predictor(device),
    };
    // On synthetic faces this may train a network, so skip it if no index is valid.
    let inside = indices.iter().any(|index| faces.index(*index).is_ok());
    let predictor = inside.then(open).transpose()?;
    let predict = |index| {
        faces.index(index)?;
        predictor.as_ref().context("no index is in the data set")?.predict_index(&faces, index)
    };
    let mut wrong = 0;
    for index in indices {
        match predict(*index) {
            Ok(prediction) if json => print_json(&prediction)?,
            Ok(prediction) => out!("{prediction}")?,
            Err(error) => {
                wrong += 1;
                printed::unread(Path::new(&index.to_string()), &error, json)?;
            }
        }
    }
    Ok(wrong)
}

fn all_predicted(wrong: usize, all: usize) -> Result<()> {
    ensure!(wrong == 0, "{wrong} of {all} images could not be predicted, see above");
    Ok(())
}

/// Predicts this process's share of the shards.
fn shards(args: &Args, device: Device, to: &Path) -> Result<()> {
    let piped = args.what.iter().any(|path| is_stdin(path));
    ensure!(!piped, "--to works with files, not with standard input");
    let share = args.shard.clone().map_or_else(Share::from_env, Ok)?;
    let all = Shard::find(&args.what, args.recursive)?;
    let n = all.len();
    let own = share.take(all);
    if !share.is_all() {
        note!("{share}: {} of {n} shards", own.len());
    }
    let detector = if args.aligned { None } else { Some(args.detector()?) };
    let report = predict_shards(&args.predictor(device)?, detector.as_ref(), &own, to, args.force)?;
    note!("{report}");
    let failed = report.failed.len();
    ensure!(failed == 0, "{failed} of {} shards failed, see above", own.len());
    Ok(())
}

/// The answers for a table that are known before predicting: paths that name no image.
fn unread<T>(args: &Args, inputs: &Inputs) -> Answers<T> {
    let errors = inputs.found.errors.iter().filter(|_| args.table());
    let copied = |error: &Error| Error::msg(format!("{error:#}"));
    errors.map(|(path, error)| (in_table(path), Err(copied(error)))).collect()
}

/// Predicts all faces in photos, and returns how many photos could not be read.
fn photos(
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
    failed.extend(args.write(|| photo_table(all)));
    if let Some(path) = &args.html {
        let what = faces_in(gallery.faces(), gallery.photos());
        failed.extend(reported(path, gallery.write(path), &what).err());
    }
    if let Some(folder) = &args.draw {
        let _ = reported(folder, Ok(()), &faces_in(drawn_faces, drawn_photos));
    }
    if empty > 0 && !args.json {
        note!("note: if the images are aligned crops, use --aligned");
    }
    written(failed).map(|()| wrong)
}

/// Predicts aligned crops, and returns how many failed.
fn aligned(args: &Args, predictor: &Predictor, inputs: &Inputs) -> Result<usize> {
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
    failed.extend(args.write(|| crop_table(all)));
    written(failed).map(|()| wrong)
}
