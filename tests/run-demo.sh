#!/bin/bash
# What `make run` shows: agents, server, a debate and an analysis of this very repository, their
# steps as they end. Uses what runs already; started from a terminal it goes on until Ctrl-C.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build}
case $build in /*) ;; *) build=$root/$build ;; esac
demo=${DEMO:-$build/demo}
ingress=${ULTRAMCP_SERVER_INGRESS:-127.0.0.1:8080}
admin=${ULTRAMCP_SERVER_ADMIN:-127.0.0.1:9070}
agents_pid= server_pid=
mkdir -p "$demo"

stop() {
    local pid
    trap '' INT TERM
    for pid in $server_pid $agents_pid; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
}
trap stop EXIT
trap 'exit 0' INT TERM

die() {
    echo "demo: $*" >&2
    tail -n 5 "$demo/server.log" "$demo/agents.log" >&2 2>/dev/null
    exit 1
}

listens() { (exec 3<>"/dev/tcp/${1%:*}/${1##*:}") 2>/dev/null; }

# wait_for WHAT ADDRESS PID: until it listens, or the process has ended.
wait_for() {
    local i
    for ((i = 0; i < 300; i++)); do
        listens "$2" && kill -0 "$3" 2>/dev/null && return
        kill -0 "$3" 2>/dev/null || die "$1 did not start"
        sleep 0.1
    done
    die "$1 does not listen on $2"
}

cli() { "$build/ultramcp-restate" --server "http://$admin" "$@"; }

# Sets `source` and `branch` to what the analysis shall clone: this checkout, or, where it is not on
# a branch or no checkout at all, a repository made of its files.
choose_source() {
    source=$root
    # git does not read repositories of other users unless it is told to.
    [ -O "$root/.git" ] || export GIT_CONFIG_GLOBAL=$demo/gitconfig
    [ -O "$root/.git" ] || printf '[safe]\n\tdirectory = *\n' >"$demo/gitconfig"
    branch=$(git -C "$root" symbolic-ref -q --short HEAD 2>/dev/null) &&
        git -C "$root" rev-parse -q --verify HEAD >/dev/null 2>&1 && return
    source=$demo/source branch=main
    rm -rf "$source"
    git init -q -b main "$source" &&
        git --git-dir="$source/.git" --work-tree="$root" add -- "$root" &&
        git -C "$source" -c user.name=demo -c user.email=demo@localhost commit -q -m files ||
        die "git cannot make a repository of $root"
}

# Prints the steps of instance $2 that have ended since the last look; `shown` remembers them.
declare -A shown
show_steps() {
    local step status took line
    while IFS=$'\t' read -r step status took; do
        line="$2 $step"
        case $status in completed | faulted | cancelled | skipped) ;; *) continue ;; esac
        [ -n "${shown[$line]:-}" ] && continue
        shown[$line]=1
        printf '  %-16s %-10s %8s  %s\n' "$1" "$status" "$took" \
            "$(sed -E 's#/(do|branches|try)/[0-9]+##g; s#/(fork|catch|foreach)(/|$)#\2#g; s#^/##; s#/# > #g' <<<"$step")"
    done < <(cli describe "$2" | awk -F '  +' '/^\//{print $1 "\t" $2 "\t" $5}')
}

# The status; empty when the server cannot be asked.
status_of() { cli describe "$1" | awk '$1 == "status" && !seen++ {sub(",", "", $2); print $2}'; }

follow() { # NAME ID NAME ID
    local name id status open=1
    while [ "$open" = 1 ]; do
        open=0
        for pair in "$1 $2" "$3 $4"; do
            read -r name id <<<"$pair"
            status=$(status_of "$id")
            show_steps "$name" "$id"
            case $status in
            completed | faulted | cancelled) [ -n "${shown[end $id]:-}" ] && continue
                shown[end $id]=$status
                printf '  %-16s %s\n' "$name" "has ended: $status" ;;
            '') die "the server does not answer" ;;
            *) open=1 ;;
            esac
        done
        sleep 0.2
    done
    [ "${shown[end $2]}" = completed ] && [ "${shown[end $4]}" = completed ]
}

choose_source
if listens 127.0.0.1:8001; then
    echo "agents: those that run on 127.0.0.1:8001 are used"
else
    "$build/ultramcp-agents" 2>"$demo/agents.log" &
    agents_pid=$!
    wait_for "the agents" 127.0.0.1:8008 "$agents_pid"
    echo "agents: on 127.0.0.1:8001 to 8008"
fi
if listens "$admin"; then
    echo "server: the one that runs on $admin is used"
else
    "$build/ultramcp-restate" --serve --workflows "$root/workflows" --data "$demo/data" \
        >"$demo/server.log" 2>&1 &
    server_pid=$!
    wait_for "the server" "$admin" "$server_pid"
    echo "server: ingress http://$ingress, admin http://$admin, data in $demo/data"
fi

debate=$(cli start chain-of-debate --input '{"topic": "Should we use microservices or a monolith?",
    "participants": ["architect", "developer", "devops"], "rounds": 3}') || die "no debate was started"
analysis=$(cli start code-analysis --input "{\"repository\": \"file://$source\",
    \"branch\": \"$branch\", \"analysisType\": \"all\"}") || die "no analysis was started"
printf '\nstarted chain-of-debate %s\nstarted code-analysis   %s\n\n' "$debate" "$analysis"
follow chain-of-debate "$debate" code-analysis "$analysis" || die "not all of it completed"

cat <<TEXT

Both are done, and kept. What to call next:

  curl -X POST http://$ingress/chain-of-debate -H 'Content-Type: application/json' \\
    -d '{"topic": "Test debate", "participants": ["alice", "bob"], "rounds": 2}'
  curl http://$admin/services/chain-of-debate/instances/$debate
  $build/ultramcp-restate --server http://$admin describe $analysis
  $build/ultramcp-restate --server http://$admin list

Kill the server with -9 in the middle of a debate and start it again: the debate goes on.
TEXT
if [ -t 1 ] && [ -n "$server_pid" ]; then
    echo "The server runs until Ctrl-C."
    wait "$server_pid"
fi
