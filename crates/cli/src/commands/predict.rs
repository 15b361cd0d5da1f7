//! `predict`: predictions for photos, aligned crops, shards and images of the data set.

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, ensure};
use polars::prelude::{DataFrame, df};
use ror::data::{Faces, Frame, PictureFiles, picture_files};
use ror::plot;
use ror::predict::{Detector, FacePrediction, Photo, PhotoFace, Predictor, detector};
use serde::Serialize;
use shards::{Shard, Share, WriteParquet, predict_shards};
use utils::progress::Progress;

use crate::gallery::Gallery;

#[derive(clap::Args)]
pub struct Args {
    /// Photos (JPEG, PNG or WebP), folders, lists (.txt, one path per line), or data set indices
    /// (from 0, in byte order of the file names); with --to, tar shards, folders and lists.
    #[arg(required = true, allow_negative_numbers = true)]
    what: Vec<PathBuf>,
    /// Network, by name or card; repeat to average several. [default: pretrained-both]
    #[arg(long)]
    model: Vec<String>,
    /// The images are aligned crops like UTKFace's: make one prediction per image.
    #[arg(long)]
    aligned: bool,
    /// Minimum face size in pixels. [default: 40]
    #[arg(long, value_name = "PIXELS", conflicts_with = "aligned")]
    smallest: Option<f64>,
    /// Write the photos with boxes around the faces to this folder, as PNG.
    #[arg(long, value_name = "FOLDER", conflicts_with = "aligned")]
    draw: Option<PathBuf>,
    /// Write an HTML page of all faces, sortable by age, gender and confidence.
    #[arg(long, value_name = "FILE", conflicts_with = "aligned")]
    html: Option<PathBuf>,
    /// Write a CSV file with one row per face: path, box, score, gender, age and more.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the same table as a Parquet file.
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
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
    /// Print one JSON object per image, one per line.
    #[arg(long)]
    json: bool,
}

impl Args {
    fn predictor(&self) -> Result<Predictor> {
        let names: Vec<&str> = self.model.iter().map(String::as_str).collect();
        match names.is_empty() {
            true => Predictor::pretrained(),
            false => Predictor::open(&names),
        }
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

    /// Writes the table if one was requested.
    fn write(&self, make: impl FnOnce() -> Result<DataFrame>) -> Result<()> {
        if !self.table() {
            return Ok(());
        }
        let table = make()?;
        self.csv.as_ref().map_or(Ok(()), |path| table.write_csv(path))?;
        self.parquet.as_ref().map_or(Ok(()), |path| table.write_parquet(path))
    }
}

/// A line of `--json` for an aligned crop.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    face: &'a FacePrediction,
}

/// A line of `--json` for a file that could not be read.
#[derive(Serialize)]
struct Unread<'a> {
    path: &'a str,
    error: String,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(to) = &args.to {
        return shards(args, to);
    }
    let by_index: Option<Vec<i64>> = args.what.iter().map(|path| index(path)).collect();
    if let Some(indices) = by_index
        && args.model.is_empty()
    {
        ensure!(
            !args.table() && args.html.is_none() && args.draw.is_none(),
            "--csv, --parquet, --html and --draw work with paths, not with data set indices"
        );
        return all_predicted(labelled(&indices, args.json)?, indices.len());
    }
    let mut found = picture_files(&args.what, args.recursive);
    for path in found.files.extract_if(.., |path| index(path).is_some()) {
        let error =
            Error::msg("no such file (data set indices can't be combined with paths or --model)");
        found.errors.push((path, error));
    }
    let predictor = args.predictor()?;
    let PictureFiles { files, errors } = &found;
    for (path, error) in errors {
        print_unread(path, error, args.json)?;
    }
    let wrong = match args.aligned {
        true => aligned(args, &predictor, files)?,
        false => photos(args, &predictor, &found)?,
    };
    all_predicted(wrong + errors.len(), files.len() + errors.len())
}

/// Parses a data set index: a number that is not an existing file.
fn index(path: &Path) -> Option<i64> {
    path.to_str()?.parse().ok().filter(|_| !path.exists())
}

