# shellcheck shell=bash
# A named set: the RabbitMQ and the Postgres that belong together, and the file with their addresses.

sets=$root/.relay/services

# set_up NAME FAST
set_up() {
  local name=$1 fast=$2
  local dir=$sets/$name
  mkdir -p "$dir"
  (
    flock 9
    set_start "$name" "$fast"
  ) 9>"$dir/lock"
  set_print "$name"
  say "With passwords, to be sourced: .relay/services/$name/env"
}

set_start() {
  local name=$1 fast=$2 service
  local dir=$sets/$name
  local -a wanted=()
  umask 022
  # What is set in the environment is used as it is. The files of a set say how it was started, for `down`.
  if [ -z "${RELAY_AMQP_URL:-}" ]; then wanted+=(rabbitmq); fi
  if [ -z "${RELAY_DATABASE_URL:-}" ]; then wanted+=(postgres); fi
  {
    if [ -n "${RELAY_AMQP_URL:-}" ]; then
      printf '%s\n' "RELAY_AMQP_URL=$RELAY_AMQP_URL"
      [ -z "${RELAY_MANAGEMENT_URL:-}" ] || printf '%s\n' "RELAY_MANAGEMENT_URL=$RELAY_MANAGEMENT_URL"
    fi
    [ -z "${RELAY_DATABASE_URL:-}" ] || printf '%s\n' "RELAY_DATABASE_URL=$RELAY_DATABASE_URL"
    printf '%s\n' "RELAY_INSTANCES=$dir/instances"
    if [ ${#wanted[@]} -eq 0 ]; then
      :
    elif [ ! -d "$dir/rabbitmq" ] && [ ! -d "$dir/postgres" ] && docker_runs; then
      compose_up "$dir" "$fast" "${wanted[@]}"
    else
      require_services "${wanted[@]}"
      for service in "${wanted[@]}"; do instance "$service" start "$dir/$service" "$fast"; done
    fi
  } >"$dir/env.new"
  chmod 600 "$dir/env.new"
  mv "$dir/env.new" "$dir/env"
}

# set_down NAME
set_down() {
  local dir=$sets/$1 part
  [ -d "$dir" ] || return 0
  (
    flock 9
    # Also what a test started in RELAY_INSTANCES and could not remove.
    for part in "$dir/rabbitmq" "$dir/postgres" "$dir"/instances/*; do
      [ ! -f "$part/service" ] || instance "$(<"$part/service")" remove "$part" no
    done
    compose_down "$dir"
    rm -rf "$dir"
  ) 9>"$dir/lock"
  say "Stopped and removed: $1"
}

set_down_all() {
  local dir
  for dir in "$sets"/*/; do
    if [ -d "$dir" ]; then set_down "$(basename "$dir")"; fi
  done
}

set_status() {
  local dir any=no
  for dir in "$sets"/*/; do
    if [ -s "$dir/env" ]; then any=yes; set_print "$(basename "$dir")"; fi
  done
  [ "$any" = yes ] || say "Nothing was started by scripts/services up."
}

# set_print NAME: where its services are, without passwords, and whether they answer.
set_print() {
  local dir=$sets/$1 line url address credentials
  printf '%s\n' "$1"
  while IFS= read -r line; do
    case $line in RELAY_*_URL=*) ;; *) continue ;; esac
    url=${line#*=}
    address=${url##*@}
    address=${address%%[/?]*}
    credentials=${url#*://}
    credentials=${credentials%@*}
    if [[ $url == *@* ]]; then line=${line/"$credentials@"/"${credentials%%:*}:***@"}; fi
    if port_answers_at "$address"; then line+="  (up)"; else line+="  (does not answer)"; fi
    printf '  %s\n' "$line"
  done <"$dir/env"
}

# port_answers_at HOST:PORT
port_answers_at() { timeout 5 bash -c "exec 3<>'/dev/tcp/${1%:*}/${1##*:}'" 2>/dev/null; }
