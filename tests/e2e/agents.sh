#!/bin/bash
# The reference agents by themselves.
. "$(dirname "$0")/lib.sh"
start_agents

debate='{"topic":"Monolith?","participant":"architect","round":1,"debateId":"d","previousRounds":[]}'
for i in 0 1 2 3 4 5 6 7; do
    same "health of agent $i" healthy "$(get "$(agent $i)/health" | jq -r .status)"
done
ok "eight agents answer"

first=$(post "$(agent 0)/debate" "$debate" -H 'Idempotency-Key: k1')
same "stance" true "$(jq '.success and (.argument | length > 20)' <<<"$first")"
same "the same answer to the same key" "$first" \
    "$(post "$(agent 0)/debate" "$debate" -H 'Idempotency-Key: k1')"
same "executions and requests" '[1,2]' \
    "$(get "$(agent 0)/stats" | jq -c '[.keys.k1, .requests.k1]')"
same "another body under the same key" 422 \
    "$(code -H 'Content-Type: application/json' -H 'Idempotency-Key: k1' -d '{}' "$(agent 0)/debate")"
second=$(post "$(agent 0)/debate" '{"topic":"Monolith?","participant":"developer","round":2,
    "debateId":"d","previousRounds":[{"round":1,"results":['"$first"']}]}')
same "whom the second round answers" architect "$(jq -r .respondsTo <<<"$second")"
ok "debate by rule, idempotency"

repo=$(make_repo)
for bad in '--upload-pack=touch' 'ext::sh -c id' 'ssh://-oProxyCommand=id/x' '-u:x' "$repo/none"; do
    answer=$(post "$(agent 2)/clone" "$(jq -nc --arg r "$bad" '{repository:$r,analysisId:"b"}')")
    same "clone of $bad" false "$(jq .success <<<"$answer")"
done
clone="{\"repository\":\"file://$repo\",\"branch\":\"main\",\"analysisId\":\"a1\"}"
path=$(post "$(agent 2)/clone" "$clone" | jq -r .path)
same "the clone again" "$path" "$(post "$(agent 2)/clone" "$clone" | jq -r .path)"
[ -f "$path/main.c" ] || fail "nothing was cloned"
quality=$(post "$(agent 2)/analyze" \
    "{\"repositoryPath\":\"$path\",\"analysisId\":\"a1\",\"type\":\"quality\"}")
same "lines" '{"C":[10,7,1,2],"Markdown":[3,2,0,1]}' "$(jq -c '.languages
    | map({(.language): [.lines, .code, .comment, .blank]}) | add' <<<"$quality" |
    jq -cS '{C, Markdown}')"
same "the longest function" '["main",4,7]' \
    "$(jq -c '.longestFunctions[0] | [.name, .line, .lines]' <<<"$quality")"
ok "clone and measure"

same "dangerous calls" '["c-gets"]' "$(post "$(agent 1)/analyze" \
    "{\"repositoryPath\":\"$path\",\"analysisId\":\"a1\",\"type\":\"security\"}" |
    jq -c '[.dangerousCalls.findings[].rule]')"
for outside in /etc "$path/../.." "$tmp"; do
    same "analysis of $outside" 403 "$(code -H 'Content-Type: application/json' \
        -d "{\"repositoryPath\":\"$outside\",\"analysisId\":\"a\",\"type\":\"security\"}" \
        "$(agent 1)/analyze")"
done
ok "finds what is wrong, reads nothing else"

same "not JSON" 400 "$(code -H 'Content-Type: application/json' -d '{' "$(agent 0)/debate")"
same "another type" 415 "$(code -d '{}' "$(agent 0)/debate")"
same "no such path" 404 "$(code "$(agent 0)/nothing")"
same "another method" 405 "$(code "$(agent 0)/debate")"
same "too large" 413 "$(head -c 9000000 /dev/zero |
    code -H 'Content-Type: application/json' -H 'Expect:' --data-binary @- "$(agent 0)/debate")"
ok "refuses bad requests"
stop_agents

start_agents --failure-rate 0.5 --seed 7
for i in $(seq 20); do code -H 'Content-Type: application/json' -d '{"task":"x"}' "$(agent 7)/execute"; done \
    >"$tmp/codes"
stop_agents
start_agents --failure-rate 0.5 --seed 7
again=$(for i in $(seq 20); do code -H 'Content-Type: application/json' -d '{"task":"x"}' "$(agent 7)/execute"; done)
same "the same failures from the same seed" "$(cat "$tmp/codes")" "$again"
grep -q 503 "$tmp/codes" || fail "no failure at a rate of 0.5"
stop_agents
ok "fails to order, ends with 0"
