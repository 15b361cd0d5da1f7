//! Distributed training: it takes the same steps as one process, and survives the death of a rank.

#[path = "../../../tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use common::{faces_folder, program, skipped, words};
use ror::tch::Tensor;
use serde_json::Value;
use tempfile::TempDir;

/// Ten steps per epoch; only the order of images is random.
const EXPERIMENT: &str = r#"
protocol = "random-80-10-10"
task = "both"
[net]
widths = [16, 16, 32, 32]
blocks = [1, 1, 1, 1]
dense = 32
dropout = 0.0
survival = 1.0
[recipe]
batch = 32
learning_rate = 1e-3
expectation = 0.2
gender_weight = 2.0
ema = 0.0
"#;
const PLAIN: &str = "augment = { mirror = false, rotation = 0.0, scale = 0.0, shift = 0.0, \
    contrast = 0.0, level = 0.0, erased = 0.0, grey = 0.0, brightness = 0.0, blur = 0.0, noise = 0.0 }";

fn experiment(place: &Path, more: &str) -> PathBuf {
    let path = place.join("experiment.toml");
    fs::write(&path, format!("{EXPERIMENT}{more}\n")).unwrap();
    path
}

/// The program without torchrun's variables, which these tests may have inherited.
fn train(place: &Path, data: &Path, config: &Path) -> Command {
    let mut command = program(place, data);
    for name in ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"] {
        command.env_remove(name);
    }
    command.args(["train", "--precision", "f32", "--config"]).arg(config);
    command
}

/// Returns the project's folder, and torchrun in its Python environment.
fn launcher() -> (&'static Path, PathBuf) {
    let root = Path::new(common::ROOT);
    let python = ["-c", "source setup/env.sh && printf %s \"$python\""];
    let output = Command::new("bash").args(python).current_dir(root).output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    let python = PathBuf::from(String::from_utf8(output.stdout).unwrap());
    (root, python.with_file_name("torchrun"))
}

/// The same training, started by torchrun on this machine.
fn torchrun(place: &Path, data: &Path, config: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(launcher().1);
    command.args(["--standalone", "--no-python", "--nproc-per-node", "2"]).args(options);
    starting(command, &train(place, data, config))
}

/// Adds the program and its environment to a launcher's command.
fn starting(mut command: Command, program: &Command) -> Command {
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Makes workers run a shell script, in which `$ROR` is the real program.
fn workers_as(place: &Path, command: &mut Command, script: &str) {
    let path = place.join("program");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let own = command.get_program().to_owned();
    command.env("ROR", own).env("ROR_PROGRAM", &path);
}

fn succeeds(mut command: Command) -> String {
    let output: Output = command.output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    words(&output)
}

fn run(place: &Path) -> PathBuf {
    let mut runs = fs::read_dir(place.join("models").join("runs")).unwrap();
    let run = runs.next().unwrap().unwrap().path();
    assert!(runs.next().is_none(), "more than one run");
    run
}

fn card(place: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(run(place).join("card.json")).unwrap()).unwrap()
}

/// A training history without times.
fn history(place: &Path) -> Vec<Value> {
    let mut epochs = card(place)["history"]["epochs"].as_array().unwrap().clone();
    for epoch in &mut epochs {
        epoch.as_object_mut().unwrap().remove("seconds").unwrap();
    }
    epochs
}

fn weights(place: &Path) -> Vec<(String, Tensor)> {
    Tensor::read_safetensors(run(place).join("card.safetensors")).unwrap()
}

/// Returns the largest difference between two networks' weights. Running statistics can be in the
/// hundreds; the validation loss covers them.
fn apart(a: &Path, b: &Path) -> f64 {
    let b = weights(b);
    let trained = weights(a).into_iter().filter(|(name, _)| !name.contains("running"));
    let apart = trained.map(|(name, value)| {
        let (_, other) = b.iter().find(|(own, _)| *own == name).unwrap();
        (value - other).abs().max().double_value(&[])
    });
    apart.fold(0.0, f64::max)
}

