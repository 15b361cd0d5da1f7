//! A training on several processes of this machine, started by the one that asks for it; torchrun
//! does the same for many machines.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};
use tempfile::TempDir;

use super::training::calibrate;
use crate::Task;
use crate::data::Faces;
use crate::model::{Net, NetConfig};
use crate::support::files;
use crate::support::progress::{outside_notebook, quiet};
use crate::support::ranks::{LOCAL, Lost, Ranks, local_store};
use crate::train::fit::{Fit, fit};
use crate::train::{Recipe, RecipeLoss, VERSION};

/// What a worker is told of a training. All numbers of the net come by the ranks themselves.
#[derive(Serialize, Deserialize)]
struct Plan {
    /// Where the pictures are; none for synthetic ones.
    folder: Option<PathBuf>,
    fingerprint: String,
    task: Task,
    net: NetConfig,
    recipe: Recipe,
    train: Vec<usize>,
    validation: Vec<usize>,
    bf16: bool,
}

/// Processes that train on the CPU together with this one; they end with this.
pub(super) struct Workers {
    pub(super) ranks: Ranks,
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
    let built = files::home().join("target").join("bin").join("ror");
    ensure!(
        built.is_file(),
        "workers are processes of the program, which is not at {}: run make setup",
        built.display()
    );
    Ok(built)
}

impl Workers {
    /// Starts all but the first of `size` ranks, and waits until they are there.
    pub(super) fn start(size: usize) -> Result<Self> {
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
            while !store.has(&Ranks::ready(rank))? {
                workers.check()?;
                crate::keep_going()?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        workers.ranks = Ranks::join(&store, "0", 0, size, Device::Cpu, LOCAL)?;
        tch::set_num_threads(threads);
        Ok(workers)
    }

    /// Tells the workers what to train.
    pub(super) fn tell(&self, fit: &Fit, net: &NetConfig) -> Result<()> {
        let plan = Plan {
            folder: fit.faces.folder().map(Path::to_owned),
            fingerprint: fit.faces.fingerprint().to_owned(),
            task: fit.task,
            net: net.clone(),
            recipe: fit.recipe.clone(),
            train: fit.train.to_vec(),
            validation: fit.validation.to_vec(),
            bf16: fit.kind == Kind::BFloat16,
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
    pub(super) fn explained(&mut self, error: anyhow::Error) -> anyhow::Error {
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

/// The pictures of a training, opened anew: those in a folder, or what [`Faces::open`] opens.
pub(super) fn opened(folder: Option<&Path>, fingerprint: &str) -> Result<Faces> {
    let faces = match folder {
        Some(folder) => Faces::at(folder)?,
        None => Faces::open()?,
    };
    ensure!(
        faces.fingerprint() == fingerprint,
        "a worker opens the data set anew, and would find other pictures: workers train on what \
         Faces::open or Faces::at opens"
    );
    Ok(faces)
}

/// Runs one worker of [`Training::workers`](super::Training::workers): what the hidden command
/// `worker` does.
///
/// # Errors
/// No training that started this process, other pictures than that has, or what
/// [`Training::run`](super::Training::run) may give.
pub fn worker() -> Result<()> {
    ensure!(
        crate::support::ranks::rank() > 0,
        "a worker is started by a training that asks for it: train --workers 2"
    );
    quiet();
    let ranks = Ranks::here(Device::Cpu)?;
    let plan = told(&ranks)?;
    let faces = opened(plan.folder.as_deref(), &plan.fingerprint)?;
    let net = Net::new(plan.net, Device::Cpu, 0)?;
    let fit_ = Fit {
        faces: &faces,
        train: &plan.train,
        validation: &plan.validation,
        task: plan.task,
        recipe: &plan.recipe,
        loss: &RecipeLoss::new(plan.task, &plan.recipe),
        augmentation: None,
        teachers: &[],
        kind: if plan.bf16 { Kind::BFloat16 } else { Kind::Float },
        ranks: &ranks,
    };
    fit(&net, fit_, Path::new(""))?;
    calibrate(&net, fit_)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::ranks::two;

    #[test]
    fn a_worker_of_another_version_refuses_the_training() {
        let found = two(|ranks| match ranks.is_first() {
            true => ranks.first_says(VERSION + 1).map(|_| String::new()).unwrap(),
            false => told(&ranks).err().unwrap().to_string(),
        });
        assert!(found[1].contains("restart the notebook's kernel"), "{found:?}");
    }
}
