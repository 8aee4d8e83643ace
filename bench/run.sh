#!/usr/bin/env bash
# Measures this program and restate-server (from npm, where it can be had) in one run, and prints ratios.
#   bench/run.sh [BUILD]     SECONDS_EACH=5  ROUNDS=2  SKIP_RESTATE=1
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
seconds=${SECONDS_EACH:-4}
rounds=${ROUNDS:-2}
work=$(mktemp -d)
pids=()
finish() { for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$work"; }
trap finish EXIT

topic='{"topic": "monolith or services?", "participants": ["architect", "developer", "devops"], "n": 0}'
gcc -shared -fPIC -O2 -o "$work/slowflush.so" bench/shim/slowflush.c -ldl

cat > "$work/config.toml" <<T
[server]
ingress = "127.0.0.1:18080"
admin = "127.0.0.1:18070"
meta = ""
[agents.stub]
url = "http://127.0.0.1:18999"
concurrency = 512
T

wait_for() { for _ in $(seq 200); do curl -sf -o /dev/null "$1" && return; sleep 0.05; done; echo "no answer from $1" >&2; exit 1; }
load() { "$build/bench/load" --url "$1" --body "$topic" --clients "$2" --seconds "$seconds"; }
field() { sed -E "s/.*\"$1\": ([0-9.]+).*/\1/"; }
rss() { awk '/VmRSS/ {printf "%.1f", $2 / 1024}' "/proc/$1/status"; }

ours_start() { # DIR [PRELOAD]
    LD_PRELOAD=${2:-} "$build/ultramcp-restate" --serve --config "$work/config.toml" --data "$1" \
        --workflows bench/flows > "$work/ours.log" 2>&1 &
    ours=$!; pids+=("$ours")
    wait_for http://127.0.0.1:18070/health
}
ours_stop() { kill "$ours"; wait "$ours" 2>/dev/null || true; }

"$build/bench/stub_agent" 18999 & pids+=($!)

have_restate=0
if [ -z "${SKIP_RESTATE:-}" ]; then
    mkdir -p "$build/bench-restate"
    cp bench/restate/* "$build/bench-restate/"
    if (cd "$build/bench-restate" && [ -d node_modules ] || npm install --silent --no-audit --no-fund) > "$work/npm.log" 2>&1; then
        have_restate=1
    else
        echo "restate-server cannot be installed here; measuring this program alone" >&2
    fi
fi
restate_start() {
    node="$build/bench-restate/node_modules/node/bin/node"
    PORT=18980 STUB=http://127.0.0.1:18999 "$node" "$build/bench-restate/service.mjs" > "$work/service.log" 2>&1 &
    service=$!; pids+=("$service")
    (cd "$work" && RESTATE_DEFAULT_NUM_PARTITIONS=1 RESTATE_BASE_DIR="$work/restate" RESTATE_INGRESS__BIND_ADDRESS=127.0.0.1:18180 \
        RESTATE_ADMIN__BIND_ADDRESS=127.0.0.1:18170 RESTATE_LOG_FILTER=error \
        exec "$OLDPWD/$build/bench-restate/node_modules/.bin/restate-server" > "$work/restate.log" 2>&1) &
    restate=$!; pids+=("$restate")
    wait_for http://127.0.0.1:18170/health
    curl -sf -o /dev/null -X POST http://127.0.0.1:18170/deployments -H 'content-type: application/json' \
        -d '{"uri": "http://127.0.0.1:18980"}'
}
restate_stop() { pkill -P "$restate" 2>/dev/null || true; kill "$restate" "$service" 2>/dev/null || true; wait "$restate" "$service" 2>/dev/null || true; }

best() { sort -t' ' -k1 -g | tail -1; }
measure() { # NAME ours-url restate-url
    for _ in $(seq "$rounds"); do
        ours_start "$work/data"
        line=$(load "$2" 64); echo "$(echo "$line" | field perSecond) $(echo "$line" | field p99ms)" >> "$work/$1.ours"
        ours_stop
        if [ $have_restate = 1 ]; then
            restate_start
            load "$3" 64 > /dev/null || true # warm
            line=$(load "$3" 64); echo "$(echo "$line" | field perSecond) $(echo "$line" | field p99ms)" >> "$work/$1.restate"
            restate_stop
        fi
    done
    read -r rate p99 < <(best < "$work/$1.ours")
    if [ $have_restate = 1 ]; then
        read -r r_rate r_p99 < <(best < "$work/$1.restate")
        awk -v n="$1" -v a="$rate" -v b="$r_rate" -v p="$p99" -v q="$r_p99" \
            'BEGIN {printf "%-10s %10.0f/s p99 %7.2f ms | restate %9.0f/s p99 %7.2f ms | ratio %6.1f x, p99 1/%.1f\n", n, a, p, b, q, a / b, q / p}'
    else
        printf '%-10s %10.0f/s p99 %7.2f ms\n' "$1" "$rate" "$p99"
    fi
}

echo "64 clients, best of $rounds rounds of $seconds s"
measure empty http://127.0.0.1:18080/empty http://127.0.0.1:18180/bench/empty
measure steps http://127.0.0.1:18080/steps http://127.0.0.1:18180/bench/steps
measure debate http://127.0.0.1:18080/debate http://127.0.0.1:18180/bench/debate

echo "a flush that takes 2 ms"
ours_start "$work/slow" "$work/slowflush.so"
for n in empty steps debate; do
    line=$(load "http://127.0.0.1:18080/$n" 64)
    printf '%-10s %10.0f/s p99 %7.2f ms\n' "$n" "$(echo "$line" | field perSecond)" "$(echo "$line" | field p99ms)"
done
ours_stop

echo "memory and start"
t0=$(date +%s%N); ours_start "$work/idle"; curl -s -o /dev/null -X POST http://127.0.0.1:18080/empty -H 'content-type: application/json' -d '{}'
printf 'start to first answer, empty store: %d ms (with the poll of this script)\n' $((($(date +%s%N) - t0) / 1000000))
printf 'idle: %s MB\n' "$(rss "$ours")"
"$build/bench/load" --url http://127.0.0.1:18080/sleeper/send --body '{}' --clients 64 --count 100000 --status 202
printf '100,000 sleeping: %s MB\n' "$(rss "$ours")"
kill -9 "$ours"; wait "$ours" 2>/dev/null || true
t0=$(date +%s%N); ours_start "$work/idle"; curl -s -o /dev/null -X POST http://127.0.0.1:18080/empty -H 'content-type: application/json' -d '{}'
printf 'start to first answer with them, after kill -9: %d ms\n' $((($(date +%s%N) - t0) / 1000000))
ours_stop
