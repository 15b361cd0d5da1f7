//! `predict`: predictions for pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ror::Progress;
use ror::predict::{FacePrediction, Predictor, pred_gender_age_group};
use serde::Serialize;

#[derive(clap::Args)]
pub struct Args {
    /// Picture files (JPEG or PNG) of cropped and aligned faces, folders of such, or an index
    /// of the data set, from 0 in byte order of the file names.
    #[arg(required = true, allow_negative_numbers = true)]
    what: Vec<String>,
    /// Nets to predict with, by name or card; several are averaged. [default: both-64px]
    #[arg(long)]
    model: Vec<String>,
    /// Print one JSON object a picture, a line each.
    #[arg(long)]
    json: bool,
}

/// A line of `--json`: the prediction, or what was wrong.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    face: Option<FacePrediction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub fn run(args: &Args) -> Result<()> {
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
    let names: Vec<&str> = args.model.iter().map(String::as_str).collect();
    let predictor = match names.is_empty() {
        true => Predictor::pretrained()?,
        false => Predictor::open(&names)?,
    };
    let mut wrong = 0;
    let paths = pictures(&args.what)?;
    let progress = Progress::new("predicting, pictures", paths.len());
    // So many that every core is busy, so few that lines come as they are found.
    for some in paths.chunks(2048) {
        for (path, face) in some.iter().zip(predictor.predict_files(some)?) {
            wrong += usize::from(face.is_err());
            print(&path.display().to_string(), face, args.json)?;
            progress.step();
        }
    }
    ensure!(wrong == 0, "{wrong} of {} pictures could not be predicted", paths.len());
    Ok(())
}

fn print(path: &str, face: Result<FacePrediction>, json: bool) -> Result<()> {
    match face {
        face if json => {
            let (face, error) = match face {
                Ok(face) => (Some(face), None),
                Err(error) => (None, Some(format!("{error:#}"))),
            };
            println!("{}", serde_json::to_string(&Line { path, face, error })?);
        }
        Ok(face) => println!("{path}: {face}"),
        Err(error) => eprintln!("{path}: error: {error:#}"),
    }
    Ok(())
}

/// The files, and those in folders, in order of their names.
fn pictures(what: &[String]) -> Result<Vec<PathBuf>> {
    let mut paths = vec![];
    for path in what {
        if !Path::new(path).is_dir() {
            paths.push(path.into());
            continue;
        }
        let mut inside = vec![];
        for entry in std::fs::read_dir(path).with_context(|| format!("cannot read {path}"))? {
            let path = entry?.path();
            let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
            if ["jpg", "jpeg", "png"].contains(&ending.to_lowercase().as_str()) {
                inside.push(path);
            }
        }
        ensure!(!inside.is_empty(), "there are no JPEG or PNG pictures in {path}");
        inside.sort_unstable();
        paths.extend(inside);
    }
    Ok(paths)
}
