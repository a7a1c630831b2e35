# Brokers, measurements and samples for bench/run. Sourced by it; $dir is its temporary directory, $bin where the
# programs are.
# shellcheck shell=bash disable=SC2154

# ---- telling ---------------------------------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }
fail() {
    printf 'bench/run: %s\n' "$*" >&2
    exit 2
}

# ---- samples ---------------------------------------------------------------------------------------
# A series is a file of numbers, one for each round.

sample() { printf '%s\n' "$2" >>"$dir/series.$1"; }
last() { tail -n 1 "$dir/series.$1"; }
samples() { cat "$dir/series.$1" 2>/dev/null; }

# spread < NUMBERS: "minimum median maximum"
spread() {
    sort -g | awk '{ v[NR] = $1 }
        END { if (NR == 0) { print "- - -"; exit }
              m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
              print v[1], m, v[NR] }'
}
# ratio A B: A divided by B, round by round.
ratios() {
    paste -d' ' "$dir/series.$1" "$dir/series.$2" 2>/dev/null | awk 'NF == 2 && $2 != 0 { printf "%.4f\n", $1 / $2 }'
}

# figure LINE KEY: the value of KEY in a program's line of key=value pairs.
figure() {
    local pair
    for pair in $1; do
        [ "${pair%%=*}" != "$2" ] || { printf '%s\n' "${pair#*=}"; return; }
    done
    fail "there is no $2 in: $1"
}
ms() { awk -v us="$1" 'BEGIN { printf "%.3f\n", us / 1000 }'; }

# ---- brokers ---------------------------------------------------------------------------------------

broker=''
# Ports on which nobody answers, below the range of outgoing connections.
free_port() {
    local port
    while :; do
        port=$((16384 + RANDOM % 16000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    printf '%s\n' "$port"
}

# What all kinds have: a listener with client certificates and a plain one, nothing logged, nothing kept.
common_configuration() {
    cat <<TXT
user $(id -un)
log_dest none
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
allow_anonymous true
listener $tls_port 127.0.0.1
certfile $pki/server.pem
keyfile $pki/server.key
require_certificate true
TXT
}
plain_listener() { printf 'listener %s 127.0.0.1\n' "$plain_port"; }

# write_configuration KIND [DATABASE]
#   stock      Mosquitto and a cafile, nothing else: everybody may do everything
#   other      the same, but the CA of the broker's own certificate is not in the cafile
#   dynsec     stock with dynamic-security and rules equal to bench/device-policy.json
#   plugin     this plugin, the registry being DATABASE
write_configuration() {
    {
        common_configuration
        case "$1" in
        stock | dynsec) printf 'cafile %s\nuse_identity_as_username true\n' "$pki/cas.pem" ;;
        other) printf 'cafile %s\nuse_identity_as_username true\n' "$pki/ca.pem" ;;
        esac
        plain_listener
        case "$1" in
        dynsec)
            printf 'plugin %s\nplugin_opt_config_file %s\n' "$dynsec" "$dir/dynsec.json"
            ;;
        plugin)
            printf 'plugin %s\nplugin_opt_db_path %s\nplugin_opt_other_clients allow\n' "$plugin" "$2"
            ;;
        esac
    } >"$dir/$1.conf"
}

