# shellcheck shell=bash
# The same services from docker-compose.yml, where a Docker engine runs.

docker_runs() {
  [ "${RELAY_SERVICES:-}" != packages ] && command -v docker >/dev/null || return 1
  [ -n "$(timeout 20 docker info --format '{{.ServerVersion}}' 2>/dev/null)" ] && docker compose version >/dev/null 2>&1
}

# compose DIR ARGUMENTS...: docker compose with the project and the settings of the set in DIR.
compose() {
  local dir=$1 project
  shift
  # The folder's path makes it unique: two clones may both have a set of this name.
  project=conversion-relay-$(basename "$dir" | tr -cd a-z0-9)-$(printf %s "$dir" | cksum | cut -d' ' -f1)
  docker compose --project-name "$project" --file "$root/docker-compose.yml" \
    --env-file "$dir/compose.env" "$@" </dev/null >&2 9>&-
}

# compose_up DIR FAST SERVICE...: starts the services and prints where they are.
compose_up() {
  local dir=$1 fast=$2 password amqp_port management_port postgres_port service
  shift 2
  if [ ! -s "$dir/compose.env" ]; then
    password=$(random_hex)
    (
      umask 077
      printf '%s\n' \
        "RELAY_SERVICES_PASSWORD=$password" \
        "RELAY_AMQP_PORT=$(claim_port "$dir")" \
        "RELAY_MANAGEMENT_PORT=$(claim_port "$dir")" \
        "RELAY_POSTGRES_PORT=$(claim_port "$dir")" \
        "RELAY_POSTGRES_FSYNC=$([ "$fast" = yes ] && echo off || echo on)" >"$dir/compose.env"
    )
  fi
  compose "$dir" up --detach --wait "$@" || fail "docker compose could not start $*; see above"
  password=$(sed -n 's/^RELAY_SERVICES_PASSWORD=//p' "$dir/compose.env")
  amqp_port=$(sed -n 's/^RELAY_AMQP_PORT=//p' "$dir/compose.env")
  management_port=$(sed -n 's/^RELAY_MANAGEMENT_PORT=//p' "$dir/compose.env")
  postgres_port=$(sed -n 's/^RELAY_POSTGRES_PORT=//p' "$dir/compose.env")
  for service in "$@"; do
    case $service in
      rabbitmq) printf '%s\n' "RELAY_AMQP_URL=amqp://relay:$password@127.0.0.1:$amqp_port/%2f" \
        "RELAY_MANAGEMENT_URL=http://relay:$password@127.0.0.1:$management_port" ;;
      postgres) printf '%s\n' "RELAY_DATABASE_URL=postgres://relay:$password@127.0.0.1:$postgres_port/relay" ;;
    esac
  done
}

# compose_instance SERVICE start|kill|stop|remove DIR FAST
compose_instance() {
  case $2 in
    start) compose_up "$3" "$4" "$1" ;;
    kill) compose "$3" kill "$1" ;;
    stop) compose "$3" stop "$1" ;;
    remove) compose_down "$3" ;;
  esac
}

# compose_down DIR: ends whatever runs for DIR, and removes its data.
compose_down() {
  [ ! -s "$1/compose.env" ] || compose "$1" --profile relay down --volumes --remove-orphans
  release_ports "$1"
}
