#!/usr/bin/env bash
# Fuzzes the targets in fuzz/targets.rs one after the other with libFuzzer, which is guided by coverage.
# Inputs that break a target, and inputs that reach new code, are saved in target/fuzz/.
#   make fuzz                                 each target for a minute
#   make fuzz TIME=600 TARGETS="card weights" two targets for ten minutes each
#   make fuzz RUNS=published                  the runs in docs/reliability.md; writes fuzz/runs.csv
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
targets=$(ls fuzz/corpus)
for target in ${TARGETS:-}; do
    [ -d "fuzz/corpus/$target" ] || fail "unknown target $target." "Choose from: ${targets//$'\n'/ }"
done

[ -z "${TARGETS:-}" ] || [ "${RUNS:-}" != published ] ||
    fail "RUNS=published runs all targets." "Remove TARGETS, or use TIME instead of RUNS."

# The same lock file, so that the compiled dependencies can be reused.
cp Cargo.lock fuzz/Cargo.lock
host=$(rustc --print host-tuple)
mkdir -p target/fuzz/bin
RUSTC_WRAPPER=$root/fuzz/rustc.sh cargo build --manifest-path fuzz/Cargo.toml --target-dir target --quiet
cp -f "target/$host/debug/ror-fuzz" target/fuzz/bin/
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
    # One worker, so that the seed determines the inputs.
    if ROR_FUZZ=$target OMP_NUM_THREADS=1 RAYON_NUM_THREADS=1 target/fuzz/bin/ror-fuzz "${limit[@]}" \
        -seed="$seed" -timeout=10 -rss_limit_mb=2048 -max_len=16384 -print_final_stats=1 -verbosity=1 \
        -artifact_prefix="target/fuzz/$target-" "$found" "fuzz/corpus/$target" >"$log" 2>&1; then
        number() { sed -n "s/^stat::$1: *//p" "$log"; }
        edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1)
        seconds=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
        inputs=$(find "$found" -type f | wc -l)
        say "$target: $(number number_of_executed_units) executions in $seconds s, $edges edges, no failures"
        echo "$target,$(number number_of_executed_units),$seconds,$seed,${edges#cov: },$inputs,$(number peak_rss_mb),$(date -u +%F),\"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), 1 thread\"" >>"$csv"
    else
        status=1
        say "error: $target failed; its input is in target/fuzz/, and the end of $log says:"
        tail -n 25 "$log" >&2
    fi
done
[ "${RUNS:-}" != published ] || [ $status -ne 0 ] || cp "$csv" fuzz/runs.csv
exit $status
