//! `completions`: a script that completes commands, options and names in a shell.

use std::io::stdout;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use clap_complete::{Shell, generate};
use ror::store::ModelStore;

#[derive(clap::Args)]
pub struct Args {
    /// Shell.
    shell: Shell,
}

/// The options that take the name of a network.
const NETWORKS: [(&str, &str); 5] = [
    ("predict", "model"),
    ("evaluate", "model"),
    ("visualize", "model"),
    ("train", "start"),
    ("export", "name"),
];

pub fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    let models = ModelStore::default().all().into_iter().map(|model| model.name);
    // The script runs in the user's shell, and a file name may be anything.
    let is_plain = |name: &String| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    // The parser's names live as long as the program, which ends after this.
    let models: Vec<&'static str> = models.filter(is_plain).map(|name| &*name.leak()).collect();
    for (name, option) in NETWORKS {
        let names = PossibleValuesParser::new(models.clone());
        command = command.mut_subcommand(name, |command| {
            command.mut_arg(option, |option| option.value_parser(names))
        });
    }
    generate(args.shell, &mut command, "ror", &mut stdout());
    Ok(())
}
