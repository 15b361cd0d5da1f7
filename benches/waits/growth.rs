//! How waits grow with pictures and with pixels: benches/growth.csv, and docs/figures/speed-*.svg,
//! which are drawn from it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ror::plotters::prelude::*;
use synthetic::{population, write_folder};

use crate::bench::Bench;
use crate::project;
use crate::table;
use crate::table::{Measured, fields};

/// Different synthetic faces on the disk; larger folders name them several times.
const DIFFERENT: usize = 1_000;
const COLOURS: [RGBColor; 3] =
    [RGBColor(31, 119, 180), RGBColor(214, 95, 14), RGBColor(44, 130, 90)];

fn path() -> PathBuf {
    project::home().join("benches").join("growth.csv")
}

pub fn measure(bench: &Bench) -> Result<()> {
    let mut csv = String::from("grows,x,wait,seconds,peak_mb,hardware,date\n");
    let (hardware, date) = project::stamp();
    let mut note = |grows: &str, x: usize, wait: &str, measured: Measured| {
        let (seconds, peak) = (measured.seconds, measured.peak_mb);
        eprintln!("{wait}, {x} {grows}: {}", table::time(seconds));
        csv += &format!("{grows},{x},{wait},{seconds:.4},{peak:.0},\"{hardware}\",{date}\n");
    };
    for n in [1_000, 10_000, 100_000, 1_000_000] {
        let folder = linked(bench, n)?;
        let arguments = [folder.to_string_lossy().into_owned(), "32".to_owned()];
        let cache = bench.cache()?;
        for (wait, name) in [("decode", "decode"), ("load again", "load")] {
            let measured = bench.ours(Some(&cache), name, &arguments)?;
            note("pictures", n, wait, measured);
        }
        fs::remove_dir_all(folder)?;
    }
    for side in [32, 64, 96, 128, 200] {
        let arguments = [bench.folder(), side.to_string()];
        let cache = bench.cache()?;
        for (wait, name) in [("decode 23708", "decode"), ("load 23708 again", "load")] {
            let measured = bench.ours(Some(&cache), name, &arguments)?;
            note("pixels", side, wait, measured);
        }
        if side >= 64 {
            // The net for large pictures, which halves them first.
            let arguments = [side.to_string(), "128".to_owned(), "5".to_owned()];
            let measured = bench.ours(None, "train", &arguments)?;
            note("pixels", side, "training step of 128", measured);
        }
    }
    project::write(&path(), &csv)?;
    draw()
}

/// A folder of `n` synthetic faces.
fn linked(bench: &Bench, n: usize) -> Result<PathBuf> {
    let drawn = bench.temporary.path().join("drawn");
    let people = population(DIFFERENT, 0);
    if !drawn.exists() {
        write_folder(&drawn, &people)?;
    }
    let folder = bench.temporary.path().join(format!("faces-{n}"));
    fs::create_dir(&folder)?;
    for i in 0..n {
        let name = people[i % DIFFERENT].file_name();
        let (labels, _) = name.rsplit_once('_').context("a name without parts")?;
        fs::hard_link(drawn.join(&name), folder.join(format!("{labels}_{i:017}.jpg.chip.jpg")))?;
    }
    Ok(folder)
}

/// Draws the figures from the file.
pub fn draw() -> Result<()> {
    let text = project::read(&path())?;
    let figures = project::home().join("docs").join("figures");
    for (grows, title, axis, file) in [
        ("pictures", "Pictures of 32 px, opened and loaded", "pictures", "speed-pictures.svg"),
        ("pixels", "UTKFace by the side of its pictures", "side, pixels", "speed-pixels.svg"),
    ] {
        let mut lines: Vec<(String, Vec<(f64, f64)>)> = vec![];
        for row in text.lines().map(fields).filter(|row| row[0] == grows) {
            let point = (row[1].parse()?, row[3].parse()?);
            match lines.iter_mut().find(|(wait, _)| *wait == row[2]) {
                Some((_, points)) => points.push(point),
                None => lines.push((row[2].clone(), vec![point])),
            }
        }
        figure(title, axis, &lines, &figures.join(file))?;
    }
    Ok(())
}

/// Lines over two logarithmic axes.
fn figure(title: &str, axis: &str, lines: &[(String, Vec<(f64, f64)>)], path: &Path) -> Result<()> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        (low / 1.3)..(high * 1.3)
    };
    let (x, y) =
        (range(&mut points().map(|point| point.0)), range(&mut points().map(|point| point.1)));
    {
        let root = SVGBackend::new(path, (720, 420)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x.log_scale(), y.log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .x_desc(axis)
            .y_desc("seconds")
            .label_style(("sans-serif", 14))
            .draw()?;
        for ((wait, points), colour) in lines.iter().zip(COLOURS) {
            chart
                .draw_series(
                    LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(4),
                )?
                .label(wait)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .border_style(BLACK.mix(0.3))
            .background_style(WHITE)
            .label_font(("sans-serif", 14))
            .position(SeriesLabelPosition::LowerRight)
            .draw()?;
        root.present()?;
    }
    Ok(())
}
