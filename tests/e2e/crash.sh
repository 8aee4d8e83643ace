#!/bin/bash
# kill -9 between and within steps: the same output, and nothing that was answered is asked again.
. "$(dirname "$0")/lib.sh"
debate='{"topic":"Monolith?","participants":["architect","developer","devops"],"rounds":3}'
pure='del(.debateId, .completedAt, .synthesis.debateId) | del(.results[].timestamp, .results[].results[].debateId)'
start_agents
start_server
wanted=$(post "http://$ingress/chain-of-debate" "$debate" | jq -cS "$pure")

# Killed where it waits between rounds: all that was asked so far is recorded.
asked_since() { [ "$(calls_of 0 /debate)" -ge "$1" ]; }
waits() { [ "$(get "http://$admin/instances/$1" | jq -r '.status + .reason')" = waitingtimer ]; }
before=$(calls_of 0 /debate)
id=$(cli start chain-of-debate --input "$debate")
until_true "the first round" asked_since $((before + 3))
until_true "the pause" waits "$id"
get "$(agent 0)/stats" | jq -cS .requests >"$tmp/asked"
kill_server
start_server
wait_status "$id" completed
same "the output after a crash" "$wanted" \
    "$(get "http://$admin/instances/$id/output" | jq -cS "(.output // .) | $pure")"
same "what was answered before the crash and asked again" '{}' \
    "$(get "$(agent 0)/stats" | jq -c --slurpfile old "$tmp/asked" \
        '.requests | with_entries(select($old[0][.key] != null and .value != $old[0][.key]))')"
each_key_once
ok "killed between steps"
stop_agents

# Killed while agents work: the calls are made again under the same keys, and answered, not done.
start_agents --latency 300
before=$(calls_of 0 /debate)
id=$(cli start chain-of-debate --input "$debate")
for round in 1 2 3; do
    until_true "round $round" asked_since $((before + round))
    kill_server
    start_server
done
wait_status "$id" completed
same "the output after three crashes" "$wanted" \
    "$(get "http://$admin/instances/$id/output" | jq -cS "(.output // .) | $pure")"
each_key_once
ok "killed within steps"
stop_agents

# A child and its parent, and agents that fail now and then.
start_agents --failure-rate 0.2 --seed 3
repo=$(make_repo)
id=$(cli start full-analysis --input "{\"repository\":\"$repo\",\"includeDebate\":false}")
for step in 1 2 3; do
    kill_server
    start_server
done
wait_status "$id" completed
each_key_once
cli doctor >"$tmp/doctor" || fail "doctor: $(cat "$tmp/doctor")"
ok "parents and children"
