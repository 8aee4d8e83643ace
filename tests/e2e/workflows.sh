#!/bin/bash
# The workflows that ship, through curl to their end.
. "$(dirname "$0")/lib.sh"
cli validate "$root"/workflows/*.yaml || fail "the documents are not valid"
start_agents
start_server
repo=$(make_repo)

out=$(post "http://$ingress/chain-of-debate" \
    '{"topic":"Monolith?","participants":["architect","developer","devops"],"rounds":2}' -D "$tmp/head")
same "debate" '["Monolith?",2,[1,2],[3,3],true]' "$(jq -c '[.topic, .rounds,
    [.results[].round], [.results[].results | length], .synthesis.success]' <<<"$out")"
same "participants keep their order" '["architect","developer","devops"]' \
    "$(jq -c '[.results[1].results[].participant]' <<<"$out")"
id=$(tr -d '\r' <"$tmp/head" | sed -n 's/^x-restate-id: //Ip')
same "the debate's id is the instance's" "$id" "$(jq -r .debateId <<<"$out")"
same "status by service" completed \
    "$(get "http://$admin/services/chain-of-debate/instances/$id" | jq -r .status)"
ok "chain-of-debate"

out=$(post "http://$ingress/code-analysis" \
    "{\"repository\":\"file://$repo\",\"branch\":\"main\",\"analysisType\":\"all\"}")
same "analyses" '["patterns","quality","security"]' "$(jq -c '.results | keys' <<<"$out")"
same "critical issues" 1 "$(jq '.report.criticalIssues' <<<"$out")"
out=$(post "http://$ingress/code-analysis" "{\"repository\":\"$repo\",\"analysisType\":\"quality\"}")
same "only what was asked for" '["main",["quality"]]' "$(jq -c '[.branch, (.results | keys)]' <<<"$out")"
out=$(post "http://$ingress/code-analysis" '{"repository":"/nowhere","analysisType":"all"}' -w '\n%{http_code}')
same "a repository that is not there" 422 "$(tail -1 <<<"$out")"
ok "code-analysis"

out=$(post "http://$ingress/security-scan" "{\"target\":\"$repo\"}")
same "security scan" '[1,true,true,true,"critical"]' "$(jq -c '[.criticalIssues,
    .vulnerability.success, .compliance.success, .threats.success, .notification.severity]' <<<"$out")"
ok "security-scan"

out=$(post "http://$ingress/ultramcp-workflow" '{"task":"Check the release",
    "agents":["sam","voice-system","nobody"],"context":{"workflowId":"release-1"}}')
same "three agents, one of them unknown" '["release-1",true,[true,true,false]]' \
    "$(jq -c '[.workflowId, .success, [.results[].success]]' <<<"$out")"
same "found by the caller's id" completed \
    "$(get "http://$admin/services/ultramcp-workflow/instances/release-1" | jq -r .status)"
out=$(post "http://$ingress/ultramcp-workflow" '{"task":"x","agents":["nobody"]}' -w '\n%{http_code}')
same "the only agent fails" 502 "$(tail -1 <<<"$out")"
ok "ultramcp-workflow"

out=$(post "http://$ingress/full-analysis" "{\"repository\":\"$repo\",\"includeDebate\":false}")
same "full analysis without a debate" '[true,true,null,true]' "$(jq -c '[.analysis.report.success,
    .security.criticalIssues == 1, .debate, (.recommendations | length > 0)]' <<<"$out")"
out=$(post "http://$ingress/full-analysis" "{\"repository\":\"$repo\"}")
same "with a debate" '[3,3]' "$(jq -c '[.debate.rounds, (.debate.results | length)]' <<<"$out")"
ok "full-analysis"

same "what can be called" 200 "$(code "http://$ingress/")"
cli doctor >"$tmp/doctor" || fail "doctor: $(cat "$tmp/doctor")"
each_key_once
term_server
ok "doctor finds nothing"
