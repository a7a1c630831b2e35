#!/bin/sh
# The broker loads plugins with global symbols, so the plugin shows it nothing but its entry points.
set -eu
seen=$(nm -D --defined-only "$1" | awk '{ print $3 }' | grep -vE '^(__asan|__ubsan|__odr_asan|_init|_fini)' | sort | tr '\n' ' ')
want='mosquitto_plugin_cleanup mosquitto_plugin_init mosquitto_plugin_version '
[ "$seen" = "$want" ] && exit 0
echo "exported: $seen"
exit 1
