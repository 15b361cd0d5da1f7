#!/usr/bin/env bash
# Runs the shim under AddressSanitizer, which finds invalid reads and writes and memory leaks. Exits
# with 77 if the compiler has no sanitizer.
#   crates/c10d/sanitize/run.sh LIBTORCH BINARY
set -euo pipefail
torch=$(realpath "$1") binary=$(realpath -m "$2")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
compiler=${CXX:-c++}
printf 'int main() {}' | "$compiler" -x c++ -fsanitize=address -o /dev/null - 2>/dev/null || {
    echo "the compiler has no AddressSanitizer"
    exit 77
}
if [ -z "$(find "$binary" -newer src/shim.cpp -newer sanitize/main.cpp 2>/dev/null)" ]; then
    "$compiler" -std=c++17 -O1 -g -fsanitize=address -fno-omit-frame-pointer -D_GLIBCXX_USE_CXX11_ABI=1 \
        -DUSE_C10D_GLOO -Igloo/.. -I"$torch/include/torch/csrc/api/include" -I"$torch/include" \
        src/shim.cpp sanitize/main.cpp -o "$binary" -L"$torch/lib" -Wl,-rpath,"$torch/lib" \
        -Wl,--no-as-needed -ltorch -ltorch_cpu -lc10 -ldl -lpthread
fi
# Turns off torch's recorder of collective calls. It has no lock, so two ranks in one process
# sometimes leak 56 bytes in it.
export TORCH_FR_BUFFER_SIZE=0
exec "$binary"
