#!/bin/sh
# The commands that README.md shows do what it says: those of provctl are run, in their order.
#     readme.sh SOURCE_DIR PROVCTL
set -eu
source_dir=$1 provctl=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cp -r "$source_dir/templates" .
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Factory -keyout factory-ca.key \
    -out factory-ca.pem -addext keyUsage=critical,keyCertSign 2>/dev/null
grep -E '^provctl ' "$source_dir/README.md" | sed "s#/tmp/registry#$dir/registry#g" >commands
[ "$(wc -l <commands)" -ge 4 ] # the README still shows them
while read -r command; do
    echo "$command"
    # shellcheck disable=SC2086 # as a person would type it
    "$provctl" ${command#provctl }
done <commands
"$provctl" --db "$dir/registry" ca list
