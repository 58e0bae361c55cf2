"""What ``sparkcv submit --dry_run`` prints: text that a shell takes, counted and estimated from the job's flags."""

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from sparkcv import config as configs
from sparkcv import submit
from sparkcv.cli import main
from sparkcv.config import TrainConfig
from sparkcv.driver.jobs import JOBS
from sparkcv.rundir.description import RunDescription
from sparkcv.submit import properties
from sparkcv.submit import words as submit_words

ROOT = Path(__file__).parents[2]
TRAIN = [
    "train",
    "--num_ps_tasks",
    "1",
    "--cluster_size",
    "3",
    "--dataset_dir",
    "hdfs:///data",
    "--train_dir",
    "hdfs:///run",
]


def words_of(*argv):
    return submit.prepare(argv).command


def value(words, name):
    return words[words.index(name) + 1]


def conf(words):
    return dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "--conf")


def test_a_dry_run_prints_the_whole_command_and_touches_nothing(yarn, python_zip, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*")), sorted(ROOT.glob("dist/*"))
    assert (
        main(["submit", "--dry_run", "--master", "yarn", "--archive", str(python_zip), "--queue", "night", *TRAIN]) == 0
    )
    assert (sorted(tmp_path.rglob("*")), sorted(ROOT.glob("dist/*"))) == before
    out = capsys.readouterr().out
    digits = "2d711642b726b044"
    assert (
        out
        == f"""\
# job        train, on YARN, cluster mode
# executors  3 for 1 ps and 2 workers
# memory     1g of Java heap and 5632m beside it (a worker of inception_v3, batch 32, takes about 5.0 GiB)
# package    {ROOT}/dist/sparkcv.zip, made anew where it is not current
# archive    {python_zip} (0 MB), uploaded unless it is there already
SPARK_HOME='{yarn}' \\
  '{yarn}/bin/spark-submit' \\
  --master yarn \\
  --deploy-mode cluster \\
  --queue night \\
  --num-executors 3 \\
  --executor-memory 1g \\
  --archives 'hdfs:///user/ann/.sparkcv/Python-{digits}.zip#Python' \\
  --py-files {ROOT}/dist/sparkcv.zip \\
  --conf spark.executor.memoryOverhead=5632m \\
  --conf spark.pyspark.python=Python/bin/python3 \\
  --conf spark.executorEnv.LD_LIBRARY_PATH=Python/lib \\
  --conf spark.yarn.appMasterEnv.LD_LIBRARY_PATH=Python/lib \\
  --conf spark.dynamicAllocation.enabled=false \\
  --conf spark.executor.cores=1 \\
  --conf spark.task.cpus=1 \\
  --conf spark.scheduler.minRegisteredResourcesRatio=1.0 \\
  --conf spark.scheduler.maxRegisteredResourcesWaitingTime=60s \\
  --conf spark.locality.wait=0s \\
  --conf spark.speculation=false \\
  --conf spark.driver.memory=1g \\
  --conf spark.driver.memoryOverhead=1g \\
  --conf spark.yarn.maxAppAttempts=2 \\
  --conf spark.yarn.am.waitTime=300s \\
  --conf spark.ui.showConsoleProgress=false \\
  {ROOT}/jobs/train_image_classifier.py \\
  --num_ps_tasks 1 \\
  --cluster_size 3 \\
  --dataset_dir hdfs:///data \\
  --train_dir hdfs:///run
"""
    )


def test_what_is_printed_is_what_is_run_when_a_shell_reads_it(yarn):
    plan = submit.prepare(["--master", "yarn", "--archive", "none", *TRAIN[:-1], "hdfs:///a run's $HOME `x`"])
    text = submit.notes(plan) + submit.command(plan)
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 7
    assert done.stdout.splitlines() == [f"SPARK_HOME={yarn}", *(f"<{word}>" for word in plan.command[1:])]


def test_executors_are_counted_from_the_roles_of_each_job(yarn):
    yarn_none = ["--master", "yarn", "--archive", "none"]
    for job, count in (
        (["train", "--num_ps_tasks", "2", "--worker_replicas", "3", "--num_evaluators", "1"], "6"),
        (["train", "--worker_replicas", "3"], "4"),
        (["train", "--model_name", "vgg_16", "--worker_replicas", "8"], "13"),
        (["doctor", "--num_ps_tasks", "1"], "2"),
        (["evaluate", "--dataset_dir", "/d", "--cluster_size", "4"], "4"),
        (["evaluate", "--dataset_dir", "/d"], "1"),
        (["export", "--checkpoint_path", "/c", "--model_dir", "/m"], "1"),
        (["score", "--input", "/i", "--model_dir", "/m", "--output_dir", "/o"], "2"),
        (["convert", "--images_dir", "/i", "--dataset_dir", "/d", "--cluster_size", "5"], "5"),
    ):
        assert value(words_of(*yarn_none, *job), "--num-executors") == count, job


def test_a_run_that_is_started_again_has_its_own_roles(yarn, tmp_path):
    flags = configs.to_dict(TrainConfig(dataset_dir="/d", cluster_size=4, num_ps_tasks=1, model_name="lenet"))
    RunDescription(model_name="lenet", config=flags).write(str(tmp_path))
    words = words_of("--master", "yarn", "--archive", "none", "reproduce", str(tmp_path), "--train_dir", "hdfs:///r")
    assert value(words, "--num-executors") == "4"
    assert words[-3:] == [str(tmp_path), "--train_dir", "hdfs:///r"]
    (tmp_path / "r.toml").write_text('run = "/another"\ntrain_dir = "hdfs:///r"\n')
    recipe = ["--recipe", str(tmp_path / "r.toml")]
    words = words_of("--master", "yarn", "--archive", "none", "reproduce", str(tmp_path), *recipe)
    assert words[-2:] == [str(tmp_path), "--train_dir=hdfs:///r"]  # the word that stands for --run stays first


def test_roles_that_the_job_leaves_open_are_as_many_as_the_executors_given(yarn):
    plan = submit.prepare(
        ["--master", "yarn", "--archive", "none", "--num-executors", "4", "train", "--num_ps_tasks", "1"]
    )
    assert plan.sizes.roles == "1 ps and 3 workers"
    assert value(plan.command, "--num-executors") == "4"


def test_an_executor_of_more_slots_holds_more_roles_and_gets_memory_for_them(yarn):
    one = submit.prepare(["--master", "yarn", "--archive", "none", *TRAIN])
    two = submit.prepare(["--master", "yarn", "--archive", "none", "--conf", "spark.executor.cores=2", *TRAIN])
    assert (one.sizes.executors, two.sizes.executors) == (3, 2)
    assert conf(two.command)["spark.executor.cores"] == "2"
    assert int(two.sizes.overhead[:-1]) > 1.8 * int(one.sizes.overhead[:-1])


def test_memory_follows_the_net_and_what_the_user_sets_is_left_alone(yarn):
    small = submit.prepare(["--master", "yarn", "--archive", "none", *TRAIN, "--model_name", "lenet"])
    large = submit.prepare(["--master", "yarn", "--archive", "none", *TRAIN, "--model_name", "vgg_16"])
    assert int(small.sizes.overhead[:-1]) < int(large.sizes.overhead[:-1])
    given = ["--conf", "spark.executor.memoryOverhead=9g", "--conf", "spark.executor.memory=3g"]
    words = words_of("--master", "yarn", "--archive", "none", *given, *TRAIN)
    assert conf(words)["spark.executor.memoryOverhead"] == "9g"
    assert conf(words)["spark.executor.memory"] == "3g"
    assert "--executor-memory" not in words


def test_properties_of_the_user_beat_ours_and_those_of_a_file_too(yarn, tmp_path):
    file = tmp_path / "mine.conf"
    file.write_text("# mine\nspark.locality.wait 3s\nspark.yarn.maxAppAttempts=1\nspark.x : y z\n")
    words = words_of(
        "--master", "yarn", "--archive", "none", "--properties_file", str(file), "--conf", "spark.x=w", *TRAIN
    )
    found = conf(words)
    assert found["spark.locality.wait"] == "3s"
    assert found["spark.yarn.maxAppAttempts"] == "1"
    assert found["spark.x"] == "w"
    assert len(found) == words.count("--conf")


def test_a_file_of_properties_is_read_as_spark_reads_it(tmp_path):
    file = tmp_path / "mine.conf"
    file.write_text(
        "spark.executor.extraJavaOptions  -XX:+UseG1GC \\\n    -Dfoo=bar\n"
        "! no property\n  \n"
        "spark.one\n"
        "spark.two = \n"
        "spark.three\\ and\\=more: a\\u0041\\tb\\:c \\ud83d\\ude00 \n"
        "spark.four ends\\\\\n"
        "spark.five\t=x=y#z\n"
        "spark.six goes on \\\n"
    )
    assert properties.read(file) == {
        "spark.executor.extraJavaOptions": "-XX:+UseG1GC -Dfoo=bar",
        "spark.one": "",
        "spark.two": "",
        "spark.three and=more": "aA\tb:c \U0001f600",
        "spark.four": "ends\\",
        "spark.five": "x=y#z",
        "spark.six": "goes on",
    }


def test_what_the_user_sends_along_goes_beside_ours(yarn, python_zip):
    more = ["--conf", "spark.submit.pyFiles=mine.zip,its.egg", "--conf", "spark.archives=data.zip#data"]
    words = words_of("--master", "yarn", "--archive", str(python_zip), *more, *TRAIN)
    assert value(words, "--py-files").endswith("/sparkcv.zip,mine.zip,its.egg")
    assert value(words, "--archives").endswith(".zip#Python,data.zip#data")
    assert not {"spark.submit.pyFiles", "spark.archives"} & set(conf(words))
    words = words_of("--master", "yarn", "--archive", "none", *more, *TRAIN)
    assert conf(words)["spark.archives"] == "data.zip#data"
    image = ["--master", "k8s://https://h:1", "--image", "i"]
    assert conf(words_of(*image, *more, *TRAIN))["spark.submit.pyFiles"] == "mine.zip,its.egg"


def test_an_executor_of_more_cores_has_them_from_sparks_own_master(spark_home):
    master = ["--master", "spark://h:7077"]
    words = words_of(*master, "--conf", "spark.executor.cores=2", *TRAIN)
    assert value(words, "--total-executor-cores") == "4"  # 2 executors for 3 roles
    assert "--executor-cores" not in words
    assert conf(words)["spark.executor.cores"] == "2"
    words = words_of(*master, "--conf", "spark.cores.max=5", *TRAIN)
    assert "--total-executor-cores" not in words
    assert conf(words)["spark.cores.max"] == "5"
    words = words_of(*master, "--conf", "spark.executor.instances=4", *TRAIN)
    assert value(words, "--total-executor-cores") == "4"
    assert value(words_of(*master, "--executor_memory", "4g", *TRAIN), "--executor-memory") == "4g"
    (spark_home / "conf").mkdir()
    (spark_home / "conf" / "spark-defaults.conf").write_text("spark.executor.memory 2g\nspark.submit.pyFiles its.zip\n")
    words = words_of(*master, *TRAIN)
    assert value(words, "--executor-memory") == "2g"
    assert value(words, "--py-files").endswith("/sparkcv.zip,its.zip")


def test_an_administrators_memory_holds(yarn):
    (yarn / "conf").mkdir()
    (yarn / "conf" / "spark-defaults.conf").write_text("spark.executor.memoryOverhead 8g\nspark.executor.memory 2g\n")
    words = words_of("--master", "yarn", "--archive", "none", *TRAIN)
    assert "spark.executor.memoryOverhead" not in conf(words)
    assert value(words, "--executor-memory") == "2g"


def test_our_properties_are_the_files_that_the_checkout_shows():
    shown = ROOT / "conf" / "spark-yarn.conf"
    assert shown.resolve() == (ROOT / "sparkcv" / "submit" / "spark-yarn.conf").resolve()
    assert properties.read(shown)["spark.dynamicAllocation.enabled"] == "false"


def test_a_recipe_is_spelled_out_for_a_driver_that_cannot_see_it(yarn, tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('model_name = "lenet"\nbatch_size = 8\nsync_replicas = true\n')
    cluster = ["--master", "yarn", "--archive", "none"]
    words = words_of(*cluster, *TRAIN, "--recipe", str(recipe), "--batch_size", "4")
    assert "--recipe" not in words
    assert {"--model_name=lenet", "--sync_replicas=true"} <= set(words)
    assert "--batch_size=8" not in words
    assert value(words, "--batch_size") == "4"
    assert "--recipe" in words_of(*cluster, "--deploy_mode", "client", *TRAIN, "--recipe", str(recipe))


def test_a_recipe_is_spelled_out_in_the_form_of_the_command_line(yarn, tmp_path):
    recipe = tmp_path / "r.toml"
    cluster = ["--master", "yarn", "--archive", "none"]
    recipe.write_text('model_name = "lenet"\n[augment]\nflip_left_right = 0.5\nrotation = [-15, 15]\n')
    words = words_of(*cluster, *TRAIN, "--recipe", str(recipe))
    assert "--augment=flip_left_right=0.5,rotation=-15:15" in words
    recipe.write_text('styles = ["/a.png", "/b.png"]\nstyle_blend_weights = [1, 0.5]\noverwrite = true\n')
    words = words_of(*cluster, "styletransfer", "--content=/c.png", "--output=/o.png", "--recipe", str(recipe))
    at = words.index("--styles")
    assert words[at : at + 7] == [
        "--styles",
        "/a.png",
        "/b.png",
        "--style_blend_weights",
        "1",
        "0.5",
        "--overwrite=true",
    ]


def test_a_job_that_is_submitted_runs_on_executors():
    for name in submit_words.SUBMITTED:
        flags = {field.name for field in dataclasses.fields(JOBS[name].config)}
        assert "cluster_size" in flags or name in ("export", "reproduce"), name


def test_principal_and_keytab_are_passed_on_and_name_the_archives_folder(yarn, python_zip, tmp_path):
    keytab = tmp_path / "ann.keytab"
    keytab.touch()
    login = ["--principal", "bob/edge@REALM", "--keytab", str(keytab)]
    words = words_of("--master", "yarn", *login, "--archive", str(python_zip), *TRAIN)
    assert value(words, "--principal") == "bob/edge@REALM"
    assert value(words, "--keytab") == str(keytab)
    assert value(words, "--archives").startswith("hdfs:///user/bob/.sparkcv/Python-")


@pytest.mark.parametrize(
    ("master", "wanted", "unwanted"),
    [
        ("local[2]", ["--master", "local[2]"], ["--num-executors", "--deploy-mode", "--archives", "--executor-memory"]),
        (
            "local-cluster[3,1,512]",
            ["--master", "local-cluster[3,1,512]"],
            ["--num-executors", "--total-executor-cores"],
        ),
        (
            "spark://h:7077",
            ["--total-executor-cores", "3", "--executor-cores", "1"],
            ["--num-executors", "--deploy-mode"],
        ),
    ],
)
def test_another_master_gets_what_it_understands(spark_home, master, wanted, unwanted):
    words = words_of("--master", master, *TRAIN)
    assert set(wanted) <= set(words)
    assert not set(unwanted) & set(words)
    assert not [name for name in conf(words) if ".yarn." in name or "LD_LIBRARY" in name]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--master", "yran", *TRAIN], "--master: got 'yran', wanted yarn, k8s://https://HOST:PORT, spark://HOST:PORT"),
        (["--master", "k8s://", *TRAIN], "--master: got 'k8s://', wanted yarn"),
        (["--master", "k8s://https://h", *TRAIN], "--image is missing: wanted the image of driver and executors"),
        (
            ["--master", "yarn", "--master", "local[2]", *TRAIN],
            "got --master 2 times, yarn and local[2], wanted it once",
        ),
        (
            ["--master", "yarn", "--conf", "spark.master=local", *TRAIN],
            "got --master yarn and --conf spark.master=local",
        ),
        (["--master", "yarn", "style", "tranfser"], "style: got 'tranfser', did you mean transfer?"),
        ([*TRAIN, "--master", "yarn"], "--master is missing: wanted it before the job's name"),
        (["--master"], "--master: a value is missing"),
        (["--master", "yarn"], "the job is missing: wanted sparkcv submit ... JOB, one of convert, statistics, train"),
        (["--master", "yarn", "trian"], "unknown job 'trian', did you mean train?"),
        (["--master", "yarn", "demo"], "demo runs on this machine: wanted sparkcv demo, without submit"),
        (["--master", "yarn", "caption", "/54.jpg"], "caption runs on this machine: wanted sparkcv caption, without"),
        (["--master", "yarn", *TRAIN, "--dry_run"], "--dry_run stands behind train, whose flag it is not"),
        (["--master", "yarn", *TRAIN, "--num-executors=3"], "--num_executors stands behind train"),
        (["--master", "yarn", "--batch_size", "4", *TRAIN], "--batch_size stands before the job's name"),
        (["--masterr", "yarn", *TRAIN], "unknown option --masterr, did you mean --master?"),
        (
            ["--master", "yarn", *TRAIN, "--num_ps_task", "1"],
            "unknown flag --num_ps_task, did you mean --num_ps_tasks?",
        ),
        (["--master", "yarn", *TRAIN, "--batch_size", "0"], "--batch_size: got 0, wanted at least 1"),
        (["--master", "yarn", "--keytab", "/k", *TRAIN], "got --keytab alone, wanted --principal and --keytab"),
        (["--master", "yarn", "--principal", "a", "--keytab", "/no", *TRAIN], "--keytab /no: no such file"),
        (["--master", "yarn", "--archive", "/no.zip", *TRAIN], "--archive /no.zip: no such file"),
        (["--master", "yarn", "--archive", __file__, *TRAIN], "cannot be read as an archive"),
        (["--master", "yarn", "--archive", "hdfs:///P.zip#P", *TRAIN], "wanted it without #"),
        (
            ["--master", "yarn", "--archive", "none", "--archive_dir", "hdfs:///a", *TRAIN],
            "--archive_dir hdfs:///a with --archive none: nothing is uploaded there",
        ),
        (
            ["--master", "yarn", "--archive", "hdfs:///P.zip", "--archive_dir", "hdfs:///a", *TRAIN],
            "--archive_dir hdfs:///a with --archive hdfs:///P.zip: nothing is uploaded there",
        ),
        (["--master", "yarn", "--conf", "x=y", *TRAIN], "--conf: got 'x=y', wanted NAME=VALUE"),
        (["--master", "yarn", "--executor_memory", "much", *TRAIN], "--executor_memory: got 'much', wanted a size"),
        (["--master", "yarn", "--properties_file", "/no", *TRAIN], "--properties_file /no: cannot be read"),
        (["--master", "yarn", "--archive", "none", "--num_executors", "2", *TRAIN], "need 3 executors at once, got 2"),
        (["--master", "yarn", "--num_executors", "0", *TRAIN], "--num_executors: got 0, wanted at least 1"),
        (
            ["--master", "local[2]", "--num_executors", "3", *TRAIN],
            "--num_executors with --master local[2]: the master itself says how many tasks run",
        ),
        (
            ["--master", "local-cluster[2,1,512]", "--num_executors", "3", *TRAIN],
            "--num_executors with --master local-cluster[2,1,512]: the master itself says",
        ),
        (
            ["--master", "local[2]", "--executor_memory", "2g", *TRAIN],
            "--executor_memory with --master local[2]: there is no executor beside the driver; wanted --driver_memory",
        ),
        (
            ["--master", "yarn", "--archive", "none", "--conf", "spark.task.cpus=4", *TRAIN],
            "spark.task.cpus=4 and spark.executor.cores=1: no executor has room for a task; wanted --conf",
        ),
        (
            ["--master", "spark://h:1", "--conf", "spark.cores.max=2", *TRAIN],
            "need 3 executors at once, got 2",
        ),
        (
            ["--master", "spark://h:1", "--num_executors", "3", "--conf", "spark.cores.max=3", *TRAIN],
            "got --num_executors 3 and spark.cores.max=3, wanted one of them",
        ),
        (
            ["--master", "local[2]", "--queue", "q", *TRAIN],
            "--queue with --master local[2]: it means something on YARN",
        ),
        (
            ["--master", "spark://h:1", "--deploy-mode", "cluster", *TRAIN],
            "inside of YARN and Kubernetes only; wanted client",
        ),
        (["--master", "yarn", "--deploy-mode", "clusted", *TRAIN], "--deploy_mode: invalid choice: 'clusted'"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(yarn, capsys, argv, sentence):
    assert main(["submit", *argv]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("sparkcv submit: ")
    assert sentence in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "found", "sentence"),
    [
        ("HADOOP_CONF_DIR", None, "--master yarn: HADOOP_CONF_DIR is not set; wanted the folder"),
        ("HADOOP_CONF_DIR", "/no/conf", "HADOOP_CONF_DIR is '/no/conf', which is no folder"),
        ("SPARK_HOME", "/no/spark", "SPARK_HOME is '/no/spark', which has no bin/spark-submit"),
    ],
)
def test_a_shell_that_is_not_set_up_is_told_what_is_missing(yarn, capsys, monkeypatch, name, found, sentence):
    monkeypatch.delenv("HADOOP_HOME", raising=False)
    if found is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, found)
    assert main(["submit", "--dry_run", "--master", "yarn", "--archive", "none", *TRAIN]) == 2
    assert sentence in capsys.readouterr().err


def test_no_spark_anywhere_is_told(yarn, capsys, monkeypatch):
    monkeypatch.delenv("SPARK_HOME")
    monkeypatch.setenv("PATH", "/no")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["submit", "--dry_run", "--master", "yarn", "--archive", "none", *TRAIN]) == 2
    assert re.search(r"found no Spark: SPARK_HOME is not set, no spark-submit is on the PATH", capsys.readouterr().err)


@pytest.mark.parametrize(("words", "exit_code"), [([], 2), (["--help"], 0), (["--master", "yarn", "-h"], 0)])
def test_help_says_what_stands_where(capsys, words, exit_code):
    assert main(["submit", *words]) == exit_code
    out = capsys.readouterr().out
    assert out.startswith("usage: sparkcv submit [options] JOB [the job's flags]")
    assert "--dry_run" in out


ON_KUBERNETES = ["--master", "k8s://https://h:6443", "--namespace", "night", "--image", "r/sparkcv:1"]


def test_on_kubernetes_the_driver_s_pod_is_named_and_nothing_of_this_machine_is_sent(spark_home):
    words = words_of(*ON_KUBERNETES, *TRAIN)
    found = conf(words)
    assert value(words, "--deploy-mode") == "cluster"
    assert value(words, "--num-executors") == "3"
    assert "--py-files" not in words
    assert "local:///opt/sparkcv/jobs/train_image_classifier.py" in words
    assert re.fullmatch(r"sparkcv-train-[0-9a-f]{8}", found["spark.kubernetes.driver.pod.name"])
    assert found["spark.kubernetes.submission.waitAppCompletion"] == "false"
    assert found["spark.kubernetes.namespace"] == "night"
    assert found["spark.kubernetes.container.image"] == "r/sparkcv:1"
    assert found["spark.kubernetes.authenticate.driver.serviceAccountName"] == "sparkcv"
    assert found["spark.executor.memoryOverhead"] == "5632m"
    for side in ("driver", "executor"):
        assert Path(found[f"spark.kubernetes.{side}.podTemplateFile"]).is_file()
    assert not [name for name in found if name.startswith("spark.yarn")]


def test_on_kubernetes_in_client_mode_the_driver_is_this_python_with_its_user_s_login(spark_home):
    words = words_of(*ON_KUBERNETES, "--deploy_mode", "client", "--context", "prod", *TRAIN)
    found = conf(words)
    assert value(words, "--deploy-mode") == "client"
    assert value(words, "--py-files").endswith("sparkcv.zip")
    assert found["spark.kubernetes.context"] == "prod"
    assert "spark.pyspark.driver.python" in found
    assert not [name for name in found if name.startswith(("spark.kubernetes.driver.", "spark.kubernetes.auth"))]


def test_a_user_s_own_properties_beat_ours_on_kubernetes(spark_home):
    own = {"spark.kubernetes.executor.podTemplateFile": "/my.yaml", "spark.kubernetes.driver.pod.name": "mine"}
    words = [word for name, text in own.items() for word in ("--conf", f"{name}={text}")]
    found = conf(words_of(*ON_KUBERNETES, *words, *TRAIN))
    assert {name: found[name] for name in own} == own


def test_an_option_beats_the_same_property_of_a_file(spark_home, tmp_path):
    file = tmp_path / "mine.conf"
    file.write_text(
        "spark.executor.memory 4g\nspark.kubernetes.namespace day\nspark.executor.instances 9\n"
        "spark.driver.memory 7g\nspark.submit.deployMode cluster\nspark.x y\n"
    )
    sizes = ["--executor_memory", "2g", "--driver_memory", "3g", "--num_executors", "3"]
    words = words_of(*ON_KUBERNETES, *sizes, "--properties_file", str(file), *TRAIN)
    found = conf(words)
    assert found["spark.kubernetes.namespace"] == "night"
    assert [value(words, f"--{name}") for name in ("executor-memory", "driver-memory", "num-executors")] == [
        "2g",
        "3g",
        "3",
    ]
    assert not {"spark.executor.memory", "spark.driver.memory", "spark.executor.instances"} & set(found)
    assert found["spark.x"] == "y"


@pytest.mark.parametrize(
    ("words", "line", "said"),
    [
        ([], "spark.submit.deployMode client", "got spark.submit.deployMode=client, wanted --deploy_mode client"),
        (["--conf", "spark.submit.deployMode=client"], "", "--conf: got spark.submit.deployMode=client, wanted --depl"),
        (["--deploy_mode", "client", "--service_account", "bob"], "", "--service_account with --deploy_mode client: "),
        (["--service_account", "Bob"], "", "--service_account: got 'Bob' (3 characters), wanted at most 253 of a-z"),
        ([], f"spark.kubernetes.driver.pod.name {'n' * 64}", "(64 characters), wanted at most 63 of a-z, 0-9 and -"),
    ],
)
def test_what_would_be_ignored_or_refused_late_is_refused_here(spark_home, tmp_path, capsys, words, line, said):
    file = tmp_path / "mine.conf"
    file.write_text(f"{line}\n")
    assert main(["submit", *ON_KUBERNETES, *words, "--properties_file", str(file), *TRAIN]) == 2
    assert said in capsys.readouterr().err


def test_an_account_may_be_a_dns_name(spark_home):
    name = "spark.kubernetes.authenticate.driver.serviceAccountName"
    assert conf(words_of(*ON_KUBERNETES, "--service_account", "night.vision", *TRAIN))[name] == "night.vision"


def test_a_job_of_style_transfer_is_submitted_by_its_two_words(capsys):
    words = ["--input", "/data/photos", "--style", "/models/udnie", "--output", "/data/styled"]
    said = []
    for name in (["style", "stylize"], ["stylize"]):
        assert main(["submit", "--dry_run", "--master", "local[2]", *name, *words]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "stylize.py" in said[0]


def test_a_file_of_properties_with_half_a_character_is_refused(spark_home, tmp_path, capsys):
    file = tmp_path / "mine.conf"
    file.write_text("spark.x C:\\users\n")
    assert main(["submit", "--master", "local[2]", "--properties_file", str(file), *TRAIN]) == 2
    assert f"--properties_file {file}: cannot be read ('\\\\users' is no character" in capsys.readouterr().err
