//! Processes that are timed, ours and others in turn.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::project;
use crate::table::{self, Measured, Row, close};

/// Times each thing is done, in turn with its rivals.
pub const RUNS: usize = 5;

/// Another process that keeps one core busy until this is dropped.
pub struct Busy(Child);

impl Busy {
    pub fn new(python: &Path) -> Result<Self> {
        Ok(Self(Command::new(python).args(["-c", "while True: pass"]).spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn make(what: &str) -> Command {
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

pub fn timed(command: &mut Command) -> Result<Measured> {
    let start = Instant::now();
    ensure!(command.status()?.success(), "{command:?} failed");
    Ok(Measured::of(start.elapsed().as_secs_f64()))
}

pub fn alone(wait: &str, ours: Measured) -> Row {
    Row { wait: wait.to_owned(), ours: vec![ours], rival: vec![] }
}

/// The same command, on the first core alone.
pub fn on_one_core(command: &Command) -> Command {
    let mut one = Command::new("taskset");
    one.args(["-c", "0"]).arg(command.get_program()).args(command.get_args());
    one.env("OMP_NUM_THREADS", "1");
    one
}

/// Refuses rows whose sides did not find the same faces and answer alike.
pub fn same_faces(rows: &[Row]) -> Result<()> {
    for row in rows {
        close(row, "faces", 0.05)?;
        close(row, "female", 0.03)?;
        close(row, "years", 0.5)?;
    }
    Ok(())
}

pub type Rival<'a> = &'a dyn Fn() -> Result<Measured>;

/// Ours and its rivals in turn, `RUNS` times: a row a rival.
pub fn in_turn(
    wait: &str,
    ours: impl Fn() -> Result<Measured>,
    rivals: &[Rival],
) -> Result<Vec<Row>> {
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

pub fn of_cells(runs: &[Measured]) -> Vec<Measured> {
    runs.iter().map(|run| Measured { seconds: run.check["cell"], ..run.clone() }).collect()
}

/// Runs a process that prints what it measured in its last line.
pub fn measured(command: &mut Command) -> Result<Measured> {
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
