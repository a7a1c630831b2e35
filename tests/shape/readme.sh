#!/usr/bin/env bash
# The commands that README.md shows do what it says: those of provctl are run, in their order.
#     readme.sh SOURCE_DIR PROVCTL
set -euo pipefail
source_dir=$1 provctl=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cp -r "$source_dir/templates" .
mkdir -p build/release
ln -s "$(dirname "$provctl")" build/release/plugin
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=Factory -keyout factory-ca.key \
    -out factory-ca.pem -addext keyUsage=critical,keyCertSign 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=device -keyout device.key 2>/dev/null |
    openssl x509 -req -CA factory-ca.pem -CAkey factory-ca.key -CAcreateserial -days 2 -out device.pem \
        -extfile <(echo basicConstraints=CA:FALSE) 2>/dev/null
grep -E '^provctl ' "$source_dir/README.md" | sed "s#/tmp/registry#$dir/registry#g" >commands
[ "$(wc -l <commands)" -ge 4 ] # the README still shows them
while read -r command; do
    echo "$command"
    # shellcheck disable=SC2086 # as a person would type it
    "$provctl" ${command#provctl }
done <commands
# and the configuration that it shows is the one that was written, comments aside
diff <(sed -n '/^listener 8883/,/^plugin_opt/p' "$source_dir/README.md" | sed "s#/tmp/registry#$dir/registry#g; s#/src/build/release/plugin#$(dirname "$provctl")#") \
    <(grep -Ev '^(#|$)' registry/conf.d/provisioning.conf)
