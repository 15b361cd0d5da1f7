#!/usr/bin/env bash
# Copies the program and the models to PREFIX, by default ~/.local. PyTorch's libraries, which can be
# gigabytes, are not copied: the program uses those of the Python environment.
#   make install PREFIX=~/.local
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
prefix=${1:-$HOME/.local}
case $prefix in
/*) ;;
*) fail "PREFIX is $prefix, but must be an absolute path." ;;
esac
program=$prefix/lib/ror
data=$prefix/share/ror

./ror --version >/dev/null # compiles changes
rm -rf "$program"
mkdir -p "$prefix/bin" "$program" "$data/models" "$data/data"
cp target/bin/* "$program/"
cp -r models/*.json models/*.safetensors models/lineage models/detector "$data/models/"
cp -r experiments "$data/"
cat >"$prefix/bin/ror" <<END
#!/bin/sh
# Written by make install of $root.
export ROR_HOME="\${ROR_HOME:-$data}"
export LD_LIBRARY_PATH="$(readlink -f .libtorch)/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
[ -n "\${OMP_WAIT_POLICY:-}" ] || export GOMP_SPINCOUNT="\${GOMP_SPINCOUNT:-10000}" # see ./ror
exec "$program/ror" "\$@"
END
chmod +x "$prefix/bin/ror"
"$prefix/bin/ror" --version
say "installed $prefix/bin/ror. It uses PyTorch in $(readlink -f .libtorch): keep that folder."
