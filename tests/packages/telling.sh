#!/usr/bin/env bash
# How run and story tell what they do: steps, each with ok or FAILED and its time, and a summary of all. To be sourced.
#
# `results` names a file that gets a line for each step, so that the story in a root and the script around it are
# summed up together.

# STORY_COLOURS says whether, where the terminal is another's
if [ "${STORY_COLOURS:-yes}" = yes ] && { [ -t 1 ] || [ -n "${STORY_COLOURS:-}" ]; }; then
    bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
    bold='' green='' red='' plain=''
fi
results=${results:-}
said=''

chapter() { printf '\n%s== %s%s\n' "$bold" "$1" "$plain"; }
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

record() { # ok|FAILED ms what
    printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>"$results"
    case "$1" in
    ok) printf '   %sok%s      %s (%s ms)\n' "$green" "$plain" "$3" "$2" ;;
    *) printf '   %sFAILED%s  %s (%s ms)\n' "$red" "$plain" "$3" "$2" ;;
    esac
}

# step WHAT COMMAND… must succeed; what it printed is in $said. The story ends where it does not, for what follows builds
# on it. Said is also written to a file, for a command that changes variables must not run in a subshell.
step() {
    local what=$1 start status=0
    shift
    start=$(now_ms)
    "$@" >"$results.said" 2>&1 </dev/null || status=$?
    said=$(cat "$results.said")
    if [ "$status" -eq 0 ]; then
        record ok $(($(now_ms) - start)) "$what"
        return
    fi
    record FAILED $(($(now_ms) - start)) "$what"
    printf '%s\n' "status $status from: $*" "$said" | tail -n 60 | sed 's/^/           /'
    exit 1
}

# refused WHAT COMMAND… must fail, and not because it hung or was not found.
refused() {
    local what=$1
    shift
    step "$what" fails "$@"
}
fails() {
    local status=0
    "$@" || status=$?
    case "$status" in
    0) echo 'this should have failed'; return 1 ;;
    12[4-7]) return 1 ;;
    esac
}

# says WHAT TEXT: what the last step printed holds this.
says() {
    local before=$said
    step "$1" contains "$2" "$before"
    said=$before
}
contains() {
    grep -qF -- "$1" <<<"$2" && return
    printf '%s\n' "\"$1\" is not in:" "$2"
    return 1
}

# shown TEXT…: the lines of the last step that hold one of the texts, for the reader.
shown() {
    local text args=()
    for text; do args+=(-e "$text"); done
    grep -F "${args[@]}" <<<"$said" | sed 's/^/           | /' || true
}

is() { # WANTED COMMAND…: prints exactly this
    local wanted=$1 got
    shift
    got=$("$@") || return
    [ "$got" = "$wanted" ] || { printf '%s\n' "wanted: $wanted" "got:    $got"; return 1; }
}

# within SECONDS COMMAND…: is true in the end.
within() {
    local until=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$until" ]; then
            echo "not within its time: $*"
            "$@"
            return
        fi
        sleep 0.05
    done
}

summary() {
    local state ms what all=0 failed=0
    [ -s "$results" ] || return 0
    printf '\n%s== Summary%s\n' "$bold" "$plain"
    while IFS=$'\t' read -r state ms what; do
        printf '   %-7s %7s ms  %s\n' "$state" "$ms" "$what"
        all=$((all + 1))
        [ "$state" = ok ] || failed=$((failed + 1))
    done <"$results"
    printf '\n   %d steps, %d failed\n' "$all" "$failed"
}
