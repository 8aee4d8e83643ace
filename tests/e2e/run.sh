#!/bin/bash
# Runs the end-to-end tests: run.sh [BUILD [NAME…]]. KILLS sets the rounds of the kill loop, KEEP=1
# keeps what the scripts leave.
cd "$(dirname "$0")" || exit 1
build=${1:-build}
case $build in /*) ;; *) build=$(cd ../.. && pwd)/$build ;; esac
[ $# -gt 0 ] && shift
failed=0
for name in "${@:-agents workflows crash operations killloop}"; do
    for script in $name; do
        echo "== e2e $script"
        bash "./$script.sh" "$build" || failed=1
    done
done
exit $failed
