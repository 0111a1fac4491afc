#!/usr/bin/env bash
# The rights of each user of the broker. Make the users first (`rabbitmqctl add_user NAME`), then run this once a vhost.
# Usage: deploy/rabbitmq/permissions.sh VHOST        RABBITMQCTL may name another rabbitmqctl.
# With another name prefix than "conversions.", change it here, too. The queue of an [input.NAME] of the accounts file is your own: add it to what
# relay-router (and relay-worker, if you run that) reads, such as '^(conversions\.in\.|crm\.deals$)'. Nothing else is needed for it.
set -euo pipefail

vhost=${1:?usage: permissions.sh VHOST}

# allow USER CONFIGURE WRITE READ
allow() { ${RABBITMQCTL:-rabbitmqctl} set_permissions --vhost "$vhost" "$@"; }

#     user            configure         write                            read
# Makes the exchanges, queues and bindings (`topology apply`).
allow relay-topology  '^conversions\.'  '^conversions\.'                 '^conversions\.'
# Publishes events and webhooks, and reads nothing: personal data stays on the raw side.
allow relay-producer  '^$'              '^conversions\.events$'          '^$'
# Takes events and webhooks over HTTP: as any producer.
allow relay-gateway   '^$'              '^conversions\.events$'          '^$'
allow relay-router    '^$'              '^conversions\.(work|dead)$'     '^conversions\.in\.'
allow relay-sender    '^$'              '^conversions\.(work|dead)$'     '^conversions\.(send|bulk)\.'
allow relay-keeper    '^$'              '^conversions\.(work|dead)$'     '^conversions\.(send|bulk)\.'
# Asks Google, and neither publishes nor consumes.
allow relay-receipts  '^$'              '^$'                             '^$'
# Shows and replays dead letters.
allow relay-ops       '^$'              '^conversions\.(work|dead)$'     '^conversions\.dead\.'
# `conversion-relay run` with all worker roles in one process: router, sender, keeper and receipts together.
allow relay-worker    '^$'              '^conversions\.(work|dead)$'     '^conversions\.(in|send|bulk)\.'
