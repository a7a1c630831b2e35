#!/bin/sh
# Core knows no broker, no LMDB and no thread: what would use one does not compile with core's include path.
#     core_refuses.sh COMPILER PLUGIN_DIR
set -eu
compiles() { printf '%s\n' "$1" | "$compiler" -std=c11 -D_GNU_SOURCE -I"$dir/forbidden" -I"$dir" -fsyntax-only -x c - 2>/dev/null; }
compiler=$1 dir=$2
for source in '#include <lmdb.h>' '#include <mosquitto_broker.h>' '#include <mosquitto.h>' '#include <threads.h>'; do
    if compiles "$source"; then
        echo "core could say: $source"
        exit 1
    fi
done
if compiles '#include <pthread.h>
int f(pthread_mutex_t *m); int f(pthread_mutex_t *m) { return pthread_mutex_lock(m); }'; then
    echo 'core could lock a mutex'
    exit 1
fi
compiles '#include "core/registry.h"' # and what core may say does compile
