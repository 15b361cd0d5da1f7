//! How waits grow with pictures and with pixels: benches/growth.csv and docs/figures/speed-*.svg.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use ror::dataset::synthetic::{population, write_folder};
use ror::files;
use ror::plotters::prelude::*;

use crate::Bench;

/// Different drawn faces on the disk; larger folders name them several times.
const DRAWN: usize = 1_000;

/// A line of a figure: seconds by pictures or by pixels.
struct Line {
    what: &'static str,
    points: Vec<(f64, f64)>,
}

pub fn measure(bench: &Bench) -> Result<()> {
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(|w| (*w).into()).collect() };
    let mut csv = String::from("grows,x,wait,seconds,peak_mb,hardware,date\n");
    let mut note = |grows: &str, x: usize, line: &mut Line, measured: crate::Measured| {
        let (hardware, date) = (ror::hardware(ror::tch::Device::Cpu), ror::today());
        let (what, seconds, peak) = (line.what, measured.seconds, measured.peak_mb);
        eprintln!("{what}, {x} {grows}: {}", crate::table::time(seconds));
        csv += &format!("{grows},{x},{what},{seconds:.4},{peak:.0},\"{hardware}\",{date}\n");
        line.points.push((x as f64, seconds));
    };

    let new = |what| Line {
        what,
        points: vec![],
    };
    let (mut cold, mut again) = (new("decode, cold"), new("load again"));
    for n in [1_000, 10_000, 100_000, 1_000_000] {
        let folder = linked(bench, n)?;
        let arguments = words(&[&folder.to_string_lossy(), "32"]);
        let cache = bench.cache()?;
        note(
            "pictures",
            n,
            &mut cold,
            bench.ours(Some(&cache), "decode", &arguments)?,
        );
        note(
            "pictures",
            n,
            &mut again,
            bench.ours(Some(&cache), "load", &arguments)?,
        );
        fs::remove_dir_all(folder)?;
    }
    let figures = files::home().join("docs").join("figures");
    let title = "Pictures of 32 px, opened and loaded";
    draw(
        title,
        "pictures",
        &[cold, again],
        &figures.join("speed-pictures.svg"),
    )?;

    let (mut cold, mut again) = (new("decode 23,708, cold"), new("load them again"));
    let mut step = new("training step, batch 128");
    for side in [32, 64, 96, 128, 200] {
        let size = side.to_string();
        let arguments = words(&[&bench.folder(), &size]);
        let cache = bench.cache()?;
        note(
            "pixels",
            side,
            &mut cold,
            bench.ours(Some(&cache), "decode", &arguments)?,
        );
        note(
            "pixels",
            side,
            &mut again,
            bench.ours(Some(&cache), "load", &arguments)?,
        );
        if side >= 64 {
            // The net for large pictures, which halves them first.
            let arguments = words(&[&size, "128", "5"]);
            note(
                "pixels",
                side,
                &mut step,
                bench.ours(None, "train", &arguments)?,
            );
        }
    }
    let title = "UTKFace by the side of its pictures";
    draw(
        title,
        "side, pixels",
        &[cold, again, step],
        &figures.join("speed-pixels.svg"),
    )?;
    let path = files::home().join("benches").join("growth.csv");
    files::write_bytes(&path, csv.as_bytes())
}

/// A folder of `n` drawn faces.
fn linked(bench: &Bench, n: usize) -> Result<PathBuf> {
    let drawn = bench.temporary.path().join("drawn");
    let people = population(DRAWN, 0);
    if !drawn.exists() {
        write_folder(&drawn, &people)?;
    }
    let folder = bench.temporary.path().join(format!("faces-{n}"));
    fs::create_dir(&folder)?;
    for i in 0..n {
        let name = people[i % DRAWN].file_name();
        let (labels, _) = name.rsplit_once('_').context("a name without parts")?;
        fs::hard_link(
            drawn.join(&name),
            folder.join(format!("{labels}_{i:017}.jpg.chip.jpg")),
        )?;
    }
    Ok(folder)
}

/// Draws lines over two logarithmic axes.
fn draw(title: &str, axis: &str, lines: &[Line], path: &std::path::Path) -> Result<()> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        (low / 1.3)..(high * 1.3)
    };
    let (x, y) = (
        range(&mut points().map(|point| point.0)),
        range(&mut points().map(|point| point.1)),
    );
    files::write_whole(path, |half| {
        let root = SVGBackend::new(half, (720, 420)).into_drawing_area();
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
            .x_desc(axis)
            .y_desc("seconds")
            .draw()?;
        for (i, line) in lines.iter().enumerate() {
            let colour = Palette99::pick(i).to_rgba();
            chart
                .draw_series(
                    LineSeries::new(line.points.iter().copied(), colour.stroke_width(2))
                        .point_size(4),
                )?
                .label(line.what)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .border_style(BLACK.mix(0.3))
            .background_style(WHITE)
            .position(SeriesLabelPosition::UpperLeft)
            .draw()?;
        root.present()?;
        Ok(())
    })
}
