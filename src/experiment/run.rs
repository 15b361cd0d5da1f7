//! Running a training, or loading what was trained before.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tch::Kind;

use super::Training;
use super::calibrate::calibrate;
use crate::model::Net;
use crate::store::{Card, DataCard, ModelStore, Trained, today};
use crate::train::fit::fit;
use crate::train::job::Job;
use crate::train::step::time_steps;
use crate::train::{RecipeLoss, Teacher, VERSION, Watch, checkpoint, show};
use layers::Ranks;
use utils::device::hardware;
use utils::escape;
use utils::files::{open_lock, remove_half_written, wait_for_lock};
use utils::live::Live;
use utils::progress::{say, thousands};

/// What to do with a training that was done before, and with the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Load,
    Train,
    /// Rank 0 does all but the computing.
    Follow,
}

impl Training {
    /// Loads the network if the same training was done before, pretrained or made here; trains it
    /// otherwise, as [`Training::train`] does. If it is running in another notebook or program, waits
    /// for its end.
    ///
    /// # Errors
    /// As [`Training::train`].
    pub fn train_or_load(&self) -> Result<Trained> {
        self.run(Mode::Load)
    }

    /// Trains the network. A training that was interrupted continues after its last whole epoch; one
    /// that was finished before is repeated, and replaced at the end.
    ///
    /// Prints one row per epoch. The kept weights are those of the epoch with the lowest validation
    /// loss; they are saved with their card below `models/runs/`.
    ///
    /// # Errors
    /// A recipe or shape that [`Recipe::check`](crate::train::Recipe::check) or
    /// [`NetConfig::check`](crate::model::NetConfig::check) refuses, outputs that are not the task's, a
    /// start or teacher that has seen validation or test images, teachers of another task, teachers
    /// without distillation or the other way round, a rank that is lost, images that can't be decoded,
    /// a loss that is not a number, a folder that can't be written, or the same training running
    /// elsewhere.
    pub fn train(&self) -> Result<Trained> {
        self.run(Mode::Train)
    }

    /// Trains along with rank 0, which alone checks, reports and writes: the training need not have
    /// what only rank 0 knows, such as the weights it starts from.
    ///
    /// # Errors
    /// As [`Training::train`].
    pub fn follow(&self) -> Result<()> {
        self.run(Mode::Follow).map(|_| ())
    }

    /// Whether a network trained so is there, and so will be loaded.
    ///
    /// # Errors
    /// A setting that can't train.
    pub fn is_done(&self) -> Result<bool> {
        self.check()?;
        let key = self.key()?;
        Ok(ModelStore::default().find(|card| card.key == key).is_some())
    }

    fn run(&self, mode: Mode) -> Result<Trained> {
        self.check()?;
        let (task, key, store) = (self.task, self.key()?, ModelStore::default());
        let ranks = self.own_ranks();
        ensure!(
            ranks.first_says(key.clone())? == key || mode == Mode::Follow,
            "rank {} would train another network than rank 0: all ranks need the same command, data and version",
            ranks.number()
        );
        let folder = store.runs().join(format!("{}-{key}", task.name()));
        // The first rank alone reads and writes.
        let (found, _lock) = match ranks.is_first() {
            true => self.found_or_locked(mode, &store, &folder, &key)?,
            false => (None, None),
        };
        if let Some(found) = self.shared(&ranks, found)? {
            if !self.quiet && !Live::is_open() {
                say(&format!(
                    "{task}: loaded the network trained on {} with the same settings; train() repeats the training",
                    found.card.date
                ));
                show(task, &found.card.history);
            }
            return Ok(found);
        }
        let net = Net::new(self.net.clone(), self.device, self.recipe.seed as i64)?;
        if let Some(start) = self.start()? {
            net.copy_from(&start.net)?;
        } else if let Some(pretrained) = self.net.pretrained() {
            let weights = store.pretrained_weights(&pretrained.name);
            net.load_pretrained(&weights).with_context(|| {
                format!(
                    "cannot load the pretrained weights {}: `make pretrained` downloads them",
                    weights.display()
                )
            })?;
        }
        let on = match ranks.size() {
            1 => hardware(self.device),
            ranks => format!("{}, {ranks} ranks", hardware(self.device)),
        };
        if !Live::is_open() {
            say(&format!(
                "{task}: {} parameters, {} training and {} validation images, on {on}",
                thousands(net.parameters()),
                thousands(self.split.train.len()),
                thousands(self.split.validation.len()),
            ));
        }
        let standard = self.standard_loss();
        let teachers = self.ready_teachers()?;
        let job = self.job(&standard, &teachers, &ranks);
        let mut watch = Watch::new(task, &self.recipe);
        let history = fit(&net, job, &folder, &mut watch)?;
        let (temperatures, validation) = calibrate(&net, job)?;
        let own = self.known_teachers()?;
        let teachers_keys = own.iter().map(|teacher| teacher.card.key.clone()).collect();
        let card = Card {
            key,
            task,
            weights: String::new(),
            weights_sha256: String::new(),
            parameters: net.parameters(),
            net: self.net.clone(),
            recipe: self.recipe.clone(),
            loss: self.loss_id(),
            augmentation: self.augmentation_id(),
            version: VERSION,
            start: self.start()?.map(|start| start.card.key.clone()),
            pretrained: self.pretrained()?,
            teachers: teachers_keys,
            data: DataCard {
                synthetic: self.faces.is_synthetic(),
                pictures: self.faces.len(),
                fingerprint: self.faces.fingerprint().to_owned(),
            },
            protocol: self.split.protocol,
            split: self.split.fingerprint.clone(),
            temperatures,
            validation: validation.metrics(),
            tests: vec![],
            minutes: history.seconds() / 60.0
                + self.start()?.map_or(0.0, |start| start.card.minutes),
            history,
            hardware: on,
            precision: match net.kind(job.kind) {
                Kind::BFloat16 => "bf16".to_owned(),
                _ => "f32".to_owned(),
            },
            date: today(),
            command: self.command.clone(),
        };
        let path = folder.join("card.json");
        let mut trained = Trained { net, card, loaded: false, path: path.clone() };
        if !ranks.is_first() {
            return Ok(trained);
        }
        let contents = match self.split.protocol {
            Some(_) => None,
            None => Some(self.split.contents(&self.faces)?),
        };
        trained.save_with(&path, contents.as_ref())?;
        checkpoint::remove(&folder)?;
        Ok(trained)
    }

