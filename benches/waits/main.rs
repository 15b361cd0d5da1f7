//! What a user waits for, beside its rivals in the same run: `make bench`.
//!
//! Each side of a wait runs in a process of its own, in turn with its rivals, and prints what it
//! measured as JSON. The table goes to benches/results.csv and into docs/speed.md; a wait that is
//! measured again replaces its rows there.

mod growth;
mod ours;
mod project;
mod shards;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use image::{DynamicImage, RgbImage, imageops};
use ror::data::{Faces, decode};
use ror::store::DEFAULT_MODEL;
use table::{Measured, Row, close};

/// Times each thing is done, in turn with its rivals.
const RUNS: usize = 5;

/// The waits by name, in the order of the table; those behind `make bench` without a name.
const WAITS: [&str; 6] = ["decode", "load", "train", "predict", "folder", "kernel"];
/// Those that must be named: they take long, or write figures.
const MORE: [&str; 11] = [
    "busy", "fast", "photo", "photos", "ranks", "shards", "nothing", "make", "growth", "figures",
    "resize",
];

fn main() -> Result<()> {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, name, rest @ ..] = &arguments[..]
        && flag == "--measure"
    {
        let measured = serde_json::to_string(&ours::measure(name, rest)?)?;
        if utils::launcher::rank() == 0 {
            println!("{measured}");
        }
        return Ok(());
    }
    for name in &arguments {
        ensure!(
            WAITS.contains(&name.as_str()) || MORE.contains(&name.as_str()),
            "there is no wait {name}: choose among {} {}",
            WAITS.join(" "),
            MORE.join(" ")
        );
    }
    let names: Vec<&str> = match arguments.is_empty() {
        true => WAITS.to_vec(),
        false => arguments.iter().map(String::as_str).collect(),
    };
    let bench = Bench::new()?;
    for name in names {
        eprintln!("== {name}");
        match name {
            "growth" => growth::measure(&bench)?,
            "shards" => shards::measure(&bench)?,
            "figures" => {
                growth::draw()?;
                shards::write_table()?;
                table::keep(&[])?;
            }
            "resize" => bench.resize()?,
            _ => {
                let rows = bench.wait(name)?;
                for row in &rows {
                    println!("{row}");
                }
                table::keep(&rows)?;
            }
        }
    }
    Ok(())
}

/// What all waits share.
pub struct Bench {
    /// UTKFace, unpacked.
    folder: PathBuf,
    /// This program, and the Python that has the rivals.
    own: PathBuf,
    python: PathBuf,
    /// For what is made on the way.
    temporary: tempfile::TempDir,
}

impl Bench {
    fn new() -> Result<Self> {
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

    fn folder(&self) -> String {
        self.folder.to_string_lossy().into_owned()
    }

    /// A folder for what ours caches, empty.
    fn cache(&self) -> Result<PathBuf> {
        let cache = self.temporary.path().join("cache");
        if cache.exists() {
            std::fs::remove_dir_all(&cache)?;
        }
        Ok(cache)
    }

    fn own_command(&self, wait: &str, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.own);
        command.arg("--measure").arg(wait).args(arguments);
        command
    }

    fn rival_command(&self, script: &str, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(project::home().join("benches").join("rivals").join(script)).args(arguments);
        command
    }

    fn ours(&self, cache: Option<&Path>, wait: &str, arguments: &[String]) -> Result<Measured> {
        let mut command = self.own_command(wait, arguments);
        if let Some(cache) = cache {
            command.env("ROR_CACHE", cache);
        }
        measured(&mut command)
    }

    fn rival(&self, script: &str, arguments: &[String]) -> Result<Measured> {
        measured(&mut self.rival_command(script, arguments))
    }

    /// The same command as two processes of one thread each.
    fn two_ranks(&self, command: &Command) -> Command {
        let mut two = Command::new(&self.python);
        two.args(["-m", "torch.distributed.run", "--standalone", "--no-python"]);
        two.args(["--nproc-per-node", "2"]).arg(command.get_program()).args(command.get_args());
        two.env("OMP_NUM_THREADS", "1");
        two
    }