/// Takes twenty steps with one process, with two ranks of torchrun, and with one worker.
#[test]
fn two_ranks_take_the_steps_of_one() {
    let faces = faces_folder(400);
    let [one, two, workers, own] = [(); 4].map(|()| TempDir::new().unwrap());
    let synchronised = format!("epochs = 2\nsynchronised = true\n{PLAIN}");
    let config = experiment(one.path(), &synchronised);
    succeeds(train(one.path(), faces.path(), &config));
    let said = succeeds(torchrun(two.path(), faces.path(), &config, &[]));
    assert_eq!(said.matches("epoch   train loss").count(), 1, "one rank speaks: {said}");
    let mut command = train(workers.path(), faces.path(), &config);
    command.args(["--workers", "2"]);
    // Like within torchrun, and with a network interface that does not exist. The script checks
    // that the worker finds decoded images.
    command.env("TORCHELASTIC_RESTART_COUNT", "1").env("GLOO_SOCKET_IFNAME", "none0");
    let decoded = "ls \"$ROR_CACHE\"/pictures-* >&2 && exec \"$ROR\" \"$@\"";
    workers_as(workers.path(), &mut command, decoded);
    succeeds(command);

    assert_eq!(card(one.path())["key"], card(two.path())["key"]);
    assert!(card(two.path())["hardware"].as_str().unwrap().contains("2 ranks"));
    for place in [&two, &workers] {
        let apart = apart(one.path(), place.path());
        assert!(apart < 1e-5, "{apart}");
        for (a, b) in history(one.path()).iter().zip(history(place.path())) {
            for value in ["train_loss", "validation_loss", "validation_mae"] {
                let (a, b) = (a[value].as_f64().unwrap(), b[value].as_f64().unwrap());
                assert!((a - b).abs() < 1e-4 * a, "{value}: {a}, {b}");
            }
            assert_eq!(a["train_accuracy"], b["train_accuracy"]);
        }
    }
    // Without `synchronised`, each rank normalizes its own half, and the weights differ.
    let config = experiment(own.path(), &format!("epochs = 2\n{PLAIN}"));
    succeeds(torchrun(own.path(), faces.path(), &config, &[]));
    assert!(apart(one.path(), own.path()) > 1e-3);
    // All ranks load a network that exists.
    let said =
        succeeds(torchrun(two.path(), faces.path(), &experiment(two.path(), &synchronised), &[]));
    assert!(said.contains("loaded the net"), "{said}");
}

/// Like [`two_ranks_take_the_steps_of_one`], on two hosts.
#[test]
fn two_hosts_take_the_steps_of_one() {
    let faces = faces_folder(400);
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let config = experiment(one.path(), &format!("epochs = 2\nsynchronised = true\n{PLAIN}"));
    let (root, torchrun) = launcher();
    let mut command = Command::new(root.join("tests").join("ranks").join("two_hosts.sh"));
    command.arg(torchrun);
    let output = starting(command, &train(two.path(), faces.path(), &config)).output().unwrap();
    if output.status.code() == Some(77) {
        return skipped("two hosts", words(&output).trim());
    }
    assert!(output.status.success(), "{}", words(&output));
    succeeds(train(one.path(), faces.path(), &config));
    let apart = apart(one.path(), two.path());
    assert!(apart < 1e-5, "{apart}");
}

/// Returns the process with this rank that a command started.
fn rank_of(parent: &Child, rank: usize) -> Option<i32> {
    let said = format!("RANK={rank}").into_bytes();
    let of = |pid: i32| -> Option<bool> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let above = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse::<u32>().ok()?;
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        Some(above == parent.id() && environment.split(|byte| *byte == 0).any(|one| one == said))
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| of(*pid) == Some(true))
}

fn epochs_done(place: &Path) -> usize {
    let runs = fs::read_dir(place.join("models").join("runs")).ok();
    let run = runs.and_then(|mut runs| runs.next()).map(|run| run.unwrap().path());
    let note = run.and_then(|run| fs::read_to_string(run.join("checkpoint.json")).ok());
    let note: Option<Value> = note.and_then(|note| serde_json::from_str(&note).ok());
    note.and_then(|note| note["history"]["epochs"].as_array().map(Vec::len)).unwrap_or(0)
}

