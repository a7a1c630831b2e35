#!/bin/sh
# The agent's core is for microcontrollers too: behind it there is string.h and nothing else. No allocation, no I/O, no clock, no
# thread.
#     agent_core.sh LIBRARY
set -eu
wanted=$(nm -u "$1" | awk '$1 == "U" { print $2 }' | sort -u)
given=$(nm --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u)
foreign=''
for symbol in $wanted; do
    case "$symbol" in
    memcpy | memmove | memset | memcmp | memchr | strlen | strcmp | strncmp) ;;
    __asan* | __ubsan* | __tsan* | __sanitizer* | __stack_chk_fail | _GLOBAL_OFFSET_TABLE_) ;;
    *) printf '%s\n' "$given" | grep -Fqx -- "$symbol" || foreign="$foreign $symbol" ;;
    esac
done
[ -n "$given" ] || { echo "nothing in $1"; exit 1; }
[ -z "$foreign" ] && exit 0
echo "the agent's core uses:$foreign"
exit 1
