//! Answers shards one after the other, each with one Parquet file.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use ror::predict::{Detector, Predictor};
use utils::escape;
use utils::files::write_under;
use utils::outputs::Outputs;
use utils::progress::{Progress, say};

use crate::answers::{AnswerFile, By, Note, found, half_of, path_of, remove_halves};
use crate::pipeline::{Pipeline, Times, timed};
use crate::rows::Counts;
use crate::shard::Shard;

/// Summary of a run.
#[derive(Debug, Clone, Default)]
pub struct ShardReport {
    /// Number of shards answered in this run.
    pub answered: usize,
    /// Number of shards whose answers already existed.
    pub skipped: usize,
    /// The errors of shards that could not be answered.
    pub failed: Vec<String>,
    /// Number of images in this run, including unreadable ones.
    pub pictures: usize,
    /// Number of faces in them.
    pub faces: usize,
    /// Number of images that could not be read. Their rows have the error.
    pub unread: usize,
    /// Duration in seconds.
    pub seconds: f64,
    /// Thread time by activity.
    pub times: Times,
}

impl fmt::Display for ShardReport {
    /// Formats the counts, the speed and the thread time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pictures, faces, unread, seconds, .. } = *self;
        let counts = Counts { pictures, faces, unread, ..Counts::default() };
        write!(f, "shards: {} answered", self.answered)?;
        if self.skipped > 0 {
            write!(f, ", {} already done", self.skipped)?;
        }
        if !self.failed.is_empty() {
            write!(f, ", {} failed", self.failed.len())?;
        }
        if pictures > 0 {
            let parts = self.times.parts();
            let all = parts.iter().map(|(_, own)| own).sum::<f64>().max(1e-9);
            let shares = parts.map(|(name, own)| format!("{name} {:.0} %", 100.0 * own / all));
            write!(f, "; {}\nthread time: {}", counts.words(seconds), shares.join(", "))?;
        }
        Ok(())
    }
}

/// Predicts every image of some shards on every core. With a detector, it predicts the faces in
/// each image; without one, each image is an aligned crop. The answers for a shard are one Parquet
/// file named after it in the folder `to`, written under a temporary name and then renamed. A shard
/// that already has a complete file is skipped. The columns are:
///
/// - `shard`, `picture` (the image's number in the shard, from 0) and `path` (its name there);
/// - the columns of [`Photo::table`](ror::predict::Photo::table), or without a detector of
///   [`FacePrediction::table`](ror::predict::FacePrediction::table): one row per face, and for an
///   image without a face one row of nulls;
/// - `error`: why an image could not be read.
///
/// So every image has at least one row.
///
/// A shard that can't be read to its end is reported and gets no file. The others continue.
///
/// # Errors
/// Without `force`, `to` contains files of another shard of the same name, of other models, another
/// version or another program; the folder can't be written; or the device fails.
pub fn predict_shards(
    predictor: &Predictor,
    detector: Option<&Detector>,
    shards: &[Shard],
    to: &Path,
    force: bool,
) -> Result<ShardReport> {
    let start = Instant::now();
    let by = by(predictor, detector)?;
    let mut report = ShardReport::default();
    let (mut waiting, mut changed) = (vec![], vec![]);
    let inputs = shards.iter().flat_map(Shard::files).map(Path::to_owned).collect();
    let mut outputs = Outputs::new(inputs, force);
    for shard in shards {
        let path = path_of(shard, to)?;
        match found(&path, &by) {
            Ok(Some(note)) if note.is_of(shard) => {
                report.skipped += 1;
                continue;
            }
            Ok(Some(note)) if !force => {
                note.check_source(shard, &path)?;
                changed.push(escape::path(shard.path()));
            }
            Err(error) if !force => return Err(error),
            _ => {}
        }
        // `found` has decided whose file it is.
        outputs.file("--to", &path, |_| true)?;
        waiting.push(shard);
    }
    fs::create_dir_all(to).with_context(|| format!("cannot create the folder {}", to.display()))?;
    remove_halves(shards, to)?;
    if let Some(first) = changed.first() {
        let n = changed.len();
        say(&format!("{n} shards have changed and are answered again, the first is {first}"));
    }
    let bytes = waiting.iter().map(|shard| shard.bytes()).sum::<u64>();
    let progress = Progress::new("predicting (MiB)", (bytes >> 20) as usize);
    let mut pipeline = Pipeline::new(predictor, detector)?;
    let mut all = Counts::default();
    for shard in waiting {
        let (begin, before) = (Instant::now(), all.pictures);
        let tell = |pictures: usize| {
            let rate = (before + pictures) as f64 / start.elapsed().as_secs_f64();
            progress.note(format!("{rate:.1} images per second"));
        };
        let name = escape::path(shard.path());
        match answer(shard, &by, to, force, &mut pipeline, &progress, tell)? {
            Ok(None) => report.skipped += 1,
            Ok(Some(counts)) => {
                let mut line = format!("{name}: {}", counts.words(begin.elapsed().as_secs_f64()));
                if let Some(error) = &counts.first_error {
                    line += &format!("; first unreadable image: {}", escape::line(error));
                }
                progress.say(&line);
                report.answered += 1;
                all.add(&counts);
            }
            Err(error) => {
                let error = format!("{name}: {}", escape::line(&format!("{error:#}")));
                progress.say(&format!("error: {error}"));
                report.failed.push(error);
            }
        }
    }
    let Counts { pictures, faces, unread, .. } = all;
    let (times, seconds) = (pipeline.times, start.elapsed().as_secs_f64());
    Ok(ShardReport { pictures, faces, unread, seconds, times, ..report })
}