    fn ready_teachers(&self) -> Result<Vec<Teacher>> {
        let kind = self.precision.training(self.device);
        self.known_teachers()?
            .into_iter()
            .map(|own| Teacher::new(&own.net, self.task, &own.card.temperatures, kind))
            .collect()
    }

    fn job<'b>(
        &'b self,
        standard: &'b RecipeLoss,
        teachers: &'b [Teacher],
        ranks: &'b Ranks,
    ) -> Job<'b> {
        Job {
            faces: &self.faces,
            train: &self.split.train,
            validation: &self.split.validation,
            task: self.task,
            recipe: &self.recipe,
            loss: self.loss.as_deref().unwrap_or(standard),
            augmentation: self.augmentation.as_deref(),
            teachers,
            kind: self.precision.training(self.device),
            ranks,
        }
    }

    /// The network if it is to be loaded and is there, otherwise the lock of its folder. Waits for
    /// another process that is training it.
    fn found_or_locked(
        &self,
        mode: Mode,
        store: &ModelStore,
        folder: &Path,
        key: &str,
    ) -> Result<(Option<Trained>, Option<File>)> {
        let load = || match mode {
            Mode::Load => self.find(store, key),
            _ => Ok(None),
        };
        if let Some(found) = load()? {
            return Ok((Some(found), None));
        }
        let lock = take(folder, mode)?;
        // Another process may have trained it meanwhile.
        Ok((load()?, Some(lock)))
    }

    fn find(&self, store: &ModelStore, key: &str) -> Result<Option<Trained>> {
        let found = store.find(|card| card.key == key);
        found.map(|found| Trained::open(&found.path, self.device)).transpose()
    }

    /// The network that the first rank has found, on all.
    fn shared(&self, ranks: &Ranks, found: Option<Trained>) -> Result<Option<Trained>> {
        let about = found.as_ref().map(|found| (found.card.clone(), found.path.clone()));
        let Some((card, path)) = ranks.first_says(about)? else {
            return Ok(None);
        };
        let trained = match found {
            Some(found) => found,
            None => {
                let net = Net::new(card.net.clone(), self.device, 0)?;
                Trained { net, card, loaded: true, path }
            }
        };
        for mut variable in trained.net.variables().into_values() {
            ranks.follow(&mut variable)?;
        }
        Ok(Some(trained))
    }

    /// Seconds that each of `steps` training steps takes on this machine, after three that warm
    /// up: what a training will take, before it is begun. Nothing is kept of them.
    ///
    /// # Errors
    /// A setting that can't train (its range is named), or images that can't be decoded.
    pub fn time_steps(&self, steps: usize) -> Result<Vec<f64>> {
        self.check()?;
        let net = Net::new(self.net.clone(), self.device, self.recipe.seed as i64)?;
        let (standard, teachers) = (self.standard_loss(), self.ready_teachers()?);
        let ranks = self.own_ranks();
        time_steps(&net, self.job(&standard, &teachers, &ranks), steps)
    }
}

/// Locks the folder of a training for as long as what is returned lives. If another process has the
/// lock, waits for it where the result is to be loaded.
fn take(folder: &Path, mode: Mode) -> Result<File> {
    std::fs::create_dir_all(folder).with_context(|| {
        format!("cannot create {}: set ROR_MODELS to a writable folder", folder.display())
    })?;
    let lock = open_lock(&folder.join("lock"))
        .with_context(|| format!("cannot open the lock in {}", folder.display()))?;
    let running = format!(
        "the same training is running in another notebook or program: {}",
        escape::path(folder)
    );
    let locked = match mode {
        Mode::Load => {
            wait_for_lock(&lock, Duration::ZERO, &format!("{running}; waiting for its end"))?
        }
        _ => match lock.try_lock() {
            Err(TryLockError::WouldBlock) => bail!(running),
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => Ok(()),
        },
    };
    if let Err(error) = locked {
        say(&format!(
            "note: {} is on a file system without locks ({error}): don't run the same training \
             twice at the same time, or set ROR_MODELS to a folder on a local disk",
            escape::path(folder)
        ));
    }
    remove_half_written(folder);
    Ok(lock)
}
