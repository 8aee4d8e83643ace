#!/bin/bash
# What an operator and a careless caller do.
. "$(dirname "$0")/lib.sh"
start_agents
start_server
json='Content-Type: application/json'
two='{"topic":"Monolith?","participants":["architect","developer"],"rounds":2}'
long='{"topic":"Monolith?","participants":["architect","developer"],"rounds":20}'

"$BUILD/ultramcp-restate" --config "$tmp/config.toml" --data "$data" --serve >"$tmp/second" 2>&1
[ $? -ne 0 ] || fail "a second process was let in"
grep -q "$server_pid" "$tmp/second" || fail "the refusal does not name the process: $(cat "$tmp/second")"
same "the first one lives" 200 "$(code "http://$admin/health")"
ok "a second process is kept out"

same "not JSON" 400 "$(code -H "$json" -d '{' "http://$ingress/chain-of-debate")"
same "against the schema" 400 "$(code -H "$json" -d '{"topic":"x"}' "http://$ingress/chain-of-debate")"
same "no such workflow" 404 "$(code -H "$json" -d '{}' "http://$ingress/nothing")"
same "another content type" 415 "$(code -H 'Content-Type: text/plain' -d '{}' "http://$ingress/chain-of-debate")"
same "another method" 405 "$(code -X DELETE "http://$ingress/chain-of-debate")"
same "an unknown host" 421 "$(code -H 'Host: evil.example' "http://$admin/health")"
same "a foreign origin" 403 \
    "$(code -H 'Origin: http://evil.example' -H "$json" -d "$two" "http://$ingress/chain-of-debate")"
same "too large" 413 "$(head -c 9000000 /dev/zero |
    code -H "$json" -H 'Expect:' --data-binary @- "http://$ingress/chain-of-debate")"
same "no such instance" 404 "$(code "http://$admin/instances/inst_0000000000000000000000")"
same "cancel of none" 404 "$(code -X DELETE "http://$admin/services/chain-of-debate/instances/nothing")"
cli start chain-of-debate --input '{"topic":' >/dev/null 2>&1 && fail "the command line took bad JSON"
cli describe nothing >/dev/null 2>&1 && fail "describe found what is not there"
same "nothing was started" 0 "$(cli list --json | jq '.instances | length')"
ok "bad requests are refused"

first=$(post "http://$ingress/chain-of-debate" "$two" -H 'Idempotency-Key: once' -D "$tmp/h1")
again=$(post "http://$ingress/chain-of-debate" "$two" -H 'Idempotency-Key: once' -D "$tmp/h2")
same "the same answer" "$first" "$again"
same "the same id" "$(grep -i x-restate-id "$tmp/h1")" "$(grep -i x-restate-id "$tmp/h2")"
same "from the command line" "$(cli start chain-of-debate --input "$two" --key twice)" \
    "$(cli start chain-of-debate --input "$two" --key twice)"
status=$(code -H "$json" -H 'Idempotency-Key: once' -d "$long" "http://$ingress/chain-of-debate")
same "another input under the same key" 409 "$status"
ok "idempotency keys"

id=$(cli start chain-of-debate --input "$long")
cli pause "$id" --why 'a test' >/dev/null || fail "pause"
wait_status "$id" suspended
kill_server
start_server
same "still suspended after a crash" suspended "$(status_of "$id")"
cli resume "$id" >/dev/null || fail "resume"
not_suspended() { [ "$(status_of "$1")" != suspended ]; }
until_true "it to go on" not_suspended "$id"
same "cancel" 202 "$(code -X DELETE "http://$admin/services/chain-of-debate/instances/$id")"
wait_status "$id" cancelled
ok "pause, resume, cancel"

repo=$(make_repo)
id=$(cli start full-analysis --input "{\"repository\":\"$repo\"}")
child() { get "http://$admin/instances?parent=$id&service=chain-of-debate" | jq -re '.instances[0].id'; }
until_true "the debate" child
child=$(child)
cli cancel "$id" >/dev/null || fail "cancel"
wait_status "$id" cancelled
wait_status "$child" cancelled
ok "cancel reaches the child"

id=$(cli start chain-of-debate --input "$two")
wait_status "$id" completed
before=$(calls_of 0 /debate)
new=$(cli restart "$id" --from /do/3/synthesize)
[ -n "$new" ] && [ "$new" != "$id" ] || fail "restart gave \"$new\""
wait_status "$new" completed
same "nothing before the step is asked again" "$before" "$(calls_of 0 /debate)"
new=$(cli restart "$id")
wait_status "$new" completed
same "from the beginning all is" $((before + 4)) "$(calls_of 0 /debate)"
ok "restart, and restart from a step"

id=$(cli start chain-of-debate --input "$long")
term_server
start_server
case $(status_of "$id") in running | waiting | pending) ;; *) fail "after SIGTERM: $(status_of "$id")" ;; esac
cli kill "$id" >/dev/null || fail "kill"
wait_status "$id" cancelled
cli doctor >"$tmp/doctor" || fail "doctor: $(cat "$tmp/doctor")"
term_server
ok "SIGTERM ends with 0 and loses nothing"
