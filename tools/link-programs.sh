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
    ln -f "$program" "$bin/.$name.new" 2>/dev/null || cp -f "$program" "$bin/.$name.new"
    # rename(2) of two names of one file does nothing and leaves both.
    mv -f "$bin/.$name.new" "$bin/$name"
    rm -f "$bin/.$name.new"
done
: >"$stamp"
