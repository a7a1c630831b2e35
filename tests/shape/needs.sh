#!/bin/sh
# One plugin, built on the oldest release, serves all: it needs no library whose soname differs between them, such as
# libcbor, which it opens itself. Sanitizers bring their own along.
set -eu
known='libc\.so\.6|ld-linux.*|libcrypto\.so\.3|libssl\.so\.3|libcjson\.so\.1|liblmdb\.so\.0'
sanitizers='lib(asan|ubsan|tsan|clang_rt\..*|gcc_s|m|dl|rt|pthread|resolv)[.-].*'
dynamic=$(readelf -d "$1")
others=$(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vxE "$known|$sanitizers" | tr '\n' ' ')
[ -z "$others" ] && exit 0
echo "needed: $others"
exit 1
