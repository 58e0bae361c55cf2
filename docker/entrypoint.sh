#!/usr/bin/env bash
# What a container of sparkcv's image runs. Spark on Kubernetes starts it with "driver" or "executor" and tells it the
# rest by variables, as it does the one of Spark's own image, which pip's pyspark does not bring. Anything else is run
# as it stands: "sparkcv train ...", "spark-submit ...", "bash".
set -euo pipefail

SPARK_HOME="${SPARK_HOME:-$(python3 -c 'import importlib.util as u; print(u.find_spec("pyspark").submodule_search_locations[0])')}"
export SPARK_HOME
# In cluster mode Spark gives the driver these of the shell that submitted: a Python, or a notebook, of that machine.
for name in PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON; do
  if [ -n "${!name:-}" ] && ! command -v "${!name}" >/dev/null; then
    echo "entrypoint.sh: $name is ${!name}, which is not in this image; its own Python is taken" >&2
    unset "$name"
  fi
done
export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$(command -v python3)}"
export PYSPARK_DRIVER_PYTHON="${PYSPARK_DRIVER_PYTHON:-$PYSPARK_PYTHON}"
java="${JAVA_HOME:+$JAVA_HOME/bin/}java"
# In the order of Spark's own launcher: what the user put first, the configurations, Spark's jars.
classes="$SPARK_HOME/jars/*"
for more in "${HADOOP_CONF_DIR:-}" "${SPARK_CONF_DIR:-}" "${SPARK_EXTRA_CLASSPATH:-}" "${SPARK_CLASSPATH:-}"; do
  if [ -n "$more" ]; then classes="$more:$classes"; fi
done

case "${1:-}" in
  driver)
    words=("$SPARK_HOME/bin/spark-submit"
      --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS"
      --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS"
      --deploy-mode client "${@:2}")
    ;;
  executor)
    # Spark numbers Java's options: SPARK_JAVA_OPT_0, SPARK_JAVA_OPT_1, ...; each is one word, whatever it holds.
    options=()
    for ((number = 0; ; number++)); do
      name="SPARK_JAVA_OPT_$number"
      if [ -z "${!name+set}" ]; then break; fi
      options+=("${!name}")
    done
    words=("$java" "${options[@]}" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY"
      -cp "$classes"
      org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend
      --driver-url "$SPARK_DRIVER_URL"
      --executor-id "$SPARK_EXECUTOR_ID"
      --cores "$SPARK_EXECUTOR_CORES"
      --app-id "$SPARK_APPLICATION_ID"
      --hostname "$SPARK_EXECUTOR_POD_IP"
      --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID"
      --podName "$SPARK_EXECUTOR_POD_NAME")
    ;;
  "")
    words=(sparkcv --help)
    ;;
  *)
    words=("$@")
    ;;
esac

# Process 1 has to reap the processes whose parents have died: Java does not.
init=()
if command -v tini >/dev/null; then init=(tini -s --); fi

if [ "${1:-}" != driver ]; then
  exec "${init[@]}" "${words[@]}"
fi

# A driver that is told to end (kubectl delete, a drained node) saves its run first: the signal is for its Python, as
# Java would end at once, and the Python with it. Its exit code comes by a pipe, as bash loses the code of one that ends
# in the moment in which a signal ends the wait for it.
exec {stdout}>&1
exec {ended}< <(code=0; "${init[@]}" "${words[@]}" >&"$stdout" {stdout}>&- || code=$?; echo "$code")
driver=$!
children() { cat "/proc/$1"/task/*/children 2>/dev/null || true; }
tell_pythons() {
  local child
  for child in $(children "$1"); do
    case "$(tr '\0' ' ' 2>/dev/null <"/proc/$child/cmdline" | cut -d' ' -f1)" in
      *python*) kill -TERM "$child" 2>/dev/null && found=yes ;;
      *) tell_pythons "$child" ;;
    esac
  done
  return 0
}
found=""  # once there was a Python, Java is about to end by itself
end() {
  trap "" TERM INT  # bash cannot read this itself while a second signal interrupts it
  tell_pythons "$driver"
  if [ -z "$found" ]; then kill -TERM $(children "$driver") 2>/dev/null || true; fi
  trap end TERM INT
}
trap end TERM INT
while kill -0 "$driver" 2>/dev/null; do  # a wait may have ended for the signal, not for the driver
  wait "$driver" || true
done
code=""
while [ -z "$code" ]; do  # a signal may end this, too
  read -r code <&"$ended" || [ $? -gt 128 ] || code=137  # of one that was killed before it could say it
done
exit "$code"