/// Predicts the images at data set indices, and returns how many failed.
fn labelled(indices: &[i64], json: bool) -> Result<usize> {
    let faces = Faces::open()?;
    // On synthetic faces this may train a network, so skip it if no index is valid.
    let inside = indices.iter().any(|index| faces.index(*index).is_ok());
    let predictor = inside.then(|| Predictor::suited(&faces)).transpose()?;
    let predict = |index| {
        faces.index(index)?;
        predictor.as_ref().context("no index is in the data set")?.predict_index(&faces, index)
    };
    let mut wrong = 0;
    for index in indices {
        match predict(*index) {
            Ok(prediction) if json => out!("{}", serde_json::to_string(&prediction)?)?,
            Ok(prediction) => out!("{prediction}")?,
            Err(error) => {
                wrong += 1;
                print_unread(Path::new(&index.to_string()), &error, json)?;
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
fn shards(args: &Args, to: &Path) -> Result<()> {
    let share = args.shard.clone().map_or_else(Share::from_env, Ok)?;
    let all = Shard::find(&args.what, args.recursive)?;
    let n = all.len();
    let own = share.take(all);
    if !share.is_all() {
        note!("{share}: {} of {n} shards", own.len());
    }
    let detector = if args.aligned { None } else { Some(args.detector()?) };
    let report = predict_shards(&args.predictor()?, detector.as_ref(), &own, to)?;
    note!("{report}");
    let failed = report.failed.len();
    ensure!(failed == 0, "{failed} of {} shards failed, see above", own.len());
    Ok(())
}

/// Predicts all faces in photos, and returns how many photos could not be read.
fn photos(args: &Args, predictor: &Predictor, found: &PictureFiles) -> Result<usize> {
    let detector = args.detector()?;
    let (mut wrong, mut empty) = (0, 0);
    let (mut gallery, mut all) = (Gallery::default(), vec![]);
    found.errors.iter().for_each(|(path, error)| gallery.add_unread(path, error));
    let progress = Progress::new("predicting photos", found.files.len());
    for some in found.files.chunks(256) {
        let photos = predictor.predict_photos(&detector, some, |photo| {
            if let Some(folder) = &args.draw {
                let name = photo.path.with_extension("png");
                plot::photo(photo)?.save(folder.join(name.file_name().unwrap_or_default()))?;
            }
            let tiles = if args.html.is_some() { Gallery::tiles(photo)? } else { vec![] };
            progress.step()?;
            Ok(tiles)
        })?;
        for (path, photo) in some.iter().zip(photos) {
            match photo {
                Ok((photo, tiles)) => {
                    empty += usize::from(photo.faces.is_empty());
                    print_photo(&photo, args.json)?;
                    gallery.add(tiles);
                    all.extend(args.table().then_some(photo));
                }
                Err(error) => {
                    wrong += 1;
                    gallery.add_unread(path, &error);
                    print_unread(path, &error, args.json)?;
                }
            }
        }
    }
    if let Some(path) = &args.html {
        gallery.write(path)?;
    }
    args.write(|| Photo::table(&all))?;
    if empty > 0 && !args.json {
        note!("note: if the images are aligned crops, use --aligned");
    }
    Ok(wrong)
}

fn print_photo(photo: &Photo, json: bool) -> Result<()> {
    if json {
        out!("{}", serde_json::to_string(photo)?)?;
    } else if photo.faces.is_empty() {
        note!("{}: no face found", photo.path.display());
    } else {
        return photo.faces.iter().try_for_each(|face| print_face(&photo.path, face));
    }
    Ok(())
}

fn print_unread(path: &Path, error: &anyhow::Error, json: bool) -> Result<()> {
    let (path, error) = (&path.display().to_string(), format!("{error:#}"));
    match json {
        true => out!("{}", serde_json::to_string(&Unread { path, error })?)?,
        false => note!("{path}: error: {error}"),
    }
    Ok(())
}

fn print_face(path: &Path, face: &PhotoFace) -> Result<()> {
    let [x, y, width, height] = face.bounds;
    out!("{} [{x:.0},{y:.0} {width:.0}x{height:.0}]: {face}", path.display())
}

fn print_chip(path: &Path, face: &FacePrediction, json: bool) -> Result<()> {
    let path = &path.display().to_string();
    match json {
        true => out!("{}", serde_json::to_string(&Line { path, face })?)?,
        false => out!("{path}: {face}")?,
    }
    Ok(())
}

/// Predicts aligned crops, and returns how many failed.
fn aligned(args: &Args, predictor: &Predictor, paths: &[PathBuf]) -> Result<usize> {
    let (mut wrong, mut answered, mut faces) = (0, vec![], vec![]);
    let progress = Progress::new("predicting images", paths.len());
    // Large enough to keep every core busy, small enough to print lines early.
    for some in paths.chunks(2048) {
        for (path, face) in some.iter().zip(predictor.predict_files(some)?) {
            match face {
                Ok(face) => {
                    print_chip(path, &face, args.json)?;
                    if args.table() {
                        answered.push(path.display().to_string());
                        faces.push(face);
                    }
                }
                Err(error) => {
                    wrong += 1;
                    print_unread(path, &error, args.json)?;
                }
            }
            progress.step()?;
        }
    }
    args.write(|| {
        let mut table = df!("path" => answered)?;
        table.hstack_mut(FacePrediction::table(&faces)?.columns())?;
        Ok(table)
    })?;
    Ok(wrong)
}
