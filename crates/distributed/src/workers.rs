//! A training on several processes of this machine, started by the one that asks for it; torchrun
//! does the same for many machines.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
use ror::{Lost, Precision, Ranks, Task};
use utils::live::keep_going;
use utils::paths;
use utils::progress::{outside_notebook, quiet};

use crate::group::{LOCAL, join, local_store, ranks, ready};

/// What a worker is told of a training. All numbers of the net come by the ranks themselves.
#[derive(Serialize, Deserialize)]
struct Plan {
    /// Where the pictures are; none for synthetic ones.
    folder: Option<PathBuf>,
    fingerprint: String,
    task: Task,
    net: NetConfig,
    recipe: Recipe,
    split: Split,
    precision: Precision,
}

/// Processes that train on the CPU together with this one; they end with this.
struct Workers {
    ranks: Ranks,
    running: Vec<Child>,
    /// Threads of this process before it shared them.
    threads: i32,
    /// What they say goes to files here.
    folder: TempDir,
}

/// The program that runs a worker: what a kernel says, this one, or that of the project.
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
        .context("workers are processes of the program `ror`: set ROR_PROGRAM to its path")?;
    let built = clone.join("target").join("bin").join("ror");
    ensure!(
        built.is_file(),
        "workers are processes of the program, which is not at {}: run make setup",
        built.display()
    );
    Ok(built)
}

impl Workers {
    /// Starts all but the first of `size` ranks, and waits until they are there.
    fn start(size: usize) -> Result<Self> {
        let program = program()?;
        let store = local_store()?;
        let all = tch::get_num_threads();
        let threads = (all / size as i32).max(1);
        let folder = tempfile::tempdir().context("no temporary folder for workers")?;
        // Those that run end with it where another can't be started.
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
            // Of a torchrun around all this: the workers have an attempt of their own.
            command.env_remove("TORCHELASTIC_RESTART_COUNT");
            outside_notebook(&mut command);
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn();
            let child = child.with_context(|| format!("cannot start {}", program.display()))?;
            workers.running.push(child);
        }
        for rank in 1..size {
            while !store.has(&ready(rank))? {
                workers.check()?;
                keep_going()?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        workers.ranks = join(&store, "0", 0, size, Device::Cpu, LOCAL)?;
        tch::set_num_threads(threads);
        Ok(workers)
    }

    /// Tells the workers what to train.
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

    /// An error where a worker has ended without success, with what it said last.
    fn check(&mut self) -> Result<()> {
        for (i, child) in self.running.iter_mut().enumerate() {
            if let Some(status) = child.try_wait()?
                && !status.success()
            {
                let text = fs::read_to_string(said(self.folder.path(), i + 1)).unwrap_or_default();
                let last = text.lines().rfind(|line| !line.trim().is_empty());
                bail!("worker {} ended ({status}): {}", i + 1, last.unwrap_or("without a word"));
            }
        }
        Ok(())
    }

    /// An error of this process, or what a worker said last where it was lost.
    fn explained(&mut self, error: anyhow::Error) -> anyhow::Error {
        if !error.is::<Lost>() {
            return error;
        }
        // One that is being killed takes a moment to be gone.
        for _ in 0..20 {
            if let Err(ended) = self.check() {
                return ended.context(
                    "a worker was lost; run the same again to go on from the last whole epoch",
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
            // They write nothing, so nothing is lost.
            let _ = child.kill();
            let _ = child.wait();
        }
        tch::set_num_threads(self.threads);
    }
}

fn said(folder: &Path, rank: usize) -> PathBuf {
    folder.join(format!("worker-{rank}.txt"))
}

/// What the training that started this worker says of itself.
fn told(ranks: &Ranks) -> Result<Plan> {
    // First, since another version may say all else otherwise.
    let version = ranks.first_says(VERSION)?;
    ensure!(
        version == VERSION,
        "a worker's program trains by version {VERSION} of the training code, and what started it by \
         version {version}: restart the notebook's kernel, or compile the program (./ror --version)"
    );
    let plan: Option<Plan> = ranks.first_says(None)?;
    plan.context("the training that started this worker said nothing")
}

/// The images of a training, opened again: those in a folder, or what [`Faces::open`] opens.
fn opened(folder: Option<&Path>, fingerprint: &str) -> Result<Faces> {
    let faces = match folder {
        Some(folder) => Faces::at(folder)?,
        None => Faces::open()?,
    };
    ensure!(
        faces.fingerprint() == fingerprint,
        "a worker opens the data set again, and would find other images: workers train on what \
         Faces::open or Faces::at opens"
    );
    Ok(faces)
}

/// Refuses what workers can't do, since they are other processes and meet on the CPU.
fn check(training: &Training, workers: usize) -> Result<()> {
    ensure!((1..=1024).contains(&workers), "{workers} workers: choose 1 to 1024");
    ensure!(
        !training.device_used().is_cuda(),
        "workers train on the CPU: choose it, or start the program by torchrun, which gives each \
         process a GPU: torchrun --standalone --no-python --nproc-per-node {workers} ./ror train ..."
    );
    ensure!(
        training.is_plain(),
        "teachers, and a custom network, loss or augmentation, can't be sent to workers: train in \
         one process, or start the program by torchrun"
    );
    if training.faces().folder().is_none() {
        opened(None, training.faces().fingerprint())?;
    }
    Ok(())
}

/// Trains on so many processes of this machine, which share every batch and the cores of the CPU, or
/// loads what was trained before.
///
/// A single process with all threads is usually as fast (docs/ranks.md). Each process normalizes its
/// own share of a batch, unless [`Recipe::synchronised`].
///
/// # Errors
/// A GPU, teachers, or a custom network, loss or augmentation, which workers can't have; images other
/// than those [`Faces::open`] or [`Faces::at`] opens; a worker that ends; or what [`Training::train`]
/// returns.
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
    // Decoded here, and not by each of them; those of the first epoch stay in memory.
    let stages = training.recipe_used().progressive.iter().map(|stage| stage.size);
    for size in stages.chain([training.net_config().input()]).rev() {
        training.faces().pictures(size)?;
    }
    let mut running = Workers::start(workers)?;
    running.tell(&training)?;
    let training = training.ranks(running.ranks.clone());
    training.train().map_err(|error| running.explained(error))
}

/// Runs one worker of [`train`], which the hidden command `worker` starts.
///
/// # Errors
/// No training that started this process, other images than it has, or what [`Training::train`] returns.
pub fn worker() -> Result<()> {
    ensure!(
        utils::launcher::rank() > 0,
        "a worker is started by a training that asks for it: train --workers 2"
    );
    quiet();
    let ranks = ranks(Device::Cpu)?;
    let plan = told(&ranks)?;
    let faces = opened(plan.folder.as_deref(), &plan.fingerprint)?;
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

    /// In a synchronized step the gradient passes through sums over all ranks; one whose loss fails
    /// there leaves, and the others say so.
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
        assert!(first.is::<Lost>(), "{first:#}");
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
        let (synthetic, faces) = (Faces::synthetic(200, 5)?, Faces::at(folder.path())?);
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
