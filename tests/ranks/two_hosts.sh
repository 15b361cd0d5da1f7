#!/usr/bin/env bash
# Runs a command by torchrun on two hosts: two network namespaces, joined by a cable. Ends with 77
# where the kernel lets nobody make them.
#   tests/ranks/two_hosts.sh TORCHRUN PROGRAM [ARGUMENT...]
set -euo pipefail
torchrun=$1
shift
a=ror-$$-a b=ror-$$-b
tidy() {
    # Where one host has failed, the other would go on.
    for namespace in $a $b; do ip netns pids $namespace | xargs -r kill -KILL; done
    ip netns del $a
    ip netns del $b
} 2>/dev/null
trap tidy EXIT
{ ip netns add $a && ip netns add $b; } 2>/dev/null || {
    echo "no network namespaces can be made here (that takes root and iproute2)"
    exit 77
}
ip link add ror0 netns $a type veth peer name ror0 netns $b
host() { # namespace, address
    ip -n "$1" address add "$2/24" dev ror0
    ip -n "$1" link set ror0 up
    ip -n "$1" link set lo up
}
host $a 10.77.0.1
host $b 10.77.0.2
run() { # namespace, address, whether torchrun's ranks meet there, command...
    local namespace=$1 address=$2 meet=$3
    shift 3
    # Interfaces are a list, as PyTorch takes it.
    GLOO_SOCKET_IFNAME=ror0,ror0 ip netns exec "$namespace" "$torchrun" --nnodes 2 --nproc-per-node 1 --no-python \
        --rdzv-backend c10d --rdzv-endpoint 10.77.0.1:29400 --rdzv-id ror \
        --rdzv-conf is_host="$meet" --local-addr "$address" "$@"
}
run $b 10.77.0.2 false "$@" &
other=$!
run $a 10.77.0.1 true "$@"
wait $other
