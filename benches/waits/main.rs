//! What a user waits for, beside Pillow in the same run: `make bench`.
//!
//! Loads the data set at `ROR_DATA` cold (nothing cached, files in the page cache) and warm,
//! in turn with Pillow, and predicts single pictures; prints medians with their range and
//! writes `benches/results.csv`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ror::dataset::Faces;
use ror::tch::Kind;
use ror::{Predictor, files};

/// Times each thing is done, in turn with its rival.
const RUNS: usize = 5;
const SIZE: u32 = 32;

fn main() -> Result<()> {
    let data = std::env::var_os("ROR_DATA")
        .context("set ROR_DATA to UTKFace: the benchmark is of the real data")?;
    // An archive is unpacked first: unpacking is no rival's task.
    let folder = Faces::at(&data)?
        .folder()
        .context("ROR_DATA holds no folder of pictures")?
        .to_owned();
    let cache = std::env::temp_dir().join(format!("ror-bench-{}", std::process::id()));
    // SAFETY: before any other thread is there.
    unsafe { std::env::set_var("ROR_CACHE", &cache) };
    let result = measure(&folder, &cache);
    std::fs::remove_dir_all(&cache)?;
    let rows = result?;

    let mut csv = String::from("wait,ours,rival,rival_name,ratio,low,high,hardware,date\n");
    println!(
        "\n{:<44} {:>10} {:>10} {:>8}",
        "wait (median of 5, seconds)", "ours", "rival", "ratio"
    );
    for row in &rows {
        println!("{row}");
        csv.push_str(&row.csv());
    }
    files::write_with(&files::home().join("benches").join("results.csv"), |file| {
        Ok(file.write_all(csv.as_bytes())?)
    })
}

/// One wait: seconds of ours and, where it has one, of its rival, run by run.
struct Row {
    wait: &'static str,
    ours: Vec<f64>,
    rival: Option<(String, Vec<f64>)>,
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

impl Row {
    fn ratios(&self) -> Option<(f64, f64, f64)> {
        let (_, rival) = self.rival.as_ref()?;
        let mut ratios: Vec<f64> = rival.iter().zip(&self.ours).map(|(r, o)| r / o).collect();
        ratios.sort_by(f64::total_cmp);
        Some((median(&ratios), ratios[0], ratios[ratios.len() - 1]))
    }

    fn csv(&self) -> String {
        let (name, rival) = match &self.rival {
            Some((name, values)) => (name.as_str(), format!("{:.4}", median(values))),
            None => ("", String::new()),
        };
        let ratio = self
            .ratios()
            .map_or(",,".to_owned(), |(m, l, h)| format!("{m:.2},{l:.2},{h:.2}"));
        let (hardware, date) = (ror::hardware(ror::tch::Device::Cpu), ror::today());
        format!(
            "\"{}\",{:.4},{rival},{name},{ratio},\"{hardware}\",{date}\n",
            self.wait,
            median(&self.ours)
        )
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:<44} {:>10.4}", self.wait, median(&self.ours))?;
        if let (Some((name, values)), Some((ratio, low, high))) = (&self.rival, self.ratios()) {
            write!(
                f,
                " {:>10.4} {ratio:>7.2}x ({low:.2} to {high:.2}), {name}",
                median(values)
            )?;
        }
        Ok(())
    }
}

fn measure(folder: &Path, cache: &Path) -> Result<Vec<Row>> {
    let (mut cold, mut warm, mut open, mut pillow) = (vec![], vec![], vec![], vec![]);
    let mut version = String::new();
    for run in 0..RUNS {
        let (seconds, n, mean) = pillow_seconds(folder, &mut version)?;
        pillow.push(seconds);

        if cache.exists() {
            std::fs::remove_dir_all(cache)?;
        }
        let start = Instant::now();
        let pictures = Faces::at(folder)?.pictures(SIZE)?;
        cold.push(start.elapsed().as_secs_f64());
        ensure!(
            pictures.len() == n,
            "{} pictures, but Pillow read {n}",
            pictures.len()
        );
        let own = f64::try_from(pictures.tensor.to_kind(Kind::Float).mean(Kind::Double))?;
        ensure!(
            (own - mean).abs() < 0.5,
            "mean level {own}, but Pillow's is {mean}"
        );
        drop(pictures);

        let start = Instant::now();
        let faces = Faces::at(folder)?;
        open.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let pictures = faces.pictures(SIZE)?;
        warm.push(start.elapsed().as_secs_f64());
        drop(pictures);
        eprintln!(
            "run {} of {RUNS}: cold {:.2} s, Pillow {:.2} s",
            run + 1,
            cold[run],
            pillow[run]
        );
    }

    let faces = Faces::at(folder)?;
    let predictor = Predictor::new(&faces)?;
    predictor.predict(&faces, 0)?;
    let mut predict = vec![];
    for run in 0..RUNS as i64 {
        let start = Instant::now();
        for i in 0..20 {
            std::hint::black_box(predictor.predict(&faces, run * 1000 + i * 7)?);
        }
        predict.push(start.elapsed().as_secs_f64() / 20.0);
    }
    Ok(vec![
        Row {
            wait: "open and decode all to 32 px, cold",
            ours: cold,
            rival: Some((version, pillow)),
        },
        Row {
            wait: "open again: list and check files",
            ours: open,
            rival: None,
        },
        Row {
            wait: "load all at 32 px again",
            ours: warm,
            rival: None,
        },
        Row {
            wait: "predict one picture, file to answer",
            ours: predict,
            rival: None,
        },
    ])
}

/// Seconds, pictures and mean level of Pillow in one process; fills in its version.
fn pillow_seconds(folder: &Path, version: &mut String) -> Result<(f64, usize, f64)> {
    let script = files::home().join("benches").join("pillow.py");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    if version.is_empty() {
        let asked = Command::new(&python)
            .args(["-c", "import PIL; print(PIL.__version__)"])
            .output()?;
        ensure!(
            asked.status.success(),
            "{python} has no Pillow: run `make bench`, which installs it"
        );
        *version = format!("Pillow {}", String::from_utf8_lossy(&asked.stdout).trim());
    }
    let output = Command::new(&python)
        .arg(script)
        .arg(folder)
        .arg(SIZE.to_string())
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    let mut fields = text.split_whitespace();
    let mut next = || fields.next().context("Pillow's script printed too little");
    Ok((next()?.parse()?, next()?.parse()?, next()?.parse()?))
}
