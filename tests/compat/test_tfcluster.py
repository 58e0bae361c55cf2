"""Clusters of users' functions on real Spark executors: what stock promises, and what it does not."""

import os
import signal
import threading

import compat_programs as programs
import psutil
import pytest

from sparkcv.compat import TFCluster, TFParallel
from sparkcv.errors import ClusterError, DataError, RoleFailedError, UsageError

pytestmark = pytest.mark.spark
SPARK = TFCluster.InputMode.SPARK


def test_nodes_know_who_they_are_as_in_stock(start, notes, tmp_path):
    cluster = start(programs.tell, {"folder": str(tmp_path)}, 3, 1, master_node="chief", release_port=False)
    assert [(node["job_name"], node["executor_id"]) for node in cluster.cluster_info] == [
        ("ps", 0),
        ("chief", 1),
        ("worker", 2),
    ]
    assert cluster.tensorboard_url() is None
    assert cluster.cluster_meta["cluster_template"] == {"ps": [0], "chief": [1], "worker": [2]}
    with pytest.raises(UsageError, match=r"train\(\) needs input_mode=InputMode.SPARK"):
        cluster.train(cluster.nodeRDD)
    cluster.shutdown()
    cluster.shutdown()  # twice is fine
    told = {one["executor_id"]: one for one in notes.all("told")}
    addresses = {node["job_name"]: [f"{node['host']}:{node['port']}"] for node in cluster.cluster_info}
    assert {one["worker_num"] for one in told.values()} == {0, 1, 2}
    for one in told.values():
        assert one["cluster"] == one["tf_config"]["cluster"] == addresses
        assert list(one["cluster"]) == ["ps", "chief", "worker"]
        assert one["num_workers"] == 2
        assert one["working_dir"] == os.getcwd()
        assert one["path"] == f"{one['default_fs']}/{os.getcwd()[1:]}/x"
        assert one["has_socket"]
    assert told[1]["tf_config"]["task"] == {"type": "chief", "index": 0}
    assert told[1]["tf_config"]["environment"] == "cloud"


def test_ps_on_the_driver_leave_the_executors_to_the_workers(start, notes, tmp_path):
    cluster = start(programs.tell, {"folder": str(tmp_path)}, 4, 1, driver_ps_nodes=True)
    cluster.shutdown()
    told = {one["executor_id"]: one for one in notes.all("told")}
    assert sorted(told) == [0, 1, 2, 3]
    assert told[0]["cluster"] == told[3]["cluster"]
    assert told[1]["tf_config"] is None  # without a chief, as in stock


def test_rows_are_fed_so_often_as_asked_empty_and_uneven_partitions_too(start, sc, notes, tmp_path):
    cluster = start(programs.take, {"folder": str(tmp_path)}, 3, 1, input_mode=SPARK)
    parts = [[], list(range(100)), [], list(range(100, 103)), list(range(103, 400))]
    cluster.train(sc.parallelize(parts, 5).flatMap(lambda part: part), num_epochs=2)
    cluster.train(sc.parallelize([], 2), num_epochs=1)
    cluster.train(sc.parallelize([400], 1), num_epochs=1)
    with pytest.raises(UsageError, match="no queue 'other'"):
        cluster.train(sc.parallelize([1], 1), qname="other")
    cluster.shutdown()
    took = [row for one in notes.all("took") for row in one["rows"]]
    assert sorted(took) == sorted([*range(400)] * 2 + [400])
    assert len(notes.all("took")) == 2


def test_results_come_back_in_the_rows_order_a_row_each(start, sc):
    cluster = start(programs.answer, {}, 2, input_mode=SPARK)
    results = cluster.inference(sc.parallelize(range(1000), 6))
    assert [row for row, _ in results.collect()] == list(range(1000))
    assert {who for _, who in results.collect()} <= {0, 1}
    assert cluster.inference(sc.parallelize([], 3)).collect() == []
    cluster.shutdown()


def test_terminate_ends_the_feeding_early(start, sc, notes, tmp_path):
    cluster = start(programs.have_enough, {"folder": str(tmp_path)}, 2, input_mode=SPARK)
    read = sc.accumulator(0)

    def count(row):
        read.add(1)
        return bytes(10_000)

    cluster.train(sc.parallelize(range(100_000), 4).map(count), num_epochs=3)
    cluster.shutdown()
    assert read.value < 100_000  # of 300,000
    assert {one["num_rows"] for one in notes.all("took")} <= {10}


def test_what_a_map_fun_raises_while_it_is_fed_is_told_with_its_own_traceback(start, sc):
    cluster = start(programs.misbehave, {"deed": "raise_later"}, 2, input_mode=SPARK)
    with pytest.raises(RoleFailedError, match=r"map_fun misbehave of worker:\d raised KeyError: 'loss'") as caught:
        cluster.train(sc.parallelize(range(100), 4))
    assert 'raise KeyError("loss")' in str(caught.value)
    with pytest.raises(RoleFailedError, match="raised KeyError"):
        cluster.shutdown()


