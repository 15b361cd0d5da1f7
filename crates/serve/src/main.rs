//! The program `ror-serve`, which `ror serve` runs: a page and an HTTP API for predictions.

mod api;
mod budget;
mod counts;
mod description;
mod inference;
mod listen;
mod page;
mod policy;
mod queue;
mod refusal;
mod upload;

use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use ror::predict::{Predictor, detector};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tokio::sync::watch;
use utils::progress::to_stderr;

use api::{MOST_BYTES, MOST_WAITING, Server, models_json, router};
use budget::Budget;
use counts::Counts;
use policy::Policy;
use queue::Queue;

/// Serve a page and an HTTP API that predict gender and age in photos.
///
/// Images are neither stored nor logged. Ctrl+C or SIGTERM ends it once accepted images are answered.
#[derive(Parser)]
#[command(name = "ror serve", bin_name = "ror serve", version)]
struct Args {
    /// Address or name to listen on. One that other machines reach needs a token, which is printed,
    /// or taken from ROR_TOKEN.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port; 0 is any free one.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Network, by name or card; repeat to average several. [default: pretrained-both]
    #[arg(long)]
    model: Vec<String>,
    /// Minimum face size in pixels. [default: 40]
    #[arg(long, value_name = "PIXELS")]
    smallest: Option<f64>,
}

fn main() -> ExitCode {
    utils::progress::show_progress(true);
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            to_stderr(&format!("error: {}", utils::escape::error(&error)));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let (listener, address) = bind(&args.host, args.port)?;
    let token = if address.ip().is_loopback() { None } else { Some(token()?) };
    let names: Vec<&str> = args.model.iter().map(String::as_str).collect();
    let predictor =
        if names.is_empty() { Predictor::pretrained()? } else { Predictor::open(&names)? };
    let detector = match args.smallest {
        Some(pixels) => detector()?.smallest(pixels)?,
        None => detector()?,
    };
    let server = Arc::new(Server {
        queue: Arc::new(Queue::of(MOST_WAITING)),
        counts: Arc::default(),
        budget: Budget::of(MOST_BYTES),
        policy: Policy::new(&args.host, token.clone()),
        models: models_json(&predictor),
    });
    let (queue, counts): (_, Arc<Counts>) = (Arc::clone(&server.queue), Arc::clone(&server.counts));
    let threads = inference::start(&predictor, &detector, Arc::clone(&queue), counts)?;
    let stop = stop_signal()?;
    to_stderr(&welcome(&args.host, address, token.as_deref()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(listen::serve(listener, router(server), stop));
    queue.close();
    threads.join().map_err(|_| anyhow!("an inference thread panicked"))??;
    served
}

/// Listens on a host, which may be a name.
fn bind(host: &str, port: u16) -> Result<(TcpListener, SocketAddr)> {
    let shown = if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses =
        (bare, port).to_socket_addrs().with_context(|| format!("cannot find the host {host}"))?;
    let listener = TcpListener::bind(&addresses.collect::<Vec<_>>()[..]).with_context(|| {
        format!("cannot listen on {shown}: choose another port with --port, or an address of this machine with --host")
    })?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Returns the token in ROR_TOKEN, or a new one.
fn token() -> Result<String> {
    if let Some(token) = std::env::var_os("ROR_TOKEN") {
        let token =
            token.into_string().ok().filter(|token| token.chars().all(|c| c.is_ascii_graphic()));
        let token =
            token.context("ROR_TOKEN may have letters, digits and ASCII punctuation only")?;
        ensure!(token.len() >= 16, "ROR_TOKEN is too short: use at least 16 characters");
        return Ok(token);
    }
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).context("the system has no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns a value that becomes true at the first SIGTERM or Ctrl+C. The second ends the program.
fn stop_signal() -> Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        to_stderr("answering what was accepted, then ending; press Ctrl+C to end now");
        stop.send_replace(true);
        signals.next();
        std::process::exit(1);
    });
    Ok(stopped)
}

fn welcome(host: &str, address: SocketAddr, token: Option<&str>) -> String {
    let Some(token) = token else {
        return format!(
            "http://{address} (Ctrl+C ends it). Only this machine can reach it; images are not stored."
        );
    };
    let host = if address.ip().is_unspecified() { "ADDRESS-OF-THIS-MACHINE" } else { host };
    let port = address.port();
    format!(
        "http://{host}:{port}/#{token} (Ctrl+C ends it). Images are not stored.\n\
         Other machines can reach it with the token {token}; what they send is not encrypted."
    )
}
