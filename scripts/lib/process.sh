# shellcheck shell=bash
# Messages, processes (by id and start time, so that a reused id is never ours) and loopback ports.

say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# process_start PID: when it started (clock ticks since boot); fails if it is gone or a zombie.
process_start() {
  local line fields
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The command in parentheses may hold spaces; what counts comes after it: state is field 3, the start is field 22.
  read -r -a fields <<<"${line##*) }"
  [ "${fields[0]}" != Z ] || return 1
  printf '%s\n' "${fields[19]}"
}

# remember_process PID FILE
remember_process() { printf '%s %s\n' "$1" "$(process_start "$1")" >"$2"; }

# process_of FILE: the id remembered in FILE if that very process still runs.
process_of() {
  local pid start
  [ -f "$1" ] && read -r pid start <"$1" || return 1
  [ "$(process_start "$pid")" = "$start" ] && printf '%s\n' "$pid"
}

# process_family PID: the process and all that descend from it.
process_family() {
  local stat line fields pid i
  local -A children=()
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    read -r -a fields <<<"${line##*) }"
    children[${fields[1]}]+=" ${line%% *}"
  done
  local -a family=("$1")
  for ((i = 0; i < ${#family[@]}; i++)); do
    for pid in ${children[${family[i]}]:-}; do family+=("$pid"); done
  done
  printf '%s\n' "${family[@]}"
}

# kill_family PID: SIGKILL for the process and its descendants; returns when they are gone.
kill_family() {
  local -a family
  mapfile -t family < <(process_family "$1")
  kill -KILL "${family[@]}" 2>/dev/null || true
  local pid
  for pid in "${family[@]}"; do wait_until 10 process_gone "$pid" || fail "process $pid does not end"; done
}

process_gone() { ! process_start "$1" >/dev/null; }

# wait_until SECONDS COMMAND...: tries ten times a second; fails when the time is over.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.1
  done
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Ports are claimed by a file each, because instances that start at the same moment would find the same port free.
# They lie below 32768, from where on Linux hands out ports by itself.
claims=${TMPDIR:-/tmp}/conversion-relay-ports-$(id -u)

# claim_port DIR: a free loopback port for the instance in DIR.
claim_port() {
  local port claim
  mkdir -p -m 700 "$claims"
  for _ in {1..500}; do
    port=$((21000 + RANDOM % 11000))
    claim=$claims/$port
    [ ! -f "$claim" ] || [ -d "$(<"$claim")" ] || rm -f "$claim"
    (set -o noclobber; printf '%s\n' "$1" >"$claim") 2>/dev/null || continue
    if port_answers "$port"; then rm -f "$claim"; continue; fi
    printf '%s\n' "$port"
    return
  done
  fail "no free port between 21000 and 32000"
}

# release_ports DIR
release_ports() {
  local claim
  for claim in "$claims"/*; do
    [ ! -f "$claim" ] || [ "$(<"$claim")" != "$1" ] || rm -f "$claim"
  done
}

random_hex() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }
