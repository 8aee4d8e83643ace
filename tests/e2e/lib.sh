# Sourced by the end-to-end tests: a directory, ports and processes of its own for each script, and
# the few words that the tests are written in. BUILD names the directory with the two programs.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${1:-${BUILD:-$root/build}}
case $BUILD in /*) ;; *) BUILD=$root/$BUILD ;; esac
script=$(basename "$0" .sh)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/ultramcp-e2e-$script.XXXXXX")
data=$tmp/data
agents_pid= server_pid=

cleanup() {
    local status=$?
    [ -n "$agents_pid" ] && kill "$agents_pid" 2>/dev/null
    [ -n "$server_pid" ] && kill -9 "$server_pid" 2>/dev/null
    wait 2>/dev/null
    if [ "$status" = 0 ] && [ -z "${KEEP:-}" ]; then
        rm -rf "$tmp"
    else
        echo "$script: what it left is in $tmp" >&2
    fi
}
trap cleanup EXIT

ok() { echo "ok $script: $*"; }

fail() {
    echo "not ok $script: $*" >&2
    for log in server agents; do
        [ -s "$tmp/$log.log" ] && { echo "--- the end of $log.log" >&2; tail -n 15 "$tmp/$log.log" >&2; }
    done
    exit 1
}

# same WHAT WANTED GOT
same() { [ "$2" = "$3" ] || fail "$1: wanted $(head -c 400 <<<"$2"), got $(head -c 400 <<<"$3")"; }

# until_true WHAT COMMAND…: asks again until it succeeds, at most a minute.
until_true() {
    local what=$1 i
    shift
    for ((i = 0; i < 1200; i++)); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.05
    done
    fail "waited a minute for: $what"
}

# The first of N ports in a row that are free now, below those that the kernel hands out itself.
free_ports() {
    python3 - "$1" <<'PY'
import random, socket, sys
n = int(sys.argv[1])
for _ in range(1000):
    base, held = random.randrange(12000, 31000), []
    try:
        for i in range(n):
            s = socket.socket()
            s.bind(("127.0.0.1", base + i))
            held.append(s)
        print(base)
        sys.exit(0)
    except OSError:
        pass
    finally:
        for s in held:
            s.close()
sys.exit("no free ports")
PY
}

base_port=$(free_ports 11) || exit 1
ingress=127.0.0.1:$((base_port + 8))
admin=127.0.0.1:$((base_port + 9))
export ULTRAMCP_SERVER_INGRESS=$ingress ULTRAMCP_SERVER_ADMIN=$admin
export ULTRAMCP_SERVER_META=127.0.0.1:$((base_port + 10))
unset ULTRAMCP_MODEL_URL

agent() { echo "http://127.0.0.1:$((base_port + $1))"; } # by its place in the row

# The registry: the known names, on our ports.
write_config() {
    local i=0 name short
    {
        echo '[agent-defaults.retry]'
        printf 'initial = "20ms"\nmax = "200ms"\n'
        for name in chain-of-debate:cod asterisk-security:security \
            blockoli-intelligence:blockoli voice-system:voice deepclaude-engine:deepclaude \
            control-tower:control claude-memory:memory sam-mcp:sam; do
            short=ultramcp-${name#*:} name=${name%:*}
            printf '[agents.%s]\nurl = "%s"\nbreaker-failures = 0\n' "$name" "$(agent $i)"
            printf 'hosts = ["%s:%d", "%s:8001", "ultramcp-%s:8001"]\n' \
                "$short" $((8001 + i)) "$short" "$name"
            i=$((i + 1))
        done
    } >"$tmp/config.toml"
}
write_config

start_agents() { # OPTIONS…
    "$BUILD/ultramcp-agents" --base-port "$base_port" --work "$tmp/work" "$@" 2>>"$tmp/agents.log" &
    agents_pid=$!
    until_true "the agents" curl -fs "$(agent 7)/health"
}

stop_agents() {
    kill "$agents_pid"
    wait "$agents_pid" || fail "the agents ended with $?"
    agents_pid=
}

cli() { "$BUILD/ultramcp-restate" --config "$tmp/config.toml" --data "$data" "$@"; }

start_server() { # OPTIONS…
    "$BUILD/ultramcp-restate" --config "$tmp/config.toml" --data "$data" \
        --workflows "$root/workflows" --serve "$@" >>"$tmp/server.log" 2>&1 &
    server_pid=$!
    until_true "the server" server_answers
}

server_answers() {
    kill -0 "$server_pid" 2>/dev/null || fail "the server has ended"
    curl -fs "http://$admin/health"
}

kill_server() {
    kill -9 "$server_pid"
    wait "$server_pid" 2>/dev/null
    server_pid=
}

term_server() {
    local status
    kill -TERM "$server_pid"
    wait "$server_pid"
    status=$?
    server_pid=
    same "exit status after SIGTERM" 0 "$status"
}

# post URL JSON [CURL OPTIONS…]: the body of the answer. code: its HTTP status instead.
post() { curl -sS -m 120 -H 'Content-Type: application/json' "${@:3}" -d "$2" "$1"; }
code() { curl -sS -m 120 -o /dev/null -w '%{http_code}' "$@"; }
get() { curl -sS -m 30 "$@"; }

status_of() { get "http://$admin/instances/$1" | jq -r .status; }
has_status() { [ "$(status_of "$1")" = "$2" ]; }
wait_status() { until_true "$1 to be $2" has_status "$1" "$2"; }
calls_of() { get "$(agent "$1")/stats" | jq -r --arg path "$2" '.calls[$path]'; }

# A small repository to analyse; prints its path.
make_repo() {
    mkdir -p "$tmp/repo"
    cat >"$tmp/repo/main.c" <<'C'
/* A program with a flaw. */
#include <stdio.h>

int main(void)
{
    char line[10];

    gets(line);
    return 0;
}
C
    printf '# Sample\n\nA repository for tests.\n' >"$tmp/repo/README.md"
    git -C "$tmp/repo" init -q -b main
    git -C "$tmp/repo" add .
    git -C "$tmp/repo" -c user.name=test -c user.email=test@example.org commit -q -m start
    echo "$tmp/repo"
}

# Every agent worked on each idempotency key at most once.
each_key_once() {
    local i
    for i in 0 1 2 3 4 5 6 7; do
        same "keys worked on twice by agent $i" '{}' \
            "$(get "$(agent $i)/stats" | jq -c '.keys | with_entries(select(.value > 1))')"
    done
}
