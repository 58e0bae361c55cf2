"""The image's recipe against what stands elsewhere: it is not built here, its entrypoint runs in the other tests."""

import re
import shutil
import subprocess
import time
import tomllib

import pytest
from packaging.requirements import Requirement

from sparkcv.driver.jobs import JOBS
from sparkcv.submit import on_kubernetes, properties
from tests.hadoop.submit import ROOT
from tests.kubernetes import image
from tests.kubernetes.kubelet import ENTRYPOINT

RECIPE = (ROOT / "docker" / "Dockerfile").read_text()
PINNED = dict(
    line.split("==")
    for line in (ROOT / "docker" / "requirements.txt").read_text().splitlines()
    if not line.startswith("#")
)


def test_what_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*)$", RECIPE, re.MULTILINE):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists()
            assert f"!{source}" in ignored


def test_it_runs_as_the_user_of_the_templates_and_by_the_entrypoint():
    user = re.search(r"^USER (\d+):(\d+)$", RECIPE, re.MULTILINE)
    for name in ("driver-pod", "executor-pod", "train-job"):
        text = (ROOT / "conf" / "kubernetes" / f"{name}.yaml").read_text()
        assert f"runAsUser: {user[1]}\n" in text
        assert f"runAsGroup: {user[2]}\n" in text
    assert 'ENTRYPOINT ["/opt/entrypoint.sh"]' in RECIPE
    assert "docker/entrypoint.sh /opt/entrypoint.sh" in RECIPE


def test_every_job_is_where_submit_says_that_the_image_has_it():
    assert "COPY --chmod=755 jobs /opt/sparkcv/jobs" in RECIPE
    for job in JOBS.values():
        path = on_kubernetes.job_file(job)
        assert (ROOT / "jobs" / path.removeprefix("local:///opt/sparkcv/jobs/")).is_file()


def test_each_requirement_is_pinned_to_a_version_that_it_allows():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["serve"]]:
        wanted = Requirement(text)
        assert PINNED[wanted.name.lower()] in wanted.specifier, text


def test_the_configuration_is_the_package_s_own_and_its_templates_are_there():
    for name in ("spark-kubernetes.conf", "kubernetes/driver-pod.yaml", "kubernetes/executor-pod.yaml"):
        shown = ROOT / "conf" / name
        assert shown.resolve() == (ROOT / "sparkcv" / "submit" / shown.name).resolve()
    found = properties.read(ROOT / "conf" / "spark-kubernetes.conf")
    for side in ("driver", "executor"):
        assert (ROOT / found[f"spark.kubernetes.{side}.podTemplateFile"]).is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["python3", "-c", "print('as it stands')"], 0, "as it stands"),
        (["bash", "-c", "exit 75"], 75, ""),
        (["executor"], 1, "SPARK_EXECUTOR_MEMORY: unbound variable"),
    ],
)
def test_the_entrypoint_runs_other_words_and_gives_their_exit_code(words, code, said):
    env = {"PATH": "/usr/bin:/bin", "SPARK_HOME": "/nowhere"}
    done = subprocess.run([ENTRYPOINT, *words], env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


DRIVER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda number, frame: os._exit(75))
print("the driver runs", flush=True)
time.sleep(60 if sys.argv[1:] == ["wait"] else 0)
os._exit(3)
"""


@pytest.mark.parametrize(("word", "code"), [("wait", 75), ("go", 3)])
def test_a_driver_s_python_is_told_to_end_and_its_exit_code_is_the_container_s(tmp_path, word, code):
    """Spark's Java, here a shell, would end at a signal. More of them come while the driver ends."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "driver.py").write_text(DRIVER)
    submit = tmp_path / "bin" / "spark-submit"
    submit.write_text(f'#!/bin/bash\nfor last; do :; done\npython3 {tmp_path}/driver.py "$last" &\nwait $!\n')
    submit.chmod(0o755)
    env = {"PATH": "/usr/bin:/bin", "SPARK_HOME": str(tmp_path), "SPARK_DRIVER_BIND_ADDRESS": "127.0.0.1"}
    with subprocess.Popen([ENTRYPOINT, "driver", word], env=env, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "the driver runs\n"
        while running.poll() is None and word == "wait":
            running.terminate()
            time.sleep(0.02)
        assert running.wait(60) == code


def test_a_python_of_the_machine_that_submitted_gives_way_to_the_image_s():
    env = {"PATH": "/usr/bin:/bin", "SPARK_HOME": "/nowhere", "PYSPARK_PYTHON": "sh"}
    env["PYSPARK_DRIVER_PYTHON"] = "/home/ann/.venv/bin/jupyter"
    words = ["printenv", "PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON"]
    done = subprocess.run([ENTRYPOINT, *words], env=env, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "sh\nsh\n"
    assert "PYSPARK_DRIVER_PYTHON is /home/ann/.venv/bin/jupyter, which is not in this image" in done.stderr


@pytest.mark.parametrize(
    ("tool", "around"), [(tool, "timeout") for tool in ("docker", "podman", "buildah", "")] + [("docker", "git")]
)
def test_it_is_built_with_the_tool_that_is_there(tool, around, tmp_path):
    """The tool here only says what it was asked: an image takes minutes, and a base from a registry."""
    for name in {"bash", "dirname", "git", around}:
        (tmp_path / name).symlink_to(shutil.which(name))
    if tool:
        (tmp_path / tool).write_text('#!/bin/sh\n[ "$1" = version ] || echo "$0" "$@"\n')
        (tmp_path / tool).chmod(0o755)
    command = [ROOT / "docker" / "build.sh", "here/sparkcv:1", "--build-arg", "BASE=debian"]
    env = {"PATH": str(tmp_path), "SOURCE_DATE_EPOCH": "7"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    if not tool:
        assert (done.returncode, done.stdout) == (2, "")
        assert "wanted docker with its daemon, podman or buildah on the PATH" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / tool} build ")
    assert done.stdout.endswith(" -f docker/Dockerfile -t here/sparkcv:1 --build-arg BASE=debian .\n")
    assert ("SOURCE_DATE_EPOCH=7" if tool == "docker" else "--timestamp 7") in done.stdout


def test_a_folder_that_is_no_image_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(image.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"has no /opt/entrypoint\.sh, wanted the root of docker/Dockerfile's image"):
        image.of_environment(tmp_path)


def test_pods_of_an_image_have_its_variables(tmp_path, monkeypatch):
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "entrypoint.sh").touch()
    monkeypatch.setenv(image.VARIABLE, str(tmp_path))
    found = image.of_environment(tmp_path)
    assert found.workdir == "/opt/sparkcv/work"
    assert found.env["PATH"].startswith("/opt/venv/bin:/usr/local/sbin:")
    assert found.env["SPARK_HOME"] == "/opt/venv/lib/python3.11/site-packages/pyspark"
    assert {"LANG", "TF_USE_LEGACY_KERAS"} < set(found.env)
