//! What all waits share: the data, the programs, and photographs that are made for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use image::{DynamicImage, RgbImage, imageops};
use ror::data::{Faces, decode};

use crate::processes::{make, measured, timed};
use crate::project;
use crate::table::Measured;

/// What all waits share.
pub struct Bench {
    /// UTKFace, unpacked.
    pub folder: PathBuf,
    /// This program, and the Python that has the rivals.
    pub own: PathBuf,
    pub python: PathBuf,
    /// For what is made on the way.
    pub temporary: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Result<Self> {
        let data = std::env::var_os("ROR_DATA")
            .context("set ROR_DATA to UTKFace: the benchmark is of the real data")?;
        // An archive is unpacked first: unpacking is no rival's task.
        let folder = Faces::open_at(&data)?
            .folder()
            .context("ROR_DATA holds no folder of pictures")?
            .canonicalize()?;
        let python = std::env::var_os("PYTHON").context("run `make bench`, which sets PYTHON")?;
        Ok(Self {
            folder,
            own: std::env::current_exe()?,
            python: python.into(),
            temporary: tempfile::tempdir()?,
        })
    }

    pub fn folder(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }

    /// A folder of every tenth picture.
    pub fn tenth(&self) -> Result<String> {
        let folder = self.temporary.path().join("tenth");
        std::fs::create_dir(&folder)?;
        for file in project::files_in(&self.folder)?.into_iter().step_by(10) {
            std::fs::copy(&file, folder.join(file.file_name().context("a picture has a name")?))?;
        }
        Ok(folder.to_string_lossy().into_owned())
    }

    /// A folder for what ours caches, empty.
    pub fn cache(&self) -> Result<PathBuf> {
        let cache = self.temporary.path().join("cache");
        if cache.exists() {
            std::fs::remove_dir_all(&cache)?;
        }
        Ok(cache)
    }

    pub fn own_command(&self, wait: &str, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.own);
        command.arg("--measure").arg(wait).args(arguments);
        command
    }

    pub fn rival_command(&self, script: &str, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(project::home().join("benches").join("rivals").join(script)).args(arguments);
        command
    }

    pub fn ours(&self, cache: Option<&Path>, wait: &str, arguments: &[String]) -> Result<Measured> {
        let mut command = self.own_command(wait, arguments);
        if let Some(cache) = cache {
            command.env("ROR_CACHE", cache);
        }
        measured(&mut command)
    }

    pub fn rival(&self, script: &str, arguments: &[String]) -> Result<Measured> {
        measured(&mut self.rival_command(script, arguments))
    }

    /// The same command as two processes of one thread each.
    pub fn two_ranks(&self, command: &Command) -> Command {
        let mut two = Command::new(&self.python);
        two.args(["-m", "torch.distributed.run", "--standalone", "--no-python"]);
        two.args(["--nproc-per-node", "2"]).arg(command.get_program()).args(command.get_args());
        two.env("OMP_NUM_THREADS", "1");
        two
    }

    /// A folder of `n` photographs of 640 x 480, each made of two in the folder that `ROR_PHOTOS`
    /// names, side by side.
    pub fn photos(&self, n: usize) -> Result<String> {
        let from = std::env::var_os("ROR_PHOTOS")
            .context("set ROR_PHOTOS to a folder of photographs with faces")?;
        let mut sources = project::files_in(from)?;
        sources.retain(|path| path.extension().is_some_and(|ending| ending == "jpg"));
        ensure!(!sources.is_empty(), "there are no .jpg files in the folder ROR_PHOTOS names");
        let folder = self.temporary.path().join(format!("photos-{n}"));
        std::fs::create_dir(&folder)?;
        let filter = imageops::FilterType::CatmullRom;
        let half = |i: usize| -> Result<RgbImage> {
            let picture = decode(&std::fs::read(&sources[i % sources.len()])?)?;
            let half = DynamicImage::from(picture).resize_to_fill(320, 480, filter);
            // Every other time around mirrored.
            let mirrored = i / sources.len() % 2 == 1;
            Ok(if mirrored { half.fliph() } else { half }.into_rgb8())
        };
        for i in 0..n {
            let mut photo = RgbImage::new(640, 480);
            imageops::replace(&mut photo, &half(2 * i)?, 0, 0);
            imageops::replace(&mut photo, &half(2 * i + 1)?, 320, 0);
            photo.save(folder.join(format!("{i:04}.jpg")))?;
        }
        Ok(folder.to_string_lossy().into_owned())
    }

    /// How far resized pictures are from Pillow's: benches/resize.csv.
    pub fn resize(&self) -> Result<()> {
        let mut csv = String::from("size,mean,largest,above_1,above_3\n");
        for size in ["32", "64"] {
            let cache = self.cache()?;
            self.ours(Some(&cache), "decode", &[self.folder(), size.to_owned()])?;
            let resized = std::fs::read_dir(&cache)?
                .filter_map(|entry| Some(entry.ok()?.path()))
                .find(|path| path.extension().is_some_and(|ending| ending == "bin"))
                .context("no resized pictures were kept")?;
            let output = Command::new(&self.python)
                .arg(project::home().join("benches/rivals/resize_error.py"))
                .arg(&self.folder)
                .arg(size)
                .arg(resized)
                .stderr(Stdio::inherit())
                .output()?;
            ensure!(output.status.success(), "the pictures could not be compared");
            csv += &String::from_utf8(output.stdout)?;
        }
        print!("{csv}");
        let path = project::home().join("benches").join("resize.csv");
        project::write(&path, &csv)
    }

    /// `make run` in a clone, with an empty home and nothing of cargo's.
    pub fn make_from_nothing(&self) -> Result<Measured> {
        let clone = self.temporary.path().join("clone");
        let home = self.temporary.path().join("home");
        std::fs::create_dir(&home)?;
        let cloned =
            Command::new("git").args(["clone", "-q"]).arg(project::home()).arg(&clone).status()?;
        ensure!(cloned.success(), "the project could not be cloned");
        let mut command = make("run");
        // The compiler is there beforehand.
        if std::env::var_os("RUSTUP_HOME").is_none()
            && let Some(home) = std::env::var_os("HOME")
        {
            command.env("RUSTUP_HOME", Path::new(&home).join(".rustup"));
        }
        command.current_dir(&clone).env("HOME", &home).env("CARGO_HOME", home.join(".cargo"));
        timed(&mut command)
    }
}
