//! `predict`: predictions for photographs, for cropped faces, and for the data set.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use ror::data::{Frame, Shard, is_tar, picture_files};
use ror::detect::Detector;
use ror::polars::prelude::{DataFrame, df};
use ror::predict::{FacePrediction, Photo, PhotoFace, Predictor, Share, pred_gender_age_group};
use ror::report::Gallery;
use ror::{Progress, plot, say};
use serde::Serialize;

#[derive(clap::Args)]
pub struct Args {
    /// Photographs (JPEG, PNG or WebP), folders of them, lists of either (.txt, a path a line), or an
    /// index of the data set, from 0 in byte order of the file names; with --to, tar shards, folders
    /// and lists.
    #[arg(required = true, allow_negative_numbers = true)]
    what: Vec<String>,
    /// Nets to predict with, by name or card; several are averaged. [default: both-64px]
    #[arg(long)]
    model: Vec<String>,
    /// The pictures are cropped and aligned faces already, as UTKFace's are: one prediction each.
    #[arg(long)]
    aligned: bool,
    /// Look for faces from so many pixels on. [default: 40]
    #[arg(long, value_name = "PIXELS", conflicts_with = "aligned")]
    smallest: Option<f64>,
    /// Write the photographs with boxes around their faces into this folder, as PNG.
    #[arg(long, value_name = "FOLDER", conflicts_with = "aligned")]
    draw: Option<PathBuf>,
    /// Write a page of all faces, sortable by age, gender and confidence.
    #[arg(long, value_name = "FILE", conflicts_with = "aligned")]
    html: Option<PathBuf>,
    /// Write a table with a line a face: path, box, score, gender, age and the rest.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the same table as Parquet.
    #[arg(long, value_name = "FILE")]
    parquet: Option<PathBuf>,
    /// Answer shards: tar files of pictures (webdataset), folders and lists, each into a Parquet file
    /// in this folder. Shards that are done are skipped.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["draw", "html", "csv", "parquet", "json"])]
    to: Option<PathBuf>,
    /// Take this share of the shards, i from 0. [default: as torchrun or Slurm says, or all]
    #[arg(long, value_name = "i/n", requires = "to")]
    shard: Option<Share>,
    /// Take the pictures in folders below those that are named, too.
    #[arg(long)]
    recursive: bool,
    /// Print one JSON object a picture, a line each.
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
        let detector = Detector::open()?;
        match self.smallest {
            Some(pixels) => detector.smallest(pixels),
            None => Ok(detector),
        }
    }

    /// Whether a table is to be written.
    fn table(&self) -> bool {
        self.csv.is_some() || self.parquet.is_some()
    }

    /// Writes the table where one is to be written.
    fn write(&self, make: impl FnOnce() -> Result<DataFrame>) -> Result<()> {
        if !self.table() {
            return Ok(());
        }
        let table = make()?;
        self.csv.as_ref().map_or(Ok(()), |path| table.write_csv(path))?;
        self.parquet.as_ref().map_or(Ok(()), |path| table.write_parquet(path))
    }
}

/// A line of `--json` for a cropped face.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    face: &'a FacePrediction,
}

/// A line of `--json` for a file that is no picture.
#[derive(Serialize)]
struct Unread<'a> {
    path: &'a str,
    error: String,
}

pub fn run(args: &Args) -> Result<()> {
    if let Some(to) = &args.to {
        return shards(args, to);
    }
    if let [index] = &args.what[..]
        && let Ok(index) = index.parse()
        && !Path::new(&args.what[0]).exists()
        && args.model.is_empty()
    {
        let prediction = pred_gender_age_group(index)?;
        if args.json {
            println!("{}", serde_json::to_string(&prediction)?);
        } else {
            println!("{prediction}");
        }
        return Ok(());
    }
    let paths = picture_files(&args.what, args.recursive)?;
    if let Some(tar) = paths.iter().find(|path| is_tar(path)) {
        bail!("{} is a shard: say with --to FOLDER where its answers go", tar.display());
    }
    let predictor = args.predictor()?;
    let wrong = match args.aligned {
        true => aligned(args, &predictor, &paths)?,
        false => photos(args, &predictor, &paths)?,
    };
    ensure!(wrong == 0, "{wrong} of {} pictures could not be predicted", paths.len());
    Ok(())
}

/// Answers this process's share of some shards.
fn shards(args: &Args, to: &Path) -> Result<()> {
    let share = args.shard.clone().map_or_else(Share::here, Ok)?;
    let all = Shard::find(&args.what, args.recursive)?;
    let n = all.len();
    let own = share.take(all);
    if !share.is_all() {
        say(&format!("{share}: {} of {n} shards", own.len()));
    }
    let detector = if args.aligned { None } else { Some(args.detector()?) };
    let report = args.predictor()?.predict_shards(detector.as_ref(), &own, to)?;
    say(&report.to_string());
    let failed = report.failed.len();
    ensure!(failed == 0, "{failed} of {} shards could not be answered, see above", own.len());
    Ok(())
}

/// Predicts all faces in photographs; returns how many photographs could not be read.
fn photos(args: &Args, predictor: &Predictor, paths: &[PathBuf]) -> Result<usize> {
    let detector = args.detector()?;
    let (mut wrong, mut empty) = (0, 0);
    let (mut gallery, mut all) = (Gallery::default(), vec![]);
    let progress = Progress::new("predicting, photos", paths.len());
    for some in paths.chunks(256) {
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
        eprintln!("for pictures that are cropped faces already, say --aligned");
    }
    Ok(wrong)
}

fn print_photo(photo: &Photo, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string(photo)?);
    } else if photo.faces.is_empty() {
        eprintln!("{}: no face was found", photo.path.display());
    } else {
        photo.faces.iter().for_each(|face| print_face(&photo.path, face));
    }
    Ok(())
}

fn print_unread(path: &Path, error: &anyhow::Error, json: bool) -> Result<()> {
    let (path, error) = (&path.display().to_string(), format!("{error:#}"));
    match json {
        true => println!("{}", serde_json::to_string(&Unread { path, error })?),
        false => eprintln!("{path}: error: {error}"),
    }
    Ok(())
}

fn print_face(path: &Path, face: &PhotoFace) {
    let [x, y, width, height] = face.bounds;
    println!("{} [{x:.0},{y:.0} {width:.0}x{height:.0}]: {face}", path.display());
}

fn print_chip(path: &Path, face: &FacePrediction, json: bool) -> Result<()> {
    let path = &path.display().to_string();
    match json {
        true => println!("{}", serde_json::to_string(&Line { path, face })?),
        false => println!("{path}: {face}"),
    }
    Ok(())
}

/// Predicts for cropped faces; returns for how many it could not.
fn aligned(args: &Args, predictor: &Predictor, paths: &[PathBuf]) -> Result<usize> {
    let (mut wrong, mut answered, mut faces) = (0, vec![], vec![]);
    let progress = Progress::new("predicting, pictures", paths.len());
    // So many that every core is busy, so few that lines come as they are found.
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
