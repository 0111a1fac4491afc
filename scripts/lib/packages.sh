# shellcheck shell=bash
# Finds the programs of the services, the build and the demo, and installs the Debian packages that bring them.

# rabbitmq_programs: the folder of rabbitmq-server and rabbitmqctl. Debian's own in /usr/sbin refuse ordinary users.
rabbitmq_programs() {
  local path
  for path in /usr/lib/rabbitmq/bin "$(dirname "$(command -v rabbitmq-server || echo /nowhere/x)")"; do
    if [ -x "$path/rabbitmq-server" ]; then printf '%s\n' "$path"; return; fi
  done
  return 1
}

# postgres_programs: the folder of the newest initdb and pg_ctl.
postgres_programs() {
  local path
  path=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5,5 -rn | head -n 1)
  if [ ! -x "$path/initdb" ]; then path=$(dirname "$(command -v initdb || echo /nowhere/x)"); fi
  [ -x "$path/initdb" ] && [ -x "$path/pg_ctl" ] && [ -x "$path/psql" ] && printf '%s\n' "$path"
}

# require_services rabbitmq|postgres...: installs what is missing of these.
require_services() {
  local -a missing=()
  local service
  for service in "$@"; do
    case $service in
      rabbitmq) rabbitmq_programs >/dev/null || missing+=(rabbitmq-server) ;;
      postgres) postgres_programs >/dev/null || missing+=(postgresql) ;;
    esac
  done
  [ ${#missing[@]} -eq 0 ] ||
    install_packages "to run a private RabbitMQ and Postgres on loopback (no Docker engine runs here)" "${missing[@]}"
}

# require_build_tools: cargo, which we do not install, a C compiler, for the crates aws-lc-sys and ring, and make, for tikv-jemalloc-sys.
# cmake, Go and libclang are not needed: aws-lc-sys brings what it would generate for the usual platforms.
require_build_tools() {
  command -v cargo >/dev/null ||
    fail "cargo is missing: install a Rust toolchain from https://rustup.rs (if you have one: is ~/.cargo/bin on the PATH?)"
  command -v cc >/dev/null || install_packages "a C compiler, to build the TLS library" gcc libc6-dev
  command -v make >/dev/null || install_packages "make, to build the allocator" make
}

# require_demo_tools: what the demo plays the outside world with.
require_demo_tools() {
  local -a missing=()
  local tool
  for tool in curl openssl; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  [ ${#missing[@]} -eq 0 ] || install_packages "to call the gateway as an app does, and to sign a webhook as Meta does" "${missing[@]}"
}

# install_packages WHY PACKAGE...
install_packages() {
  local why=$1
  shift
  command -v apt-get >/dev/null || fail "missing: $*, $why. Install them, or start Docker, or set RELAY_AMQP_URL and RELAY_DATABASE_URL"
  [ "$(id -u)" = 0 ] || fail "missing: $*, $why. Install them with: sudo apt-get install --no-install-recommends $*"
  say "Installing with apt: $* ($why). Their own services are started neither now nor at boot."
  local log=${TMPDIR:-/tmp}/conversion-relay-apt.$$.log unit
  local -a units=("${@/%/.service}")
  # RabbitMQ brings Erlang, whose port mapper would start at boot.
  [ -e /lib/systemd/system/epmd.socket ] || units+=(epmd.socket epmd.service)
  (
    flock 9
    keep_services_stopped
    # Package lists may be absent or too old.
    apt_get install "$@" || { apt_get update && apt_get install "$@"; }
  ) 9>/run/lock/conversion-relay-install >"$log" 2>&1 </dev/null ||
    { tail -n 40 "$log" >&2; fail "apt could not install $*; its last lines stand above, all of them in $log"; }
  rm -f "$log"
  # Fails, and need not succeed, for a package without a service and where there is no systemd.
  for unit in "${units[@]}"; do systemctl disable --quiet "$unit" >/dev/null 2>&1 || true; done
}

apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 --no-install-recommends "$@" 9>&-
}

# keep_services_stopped: until this subshell ends, packages ask policy-rc.d before they start anything, and it says no.
keep_services_stopped() {
  local policy=/usr/sbin/policy-rc.d
  if [ -e "$policy" ]; then
    mv "$policy" "$policy.conversion-relay"
    trap 'mv -f /usr/sbin/policy-rc.d.conversion-relay /usr/sbin/policy-rc.d' EXIT
  else
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  # A signal must end in the EXIT trap as well.
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\n# Written by conversion-relay while it installs packages; removed afterwards.\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}