fn by(predictor: &Predictor, detector: Option<&Detector>) -> Result<By> {
    let nets = predictor.cards().into_iter();
    Ok(By {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        nets: nets.map(|card| [card.key.clone(), card.weights_sha256.clone()]).collect(),
        detector: detector.map(Detector::id).transpose()?,
    })
}

/// Answers a shard. Returns `None` if another process has done so in the meantime. The inner error
/// is an error of the shard.
fn answer(
    shard: &Shard,
    by: &By,
    to: &Path,
    force: bool,
    pipeline: &mut Pipeline,
    progress: &Progress,
    tell: impl Fn(usize) + Sync,
) -> Result<Result<Option<Counts>>> {
    let path = path_of(shard, to)?;
    // Another process may have answered it meanwhile, or another shard of its name.
    let is_answered = || -> Result<bool> {
        let note = match found(&path, by) {
            Err(_) if force => None,
            note => note?,
        };
        match note {
            Some(note) if note.is_untouched(shard) => Ok(true),
            Some(note) if !force => note.check_source(shard, &path).map(|()| false),
            _ => Ok(false),
        }
    };
    if is_answered()? {
        return Ok(Ok(None));
    }
    let note = match Note::of(shard, by) {
        Ok(note) => note,
        Err(error) => return Ok(Err(error)),
    };
    let (mut damaged, mut done) = (None, None);
    let written = write_under(&half_of(shard), "", &path, |half| {
        let file = File::create(half)?;
        // Locked while it is written. Without locks, only space is wasted.
        let _ = file.try_lock();
        let mut answers = AnswerFile::new(&file, note)?;
        let mut pictures = 0;
        let read = pipeline.run(shard, progress, |rows| {
            pictures += rows.counts.pictures;
            tell(pictures);
            answers.add(&rows)
        })?;
        match read {
            Ok(content) => {
                done = Some(timed(&mut pipeline.times.write, || answers.close(content))?);
                is_answered().map(|_| ())
            }
            Err(error) => {
                damaged = Some(error);
                bail!("the shard is damaged") // removes the partial file
            }
        }
    });
    match damaged {
        Some(error) => Ok(Err(error)),
        None => written.map(|()| Ok(done)),
    }
}
