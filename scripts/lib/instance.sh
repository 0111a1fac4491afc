# shellcheck shell=bash
# One instance of one service: a folder DIR with its settings, ports, log and data.

# instance SERVICE start|kill|stop|remove DIR FAST: prints where it is after a start. One command at a time in one DIR.
instance() {
  local service=$1 action=$2 dir=$3 fast=$4
  if [ "$action" = start ]; then
    mkdir -p "$dir"
    printf '%s\n' "$service" >"$dir/service"
    if ! "${service}_programs" >/dev/null && docker_runs; then touch "$dir/in-docker"; fi
    [ -e "$dir/in-docker" ] || require_services "$service"
  elif [ ! -d "$dir" ]; then
    [ "$action" = remove ] || fail "no such instance: $dir"
    return 0
  fi
  (
    flock 9
    if [ -e "$dir/in-docker" ]; then
      compose_instance "$service" "$action" "$dir" "$fast"
    else
      case $action in
        start) "${service}_start" "$dir" "$fast" ;;
        remove) "${service}_kill" "$(instance_home "$dir")" ;;
        *) "${service}_$action" "$(instance_home "$dir")" ;;
      esac
    fi
    if [ "$action" = remove ]; then
      release_ports "$dir"
      rm -rf "$(instance_home "$dir")" "$dir"
    fi
  ) 9>"$dir/lock"
}

# instance_home DIR [USER]: where its files are. This is DIR, unless its path has spaces (RabbitMQ's scripts split them)
# or USER may not enter it (a repository in root's home): then a folder of its own, remembered in DIR.
instance_home() {
  local dir=$1 user=${2:-}
  if [ ! -s "$dir/home" ]; then
    local home=$dir
    if [[ $dir =~ [[:space:]] ]] || { [ -n "$user" ] && ! as_user "$user" test -x "$dir"; }; then
      home=$(mktemp -d "${TMPDIR:-/tmp}/conversion-relay.XXXXXX")
      chmod 755 "$home"
      if [ -n "$user" ] && ! as_user "$user" test -x "$home"; then
        rmdir "$home"
        home=$(mktemp -d /tmp/conversion-relay.XXXXXX)
        chmod 755 "$home"
      fi
    fi
    printf '%s\n' "$home" >"$dir/home"
  fi
  # It may lie in a /tmp that was emptied since.
  mkdir -p "$(<"$dir/home")"
  cat "$dir/home"
}

as_user() {
  local user=$1
  shift
  if [ "$(id -un)" = "$user" ]; then
    "$@"
  else
    setpriv --reuid "$user" --regid "$(id -gn "$user")" --init-groups -- "$@"
  fi
}

# instance_ports DIR NAME...: sets a variable for each, kept from the last start unless somebody else took one since.
instance_ports() {
  local dir=$1 name
  shift
  if [ -s "$dir/ports" ]; then
    # shellcheck disable=SC1091
    . "$dir/ports"
    local taken=no
    for name in "$@"; do port_answers "${!name}" && taken=yes; done
    [ "$taken" = yes ] || return 0
    say "Another program took a port of $dir; choosing new ones."
    release_ports "$dir"
  fi
  for name in "$@"; do printf '%s=%s\n' "$name" "$(claim_port "$dir")"; done >"$dir/ports"
  # shellcheck disable=SC1091
  . "$dir/ports"
}

# instance_secret FILE: the text in FILE, made up at the first call.
instance_secret() {
  [ -s "$1" ] || (umask 077; random_hex >"$1")
  cat "$1"
}
