#!/usr/bin/env bash
# The house rules that a machine can check: format, banned functions, the arrows between rooms.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
say() { echo "lint: $*" >&2; failed=1; }

if command -v clang-format >/dev/null; then
    git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror 2>/tmp/lint.$$ || { head -n 20 /tmp/lint.$$ >&2; say "clang-format: run make format"; }
    rm -f /tmp/lint.$$
fi
banned=$(git grep -nE '\b(strcpy|sprintf|gets|strtok|system|gmtime|localtime)\(' -- 'src/*.c' 'agents/*.c' | grep -vE '"[^"]*\b(strcpy|sprintf|gets|strtok|system|gmtime|localtime)' || true)
[ -z "$banned" ] || say "banned functions:"$'\n'"$banned"
arrows=$({ git grep -nE '#include *[<"](curl/|ncurses|curses|microhttpd|net/|ui/)' -- src/engine
           git grep -nE '#include *[<"](ui/|ncurses|curses|sqlite3)' -- src/net
           git grep -nE '#include *[<"](engine|net|ui)/' -- src/base; } || true)
[ -z "$arrows" ] || say "arrows that are not allowed:"$'\n'"$arrows"
long=$(git ls-files 'src/*.c' 'src/*.h' 'agents/*.c' 'tests/*.c' | xargs wc -l | awk '$2 != "total" && $1 > 800')
[ -z "$long" ] || say "files over 800 lines:"$'\n'"$long"
for name in $(sed -nE 's/.*X\(ERR_[A-Z_]+, "([a-z-]+)".*/\1/p' src/base/err.h); do
    [ "$name" = ok ] || grep -qx "## $name" docs/errors.md || say "docs/errors.md has no section $name"
done
exit $failed
