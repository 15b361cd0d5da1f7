//! Pictures by the shard on one core and on all: benches/shards.csv, and the table of docs/scale.md,
//! which is made of it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ::shards::{Shard, predict_shards};
use anyhow::{Context, Result, ensure};
use image::DynamicImage;
use image::imageops::FilterType;
use ror::data::decode;
use ror::predict::Predictor;
use ror::predict::detector;

use crate::bench::Bench;
use crate::processes::{RUNS, measured, on_one_core};
use crate::project::{files_in, peak_mb};
use crate::table::{Measured, fields, median};
use crate::{project, table};

const CHIPS: &str = "cropped faces of 200 x 200";
const SMALL: &str = "photos of 640 x 480, two faces";
const LARGE: &str = "photos of 4000 x 3000, two faces";
const HEADING: &str = "pictures,cores,pictures_a_second,low,high,read_ms,decode_ms,detect_ms,net_ms,\
                       write_ms,cpu_ms,kb_read,bytes_written,peak_mb,hardware,date";
const PARTS: [&str; 5] = ["read", "decode", "detect", "net", "write"];
const BEGIN: &str = "<!-- shards: made by `make bench WAITS=shards` -->";
const END: &str = "<!-- end of shards -->";

fn path() -> PathBuf {
    project::home().join("benches").join("shards.csv")
}

/// Makes shards, answers them in turn on one core and on all, and writes what that took.
pub fn measure(bench: &Bench) -> Result<()> {
    let place = bench.temporary.path();
    let chips: Vec<PathBuf> = files_in(&bench.folder)?.into_iter().step_by(6).collect();
    let photos = files_in(bench.photos(400)?)?;
    let large = place.join("large");
    fs::create_dir(&large)?;
    let mut enlarged = vec![];
    for photo in &photos[..40] {
        let picture = DynamicImage::from(decode(&fs::read(photo)?)?);
        let picture = picture.resize_exact(4000, 3000, FilterType::CatmullRom);
        let file = large.join(photo.file_name().context("a photo without a name")?);
        picture.save(&file)?;
        enlarged.push(file);
    }
    let cores = std::thread::available_parallelism()?.get();
    let (hardware, date) = project::stamp();
    let mut csv = format!("{HEADING}\n");
    for (pictures, files, aligned) in
        [(CHIPS, chips, "aligned"), (SMALL, photos, "photos"), (LARGE, enlarged, "photos")]
    {
        let shard = place.join(format!("{}.tar", files.len()));
        let mut tar = tar::Builder::new(File::create(&shard)?);
        for file in &files {
            tar.append_path_with_name(file, file.file_name().context("a file without a name")?)?;
        }
        tar.finish()?;
        let arguments = [shard.to_string_lossy().into_owned(), aligned.to_owned()];
        let (mut one, mut all) = (vec![], vec![]);
        for run in 1..=RUNS {
            let command = bench.own_command("shards", &arguments);
            one.push(measured(&mut on_one_core(&command))?);
            all.push(bench.ours(None, "shards", &arguments)?);
            let rate = |runs: &[Measured]| runs.last().map_or(f64::NAN, rate);
            let (one, all) = (rate(&one), rate(&all));
            eprintln!(
                "{pictures}, run {run} of {RUNS}: {one:.1} a second on one core, {all:.1} on {cores}"
            );
        }
        for (cores, runs) in [(1, one), (cores, all)] {
            csv += &row(pictures, cores, &runs, &format!("\"{hardware}\",{date}"))?;
        }
    }
    project::write(&path(), &csv)?;
    write_table()
}

fn rate(run: &Measured) -> f64 {
    run.check["pictures"] / run.seconds
}

/// The medians of some runs, a picture.
fn row(pictures: &str, cores: usize, runs: &[Measured], end: &str) -> Result<String> {
    let of = |value: &dyn Fn(&Measured) -> f64| runs.iter().map(value).collect::<Vec<f64>>();
    let each = |name: &str| median(&of(&|run| run.check[name] / run.check["pictures"]));
    let rates = of(&rate);
    let low = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let high = rates.iter().copied().fold(0.0, f64::max);
    let parts = PARTS.map(|part| format!("{:.3}", 1e3 * each(part))).join(",");
    ensure!(runs.iter().all(|run| run.check["unread"] == 0.0), "pictures could not be read");
    Ok(format!(
        "\"{pictures}\",{cores},{:.1},{low:.1},{high:.1},{parts},{:.3},{:.1},{:.0},{:.0},{end}\n",
        median(&rates),
        1e3 * each("cpu"),
        each("bytes_in") / 1e3,
        each("bytes_out"),
        median(&of(&|run| run.peak_mb)),
    ))
}

/// Puts the file's rows into docs/scale.md.
pub fn write_table() -> Result<()> {
    let mut text = String::from(
        "| pictures | cores | pictures a second (lowest to highest) | ms of threads a picture: read, decode, \
         detect, net, write | ms of processor | kB read | bytes written | memory, MB |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for line in project::read(&path())?.lines().skip(1) {
        let fields = fields(line);
        let number = |i: usize, digits: usize| -> Result<String> {
            let value: f64 = fields.get(i).context("a line has too few fields")?.parse()?;
            Ok(format!("{value:.digits$}"))
        };
        let parts = (5..10).map(|i| number(i, 2)).collect::<Result<Vec<_>>>()?.join(", ");
        text += &format!(
            "| {} | {} | **{}** ({} to {}) | {parts} | {} | {} | {} | {} |\n",
            fields[0],
            fields[1],
            number(2, 1)?,
            number(3, 1)?,
            number(4, 1)?,
            number(10, 1)?,
            number(11, 0)?,
            number(12, 0)?,
            number(13, 0)?,
        );
    }
    table::put("scale.md", BEGIN, END, &text)
}

/// Answers one shard in this process.
pub fn answer(shard: &str, aligned: bool) -> Result<Measured> {
    let to = tempfile::tempdir()?;
    let shards = Shard::find(&[Path::new(shard)], false)?;
    let detector = if aligned { None } else { Some(detector()?) };
    let predictor = Predictor::pretrained()?;
    let before = cpu_seconds()?;
    let report = predict_shards(&predictor, detector.as_ref(), &shards, to.path(), false)?;
    ensure!(report.failed.is_empty(), "{:?}", report.failed);
    let answers = to.path().join(format!("{}.parquet", shards[0].name()));
    let mut check = std::collections::BTreeMap::new();
    let parts = report.times.parts().map(|(name, seconds)| (name, seconds));
    check.extend(parts.map(|(name, seconds)| (name.to_owned(), seconds)));
    for (name, value) in [
        ("pictures", report.pictures as f64),
        ("unread", report.unread as f64),
        ("cpu", cpu_seconds()? - before),
        ("bytes_in", fs::metadata(shard)?.len() as f64),
        ("bytes_out", fs::metadata(answers)?.len() as f64),
    ] {
        check.insert(name.to_owned(), value);
    }
    Ok(Measured { name: String::new(), seconds: report.seconds, peak_mb: peak_mb(), check })
}

/// Seconds of processor time that this process has had: what neighbours take does not count.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / 100.0) // of Linux, whatever the kernel's own clock
}
