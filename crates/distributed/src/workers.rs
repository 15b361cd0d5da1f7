//! Training with worker processes on this machine. For several machines, use torchrun.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tch::Device;
use tempfile::TempDir;

use ror::data::{Faces, Split};
use ror::experiment::Training;
use ror::model::NetConfig;
use ror::store::Trained;
use ror::train::{Recipe, VERSION};
use ror::{Precision, Ranks, Task};
use utils::live::keep_going;
use utils::paths;
use utils::progress::{outside_notebook, say, show_progress};

use crate::group::{LOCAL, join, joined, local_meeting, local_store};

/// The description of a training that is sent to workers. Weights are sent by the ranks themselves.
#[derive(Serialize, Deserialize)]
struct Plan {
    /// The folder of the images; `None` for what [`Faces::open`] opens.
    folder: Option<PathBuf>,
    fingerprint: String,
    task: Task,
    net: NetConfig,
    recipe: Recipe,
    split: Split,
    precision: Precision,
}

/// Worker processes that train on the CPU together with this one. They end when this is dropped.
struct Workers {
    ranks: Ranks,
    running: Vec<Child>,
    /// Number of threads of this process before it started workers.
    threads: i32,
    /// The folder of the files with their standard error.
    folder: TempDir,
}

/// Returns the program that runs workers: `$ROR_PROGRAM`, this program, or the clone's program.
fn program() -> Result<PathBuf> {
    if let Some(said) = env::var_os("ROR_PROGRAM") {
        return Ok(said.into());
    }
    if let Ok(own) = env::current_exe()
        && own.file_stem().is_some_and(|name| name == "ror")
    {
        return Ok(own);
    }
    let clone = paths::clone()
        .context("cannot find the program `ror`, which workers run: set ROR_PROGRAM to its path")?;
    let built = clone.join("target").join("bin").join("ror");
    ensure!(built.is_file(), "cannot find {}, which workers run: run make setup", built.display());
    Ok(built)
}

impl Workers {
    /// Starts all ranks but the first and waits for them.
    fn start(size: usize) -> Result<Self> {
        let program = program()?;
        let store = local_store()?;
        let all = tch::get_num_threads();
        let threads = (all / size as i32).max(1);
        let folder = tempfile::tempdir().context("cannot create a temporary folder for workers")?;
        // If a worker can't be started, dropping this ends the others.
        let ranks = Ranks::alone(Device::Cpu);
        let mut workers = Self { ranks, running: vec![], threads: all, folder };
        for rank in 1..size {
            let said = File::create(said(workers.folder.path(), rank))?;
            let mut command = Command::new(&program);
            command.args(["worker", "--threads", &threads.to_string()]);
            for (name, value) in [
                ("RANK", rank),
                ("LOCAL_RANK", rank),
                ("WORLD_SIZE", size),
                ("LOCAL_WORLD_SIZE", size),
                ("MASTER_PORT", usize::from(store.port())),
                ("OMP_NUM_THREADS", threads as usize),
            ] {
                command.env(name, value.to_string());
            }
            command.env("MASTER_ADDR", LOCAL).env("TORCHELASTIC_USE_AGENT_STORE", "True");
            // It would be the attempt of a surrounding torchrun.
            command.env_remove("TORCHELASTIC_RESTART_COUNT");
            outside_notebook(&mut command);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
            let child = child.with_context(|| format!("cannot start {}", program.display()))?;
            workers.running.push(child);
        }
        let meeting = local_meeting(&store, 0, size, Arc::new(say));
        let folder = workers.folder.path().to_owned();
        let advice = |missing: &[usize]| {
            let first = missing.first().copied().unwrap_or_default();
            format!(
                "Check that the machine has memory left; what rank {first} printed is in {}.",
                said(&folder, first).display()
            )
        };
        meeting.gather(&store, advice, || {
            workers.check()?;
            keep_going()
        })?;
        workers.ranks = join(&store, &meeting, Device::Cpu, LOCAL)?;
        tch::set_num_threads(threads);
        Ok(workers)
    }

    /// Sends the plan to the workers.
    fn tell(&self, training: &Training) -> Result<()> {
        let faces = training.faces();
        let plan = Plan {
            folder: faces.folder().map(Path::to_owned),
            fingerprint: faces.fingerprint().to_owned(),
            task: training.task(),
            net: training.net_config().clone(),
            recipe: training.recipe_used().clone(),
            split: training.split().clone(),
            precision: training.precision_used(),
        };
        self.ranks.first_says(VERSION)?;
        self.ranks.first_says(Some(plan))?;
        Ok(())
    }

