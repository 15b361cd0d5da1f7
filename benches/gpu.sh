#!/usr/bin/env bash
# The crate on a GPU, beside PyTorch there: benches/gpu.csv. The machine with the GPU needs Python with
# PyTorch 2.11 and torchvision, and neither Rust nor this project's environment.
#   benches/gpu.sh pack           compiles here, and packs all that is needed: target/gpu.tar.gz (about 35 MB)
#   gpu/gpu.sh run [STEPS]        there, unpacked: measures, and prints a table as CSV
#   benches/gpu.sh                both, where the GPU is in this machine
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

pack() {
    source "$here/../setup/env.sh"
    built=$(cargo build --locked --benches --tests --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
    rm -rf target/gpu
    mkdir -p target/gpu/models
    for name in waits training; do
        program=$(grep "/$name-[0-9a-f]*$" <<<"$built" | tail -1)
        cp "$program" target/gpu/$name
    done
    cp "$(rustc --print target-libdir)"/libstd-*.so benches/gpu.sh benches/gpu.py python/ror.py target/gpu/
    cp benches/rivals/{report,train,predict_folder,ceiling}.py target/gpu/
    cp models/both-64px.* models/both-32px.json target/gpu/models/
    strip target/gpu/{waits,training}
    tar -C target -czf target/gpu.tar.gz gpu
    du -sh target/gpu.tar.gz
}

run() ( # in a shell of its own, which goes elsewhere
    cd "$here"
    python=$(command -v python3)
    torch=$("$python" -c 'import os, torch; print(os.path.dirname(torch.__file__))')
    export LD_LIBRARY_PATH=$here:$torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ROR_HOME=$here PYTHONPATH=$here
    "$python" gpu.py "$@"
)

case ${1:-both} in
pack) pack ;;
run) shift && run "$@" ;;
*)
    pack
    here=$root/target/gpu run >benches/gpu.csv.new
    mv benches/gpu.csv.new benches/gpu.csv
    ;;
esac