/// Waits until more than `done` epochs are complete. Returns their number and the rank's process.
fn under_way(place: &Path, child: &mut Child, rank: usize, done: usize) -> (usize, i32) {
    let begin = Instant::now();
    loop {
        if let (epochs, Some(pid)) = (epochs_done(place), rank_of(child, rank))
            && epochs > done
        {
            return (epochs, pid);
        }
        assert!(begin.elapsed() < Duration::from_secs(400), "after {done} epochs");
        assert!(child.try_wait().unwrap().is_none(), "it ended after {done} epochs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal and returns whether it reached the process.
fn signal(pid: i32, number: i32) -> bool {
    // SAFETY: sends a signal to a process that this test started.
    unsafe { libc::kill(pid, number) == 0 }
}

fn kill(pid: i32) -> bool {
    signal(pid, libc::SIGKILL)
}

/// A process whose standard error is read line by line. It ends with this.
struct Heard {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Heard {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines: receiver, said: String::new() }
    }

    /// Waits for a line with these words.
    fn until(&mut self, says: &str) -> String {
        loop {
            let next = self.lines.recv_timeout(Duration::from_secs(400));
            let line = next.unwrap_or_else(|_| panic!("no line with \"{says}\": {}", self.said));
            self.said += &format!("{line}\n");
            if line.contains(says) {
                return line;
            }
        }
    }

    /// Waits for its end. Returns whether it succeeded, and all that it has printed.
    fn end(mut self) -> (bool, String) {
        let rest: Vec<String> = self.lines.iter().collect();
        (self.child.wait().unwrap().success(), self.said.clone() + &rest.join("\n"))
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Kills a rank five times at pseudorandom moments. torchrun restarts all ranks, and the result is
/// exactly that of an undisturbed training.
#[test]
fn a_rank_may_die() {
    let faces = faces_folder(1_000);
    let (whole, killed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let config = experiment(whole.path(), "epochs = 12");
    succeeds(torchrun(whole.path(), faces.path(), &config, &[]));

    let mut command = torchrun(killed.path(), faces.path(), &config, &["--max-restarts", "5"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut random, mut done, mut kills) = (11u64, 0, 0);
    while kills < 5 {
        // Each kill is in a different epoch, so that each attempt makes progress.
        let (epochs, pid) = under_way(killed.path(), &mut child, kills % 2, done);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_millis((random >> 33) % 200));
        let both = [0, 1].map(|rank| rank_of(&child, rank));
        if both[kills % 2] == Some(pid) && kill(pid) {
            // Wait until all processes of this attempt have ended.
            while (0..2).any(|rank| both[rank].is_some() && rank_of(&child, rank) == both[rank]) {
                std::thread::sleep(Duration::from_millis(5));
            }
            (done, kills) = (epochs.max(epochs_done(killed.path())), kills + 1);
        }
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(words(&output).matches("continuing after epoch").count(), 5, "{}", words(&output));
    assert_eq!(history(whole.path()), history(killed.path()));
    assert_eq!(apart(whole.path(), killed.path()), 0.0);
}

/// Kills a worker. This is reported, and the same command then resumes and gives the same result.
#[test]
fn a_worker_may_die() {
    let faces = faces_folder(1_000);
    let (whole, killed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let config = experiment(whole.path(), "epochs = 5");
    let workers = |place: &TempDir| {
        let mut command = train(place.path(), faces.path(), &config);
        command.args(["--workers", "2"]);
        command
    };
    succeeds(workers(&whole));
    let mut command = workers(&killed);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(kill(under_way(killed.path(), &mut child, 1, 0).1));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    for says in ["a worker was lost: run the same again", "worker 1 ended (signal: 9"] {
        assert!(words(&output).contains(says), "{}", words(&output));
    }
    let said = succeeds(workers(&killed));
    assert!(said.contains("continuing after epoch"), "{said}");
    assert_eq!(history(whole.path()), history(killed.path()));
    assert_eq!(apart(whole.path(), killed.path()), 0.0);
}

/// Deletes the workers' program while they are being started.
#[test]
fn workers_end_where_another_can_not_start() {
    let faces = faces_folder(300);
    let place = TempDir::new().unwrap();
    let config = experiment(place.path(), "epochs = 1");
    let mut command = train(place.path(), faces.path(), &config);
    let script = "echo $$ >>\"$ROR_CACHE/started\"; rm -f \"$0\"; exec sleep 300";
    workers_as(place.path(), &mut command, script);
    let output = command.args(["--workers", "1024"]).output().unwrap();
    assert!(words(&output).contains("cannot start"), "{}", words(&output));
    let started = fs::read_to_string(place.path().join("cache").join("started")).unwrap();
    let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let left: Vec<i32> = started
        .lines()
        .filter(|pid| ["program", "rm", "sleep"].contains(&name(pid).trim()))
        .map(|pid| pid.parse().unwrap())
        .collect();
    for pid in &left {
        kill(*pid);
    }
    assert!(left.is_empty(), "{} of {} go on", left.len(), started.lines().count());
}

#[test]
fn what_goes_wrong_among_ranks_is_said() {
    let faces = faces_folder(300);
    let place = TempDir::new().unwrap();
    let config = experiment(place.path(), "epochs = 1");
    let fails = |command: &mut Command, says: &str| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", words(&output));
        assert!(words(&output).contains(says), "{}", words(&output));
        words(&output)
    };
    let with = |variables: &[(&'static str, &'static str)]| {
        let mut command = train(place.path(), faces.path(), &config);
        command.envs(variables.iter().copied());
        command
    };
    fails(&mut with(&[("RANK", "0"), ("WORLD_SIZE", "2")]), "MASTER_PORT is not set");
    // Ranks other than the first print their error and nothing else, such as notes on left-out
    // files.
    symlink("nowhere", faces.path().join("30_1_0_2017.jpg")).unwrap();
    let said =
        fails(&mut with(&[("RANK", "1"), ("WORLD_SIZE", "2")]), "error: WORLD_SIZE is 2 but");
    assert_eq!(said.lines().count(), 1, "{said}");
    fails(&mut with(&[("RANK", "1")]), "RANK is set but WORLD_SIZE is not");
    fails(train(place.path(), faces.path(), &config).args(["--workers", "0"]), "choose 1 to 1024");
    // An error that all ranks have is reported as such, not as a lost rank.
    let mut many = train(place.path(), faces.path(), &config);
    many.args(["--batch", "2", "--workers", "3"]);
    let said = fails(&mut many, "error: a batch of 2 images cannot be split across 3 ranks");
    assert!(!said.contains("lost"), "{said}");
    // A worker's own error is shown.
    let mut none = train(place.path(), faces.path(), &config);
    workers_as(place.path(), &mut none, "MASTER_PORT=none exec \"$ROR\" \"$@\"");
    let says = "worker 1 ended (exit status: 1): error: MASTER_PORT is none, which is not a port";
    fails(none.args(["--workers", "2"]), says);
    fails(program(place.path(), faces.path()).args(["worker", "--threads", "1"]), "--workers 2");
}

/// Two ranks without torchrun, each of which knows the world size it is given.
fn by_hand(place: &Path, data: &Path, config: &Path, sizes: [usize; 2]) -> [Command; 2] {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    [0, 1].map(|rank| {
        let mut command = train(place, data, config);
        for (name, number) in
            [("RANK", rank), ("WORLD_SIZE", sizes[rank]), ("MASTER_PORT", port.into())]
        {
            command.env(name, number.to_string());
        }
        command.env("MASTER_ADDR", "127.0.0.1").env("GLOO_SOCKET_IFNAME", "lo");
        command
    })
}

#[test]
fn a_rank_that_is_not_started_is_missed() {
    let faces = faces_folder(300);
    for late in [0, 1] {
        let place = TempDir::new().unwrap();
        let config = experiment(place.path(), "epochs = 1");
        let mut ranks = by_hand(place.path(), faces.path(), &config, [2, 2]);
        let mut early = Heard::start(&mut ranks[1 - late]);
        let says = [
            "rank 1 has waited 10 s for the store at 127.0.0.1:",
            "rank 0 has waited 10 s at 127.0.0.1:",
        ];
        let line = early.until(says[late]);
        let says = [
            "Check that rank 0, which usually hosts it, is started",
            "for rank 1 of 2. Check that it is started",
        ];
        assert!(line.contains(says[late]), "{line}");
        let late_one = Heard::start(&mut ranks[late]);
        let ended = [early.end(), late_one.end()];
        assert!(ended.iter().all(|(succeeded, _)| *succeeded), "{ended:?}");
        let arrived = ended[0].1.contains("all 2 ranks have arrived, after");
        assert!(late == 0 || arrived, "{ended:?}");
    }
}

#[test]
fn a_worker_that_does_not_arrive_is_missed() {
    let faces = faces_folder(300);
    let place = TempDir::new().unwrap();
    let config = experiment(place.path(), "epochs = 1");
    let mut command = train(place.path(), faces.path(), &config);
    let go = place.path().join("go");
    let script =
        format!("while [ ! -e {0} ]; do sleep 0.1; done; exec \"$ROR\" \"$@\"", go.display());
    workers_as(place.path(), &mut command, &script);
    let mut running = Heard::start(command.args(["--workers", "2"]));
    let line = running.until("for rank 1 of 2. Check that the machine has memory left");
    let file = line.rsplit_once("what rank 1 printed is in ").unwrap().1;
    assert!(Path::new(file.trim_end_matches('.')).is_file(), "{line}");
    fs::write(go, "").unwrap();
    running.until("all 2 ranks have arrived, after");
    let (succeeded, said) = running.end();
    assert!(succeeded, "{said}");
}

#[test]
fn ranks_with_another_world_size_are_refused() {
    let faces = faces_folder(300);
    let place = TempDir::new().unwrap();
    let config = experiment(place.path(), "epochs = 1");
    let ranks = by_hand(place.path(), faces.path(), &config, [2, 3]);
    let ended = ranks.map(|mut rank| Heard::start(&mut rank)).map(Heard::end);
    for ((succeeded, said), says) in ended.iter().zip([
        "error: WORLD_SIZE is 2 for rank 0 but 3 for rank 1 (process ",
        "error: WORLD_SIZE is 3 for rank 1 but 2 for rank 0 (process ",
    ]) {
        assert!(!succeeded && said.contains(says), "{said}");
    }
}

/// Stops a worker, which is named, and then a rank with the store, which can't be asked.
#[test]
fn a_rank_that_hangs_is_named() {
    let faces = faces_folder(1_000);
    let place = TempDir::new().unwrap();
    let config = experiment(place.path(), "epochs = 8");
    let mut command = train(place.path(), faces.path(), &config);
    let mut running = Heard::start(command.args(["--workers", "2"]));
    let (_, pid) = under_way(place.path(), &mut running.child, 1, 0);
    assert!(signal(pid, libc::SIGSTOP));
    let line = running.until("rank 0 has waited 1");
    assert!(line.contains(&format!(" s for rank 1 (process {pid} on ")), "{line}");
    assert!(signal(pid, libc::SIGCONT));
    running.until("rank 0 goes on, after");
    let (succeeded, said) = running.end();
    assert!(succeeded, "{said}");
    assert_eq!(said.matches("has waited").count(), 1, "{said}");

    let place = TempDir::new().unwrap();
    let mut ranks = by_hand(place.path(), faces.path(), &config, [2, 2]);
    let [mut first, mut second] = [0, 1].map(|rank| Heard::start(&mut ranks[rank]));
    while epochs_done(place.path()) == 0 {
        assert!(first.child.try_wait().unwrap().is_none(), "{}", first.end().1);
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = first.child.id() as i32;
    assert!(signal(pid, libc::SIGSTOP));
    let line = second.until("rank 1 has waited");
    assert!(line.contains("the store at 127.0.0.1:") && line.contains("does not answer"), "{line}");
    assert!(signal(pid, libc::SIGCONT));
    second.until("rank 1 goes on, after");
    for (succeeded, said) in [first, second].map(Heard::end) {
        assert!(succeeded, "{said}");
    }
}