# up KIND [DATABASE] [WRAPPER…]: starts a broker and waits until it listens.
up() {
    local kind=$1 database=${2:-} i
    shift
    [ $# -eq 0 ] || shift
    tls_port=$(free_port)
    plain_port=$(free_port)
    write_configuration "$kind" "$database"
    "$@" "$mosquitto" -c "$dir/$kind.conf" >"$dir/broker.out" 2>&1 </dev/null &
    broker=$!
    for ((i = 0; i < 1200; i++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$plain_port") 2>/dev/null; then
            return
        fi
        kill -0 "$broker" 2>/dev/null || break
        sleep 0.05
    done
    cat "$dir/broker.out" >&2
    fail "the broker ($kind) did not start: see $dir/$kind.conf"
}
down() {
    [ -n "$broker" ] || return 0
    kill "$broker" 2>/dev/null || true
    wait "$broker" 2>/dev/null || true
    broker=''
}

# Rules for each device, by name: dynamic-security of 2.0 has no variables.
write_dynsec() { # DEVICES DENY: what the devices have, and whether there is a Deny among it (0, 1)
    awk -v n="$1" -v deny="$2" 'BEGIN {
        print "{\"defaultACLAccess\":{\"publishClientSend\":false,\"publishClientReceive\":false,\"subscribe\":false,\"unsubscribe\":true},"
        printf "\"clients\":["
        for (i = 0; i < n; i++) printf "%s{\"username\":\"dev-%07d\",\"roles\":[{\"rolename\":\"r%d\"}]}", i ? "," : "", i, i
        printf "],\n\"roles\":["
        for (i = 0; i < n; i++) {
            d = sprintf("dev-%07d", i)
            printf "%s{\"rolename\":\"r%d\",\"acls\":[", i ? "," : "", i
            if (deny) printf "{\"acltype\":\"publishClientSend\",\"topic\":\"dt/%s/config\",\"priority\":1,\"allow\":false},", d
            printf "{\"acltype\":\"publishClientSend\",\"topic\":\"dt/%s/#\",\"priority\":0,\"allow\":true},", d
            printf "{\"acltype\":\"publishClientReceive\",\"topic\":\"cmd/%s/#\",\"priority\":0,\"allow\":true},", d
            printf "{\"acltype\":\"publishClientReceive\",\"topic\":\"dt/#\",\"priority\":0,\"allow\":true},"
            printf "{\"acltype\":\"subscribePattern\",\"topic\":\"cmd/%s/#\",\"priority\":0,\"allow\":true},", d
            printf "{\"acltype\":\"subscribePattern\",\"topic\":\"dt/#\",\"priority\":0,\"allow\":true}]}", d
        }
        print "]}"
    }' >"$dir/dynsec.json"
}

# ---- the registry ----------------------------------------------------------------------------------

ctl() { "$bin/plugin/provctl" "$@" >/dev/null; }

# A registry that takes the factory's devices, in a new directory.
new_registry() { # DIRECTORY
    ctl --db "$1" init
    ctl --db "$1" policy create telemetry-device bench/device-policy.json
    ctl --db "$1" template create by-cn templates/jitp-by-cn.json --type JITP
    ctl --db "$1" ca register "$pki/ca.pem" --sni-only --active --auto-register --template by-cn
}

# use_deny yes|no: the same rules with a Deny among them, or as they were
use_deny() {
    if [ "$1" = yes ]; then
        # shellcheck disable=SC2016 # a policy variable
        sed 's|^  "Statement": \[|&\n    { "Effect": "Deny", "Action": "iot:Publish", "Resource": "arn:aws:iot:*:*:topic/dt/${iot:ClientId}/config" },|' \
            bench/device-policy.json >"$dir/deny.json"
        ctl --db "$dir/registry" policy version create telemetry-device "$dir/deny.json" --set-default
        write_dynsec "$known" 1
    else
        ctl --db "$dir/registry" policy version set-default telemetry-device 1
        write_dynsec "$known" 0
    fi
}

# ---- instructions ----------------------------------------------------------------------------------

# counted KIND DATABASE PROGRAM…: the instructions of the broker while the program runs, on stdout "all checks": all of
# them, and those of mosquitto_acl_check with what it calls.
counted() {
    local kind=$1 database=$2 out=$dir/callgrind.out
    shift 2
    up "$kind" "$database" valgrind --tool=callgrind --callgrind-out-file="$out"
    "$@" --port "$tls_port" >"$dir/load.out" || fail "$* failed at $kind under callgrind"
    down
    callgrind_annotate --inclusive=yes --threshold=100 "$out" 2>/dev/null | tr -d , | awk '
        / PROGRAM TOTALS/ { all = $1 }
        /:mosquitto_acl_check( |$)/ && checks == "" { checks = $1 }
        END { print all + 0, checks + 0 }'
    rm -f "$out"
}

# per_operation SERIES KIND DATABASE FEW MANY PROGRAM…: two runs, the difference divided, so that starting and stopping
# do not count. Samples SERIES.KIND, and SERIES-checks.KIND for what ACL checks have of it.
per_operation() {
    local series=$1 kind=$2 database=$3 few=$4 many=$5 a b
    shift 5
    a=$(counted "$kind" "$database" "$@" "$few")
    b=$(counted "$kind" "$database" "$@" "$many")
    sample "$series.$kind" "$(each "${a% *}" "${b% *}" $((many - few)))"
    sample "$series-checks.$kind" "$(each "${a#* }" "${b#* }" $((many - few)))"
}
each() { awk -v a="$1" -v b="$2" -v n="$3" 'BEGIN { printf "%.1f\n", (b - a) / n }'; }

# instructions_per_check PROGRAM…: of a program of ours that takes --checks.
instructions_per_check() {
    local few=2400 many=12000 n counts=()
    for n in $few $many; do
        counts+=("$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" --checks "$n" 2>&1 >/dev/null |
            awk '/Collected/ { print $4 }')")
    done
    echo $(((counts[1] - counts[0]) / (many - few)))
}

# ---- the table -------------------------------------------------------------------------------------

# number VALUE: three significant digits
number() {
    awk -v v="$1" 'BEGIN {
        if (v == "-") print ""
        else if (v >= 100) printf "%d", v + 0.5
        else printf "%.3g", v }'
}
# cell "MINIMUM MEDIAN MAXIMUM"
cell() {
    local min median max
    read -r min median max <<<"$1"
    if [ "$(number "$min")" = "$(number "$max")" ]; then
        number "$median"
    else
        printf '%s (%s–%s)' "$(number "$median")" "$(number "$min")" "$(number "$max")"
    fi
}
of() { cell "$(samples "$1" | spread)"; }

# compare WHAT SERIES PROMISE: a line with all kinds that were measured
compare() {
    printf '| %s | %s | %s | %s | %s | %s |\n' "$1" "$(of "$2.stock")" "$(of "$2.dynsec")" "$(of "$2.plugin")" \
        "$(cell "$(ratios "$2.plugin" "$2.stock" | spread)")" "$3"
}
# alone WHAT SERIES PROMISE: what has no peer
alone() { printf '| %s | | | %s | | %s |\n' "$1" "$(of "$2")" "$3"; }
