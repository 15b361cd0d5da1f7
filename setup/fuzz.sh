#!/usr/bin/env bash
# Fuzzes what is read, a target of fuzz/targets.rs after the other, under libFuzzer, which looks for
# inputs that reach new code. What breaks one is left in target/fuzz/, and so is what it has found.
#   make fuzz                                 each target for a minute
#   make fuzz TIME=600 TARGETS="card weights" these for ten minutes each
#   make fuzz RUNS=published                  as often as docs/reliability.md says; writes fuzz/runs.csv
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
targets=$(ls fuzz/corpus)
for target in ${TARGETS:-}; do
    [ -d "fuzz/corpus/$target" ] || fail "there is no target $target." "There are: ${targets//$'\n'/ }"
done

[ -z "${TARGETS:-}" ] || [ "${RUNS:-}" != published ] ||
    fail "RUNS=published is of all targets." "Leave TARGETS out, or choose a TIME."

# The dependencies are those that are compiled already; so they must be the same.
cp Cargo.lock fuzz/Cargo.lock
host=$(rustc --print host-tuple)
# cargo's folder has one library of this crate for all builds, as build.sh says: this build's is there
# while it lasts, and the others' before and after it.
deps=target/$host/debug/deps
mkdir -p target/fuzz/bin
exchange() {
    mkdir -p "target/fuzz/$1" "target/fuzz/$2"
    find "$deps" -maxdepth 1 -name 'libror.*' -exec mv -t "target/fuzz/$1" {} +
    find "target/fuzz/$2" -name 'libror.*' -exec mv -t "$deps" {} +
}
exchange others own
trap 'exchange own others' EXIT
RUSTC_WRAPPER=$root/fuzz/rustc.sh cargo build --manifest-path fuzz/Cargo.toml --target-dir target --quiet
cp -f "target/$host/debug/ror-fuzz" "$deps/libror.so" target/fuzz/bin/
exchange own others
trap - EXIT
export LD_LIBRARY_PATH=$root/target/fuzz/bin:$(rustc --print target-libdir):$root/.libtorch/lib

seed=${SEED:-1}
csv=target/fuzz/runs.csv
echo "target,executions,seconds,seed,edges,inputs,peak_mb,date,hardware" >"$csv"
status=0
for target in ${TARGETS:-$targets}; do
    case $target in
    names | card | weights | index) runs=1000000 ;;
    *) runs=100000 ;;
    esac
    limit=(-max_total_time="${TIME:-60}")
    [ "${RUNS:-}" = published ] && limit=(-runs=$runs)
    found=target/fuzz/$target
    rm -rf "$found"
    mkdir -p "$found"
    log=target/fuzz/$target.log
    # One worker, so that the seed decides what is tried.
    if ROR_FUZZ=$target OMP_NUM_THREADS=1 RAYON_NUM_THREADS=1 target/fuzz/bin/ror-fuzz "${limit[@]}" \
        -seed="$seed" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="target/fuzz/$target-" "$found" "fuzz/corpus/$target" >"$log" 2>&1; then
        number() { sed -n "s/^stat::$1: *//p" "$log"; }
        edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1)
        seconds=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
        inputs=$(find "$found" -type f | wc -l)
        say "$target: $(number number_of_executed_units) executions in $seconds s, $edges edges, nothing broke"
        echo "$target,$(number number_of_executed_units),$seconds,$seed,${edges#cov: },$inputs,$(number peak_rss_mb),$(date -u +%F),\"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), 1 thread\"" >>"$csv"
    else
        status=1
        say "error: $target broke; its input is above, its words are the last of $log:"
        tail -n 25 "$log" >&2
    fi
done
[ "${RUNS:-}" != published ] || [ $status -ne 0 ] || cp "$csv" fuzz/runs.csv
exit $status
