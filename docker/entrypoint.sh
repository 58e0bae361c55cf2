#!/usr/bin/env bash
# What a container of sparkcv's image runs. Spark on Kubernetes starts it with "driver" or "executor" and tells it the
# rest by variables, as it does the one of Spark's own image, which pip's pyspark does not bring. Anything else is run
# as it stands: "sparkcv train ...", "spark-submit ...", "bash".
set -euo pipefail

SPARK_HOME="${SPARK_HOME:-$(python3 -c 'import importlib.util as u; print(u.find_spec("pyspark").submodule_search_locations[0])')}"
export SPARK_HOME
export PYSPARK_PYTHON="${PYSPARK_PYTHON:-$(command -v python3)}"
export PYSPARK_DRIVER_PYTHON="${PYSPARK_DRIVER_PYTHON:-$PYSPARK_PYTHON}"
java="${JAVA_HOME:+$JAVA_HOME/bin/}java"
classes="$SPARK_HOME/jars/*"
if [ -n "${SPARK_EXTRA_CLASSPATH:-}" ]; then classes="$SPARK_EXTRA_CLASSPATH:$classes"; fi
if [ -n "${HADOOP_CONF_DIR:-}" ]; then classes="$HADOOP_CONF_DIR:$classes"; fi
if [ -n "${SPARK_CONF_DIR:-}" ]; then classes="$SPARK_CONF_DIR:$classes"; fi

case "${1:-}" in
  driver)
    shift
    words=("$SPARK_HOME/bin/spark-submit"
      --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS"
      --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS"
      --deploy-mode client "$@")
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
if command -v tini >/dev/null; then
  exec tini -s -- "${words[@]}"
fi
exec "${words[@]}"
