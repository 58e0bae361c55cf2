#!/usr/bin/env bash
# In cluster mode on Kubernetes, Spark runs the driver by the Python of the shell that submits, a path of another machine.
#
# Behaviour: where the submitting shell has PYSPARK_DRIVER_PYTHON or PYSPARK_PYTHON (notebooks and virtual environments set
#   them), spark-submit writes their values into the driver's pod, where they stand above the image's own variables, and
#   Spark's own entrypoint keeps them. spark.pyspark.python would come first; nothing has to be set there for it.
# Seen: pyspark 4.3.0, Java 17; the API here answers the first objects as Kubernetes does and refuses the pod.
# Output: the driver's pod: PYSPARK_DRIVER_PYTHON=DIR/env/bin/python PYSPARK_PYTHON=DIR/env/bin/python
# Why it matters: the image has no such path, so the pod ends at once, from one shell and not
#   from another, by the same command.
# Wants: Java 17.
set -euo pipefail
dir=$(mktemp -d) && trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir/env" && cd "$dir"
env/bin/pip install -q --disable-pip-version-check pyspark==4.3.0
cat >api.py <<'PY'
import http.server, json

class Api(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        made, status = json.loads(body) if body.startswith(b"{") else {}, 200
        if made.get("kind") == "Pod":
            env = {one["name"]: one.get("value") for one in made["spec"]["containers"][0]["env"]}
            with open("seen.txt", "w") as out:
                print(*(f"{name}={env.get(name)}" for name in ("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON")), file=out)
            made, status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403}, 403
        said = json.dumps(made or {"kind": "Status", "apiVersion": "v1", "status": "Success"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PATCH = do_DELETE = answer

    def log_message(self, *args):
        pass

with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
    with open("port.txt", "w") as out:
        out.write(f"{server.server_port}\n")
    server.serve_forever()
PY
env/bin/python api.py &
until [ -s port.txt ]; do sleep 0.1; done
python=$PWD/env/bin/python
PYSPARK_PYTHON=$python PYSPARK_DRIVER_PYTHON=$python env/bin/spark-submit --master "k8s://http://127.0.0.1:$(cat port.txt)" \
    --deploy-mode cluster --conf spark.kubernetes.container.image=image local:///opt/job.py >submit.log 2>&1 || true
echo "the driver's pod: $(sed "s|$dir|DIR|g" seen.txt)"
[ "$(cat seen.txt)" = "PYSPARK_DRIVER_PYTHON=$python PYSPARK_PYTHON=$python" ]
