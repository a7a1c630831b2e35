# Brokers, measurements, samples and the table for bench/run. Sourced by it; $dir is its temporary directory, $bin where
# the programs are.
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
#   plugin     this plugin, the registry being DATABASE; the limits off, for few addresses and certificates are used again
#              and again, and one CA
#   limits     with the limits that it has when nothing is said
#   quiet      plugin without presence events
#   control    plugin, and an ACL file that lets everybody use the control API
#   hooks      plugin with what $hook_lines says
#   fleet      plugin that issues certificates, and what $fleet_lines says
write_configuration() {
    local limit
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
        plugin | limits | quiet | control | hooks | fleet)
            printf 'plugin %s\nplugin_opt_db_path %s\nplugin_opt_other_clients allow\n' "$plugin" "$2"
            ;;
        esac
        case "$1" in
        plugin | quiet | control | hooks | fleet)
            for limit in address certificate ca claim; do printf 'plugin_opt_%s_per_s 0\n' "$limit"; done
            ;;
        esac
        case "$1" in
        quiet) printf 'plugin_opt_presence_events off\n' ;;
        control) printf 'acl_file %s\n' "$dir/acl" ;;
        hooks) printf '%s\n' "$hook_lines" ;;
        fleet)
            printf 'plugin_opt_issuer_cert %s\nplugin_opt_issuer_key %s\n%s\n' "$pki/ca.pem" "$pki/ca.key" "$fleet_lines"
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

