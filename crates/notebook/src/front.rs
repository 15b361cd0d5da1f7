//! The connection of the process of cells to the kernel's front (`setup/front`).
//!
//! What cells print, evcxr's own lines included, goes to the front over Unix sockets instead of to
//! evcxr over pipes. So the front sees unfinished lines, text between two cells, and the last words
//! of a process that crashes. It sends evcxr's lines back here, and they are passed on.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

use serde_json::Value;
use utils::live;

/// Stack of the thread that calls closures, in bytes; as much as a program's main thread has.
const STACK: usize = 8 << 20;
/// Longest wait for the lock of standard output at the end of a cell. A thread may hold it for ever.
const FLUSH: Duration = Duration::from_millis(200);

/// Connects this process to the front, if it has one. `answer` gets the front's other commands.
pub(super) fn connect(answer: fn(&Value)) -> io::Result<()> {
    let Some(path) = env::var_os("EVCXR_FRONT_SOCKET") else {
        return Ok(());
    };
    let open = |name: &str| {
        let mut stream = UnixStream::connect(&path)?;
        writeln!(stream, "{name}")?;
        io::Result::Ok(stream)
    };
    let (commands, output, errors) = (open("commands")?, open("stdout")?, open("stderr")?);
    let evcxr = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    for (stream, standard) in [(&output, libc::STDOUT_FILENO), (&errors, libc::STDERR_FILENO)] {
        // SAFETY: both descriptors are open, and the standard ones stay open for the whole process.
        if unsafe { libc::dup2(stream.as_raw_fd(), standard) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    let listen = move || listen(commands, evcxr, answer);
    thread::Builder::new().name("front".to_owned()).stack_size(STACK).spawn(listen)?;
    Ok(())
}

/// Carries out the front's commands, one JSON object per line, until the front ends.
fn listen(commands: UnixStream, mut evcxr: File, answer: fn(&Value)) {
    for line in BufReader::new(commands).lines() {
        let Some(command) = line.ok().and_then(|line| serde_json::from_str::<Value>(&line).ok())
        else {
            return;
        };
        match command["pass"].as_str() {
            Some(line) => {
                if command["ends"] == true {
                    flush();
                }
                if evcxr.write_all(line.as_bytes()).is_err() {
                    return;
                }
            }
            None => answer(&command),
        }
    }
}

/// Sends everything that waits in this process.
pub(super) fn flush() {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        live::send_waiting();
        let _ = io::stdout().flush();
        // SAFETY: flushes the streams of C and C++.
        unsafe { libc::fflush(std::ptr::null_mut()) };
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(FLUSH);
}
