# shellcheck shell=bash
# A private RabbitMQ node: own ports, Erlang cookie, epmd, data and log, loopback only, management plugin on.

# rabbitmq_start DIR: starts the node, if it does not run, and prints where it is.
rabbitmq_start() {
  local dir=$1 home password
  home=$(instance_home "$dir")
  password=$(instance_secret "$home/password")
  if ! process_of "$home/node.pid" >/dev/null; then
    rabbitmq_stop_epmd "$home"
    local amqp_port management_port dist_port epmd_port
    instance_ports "$dir" amqp_port management_port dist_port epmd_port
    rabbitmq_configure "$home" "$password"
    rabbitmq_launch "$home" "$epmd_port"
  fi
  # shellcheck disable=SC1091
  . "$dir/ports"
  wait_until 90 rabbitmq_answers_or_died "$home" "$amqp_port" "$management_port" "$password" ||
    rabbitmq_give_up "$home" "does not answer after 90 s"
  process_of "$home/node.pid" >/dev/null || rabbitmq_give_up "$home" "ended while it started"
  printf '%s\n' \
    "RELAY_AMQP_URL=amqp://relay:$password@127.0.0.1:$amqp_port/%2f" \
    "RELAY_MANAGEMENT_URL=http://relay:$password@127.0.0.1:$management_port" \
    "RELAY_RABBITMQ_NODE_ENV=$home/node.env" \
    "RELAY_RABBITMQCTL=$(rabbitmq_programs)/rabbitmqctl"
}

# rabbitmq_configure HOME PASSWORD: writes its files; the ports are the caller's variables.
rabbitmq_configure() {
  local home=$1 password=$2
  mkdir -p "$home/data" "$home/log" "$home/generated"
  rm -f "$home/.erlang.cookie"
  (
    umask 077
    instance_secret "$home/cookie" >"$home/.erlang.cookie"
    cat >"$home/rabbitmq.conf" <<CONF
listeners.tcp.1 = 127.0.0.1:$amqp_port
management.tcp.ip = 127.0.0.1
management.tcp.port = $management_port
default_user = relay
default_pass = $password
vm_memory_high_watermark.absolute = ${RELAY_RABBITMQ_MEMORY:-1GB}
disk_free_limit.absolute = 50MB
raft.wal_max_size_bytes = 67108864
log.console = false
log.file = rabbit.log
log.file.level = info
CONF
    # Settings of the machine's own RabbitMQ in /etc/rabbitmq must not reach this node; two schedulers, no busy waiting
    # and no pinning, because several nodes may share two cores.
    cat >"$home/rabbitmq-env.conf" <<'CONF'
SERVER_ADDITIONAL_ERL_ARGS="+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
SCHEDULER_BIND_TYPE=u
CONF
    printf '[].\n' >"$home/advanced.config"
    printf '[rabbitmq_management].\n' >"$home/enabled_plugins"
    printf '%s\n' \
      "HOME=$home" \
      "RABBITMQ_NODENAME=relay@localhost" \
      "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1" \
      "RABBITMQ_NODE_PORT=$amqp_port" \
      "RABBITMQ_DIST_PORT=$dist_port" \
      "RABBITMQ_MNESIA_BASE=$home/data" \
      "RABBITMQ_LOG_BASE=$home/log" \
      "RABBITMQ_GENERATED_CONFIG_DIR=$home/generated" \
      "RABBITMQ_CONFIG_FILE=$home/rabbitmq.conf" \
      "RABBITMQ_ADVANCED_CONFIG_FILE=$home/advanced.config" \
      "RABBITMQ_CONF_ENV_FILE=$home/rabbitmq-env.conf" \
      "RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins" \
      "RABBITMQ_PID_FILE=$home/rabbitmq.pid" \
      "RABBITMQ_CTL_DIST_PORT_MIN=35672" \
      "RABBITMQ_CTL_DIST_PORT_MAX=35999" \
      "ERL_EPMD_PORT=$epmd_port" \
      "ERL_EPMD_ADDRESS=127.0.0.1" >"$home/node.env"
  )
  chmod 400 "$home/.erlang.cookie"
}

# rabbitmq_launch HOME EPMD_PORT: epmd in the foreground as ours, because Erlang's own daemon would outlive the node.
rabbitmq_launch() {
  local home=$1 epmd_port=$2 programs
  programs=$(rabbitmq_programs)
  ulimit -n 65536 2>/dev/null || true
  cd "$home"
  setsid epmd -port "$epmd_port" -address 127.0.0.1 </dev/null >"$home/log/epmd.log" 2>&1 9>&- &
  remember_process $! "$home/epmd.pid"
  # RUNNING_UNDER_SYSTEMD makes its script become the node, so that there is one process, and SIGTERM stops it orderly.
  in_node_environment "$home" RUNNING_UNDER_SYSTEMD=true setsid "$programs/rabbitmq-server" \
    </dev/null >"$home/log/start.log" 2>&1 9>&- &
  remember_process $! "$home/node.pid"
}

# in_node_environment HOME COMMAND...: with the node's variables and none of the caller's.
in_node_environment() {
  local home=$1
  shift
  local -a variables
  mapfile -t variables <"$home/node.env"
  exec env -i "PATH=$PATH" LANG=C.UTF-8 "${variables[@]}" "$@"
}

rabbitmq_answers_or_died() {
  process_of "$1/node.pid" >/dev/null || return 0
  port_answers "$2" && http_ok "$3" /api/whoami "relay:$4"
}

# http_ok PORT PATH USER:PASSWORD: whether a GET is answered with 200 (a bare machine has no curl).
http_ok() {
  local status=
  {
    printf 'GET %s HTTP/1.0\r\nAuthorization: Basic %s\r\n\r\n' "$2" "$(printf %s "$3" | base64)" >&3
    read -r -t 5 status <&3 || true
  } 3<>"/dev/tcp/127.0.0.1/$1" 2>/dev/null || return 1
  [[ $status == *" 200 "* ]]
}

rabbitmq_give_up() {
  tail -n 20 "$1/log/start.log" "$1/log/rabbit.log" >&2 || true
  rabbitmq_kill "$1"
  fail "RabbitMQ in $1 $2; the end of its logs stands above"
}

# rabbitmq_kill HOME: as if the power went: SIGKILL for the node and all its children.
rabbitmq_kill() {
  local pid
  if pid=$(process_of "$1/node.pid"); then kill_family "$pid"; fi
  rabbitmq_stop_epmd "$1"
}

rabbitmq_stop_epmd() {
  local pid
  if pid=$(process_of "$1/epmd.pid"); then kill_family "$pid"; fi
}

rabbitmq_stop() {
  local pid
  if pid=$(process_of "$1/node.pid"); then
    kill -TERM "$pid"
    wait_until 60 process_gone "$pid" || fail "RabbitMQ in $1 does not stop"
  fi
  rabbitmq_stop_epmd "$1"
}

# rabbitmq_ctl DIR COMMAND...
rabbitmq_ctl() {
  [ -s "$1/home" ] || fail "no RabbitMQ node in $1"
  local home
  home=$(<"$1/home")
  in_node_environment "$home" "$(rabbitmq_programs)/rabbitmqctl" "${@:2}"
}
