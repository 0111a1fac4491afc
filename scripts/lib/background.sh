# shellcheck shell=bash
# Programs that a script leaves running: started, found again and ended by process ID and start time. Needs process.sh.

# start_background DIR NAME COMMAND...: its output goes to DIR/NAME.log, its process is remembered in DIR/NAME.pid.
start_background() {
  local dir=$1 name=$2
  shift 2
  mkdir -p "$dir"
  nohup "$@" >"$dir/$name.log" 2>&1 </dev/null &
  remember_process "$!" "$dir/$name.pid"
}

# stop_background DIR NAME: SIGTERM, and SIGKILL for what is still there after 30 seconds.
stop_background() {
  local pid
  pid=$(process_of "$1/$2.pid") || return 0
  kill "$pid" 2>/dev/null || true
  wait_until 30 process_gone "$pid" || kill_family "$pid"
  rm -f "$1/$2.pid"
}
