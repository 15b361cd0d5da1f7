//! `predict`: predictions for photos, aligned crops, shards and images of the data set.

mod args;
mod files;

use std::path::Path;

use anyhow::{Context, Error, Result, ensure};
use ror::device_named;
use ror::predict::Predictor;
use ror::tch::Device;
use shards::{Shard, Share, predict_shards};

pub use args::Args;
use files::{aligned, photos};

use super::{data_set, print_json, printed};
use crate::inputs::{Inputs, is_stdin};

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
