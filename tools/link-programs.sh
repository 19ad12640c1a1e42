#!/bin/sh
# link-programs.sh STAMP BIN PROGRAM...: makes the programs lie together in BIN, from which they can be run. Each replaces
# its predecessor by rename, so that one that is running stays whole.
set -eu
stamp=$1
bin=$2
shift 2
mkdir -p "$bin"
for program in "$@"; do
    name=${program##*/}
    cp -f "$program" "$bin/.$name.new"
    mv -f "$bin/.$name.new" "$bin/$name"
done
: >"$stamp"
