#!/usr/bin/env bash
# Builds and runs a project that depends on the library as `cargo package` packs it, without the
# default features: outside the workspace, as anybody's would be. The compiled crates of the project
# are shared where their features are the same.
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
crates=(ror ror-archive ror-charts ror-frames ror-imaging ror-layers ror-mtcnn ror-synthetic ror-utils)
project=$root/target/dependent
rm -rf "$project/packed"
mkdir -p "$project/src" "$project/packages" "$project/packed"

packages=()
for name in "${crates[@]}"; do packages+=(-p "$name"); done
cargo package --quiet --locked --offline --allow-dirty --no-verify "${packages[@]}" --target-dir target/package
patches=
for name in "${crates[@]}"; do
    archive=$(ls -t target/package/package/"$name"-[0-9]*.crate | head -n 1)
    tar xzmf "$archive" -C "$project/packed"
    folder=$(basename "$archive" .crate)
    rm -f "$project/packed/$folder/Cargo.lock" "$project/packed/$folder/Cargo.toml.orig"
    # The times in a package are of no day: with them, cargo would take an old build for the new one.
    if ! diff -rq "$project/packed/$folder" "$project/packages/$folder" >/dev/null 2>&1; then
        rm -rf "$project/packages/$folder"
        mv "$project/packed/$folder" "$project/packages/"
    fi
    patches+="$name = { path = \"packages/$folder\" }"$'\n'
done

cat >"$project/Cargo.toml" <<END
[package]
name = "dependent"
version = "0.1.0"
edition = "2024"

[dependencies]
anyhow = "1"
ror = { version = "0.3", default-features = false }

[patch.crates-io]
$patches
[workspace]
END
cat >"$project/src/main.rs" <<'END'
use ror::prelude::*;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, image] = &words[..] else { anyhow::bail!("name a model and an image") };
    let image = ror::image::open(image)?.to_rgb8();
    println!("{}", Predictor::open(&[model])?.predict(&image)?);
    Ok(())
}
END
cp Cargo.lock "$project/"
cd "$project"
unset ROR_HOME ROR_MODELS ROR_CACHE ROR_DATA
export LIBTORCH=$root/.libtorch LD_LIBRARY_PATH=$root/.libtorch/lib CARGO_TARGET_DIR=$root/target
cargo build --quiet --offline
count=$(cargo tree --offline -e normal --prefix none | cut -d ' ' -f 1 | sort -u | wc -l)
photo=$root/tests/photos/plain.jpg
program=$CARGO_TARGET_DIR/$(rustc --print host-tuple)/debug/dependent
said=$("$program" "$root/models/both-64px.json" "$photo")
own=$("$root/ror" predict --aligned --model both-64px "$photo")
[[ $own == *"$said"* ]] || fail "a dependent project predicts \"$said\", and the program \"$own\""
missing=$("$program" both-64px "$photo" 2>&1) && fail "without models, a dependent project predicts something: $missing"
[[ $missing == *ROR_MODELS* ]] || fail "the error without models does not say what to do: $missing"
say "a dependent project of $count crates predicts: $said"