    /// A folder of `n` photographs of 640 x 480, each made of two in the folder that `ROR_PHOTOS`
    /// names, side by side.
    fn photos(&self, n: usize) -> Result<String> {
        let from = std::env::var_os("ROR_PHOTOS")
            .context("set ROR_PHOTOS to a folder of photographs with faces")?;
        let mut sources = ours::files_in(from)?;
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

    fn wait(&self, name: &str) -> Result<Vec<Row>> {
        let words = |words: &[&str]| -> Vec<String> { words.iter().map(|w| (*w).into()).collect() };
        let card = |name: &str| {
            let path = project::home().join("models").join(format!("{name}.json"));
            path.to_string_lossy().into_owned()
        };
        Ok(match name {
            "decode" => {
                let arguments = words(&[&self.folder(), "32"]);
                let rows = in_turn(
                    "decode + resize all 23,708 to 32 px, cold",
                    || self.ours(Some(&self.cache()?), "decode", &arguments),
                    &[&|| self.rival("decode_pillow.py", &arguments), &|| {
                        self.rival("decode_torchvision.py", &arguments)
                    }],
                )?;
                for row in &rows {
                    close(row, "pictures", 0.0)?;
                    close(row, "level", 0.5)?;
                }
                rows
            }
            "load" => {
                let cache = self.cache()?;
                let arguments = words(&[&self.folder(), "32"]);
                self.ours(Some(&cache), "decode", &arguments)?;
                let array = self.temporary.path().join("pictures.npy");
                let array = array.to_string_lossy().into_owned();
                let script = project::home().join("benches/rivals/load_array.py");
                let made = Command::new(&self.python)
                    .arg(script)
                    .args([&array, "23708", "32"])
                    .status()?;
                ensure!(made.success(), "the original's array could not be made");
                let mut rows = in_turn(
                    "second load of all at 32 px",
                    || self.ours(Some(&cache), "load", &arguments),
                    &[&|| self.rival("load_array.py", std::slice::from_ref(&array))],
                )?;
                // What the pictures add to a process: libtorch has its own tens of megabytes.
                for run in rows.iter_mut().flat_map(|row| &mut row.ours) {
                    run.peak_mb = run.check["resident_mb"];
                }
                rows
            }
            "train" => {
                let mut rows = vec![];
                for (size, card) in [("32", card("both-32px")), ("64", card("both-64px"))] {
                    let own = words(&[&card, size, "128", "20"]);
                    let rival = |mode: &str| words(&[&card, size, "128", "20", mode]);
                    let (eager, compile) = (rival("eager"), rival("compile"));
                    rows.extend(in_turn(
                        &format!("training step, {size} px, batch 128, bf16"),
                        || self.ours(None, "train", &own),
                        &[
                            &|| self.rival("train.py", &eager),
                            &|| self.rival("train.py", &compile),
                            &|| self.rival("train_keras.py", &own),
                        ],
                    )?);
                }
                rows.iter().try_for_each(|row| close(row, "parameters", 0.0))?;
                rows
            }
            "busy" => {
                let own = words(&[&card("both-32px"), "32", "128", "20"]);
                let eager = [own.clone(), words(&["eager"])].concat();
                let _other = Busy::new(&self.python)?;
                in_turn(
                    "training step, 32 px, batch 128, bf16, beside another busy process",
                    || self.ours(None, "train", &own),
                    &[
                        &|| {
                            let mut rival = self.rival_command("train.py", &eager);
                            measured(rival.env_remove("GOMP_SPINCOUNT"))
                        },
                        &|| {
                            let mut one = self.own_command("train", &own);
                            let one = measured(one.env("OMP_NUM_THREADS", "1"))?;
                            Ok(Measured { name: "this, one thread".into(), ..one })
                        },
                        &|| {
                            let mut spinning = self.own_command("train", &own);
                            let spinning = measured(spinning.env_remove("GOMP_SPINCOUNT"))?;
                            Ok(Measured { name: "this, libgomp's defaults".into(), ..spinning })
                        },
                    ],
                )?
            }
            "predict" => {
                let files = ours::files_in(&self.folder)?.into_iter().step_by(237);
                let some = files.map(|file| file.to_string_lossy().into_owned());
                let own: Vec<String> = ["200".into()].into_iter().chain(some).collect();
                let arguments: Vec<String> =
                    [card(DEFAULT_MODEL)].into_iter().chain(own.clone()).collect();
                let rows = in_turn(
                    "predict one picture, file to prediction",
                    || self.ours(None, "predict", &own),
                    &[&|| self.rival("predict_one.py", &arguments)],
                )?;
                rows.iter().try_for_each(|row| close(row, "female", 0.01))?;
                rows
            }
            "folder" => {
                let own = words(&[&self.folder()]);
                let arguments = words(&[&card(DEFAULT_MODEL), &self.folder()]);
                let rows = in_turn(
                    "predict a folder of 23,708",
                    || self.ours(None, "folder", &own),
                    &[&|| self.rival("predict_folder.py", &arguments)],
                )?;
                for row in &rows {
                    close(row, "pictures", 0.0)?;
                    close(row, "female", 0.005)?;
                    close(row, "years", 0.2)?;
                }
                rows
            }
            "fast" => {
                let parts = self.temporary.path().join("parts");
                std::fs::create_dir(&parts)?;
                let parts = parts.to_string_lossy().into_owned();
                self.ours(None, "parts", &[self.folder(), parts.clone()])?;
                let rival = self.rival("train_original.py", &[parts])?;
                eprintln!("the original's net in Keras: {rival:?}");
                let own = words(&[&self.folder(), &rival.check["accuracy"].to_string()]);
                let mut command = self.own_command("fast", &own);
                let ours = measured(command.env("ROR_MODELS", self.temporary.path()))?;
                eprintln!("the fast training: {ours:?}");
                // Once: a training takes minutes, and its seconds vary by a few percent.
                let wait = "gender as right as the original's net is at its end, 32 px";
                vec![Row { wait: wait.into(), ours: vec![ours], rival: vec![rival] }]
            }
            "photo" => {
                let own = words(&["200", &self.photos(200)?]);
                let arguments = words(&[&card(DEFAULT_MODEL), &own[0], &own[1]]);
                let rows = in_turn(
                    "predict the faces of a photo of 640 x 480, on one core",
                    || measured(&mut on_one_core(&self.own_command("photo", &own))),
                    &[&|| {
                        let rival = self.rival_command("predict_photo.py", &arguments);
                        measured(&mut on_one_core(&rival))
                    }],
                )?;
                same_faces(&rows)?;
                rows
            }
            "photos" => {
                let own = words(&[&self.photos(1000)?]);
                let arguments = words(&[&card(DEFAULT_MODEL), &own[0]]);
                let rows = in_turn(
                    "predict the faces of a folder of 1,000 photos of 640 x 480",
                    || self.ours(None, "photos", &own),
                    &[&|| self.rival("predict_photos.py", &arguments)],
                )?;
                same_faces(&rows)?;
                rows
            }
            "ranks" => {
                let own = words(&[&card("both-32px"), "32", "128", "20"]);
                let ours = || measured(&mut self.two_ranks(&self.own_command("train", &own)));
                let ddp = || measured(&mut self.two_ranks(&self.rival_command("ddp.py", &own)));
                let one = || {
                    let threads = Measured {
                        name: "one process, two threads".into(),
                        ..self.ours(None, "train", &own)?
                    };
                    Ok(threads)
                };
                let mut rows = in_turn(
                    "training step of two ranks of a thread, 32 px, batch 128, bf16",
                    ours,
                    &[&ddp, &one],
                )?;
                let sum = words(&["50"]);
                rows.extend(in_turn(
                    "all-reduce of 11 MB between two ranks",
                    || measured(&mut self.two_ranks(&self.own_command("sum", &sum))),
                    &[&|| {
                        measured(&mut self.two_ranks(&self.rival_command("all_reduce.py", &sum)))
                    }],
                )?);
                rows
            }
            "kernel" => {
                let own = words(&["ours", &self.folder()]);
                let arguments = words(&["keras", &self.folder()]);
                let rows = in_turn(
                    "fresh kernel to first plot",
                    || self.rival("notebook.py", &own),
                    &[&|| self.rival("notebook.py", &arguments)],
                )?;
                let cells = rows.iter().map(|row| Row {
                    wait: "a plain cell".into(),
                    ours: of_cells(&row.ours),
                    rival: of_cells(&row.rival),
                });
                let cells: Vec<Row> = cells.collect();
                rows.into_iter().chain(cells).collect()
            }
            "nothing" => {
                let wait = "make run from nothing, downloads included";
                vec![alone(wait, self.make_from_nothing()?)]
            }
            "make" => {
                let drawn = || {
                    let mut run = make("run");
                    run.env_remove("ROR_DATA");
                    run
                };
                // What they compile and train they then have.
                timed(&mut make("test"))?;
                timed(&mut drawn())?;
                vec![
                    alone("make run, the second time", timed(&mut drawn())?),
                    alone("make test, warm", timed(&mut make("test"))?),
                ]
            }
            other => bail!("there is no wait {other}"),
        })
    }

    /// How far resized pictures are from Pillow's: benches/resize.csv.
    fn resize(&self) -> Result<()> {
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
    fn make_from_nothing(&self) -> Result<Measured> {
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

/// Another process that keeps one core busy until this is dropped.
struct Busy(Child);

impl Busy {
    fn new(python: &Path) -> Result<Self> {
        Ok(Self(Command::new(python).args(["-c", "while True: pass"]).spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn make(what: &str) -> Command {
    let mut command = Command::new("make");
    // A make in a make would hand on its options.
    command
        .arg(what)
        .current_dir(project::home())
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .stdout(Stdio::null());
    command
}

fn timed(command: &mut Command) -> Result<Measured> {
    let start = Instant::now();
    ensure!(command.status()?.success(), "{command:?} failed");
    Ok(Measured::of(start.elapsed().as_secs_f64()))
}

fn alone(wait: &str, ours: Measured) -> Row {
    Row { wait: wait.to_owned(), ours: vec![ours], rival: vec![] }
}

/// The same command, on the first core alone.
fn on_one_core(command: &Command) -> Command {
    let mut one = Command::new("taskset");
    one.args(["-c", "0"]).arg(command.get_program()).args(command.get_args());
    one.env("OMP_NUM_THREADS", "1");
    one
}

/// Refuses rows whose sides did not find the same faces and answer alike.
fn same_faces(rows: &[Row]) -> Result<()> {
    for row in rows {
        close(row, "faces", 0.05)?;
        close(row, "female", 0.03)?;
        close(row, "years", 0.5)?;
    }
    Ok(())
}

type Rival<'a> = &'a dyn Fn() -> Result<Measured>;

/// Ours and its rivals in turn, `RUNS` times: a row a rival.
fn in_turn(wait: &str, ours: impl Fn() -> Result<Measured>, rivals: &[Rival]) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> =
        rivals.iter().map(|_| Row { wait: wait.to_owned(), ours: vec![], rival: vec![] }).collect();
    for run in 1..=RUNS {
        let own = ours()?;
        eprint!("{wait}, run {run} of {RUNS}: {}", table::time(own.seconds));
        for (row, rival) in rows.iter_mut().zip(rivals) {
            row.ours.push(own.clone());
            row.rival.push(rival()?);
            let rival = row.rival.last().map_or(f64::NAN, |rival| rival.seconds);
            eprint!(", rival {}", table::time(rival));
        }
        eprintln!();
    }
    Ok(rows)
}

fn of_cells(runs: &[Measured]) -> Vec<Measured> {
    runs.iter().map(|run| Measured { seconds: run.check["cell"], ..run.clone() }).collect()
}

/// Runs a process that prints what it measured in its last line.
fn measured(command: &mut Command) -> Result<Measured> {
    let output = command.stderr(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = text.lines().last().context("nothing was measured")?;
    serde_json::from_str(line).with_context(|| format!("{command:?} printed {line}"))
}
