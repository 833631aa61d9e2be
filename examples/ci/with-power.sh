#!/bin/sh
# Run a command while a window holds services; close the window when the command ends or fails:
#
#     examples/ci/with-power.sh switch,hermes -- pytest -q
#
# POWER_URL and POWER_TOKEN say where the service is; POWER_TTL (2m) is how soon the services
# are stopped if this script itself is killed. The exit code is that of the command, or of `power open`.
set -u

services=$1
shift
[ "${1:-}" = "--" ] && shift
ttl=${POWER_TTL:-2m}
every=${POWER_EVERY:-30}

# Without --no-wait it returns when all is ready, and exits 1 where a service failed. What it says goes to the log.
answer=$(mktemp)
window=
keeper=

let_go() {
    code=$?
    trap - EXIT
    trap '' HUP INT TERM
    [ -n "$keeper" ] && kill "$keeper" 2>/dev/null
    [ -n "$window" ] && power close "$window" --reason "CI: exit $code" >&2
    rm -f "$answer"
    exit "$code"
}
trap let_go EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

id() {
    sed -n 's/^  "id": "\([0-9a-f]*\)",*$/\1/p' "$answer" | head -n 1
}

# shellcheck disable=SC2086 # the services are words
power open $(echo "$services" | tr , ' ') --ttl "$ttl" --reason "${POWER_REASON:-CI}" --no-wait --json >"$answer" || exit $?
window=$(id)

# Extend the window while this script runs, each time to its ttl from now.
(while sleep "$every"; do power extend "$window" --ttl "$ttl" || true; done) >/dev/null 2>&1 &
keeper=$!

while :; do
    power show "$window" --json >"$answer" || exit $?
    state=$(sed -n 's/^  "state": "\(.*\)",*$/\1/p' "$answer" | head -n 1)
    status=$(sed -n 's/^  "status": "\{0,1\}\([a-z]*\)"\{0,1\},*$/\1/p' "$answer" | head -n 1)
    case $state in waiting | opening) sleep 0.5 ;; *) break ;; esac
done
if [ "$state" != open ] || [ "$status" != ok ]; then
    power show "$window" >&2
    power logs "$window" --tail 20 >&2
    exit 1
fi

# In the background and in a session of its own, so that this script handles a signal at once
# and the signal reaches every process that the command has started.
$(command -v setsid || true) "$@" &
command=$!
stop() {
    kill -s TERM -- "-$command" 2>/dev/null || kill "$command" 2>/dev/null
    wait "$command"
    exit "$1"
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM
wait "$command"
