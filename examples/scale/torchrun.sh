#!/bin/bash
# Answers tar shards by so many workers of torchrun on this machine, and then says what is left.
#   examples/scale/torchrun.sh WORKERS ANSWERS SHARDS...
workers=$1 to=$2
shift 2
ror=${ROR:-./ror}
# Status 1 is an error that comes again, such as a damaged shard. torchrun would end all workers for
# it and start them again, and again; a worker that was killed it shall start again.
torchrun --standalone --no-python --nproc-per-node "$workers" --max-restarts 100 \
    sh -c '"$@" || [ $? = 1 ]' sh "$ror" predict "$@" --to "$to"
# What is there is skipped: this takes a moment, and says which shards could not be answered.
exec "$ror" predict "$@" --to "$to" --shard 0/1
