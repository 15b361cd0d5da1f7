//! The arguments of `predict`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use polars::prelude::DataFrame;
use ror::predict::{Detector, Predictor, detector};
use ror::store::DEFAULT_MODEL;
use ror::tch::Device;
use shards::{Share, crop_table, is_our_parquet, photo_table};
use utils::outputs::{Outputs, has_heading, is_our_page, is_our_png, names_of};

use crate::inputs::is_stdin;

#[derive(clap::Args)]
pub struct Args {
    /// Photos (JPEG, PNG, WebP, BMP, GIF or TIFF), folders, lists (.txt, one path per line), - for an
    /// image from standard input, or data set indices (from 0, in byte order of the file names); with
    /// --to, tar shards, folders and lists.
    #[arg(required_unless_present = "list", allow_negative_numbers = true)]
    pub(super) what: Vec<PathBuf>,
    /// Also predict the paths in this file, one per line; - reads them from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub(super) list: Option<PathBuf>,
    /// Network, by name or card; repeat to average several. [default: pretrained-both]
    #[arg(long)]
    pub(super) model: Vec<String>,
    /// The images are aligned crops like UTKFace's: make one prediction per image.
    #[arg(long)]
    pub(super) aligned: bool,
    /// Minimum face size in pixels. [default: 40]
    #[arg(long, value_name = "PIXELS", conflicts_with = "aligned")]
    pub(super) smallest: Option<f64>,
    /// Write the photos with boxes around the faces to this folder, as PNG. It can't be a folder
    /// of the photos.
    #[arg(long, value_name = "FOLDER", conflicts_with = "aligned")]
    pub(super) draw: Option<PathBuf>,
    /// Write an HTML page of all faces, to sort and filter; each links to its photo.
    #[arg(long, value_name = "FILE", conflicts_with = "aligned")]
    pub(super) html: Option<PathBuf>,
    /// Write a CSV file with one row per face: path, box, score, gender, age and more. Files
    /// without a face, or that can't be read, have one row with their status.
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Write the same table as a Parquet file.
    #[arg(long, value_name = "FILE")]
    pub(super) parquet: Option<PathBuf>,
    /// Replace files that this command did not write. Its own are replaced without it. Files that
    /// are read are never replaced.
    #[arg(long)]
    pub(super) force: bool,
    /// Predict shards (tar files in webdataset format, folders, lists) and write a Parquet file per
    /// shard to this folder; skips finished shards.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["draw", "html", "csv", "parquet", "json"])]
    pub(super) to: Option<PathBuf>,
    /// Process only share i (from 0) of n of the shards. [default: set by torchrun or Slurm, or
    /// all]
    #[arg(long, value_name = "i/n", requires = "to")]
    pub(super) shard: Option<Share>,
    /// Include subfolders.
    #[arg(long)]
    pub(super) recursive: bool,
    /// Device: auto, cpu, cuda, or cuda:1 for the second GPU.
    #[arg(long, default_value = "auto")]
    pub(super) device: String,
    /// Use synthetic faces for data set indices; a network is trained on them first, for minutes.
    #[arg(long)]
    pub(super) synthetic: bool,
    /// Print one JSON object per image, one per line.
    #[arg(long)]
    pub(super) json: bool,
}

impl Args {
    pub(super) fn predictor(&self, device: Device) -> Result<Predictor> {
        let names: Vec<&str> = self.model.iter().map(String::as_str).collect();
        Predictor::open_on(if names.is_empty() { &[DEFAULT_MODEL] } else { &names }, device)
    }

    pub(super) fn detector(&self) -> Result<Detector> {
        let detector = detector()?;
        match self.smallest {
            Some(pixels) => detector.smallest(pixels),
            None => Ok(detector),
        }
    }

    /// Whether a table was requested.
    pub(super) fn table(&self) -> bool {
        self.csv.is_some() || self.parquet.is_some()
    }

    /// Checks all outputs before any work, and returns where each photo is drawn.
    pub(super) fn outputs<'a>(&self, files: &'a [PathBuf]) -> Result<HashMap<&'a Path, PathBuf>> {
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
