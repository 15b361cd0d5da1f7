//! `worker`: one of the processes that `train --workers` starts.

use anyhow::Result;

#[derive(clap::Args)]
pub struct Args {
    /// Number of CPU threads.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: i32,
}

pub fn run(args: &Args) -> Result<()> {
    tch::set_num_threads(args.threads);
    distributed::worker()
}
