#!/bin/bash
# Random kill -9 under mixed load. Every accepted instance ends; a key always means the same
# instance and the same answer; no agent works twice on one call. KILLS rounds, SEED reproduces the
# script's own choices (not the machine's timing).
. "$(dirname "$0")/lib.sh"
KILLS=${KILLS:-25}
SEED=${SEED:-$RANDOM}
RANDOM=$SEED
echo "killloop: KILLS=$KILLS SEED=$SEED"
mkdir -p "$tmp/keys"
start_agents --latency 20 --failure-rate 0.05 --seed "$SEED"
start_server
repo=$(make_repo)

# The input of the Nth key; always the same for the same N.
input_of() {
    case $(($1 % 3)) in
    0) echo "{\"topic\":\"Topic $1\",\"participants\":[\"a\",\"b\",\"c\"],\"rounds\":1}" ;;
    1) echo "{\"repository\":\"$repo\",\"analysisType\":\"all\"}" ;;
    2) echo "{\"target\":\"$repo\"}" ;;
    esac
}
service_of() {
    case $(($1 % 3)) in 0) echo chain-of-debate ;; 1) echo code-analysis ;; 2) echo security-scan ;; esac
}

# Sends key N; remembers the id that an acceptance names, and insists on it ever after.
send() {
    local answer id
    answer=$(post "http://$ingress/$(service_of "$1")/send" "$(input_of "$1")" \
        -H "Idempotency-Key: key-$1" -m 10 2>/dev/null) || return 0
    id=$(jq -r '.id // .invocationId // empty' <<<"$answer" 2>/dev/null)
    [ -n "$id" ] || return 0
    if [ -s "$tmp/keys/$1" ]; then
        [ "$(cat "$tmp/keys/$1")" = "$id" ] || echo "key-$1: $(cat "$tmp/keys/$1") became $id" >>"$tmp/wrong"
    else
        echo "$id" >"$tmp/keys/$1"
    fi
}

# Output as it was seen first must be what is seen ever after.
look() {
    local id output
    id=$(cat "$tmp/keys/$1" 2>/dev/null) || return 0
    output=$(curl -fsS -m 10 "http://$admin/instances/$id/output" 2>/dev/null) || return 0
    if [ -s "$tmp/keys/$1.out" ]; then
        [ "$(cat "$tmp/keys/$1.out")" = "$output" ] || echo "key-$1: another answer" >>"$tmp/wrong"
    else
        echo "$output" >"$tmp/keys/$1.out"
    fi
}

next=0
load() { # some new keys, some old ones again
    local i
    for ((i = 0; i < 6; i++)); do
        send $((next + i))
        [ "$next" -gt 0 ] && send $((RANDOM % next))
        [ "$next" -gt 0 ] && look $((RANDOM % next))
    done
}

for ((round = 1; round <= KILLS; round++)); do
    load 2>/dev/null &
    loader=$!
    sleep "0.$(printf %03d $((RANDOM % 600)))"
    kill_server
    wait "$loader"
    next=$((next + 6))
    start_server
done

for ((i = 0; i < next; i++)); do send "$i"; done
for ((i = 0; i < next; i++)); do
    [ -s "$tmp/keys/$i" ] || fail "key-$i was never accepted by a living server"
    wait_status "$(cat "$tmp/keys/$i")" completed
    look "$i"
done
[ ! -e "$tmp/wrong" ] || fail "$(head -5 "$tmp/wrong")"
ok "$next keys over $KILLS kills: each ended, the same id, the same answer"
same "instances, one for each key" "$next" \
    "$(get "http://$admin/instances?limit=1000" | jq '.instances | length')"
each_key_once
# A step that ran again as a new one would have a new key: the calls of all agents are exactly those
# that the documents say, each under one key.
expected=0
for ((i = 0; i < next; i++)); do
    case $((i % 3)) in 0) expected=$((expected + 4)) ;; 1) expected=$((expected + 5)) ;; 2) expected=$((expected + 6)) ;; esac
done
for i in 0 1 2 5; do get "$(agent $i)/stats"; done >"$tmp/stats"
same "calls, each under a key of its own" "$expected" "$(jq -s 'map(.keys | length) | add' "$tmp/stats")"
echo "killloop: of $expected calls, $(jq -s 'map(.requests[] - 1) | add' "$tmp/stats") were asked again, in flight at a kill"
cli doctor >"$tmp/doctor" || fail "doctor: $(cat "$tmp/doctor")"
term_server
ok "nothing done twice, nothing left over"