# A registry that takes the factory's devices, in a new directory; what follows are options of `ca register`.
new_registry() { # DIRECTORY [OPTION…]
    rm -rf "$1"
    ctl --db "$1" init
    ctl --db "$1" policy create telemetry-device bench/device-policy.json
    ctl --db "$1" template create by-cn templates/jitp-by-cn.json --type JITP
    ctl --db "$1" ca register "$pki/ca.pem" --sni-only --active --auto-register --template by-cn "${@:2}"
}
# A registry with a claim certificate, the first device's, by which others are provisioned.
new_claim_registry() { # DIRECTORY
    local id
    rm -rf "$1"
    id=$(openssl x509 -in "$pki/dev-0.pem" -outform DER | sha256sum | cut -d' ' -f1)
    ctl --db "$1" init
    ctl --db "$1" policy create fleet-device templates/policies/fleet-device.json
    ctl --db "$1" policy create golden-claim templates/policies/golden-claim.json
    ctl --db "$1" template create fleet-by-serial templates/fleet-by-serial.json
    ctl --db "$1" cert register "$pki/dev-0.pem" --no-ca --status ACTIVE
    ctl --db "$1" policy attach golden-claim --cert "$id"
}
# A second maker's CA in it.
add_ca() { ctl --db "$1" ca register "$pki2/ca.pem" --sni-only --active --auto-register "${@:2}"; } # DIRECTORY [OPTION…]

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
# do not count. Samples SERIES.KIND, and SERIES-checks.KIND for what ACL checks have of it. With --quick only the longer
# one, and the start counts.
per_operation() {
    local series=$1 kind=$2 database=$3 few=$4 many=$5 a='0 0' b
    shift 5
    if [ "$quick" = yes ]; then few=0; else a=$(counted "$kind" "$database" "$@" "$few"); fi
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

# What belongs to each row of bench/run.

report_connect() {
    local tls
    for tls in $connect_tls; do
        compare "connect, TLS $tls, instructions of the broker" "connect-$tls" "≤ $([ "$tls" = 1.3 ] && echo 0.52 || echo 0.75)"
        compare '… stock with a cafile that lacks the CA of its own certificate' "connect-other-$tls" ''
    done
    compare 'connect, TLS 1.3, with the limits on' connect-limits ''
    compare '… without presence events' connect-quiet ''
}
report_storm() {
    local tls
    for tls in 1.3 1.2; do
        compare "storm, TLS $tls, 16 at a time: connects a second" "storm-rate-$tls" ''
        compare '… broker CPU each, µs' "storm-cpu-$tls" ''
        compare '… p50, ms' "storm-p50-$tls" ''
        compare '… p99, ms' "storm-p99-$tls" ''
        compare '… the ping of another client meanwhile, p99, ms' "storm-by-$tls" ''
    done
    alone 'ping of another client, p99, ms: no other load' bystander-idle ''
    alone '… beside 200 connects a second of registered devices' bystander-known ''
    alone '… beside 100 new devices a second, each registered and back in' bystander-new '≤ 2 ms more'
}
report_check() {
    local shape
    compare 'publish that nobody hears, QoS 0, instructions' check ''
    compare '… what its ACL check adds, policy of 5 statements' check-added '< 400'
    compare '… with a Deny among them' check-deny-added '< half of dynamic-security'
    for shape in $shapes; do
        alone "decision, policy $shape: allowed, instructions" "decide-allowed-$shape" "$([ "${shape#*-}" -lt 200 ] || echo '< 10 × 5 statements')"
        alone '… denied' "decide-denied-$shape" ''
        alone '… memory of the policy, kB' "decide-set-$shape" ''
        alone '… memory of each session, bytes' "decide-session-$shape" ''
    done
}
report_publish() {
    compare 'publish, plain TCP, 20 clients to one: messages a second' fan-in '≥ 0.97'
    compare '… broker CPU each, µs' fan-in-cpu ''
    compare '… once a first device has registered: messages a second' fan-in-threads ''
    compare '… broker CPU each, µs' fan-in-threads-cpu ''
    compare 'publish, plain TCP, one client to 20: messages a second' fan-out '≥ 0.97'
    compare '… broker CPU each, µs' fan-out-cpu ''
    compare 'publish, TLS 1.3 with client certificates, 20 to one: messages a second' fan-in-tls '≥ 0.97'
    compare '… broker CPU each, µs' fan-in-tls-cpu ''
}
report_jit() {
    alone 'registrations a second, durable, without their handshakes' jit-pipeline '≥ 1000'
    alone '… on storage that syncs 200 times a second' jit-pipeline-200 '≥ 1000'
    alone '… with their handshakes: first contact, retry, in' jit-storm ''
}
report_million() {
    local n
    for n in 1000 "$devices"; do
        alone "registry of $n devices: connect, TLS 1.3, instructions" "million-$n.plugin" "$([ "$n" = 1000 ] || echo 'within 10 % of 1000')"
        alone '… broker CPU of a connect, µs' "million-cpu-$n" ''
        alone '… size of the store, MB' "million-bytes-$n" "$([ "$n" = 1000 ] || echo '< 1500')"
        alone '… anonymous memory of the broker after 2000 connects, MB' "million-anon-$n" ''
    done
    compare 'anonymous memory of the broker after 2000 connects, MB' million-anon '< 64 MB more'
    compare '… of each connected device, kB' million-session ''
}
report_by() { # SERIES PROMISE
    alone '… the ping of another client meanwhile, p50, ms' "$1-by50" ''
    alone '… p99, ms' "$1-by99" "$2"
}
report_hooks() {
    local kind
    for kind in none exec list https; do
        case "$kind" in
        none) alone 'first contacts, 16 at a time, no hook: registrations a second' hook-none '' ;;
        exec) alone '… hook: a program that answers at once' hook-exec '' ;;
        list) alone '… hook: the example allow-list, a shell script' hook-list '' ;;
        https) alone '… hook: an HTTPS service that answers at once' hook-https '' ;;
        esac
        alone '… each from first contact to in, p50, ms' "hook-$kind-p50" ''
        report_by "hook-$kind" ''
    done
    for kind in pending hang; do
        case "$kind" in
        pending) alone "first contacts without a hook, beside $crowd devices of another CA that are left pending: registrations a second" beside-pending '' ;;
        hang) alone "… beside $crowd whose hook hangs until its deadline, in all its places" beside-hang 'as beside those left pending' ;;
        esac
        report_by "beside-$kind" ''
    done
}
report_issue() {
    alone 'P-256 signatures a second, bare, one core' issue-sign ''
    alone '… certificates issued' issue-issue 'close to the signature'
    alone 'P-256 verifications a second, bare, one core' issue-verify ''
    alone '… signing requests read and verified, and certificates issued' issue-both ''
    alone "… the same with OpenSSL's certificate objects" issue-plain ''
}
report_fleet() {
    local way
    alone 'provisioning by claim (CSR, RegisterThing), instructions of the broker' fleet-instructions ''
    for way in json cbor 200 slow come join; do
        case $way in
        json) alone 'provisionings a second, durable, without handshakes, 16 at a time, JSON' fleet-json '≥ 1000' ;;
        cbor) alone '… CBOR' fleet-cbor '≥ 1000' ;;
        200) alone '… 200 at a time' fleet-200 '≥ 1000' ;;
        slow) alone '… 64 at a time, on storage that syncs 200 times a second' fleet-slow '≥ 1000' ;;
        come) alone 'provisionings a second with a handshake each, 16 at a time' fleet-come '' ;;
        join) alone '… and a second one, with the new certificate: from blank to in' fleet-join '' ;;
        esac
        alone '… each, p50, ms' "fleet-$way-p50" ''
        alone '… p99, ms' "fleet-$way-p99" ''
        alone '… broker CPU each, µs' "fleet-$way-cpu" ''
        report_by "fleet-$way" ''
    done
    alone 'beside 500 provisionings a second: each, p50, ms' fleet-rate-p50 ''
    alone '… p99, ms' fleet-rate-p99 ''
    report_by fleet-rate '≤ 2 ms more'
    alone '… and before, p99, ms' fleet-rate-idle ''
}
report_keys() {
    alone "CreateKeysAndCertificate, RSA-2048: $(pick 2 16) at once, as many keys as are ready: the last, ms" keys-pool-max ''
    alone "… $(pick 5 64) at once: the last, s" keys-rsa-max ''
    alone '… keys a second once none are ready' keys-rsa ''
    report_by keys-rsa ''
    alone 'CreateKeysAndCertificate, P-256, and RegisterThing, 16 at a time: provisionings a second' keys-ec '≥ 1000'
    alone '… each, p50, ms' keys-ec-p50 ''
    alone '… p99, ms' keys-ec-p99 ''
    alone '… broker CPU each, µs' keys-ec-cpu ''
    report_by keys-ec ''
}
report_clone() {
    local kind
    for kind in plugin limits; do
        alone "one certificate from 1000 addresses, 16 at a time, limits $([ $kind = plugin ] && echo off || echo on): connects a second" "clone-$kind" ''
        alone "… of $(pick 300 5000), refused" "clone-$kind-refused" ''
        alone '… broker CPU each, µs' "clone-$kind-cpu" ''
        report_by "clone-$kind" ''
    done
}
report_list() {
    alone "listCertificates, a registry of $devices, pages of 250: pages a second" list-pages ''
    alone '… each, p50, ms' list-p50 ''
    alone '… each, p99, ms' list-p99 ''
    alone '… broker CPU each, µs' list-cpu ''
    report_by list ''
}
report_react() {
    alone 'CA registered by provctl, ms' react-register '≤ 50'
    alone '… first device from then to in, refusal and retry included, ms' react-in ''
    alone 'certificate revoked by provctl to socket closed, median, ms' react-provctl-p50 '≤ 1000'
    alone '… longest, ms' react-provctl-max '≤ 1000'
    report_by react-provctl ''
    alone '… at a broker that has nothing else to do, median, ms' react-idle-p50 '≤ 1000'
    alone '… longest, ms' react-idle-max '≤ 1000'
    alone 'certificate revoked by the control API to socket closed, median, ms' react-control-p50 '≤ 1000'
    alone '… longest, ms' react-control-max '≤ 1000'
    report_by react-control ''
}
