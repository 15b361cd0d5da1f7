//! Log files of a running training: CSV and TensorBoard events.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use syntaxdot_summary::SummaryWriter;

use super::{Epoch, History};

/// The files of one training, in its folder.
pub(super) struct Log {
    csv: PathBuf,
    events: SummaryWriter<BufWriter<File>>,
}

/// Part of the name of TensorBoard's files, and the ending of ours.
const EVENTS: &str = "events.out.tfevents";

impl Log {
    /// Writes the files again with the epochs so far: after an interruption, an event file may hold
    /// an epoch without a checkpoint.
    pub(super) fn new(folder: &Path, history: &History) -> Result<Self> {
        for entry in fs::read_dir(folder)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(EVENTS) {
                fs::remove_file(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        let path = folder.join(format!("{EVENTS}.{now}.ror"));
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut log = Self {
            csv: folder.join("history.csv"),
            events: SummaryWriter::new(BufWriter::new(file))?,
        };
        for epoch in &history.epochs {
            log.event(epoch)?;
        }
        Ok(log)
    }

    /// Adds the last epoch of `history`.
    pub(super) fn add(&mut self, history: &History) -> Result<()> {
        if let Some(last) = history.epochs.last() {
            self.event(last)?;
        }
        history.write(&self.csv)
    }

    fn event(&mut self, epoch: &Epoch) -> Result<()> {
        let mut scalars = vec![
            ("loss/train", epoch.train_loss),
            ("loss/validation", epoch.validation_loss),
            ("accuracy/train", epoch.train_accuracy),
            ("accuracy/validation", epoch.validation_accuracy),
            ("learning_rate", epoch.learning_rate),
            ("seconds", epoch.seconds),
        ];
        scalars.extend(epoch.validation_mae.map(|mae| ("mae/validation", mae)));
        for (tag, value) in scalars {
            self.events
                .write_scalar(tag, epoch.epoch as i64, value as f32)
                .context("cannot write TensorBoard's event file")?;
        }
        Ok(())
    }
}