    /// Returns an error with a worker's last line if a worker has failed.
    fn check(&mut self) -> Result<()> {
        for (i, child) in self.running.iter_mut().enumerate() {
            if let Some(status) = child.try_wait()?
                && !status.success()
            {
                let text = fs::read_to_string(said(self.folder.path(), i + 1)).unwrap_or_default();
                let last = text.lines().rfind(|line| !line.trim().is_empty());
                bail!("worker {} ended ({status}): {}", i + 1, last.unwrap_or("no output"));
            }
        }
        Ok(())
    }

    /// Replaces an error caused by a lost worker with that worker's own error.
    fn explained(&mut self, error: anyhow::Error) -> anyhow::Error {
        if !Ranks::is_lost(&error) {
            return error;
        }
        // A killed worker takes a moment to end.
        for _ in 0..20 {
            if let Err(ended) = self.check() {
                return ended.context(
                    "a worker was lost: run the same again to resume from the last complete epoch",
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        error
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.running {
            // Workers do not write files, so nothing is lost.
            let _ = child.kill();
            let _ = child.wait();
        }
        tch::set_num_threads(self.threads);
    }
}

fn said(folder: &Path, rank: usize) -> PathBuf {
    folder.join(format!("worker-{rank}.txt"))
}

/// Receives the plan from the training that started this worker.
fn told(ranks: &Ranks) -> Result<Plan> {
    // The version comes first, because another version may use another format for the rest.
    let version = ranks.first_says(VERSION)?;
    ensure!(
        version == VERSION,
        "the worker has version {VERSION} of the training code, but the program that started it has \
         version {version}: restart the notebook's kernel or compile the program (./ror --version)"
    );
    let plan: Option<Plan> = ranks.first_says(None)?;
    plan.context("the worker received no training plan")
}

/// Opens the images of a training again: those in a folder, or what [`Faces::open`] opens.
fn opened(folder: Option<&Path>, fingerprint: &str, size: u32) -> Result<Faces> {
    let mut faces = match folder {
        Some(folder) => Faces::open_at(folder)?,
        None => Faces::open()?,
    };
    if faces.fingerprint() != fingerprint {
        faces = faces.readable(size)?; // as the program does
    }
    ensure!(
        faces.fingerprint() == fingerprint,
        "a worker opens the data set again and would find other images: use a data set from \
         Faces::open or Faces::open_at"
    );
    Ok(faces)
}

/// Rejects what workers can't do, because they are other processes and use the CPU.
fn check(training: &Training, workers: usize) -> Result<()> {
    ensure!((1..=1024).contains(&workers), "cannot train with {workers} workers: choose 1 to 1024");
    ensure!(
        !training.device_used().is_cuda(),
        "workers only train on the CPU: choose the CPU or start the program with torchrun, which \
         gives each process a GPU: torchrun --standalone --no-python --nproc-per-node {workers} ./ror train ..."
    );
    ensure!(
        training.is_plain(),
        "teachers and a custom network, loss or augmentation can't be sent to workers: train in \
         one process or start the program with torchrun"
    );
    if training.faces().folder().is_none() {
        opened(None, training.faces().fingerprint(), training.net_config().input())?;
    }
    Ok(())
}

/// Trains with `workers` processes on this machine, which share each batch and the CPU cores, or
/// loads the model if it was trained before.
///
/// A single process with all threads is usually as fast (docs/ranks.md). Each process normalizes
/// its own share of a batch, unless [`Recipe::synchronised`].
///
/// # Errors
/// The training uses a GPU, teachers, or a custom network, loss or augmentation; its images are not
/// from [`Faces::open`] or [`Faces::open_at`]; a worker ends; or an error of [`Training::train`].
pub fn train_or_load(training: Training, workers: usize) -> Result<Trained> {
    if workers == 1 {
        return training.train_or_load();
    }
    check(&training, workers)?;
    match training.is_done()? {
        true => training.train_or_load(),
        false => on_workers(training, workers),
    }
}

/// [`train_or_load`], but trains even if it was done before.
///
/// # Errors
/// As [`train_or_load`].
pub fn train(training: Training, workers: usize) -> Result<Trained> {
    if workers == 1 {
        return training.train();
    }
    check(&training, workers)?;
    on_workers(training, workers)
}

fn on_workers(training: Training, workers: usize) -> Result<Trained> {
    // Decode here instead of in each worker. The images of the first epoch stay in memory.
    let stages = training.recipe_used().progressive.iter().map(|stage| stage.size);
    for size in stages.chain([training.net_config().input()]).rev() {
        let _cached = training.faces().pictures(size)?;
    }
    let mut running = Workers::start(workers)?;
    running.tell(&training)?;
    let training = training.ranks(running.ranks.clone());
    training.train().map_err(|error| running.explained(error))
}

/// Runs one worker of [`train`]. The hidden command `worker` calls this.
///
/// # Errors
/// No training started this process, its images differ, or an error of [`Training::train`].
pub fn worker() -> Result<()> {
    ensure!(
        utils::launcher::rank() > 0,
        "workers are started by a training: use train --workers 2"
    );
    show_progress(false);
    // What it prints is shown only when it has failed. The training itself says what is waited for.
    let ranks = joined(Device::Cpu, |_| Arc::new(|_| {}))?;
    let plan = told(&ranks)?;
    let faces = opened(plan.folder.as_deref(), &plan.fingerprint, plan.net.input())?;
    Training::new(&faces, &plan.split, plan.task)
        .net(plan.net)
        .recipe(plan.recipe)
        .device(Device::Cpu)
        .precision(plan.precision)
        .ranks(ranks)
        .follow()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::two;
    use ror::data::SplitSizes;
    use ror::train::{Augmentation, Loss, Targets};
    use tch::Tensor;

    #[test]
    fn a_worker_of_another_version_refuses_the_training() {
        let found = two(|ranks| match ranks.is_first() {
            true => ranks.first_says(VERSION + 1).map(|_| String::new()).unwrap(),
            false => told(&ranks).err().unwrap().to_string(),
        });
        assert!(found[1].contains("restart the notebook's kernel"), "{found:?}");
    }

    /// In a synchronized step the gradient passes through sums over all ranks. If one rank's loss
    /// fails there, the other ranks report it as lost.
    #[test]
    fn a_rank_that_leaves_in_a_step_is_lost() {
        #[derive(Debug)]
        struct Leaves;
        impl Loss for Leaves {
            fn id(&self) -> String {
                "recipe".to_owned()
            }
            fn of(&self, _: &Tensor, _: &Targets) -> Result<Tensor> {
                bail!("left")
            }
        }
        let place = tempfile::tempdir().unwrap();
        // SAFETY: set before this process's first use of the store, and by this test alone.
        unsafe { std::env::set_var("ROR_MODELS", place.path()) };
        let faces = Faces::synthetic(120, 1).unwrap();
        let sizes = SplitSizes { train: 64, validation: 24, test: None, seed: 0 };
        let split = Split::new(&faces, faces.records(), &sizes).unwrap();
        let recipe = Recipe { batch: 16, synchronised: true, ..Recipe::quick(Task::Gender) };
        let errors = two(|ranks| {
            let is_first = ranks.is_first();
            let training =
                Training::new(&faces, &split, Task::Gender).recipe(recipe.clone()).ranks(ranks);
            match is_first {
                true => training.train().err(),
                false => training.loss(Leaves).follow().err(),
            }
        });
        let [first, second] = [0, 1].map(|rank| errors[rank].as_ref().unwrap());
        assert!(Ranks::is_lost(first), "{first:#}");
        assert_eq!(second.to_string(), "left");
    }

    #[test]
    fn workers_are_refused_what_they_can_not_do() -> Result<()> {
        #[derive(Debug)]
        struct Same;
        impl Augmentation for Same {
            fn id(&self) -> String {
                "same".to_owned()
            }
            fn apply(&self, images: &Tensor) -> Result<Tensor> {
                Ok(images.shallow_clone())
            }
        }
        let folder = tempfile::tempdir()?;
        synthetic::write_folder(folder.path(), &synthetic::population(100, 3))?;
        let (synthetic, faces) = (Faces::synthetic(200, 5)?, Faces::open_at(folder.path())?);
        let split = |faces: &Faces| {
            let sizes = SplitSizes { train: 40, validation: 10, test: None, seed: 0 };
            Split::new(faces, faces.records(), &sizes)
        };
        let (other, own) = (split(&synthetic)?, split(&faces)?);
        let on = |faces, split| Training::new(faces, split, Task::Gender).device(Device::Cpu);
        for (training, says) in [
            (on(&faces, &own).device(Device::Cuda(1)), "torchrun --standalone --no-python"),
            (on(&faces, &own).augmentation(Same), "can't be sent to workers"),
            (on(&synthetic, &other), "would find other images"),
        ] {
            let refused = format!("{:#}", train(training, 2).unwrap_err());
            assert!(refused.contains(says), "{refused}");
        }
        Ok(())
    }
}
