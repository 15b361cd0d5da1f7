//! `serve`: runs the server, which is a program of its own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, ensure};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Options of the server: see `ror serve --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

pub fn run(args: &Args) -> Result<()> {
    let program = std::env::current_exe()?.with_file_name("ror-serve");
    ensure!(
        program.is_file(),
        "the server is not compiled: run `./ror serve` in the project's folder, which compiles it; \
         to install it, run `make install` afterwards"
    );
    // Returns only if it fails.
    let error = Command::new(&program).args(&args.options).exec();
    Err(error).with_context(|| format!("cannot run {}", program.display()))
}
