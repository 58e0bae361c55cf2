#!/usr/bin/env bash
# kube-apiserver 1.34 runs well on the etcd of Debian 12, but no watch that begins with what is there is served.
#
# Behaviour: it starts, is ready, lists and watches. A watch with sendInitialEvents=true gets status 500 in its stream,
#   since etcd before 3.4.31 (and 3.5.0 to 3.5.12) cannot tell how far a watch is (RequestWatchProgress).
# Seen: k8s.io/kubernetes 1.34.4 built by Go 1.26, etcd-server 3.4.23-4 of Debian 12.
# Output: ready: ok  plain watch: 200, no error  watch with initial events: "code":500 (the required storage feature
#   RequestWatchProgress is disabled)
# Why it matters: such watches are what Spark 4.3's client (fabric8 7.6) asks for. It tries again each second, says so in
#   the driver's log, and learns of its executors' pods by polling only: one that is lost is missed for half a minute.
# Wants: go, curl, openssl, and apt's lists of Debian 12; 15 minutes of a core where Go has not built it before.
set -euo pipefail
dir=$(mktemp -d) && trap 'kill $(jobs -p) 2>/dev/null || true; wait; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -qq -o APT::Sandbox::User=root etcd-server=3.4.23-4+b4 >/dev/null && dpkg -x etcd-server_*.deb etcd
version=1.34.4
mkdir build && cd build
echo "module finding" >go.mod
own=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)",*/\1/p')
{
    printf 'module finding\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n' "$version"
    sed -n "s|^\s*\(k8s.io/[a-z-]*\) => ./staging/.*|replace \1 => \1 v0.${version#1.}|p" "$own"
} >go.mod
CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags "-s -w" -o ../kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
cd ..

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
etcd=$(port) peer=$(port) api=$(port)
./etcd/usr/bin/etcd --data-dir data --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls \
    "http://127.0.0.1:$etcd" --listen-peer-urls "http://127.0.0.1:$peer" >etcd.log 2>&1 &
openssl genrsa -out sa.key 2048 2>/dev/null
echo "token,user,1" >tokens.csv
./kube-apiserver --etcd-servers "http://127.0.0.1:$etcd" --cert-dir certs --bind-address 127.0.0.1 --secure-port "$api" \
    --service-account-issuer https://finding --service-account-key-file sa.key --service-account-signing-key-file sa.key \
    --token-auth-file tokens.csv --authorization-mode AlwaysAllow --service-cluster-ip-range 10.0.0.0/24 >api.log 2>&1 &
ask() { curl -sk --max-time 60 -H "Authorization: Bearer token" "https://127.0.0.1:$api$1" "${@:2}"; }
for _ in $(seq 240); do ready=$(ask /readyz || true) && [ "$ready" = ok ] && break || sleep 0.5; done

pods="/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=3"
plain=$(ask "$pods&resourceVersion=0" -w '%{http_code}')
initial=$(ask "$pods&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true")
told=$(grep -o 'the required storage feature RequestWatchProgress is disabled' <<<"$initial" | head -1 || true)
code=$(grep -o '"code":[0-9]*' <<<"$initial" | head -1 || true)
echo "ready: $ready  plain watch: ${plain: -3}$(grep -q ERROR <<<"$plain" && echo ", error" || echo ", no error")" \
    " watch with initial events: $code ($told)"
[ "$ready" = ok ] && [ "${plain: -3}" = 200 ] && ! grep -q ERROR <<<"$plain" && [ "$code" = '"code":500' ] && [ -n "$told" ]
