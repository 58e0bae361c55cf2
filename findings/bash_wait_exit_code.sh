#!/usr/bin/env bash
# bash loses the exit code of a child that ends in the moment in which a trapped signal ends the wait for it.
#
# Behaviour: the manual says that such a wait returns a status above 128 at once, and has one wait again, as for a child
#   that still runs. Where the child was reaped in between, the second wait says 255 (in bash's own variable: -1), and
#   so does every further one. A wait for a child that ended before, or after, gives its code as often as one likes.
# Seen: bash 5.2.15(1) of Debian 12; a few in a hundred, where child and signal come within the same 50 ms.
# Output: the code 75 was lost: yes; what wait said instead: 143 and then -1
# Why it matters: the entrypoint of a container that passes SIGTERM on (Spark's driver, a database) waits so. Its pod then
#   says 143, or 255, of a process that has ended in good order, and whoever goes by the code starts it again.
# Wants: bash 5 alone; nothing is fetched.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
cat >"$dir/parent.sh" <<'PARENT'
sh -c "sleep 0.0$((RANDOM % 5))$((RANDOM % 10)); exit 75" &
child=$!
told=yes
trap 'told=yes' TERM
(sleep "0.0$((RANDOM % 5))$((RANDOM % 10))"; kill -TERM $$ 2>/dev/null) &
said=""
while [ -n "$told" ]; do
    told="" code=0
    wait "$child" || code=$?
    said="$said${said:+ and then }$code"
done
[ "$code" = 75 ] || echo "$said"
PARENT
said=""
for _ in $(seq 3000); do
    said=$(bash "$dir/parent.sh") && [ -z "$said" ] || break
done
echo "the code 75 was lost: $([ -n "$said" ] && echo yes || echo no); what wait said instead: ${said:-nothing}"
[ "$said" = "143 and then -1" ]
