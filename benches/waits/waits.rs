//! The waits, each beside its rivals.

use std::process::Command;

use anyhow::{Result, bail, ensure};
use ror::Precision;
use ror::store::DEFAULT_MODEL;
use ror::tch::{Device, Kind};

use crate::bench::Bench;
use crate::processes::{
    Busy, alone, in_turn, make, measured, of_cells, on_one_core, same_faces, timed,
};
use crate::project;
use crate::table::{Measured, Row, close};

/// What this processor trains in, and so the rivals: see benches/rivals/precision.py.
fn precision() -> &'static str {
    match Precision::Auto.training(Device::Cpu) {
        Kind::BFloat16 => "bf16",
        _ => "f32",
    }
}

/// Measures a wait: a row for each rival.
pub fn wait(bench: &Bench, name: &str) -> Result<Vec<Row>> {
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(|w| (*w).into()).collect() };
    let card = |name: &str| {
        let path = project::home().join("models").join(format!("{name}.json"));
        path.to_string_lossy().into_owned()
    };
    Ok(match name {
        "decode" => {
            let arguments = words(&[&bench.folder(), "32"]);
            let rows = in_turn(
                "decode + resize all 23,708 to 32 px, cold",
                || bench.ours(Some(&bench.cache()?), "decode", &arguments),
                &[&|| bench.rival("decode_pillow.py", &arguments), &|| {
                    bench.rival("decode_torchvision.py", &arguments)
                }],
            )?;
            for row in &rows {
                close(row, "pictures", 0.0)?;
                close(row, "level", 0.5)?;
            }
            rows
        }
        "load" => {
            let cache = bench.cache()?;
            let arguments = words(&[&bench.folder(), "32"]);
            bench.ours(Some(&cache), "decode", &arguments)?;
            let array = bench.temporary.path().join("pictures.npy");
            let array = array.to_string_lossy().into_owned();
            let script = project::home().join("benches/rivals/load_array.py");
            let made =
                Command::new(&bench.python).arg(script).args([&array, "23708", "32"]).status()?;
            ensure!(made.success(), "the original's array could not be made");
            let mut rows = in_turn(
                "second load of all at 32 px",
                || bench.ours(Some(&cache), "load", &arguments),
                &[&|| bench.rival("load_array.py", std::slice::from_ref(&array))],
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
                    &format!("training step, {size} px, batch 128, {}", precision()),
                    || bench.ours(None, "train", &own),
                    &[
                        &|| bench.rival("train.py", &eager),
                        &|| bench.rival("train.py", &compile),
                        &|| bench.rival("train_keras.py", &own),
                    ],
                )?);
            }
            rows.iter().try_for_each(|row| close(row, "parameters", 0.0))?;
            rows
        }
        "busy" => {
            let own = words(&[&card("both-32px"), "32", "128", "8"]);
            let eager = [own.clone(), words(&["eager"])].concat();
            let _other = Busy::new(&bench.python)?;
            in_turn(
                "training step, 32 px, beside another busy process",
                || bench.ours(None, "train", &own),
                &[
                    &|| {
                        let mut rival = bench.rival_command("train.py", &eager);
                        measured(rival.env_remove("GOMP_SPINCOUNT"))
                    },
                    &|| {
                        let mut one = bench.own_command("train", &own);
                        let one = measured(one.env("OMP_NUM_THREADS", "1"))?;
                        Ok(Measured { name: "this, one thread".into(), ..one })
                    },
                ],
            )?
        }
        "predict" => {
            let files = project::files_in(&bench.folder)?.into_iter().step_by(237);
            let some = files.map(|file| file.to_string_lossy().into_owned());
            let own: Vec<String> = ["200".into()].into_iter().chain(some).collect();
            let arguments: Vec<String> =
                [card(DEFAULT_MODEL)].into_iter().chain(own.clone()).collect();
            let rows = in_turn(
                "predict one picture, file to prediction",
                || bench.ours(None, "predict", &own),
                &[&|| bench.rival("predict_one.py", &arguments)],
            )?;
            rows.iter().try_for_each(|row| close(row, "female", 0.01))?;
            rows
        }
        "folder" => {
            let own = words(&[&bench.tenth()?]);
            let arguments = words(&[&card(DEFAULT_MODEL), &own[0]]);
            let rows = in_turn(
                "predict a folder of 2,371 pictures",
                || bench.ours(None, "folder", &own),
                &[&|| bench.rival("predict_folder.py", &arguments)],
            )?;
            for row in &rows {
                close(row, "pictures", 0.0)?;
                close(row, "female", 0.005)?;
                close(row, "years", 0.2)?;
            }
            rows
        }
        "fast" => {
            let parts = bench.temporary.path().join("parts");
            std::fs::create_dir(&parts)?;
            let parts = parts.to_string_lossy().into_owned();
            bench.ours(None, "parts", &[bench.folder(), parts.clone()])?;
            let rival = bench.rival("train_original.py", &[parts])?;
            eprintln!("the original's net in Keras: {rival:?}");
            let own = words(&[&bench.folder(), &rival.check["accuracy"].to_string()]);
            let mut command = bench.own_command("fast", &own);
            let ours = measured(command.env("ROR_MODELS", bench.temporary.path()))?;
            eprintln!("the fast training: {ours:?}");
            // Once: a training takes minutes, and its seconds vary by a few percent.
            let wait = "gender as right as the original's net is at its end, 32 px";
            vec![Row { wait: wait.into(), ours: vec![ours], rival: vec![rival] }]
        }
        "photo" => {
            let own = words(&["200", &bench.photos(200)?]);
            let arguments = words(&[&card(DEFAULT_MODEL), &own[0], &own[1]]);
            let rows = in_turn(
                "predict the faces of a photo of 640 x 480, on one core",
                || measured(&mut on_one_core(&bench.own_command("photo", &own))),
                &[&|| {
                    let rival = bench.rival_command("predict_photo.py", &arguments);
                    measured(&mut on_one_core(&rival))
                }],
            )?;
            same_faces(&rows)?;
            rows
        }
        "photos" => {
            let own = words(&[&bench.photos(1000)?]);
            let arguments = words(&[&card(DEFAULT_MODEL), &own[0]]);
            let rows = in_turn(
                "predict the faces of a folder of 1,000 photos of 640 x 480",
                || bench.ours(None, "photos", &own),
                &[&|| bench.rival("predict_photos.py", &arguments)],
            )?;
            same_faces(&rows)?;
            rows
        }
        "ranks" => {
            let own = words(&[&card("both-32px"), "32", "128", "20"]);
            let ours = || measured(&mut bench.two_ranks(&bench.own_command("train", &own)));
            let ddp = || measured(&mut bench.two_ranks(&bench.rival_command("ddp.py", &own)));
            let one = || {
                let threads = Measured {
                    name: "one process, two threads".into(),
                    ..bench.ours(None, "train", &own)?
                };
                Ok(threads)
            };
            let mut rows = in_turn(
                &format!(
                    "training step of two ranks of a thread, 32 px, batch 128, {}",
                    precision()
                ),
                ours,
                &[&ddp, &one],
            )?;
            let sum = words(&["50"]);
            rows.extend(in_turn(
                "all-reduce of 11 MB between two ranks",
                || measured(&mut bench.two_ranks(&bench.own_command("sum", &sum))),
                &[&|| measured(&mut bench.two_ranks(&bench.rival_command("all_reduce.py", &sum)))],
            )?);
            rows
        }
        "kernel" => {
            let own = words(&["ours", &bench.folder()]);
            let arguments = words(&["keras", &bench.folder()]);
            let rows = in_turn(
                "fresh kernel to first plot",
                || bench.rival("notebook.py", &own),
                &[&|| bench.rival("notebook.py", &arguments)],
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
            vec![alone(wait, bench.make_from_nothing()?)]
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
