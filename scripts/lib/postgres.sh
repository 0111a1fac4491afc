# shellcheck shell=bash
# A private Postgres: own port, password, data and log, loopback only, no socket file (its path may be too long for one).

# postgres_start DIR FAST: starts it, if it does not run, and prints where it is.
postgres_start() {
  local dir=$1 fast=$2 user home programs password postgres_port
  user=$(id -un)
  if [ "$(id -u)" = 0 ]; then
    # Postgres refuses to run as root. Its package brings a user; one built by hand may not.
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
  fi
  home=$(instance_home "$dir" "$user")
  programs=$(postgres_programs)
  password=$(instance_secret "$home/password")
  if ! process_of "$home/postmaster.pid" >/dev/null; then
    instance_ports "$dir" postgres_port
    postgres_prepare "$home" "$user" "$password"
    [ "$fast" != yes ] || touch "$home/fast"
    postgres_configure "$home" "$postgres_port"
    postgres_launch "$home" "$user"
  fi
  # shellcheck disable=SC1091
  . "$dir/ports"
  if [ ! -e "$home/database-made" ]; then
    PGPASSWORD=$password "$programs/psql" -q -X -h 127.0.0.1 -p "$postgres_port" -U relay -d postgres \
      -c 'CREATE DATABASE relay' >&2 9>&-
    touch "$home/database-made"
  fi
  printf '%s\n' "RELAY_DATABASE_URL=postgres://relay:$password@127.0.0.1:$postgres_port/relay"
}

# postgres_prepare HOME USER PASSWORD: initdb, unless it was completed before.
postgres_prepare() {
  local home=$1 user=$2 password=$3
  [ ! -e "$home/initialised" ] || return 0
  rm -rf "$home/data" "$home/log" "$home/database-made"
  mkdir -m 700 "$home/data" "$home/log"
  chown "$user" "$home/data" "$home/log"
  cd "$home"
  # In a file, because everybody may read a command line; its user may not read ours.
  (umask 077; printf '%s\n' "$password" >"$home/log/password")
  chown "$user" "$home/log/password"
  as_user "$user" "$programs/initdb" -D "$home/data" -U relay --encoding UTF8 --locale C.UTF-8 --auth scram-sha-256 \
    --no-sync --pwfile "$home/log/password" </dev/null >"$home/initdb.log" 2>&1 9>&- ||
    { tail -n 20 "$home/initdb.log" >&2; fail "initdb in $home failed; the end of its log stands above"; }
  rm "$home/log/password"
  printf "include '../relay.conf'\n" >>"$home/data/postgresql.conf"
  touch "$home/initialised"
}

# postgres_configure HOME PORT
postgres_configure() {
  cat >"$1/relay.conf" <<CONF
port = $2
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 128MB
timezone = 'UTC'
log_timezone = 'UTC'
# In files of the data folder, so that a killed server leaves nothing in /dev/shm.
dynamic_shared_memory_type = mmap
CONF
  # For tests: killed processes lose nothing by it, only a machine without power would.
  [ ! -e "$1/fast" ] || printf 'fsync = off\nfull_page_writes = off\n' >>"$1/relay.conf"
  chmod 644 "$1/relay.conf"
}

# postgres_launch HOME USER
postgres_launch() {
  local home=$1 user=$2
  cd "$home"
  # Ours does not run, whoever has its number now. A server process that still ends is noticed by its shared memory.
  rm -f "$home/data/postmaster.pid"
  # `wait_until` for a killed server whose last children still hold the shared memory.
  wait_until 10 postgres_launched "$home" "$user" ||
    { tail -n 20 "$home/log/postgres.log" >&2; fail "Postgres in $home does not start; the end of its log stands above"; }
  remember_process "$(head -n 1 "$home/data/postmaster.pid")" "$home/postmaster.pid"
}

postgres_launched() {
  as_user "$2" "$programs/pg_ctl" -D "$1/data" -l "$1/log/postgres.log" -w -t 60 start </dev/null >"$1/pg_ctl.log" 2>&1 9>&-
}

# postgres_kill HOME: as if the power went: SIGKILL for the server and all its children.
postgres_kill() {
  local pid segment
  pid=$(process_of "$1/postmaster.pid") || return 0
  # The last field of line 7: the shared memory, which only the server itself would remove.
  segment=$(sed -n '7s/.* //p' "$1/data/postmaster.pid")
  kill_family "$pid"
  [ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null || true
}

postgres_stop() {
  local pid
  pid=$(process_of "$1/postmaster.pid") || return 0
  # SIGINT is Postgres's fast shutdown: sessions are ended, everything is written.
  kill -INT "$pid"
  wait_until 60 process_gone "$pid" || fail "Postgres in $1 does not stop"
}