def test_workers_that_wait_for_each_other_without_rows_for_all_end_the_run_once_with_who_starves(start, sc, tmp_path):
    cluster = start(programs.wait_for_one_another, {"folder": str(tmp_path)}, 2, input_mode=SPARK)
    told = r"worker:\d has taken no row for \d+ s, over the feed_timeout of 1, .*, and worker:\d waits for rows"
    with pytest.raises(ClusterError, match=told):
        cluster.train(sc.parallelize(range(100), 1), num_epochs=1, feed_timeout=1)
    with pytest.raises(ClusterError, match=told):
        cluster.shutdown()
    assert not [node for node in cluster.cluster_info if psutil.pid_exists(node["pid"])]


def test_a_row_of_another_type_is_named_and_an_error_of_the_rdd_stays_its_own(start, sc, tmp_path):
    cluster = start(programs.take, {"folder": str(tmp_path)}, 1, input_mode=SPARK)
    with pytest.raises(DataError, match="row 0 of its partition cannot be fed: column 1 holds a object"):
        cluster.train(sc.parallelize([1], 1).map(lambda row: (row, object())))
    with pytest.raises(Exception, match="division by zero") as caught:
        cluster.train(sc.parallelize([1], 1).map(lambda row: row / 0))
    assert not isinstance(caught.value, ClusterError)
    cluster.shutdown()


def test_more_nodes_than_executors_are_refused_at_once(start):
    with pytest.raises(ClusterError, match=r"5 roles need 5 task slots .* asked for 3"):
        start(programs.take, {}, 5, 1, input_mode=SPARK)


def test_a_worker_that_is_killed_while_it_is_fed_goes_on_with_the_rest(start, sc, notes, tmp_path):
    cluster = start(programs.take, {"folder": str(tmp_path), "die_after": 50}, 2, 1, input_mode=SPARK)
    killer = threading.Thread(target=lambda: os.kill(notes.wait("waits")[0], signal.SIGKILL))
    killer.start()
    cluster.train(sc.parallelize([(at, b"x" * 2000) for at in range(1000)], 3).map(lambda row: row[0]), num_epochs=1)
    cluster.shutdown()
    killer.join()
    (first,), (second,) = notes.all("waits"), notes.all("took")
    assert set(first["rows"]) | set(second["rows"]) == set(range(1000))  # each at least once
    assert cluster.cluster_info[1]["attempt"] == 1


def test_a_killed_executor_ends_a_fed_cluster_and_leaves_no_process(start, sc, notes, tmp_path):
    cluster = start(programs.take, {"folder": str(tmp_path), "die_after": 10}, 2, 1, input_mode=SPARK)
    pids = [node["pid"] for node in cluster.cluster_info]

    def kill():
        task = psutil.Process(notes.wait("waits")[0]).parent()
        os.kill(next(one.pid for one in task.parents() if one.name() == "java"), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RoleFailedError, match="worker:0 was lost"):
        cluster.train(sc.parallelize(range(1000), 3))
    killer.join()
    with pytest.raises(RoleFailedError, match="worker:0 was lost"):
        cluster.shutdown()
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


def test_a_stream_is_fed_until_the_workers_have_enough(start, sc, notes, tmp_path):
    from pyspark.streaming import StreamingContext

    ssc = StreamingContext(sc, 1)
    cluster = start(programs.have_enough, {"folder": str(tmp_path)}, 2, input_mode=SPARK)
    cluster.train(ssc.queueStream([sc.parallelize(range(100), 4) for _ in range(3)]))
    ssc.start()
    cluster.shutdown(ssc)
    assert len(notes.all("took")) == 2


@pytest.mark.parametrize("use_barrier", [True, False])
def test_independent_instances_run_each_for_itself_in_waves_if_need_be(sc, notes, tmp_path, use_barrier):
    count = 3 if use_barrier else 4
    TFParallel.run(sc, programs.parallel, {"folder": str(tmp_path)}, count, use_barrier)
    for at in range(count):
        assert notes.all(f"instance-{at}") == [{"num_workers": count, "cluster": {}}]


def test_an_instance_that_fails_fails_the_run_with_its_number(sc, tmp_path):
    with pytest.raises(RoleFailedError, match=r"map_fun parallel of worker:0 raised ValueError: one of them"):
        TFParallel.run(sc, programs.parallel, {"folder": str(tmp_path), "fails": True}, 1)


def test_a_list_of_arguments_is_the_programs_argv(start, tmp_path):
    start(programs.argv, ["program", str(tmp_path)], 1).shutdown()
    assert (tmp_path / "argv-0").read_text() == f'[["program", "{tmp_path}"], 1]'


def test_files_are_staged_for_reading_and_published_whole(start, notes, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("abc")
    args = {"folder": str(tmp_path), "source": f"file://{tmp_path}/in", "target": f"file://{tmp_path}/out.txt"}
    start(programs.stage_and_publish, args, 1).shutdown()
    assert (tmp_path / "out.txt").read_text() == "ABC"
    assert notes.all("staged") == [{"local": f"{tmp_path}/in"}]  # local already: no copy
