"""Rows from a task to a worker and results back, without Spark: over real sockets, in threads of one process."""

import contextlib
import threading
import time

import psutil
import pytest

from sparkcv.channel.stream import connect
from sparkcv.compat.manager import Manager
from sparkcv.compat.TFNode import DataFeed
from sparkcv.errors import ClusterError, DataError, RoleFailedError, UsageError
from sparkcv.feeding.coordinator import Coordinator
from sparkcv.feeding.coordinator_client import CoordinatorClient
from sparkcv.feeding.feeder import FeedPlan, feed, place
from sparkcv.feeding.receiver import WINDOW_BYTES, Receiver
from sparkcv.feeding.row_queue import RowQueue

SECRET = b"s" * 32
HOST = "127.0.0.1"
TIMEOUT_S = 30
WORKER = "worker:0"


class Node:
    """A worker's process, as far as the feeding knows it; ``die`` is its death."""

    def __init__(self, desk, role=WORKER, attempt=0, where=None):
        self.intake = Receiver(HOST, SECRET, ["input", "output", "error", "more"])
        introduction = ["node", role, attempt, HOST, self.intake.port, where or place()]
        self.link = CoordinatorClient((HOST, desk.port), SECRET, introduction, self.intake.end, self.intake.state)
        self.manager = Manager(["input", "output", "error"], self.intake, lambda: self.link.say("enough"))

    def feed(self, train_mode=True, **more):
        return DataFeed(self.manager, train_mode, **more)

    def die(self):
        self.link.close()
        self.intake.close()

    def leave(self):
        self.link.say("returned")
        self.die()


@pytest.fixture
def desk():
    with Coordinator(HOST, SECRET, [WORKER]) as found:
        yield found


@pytest.fixture
def node(desk):
    node = Node(desk)
    yield node
    node.die()


class Task(threading.Thread):
    """A feeding task; ``finish()`` gives its results or raises what it raised."""

    def __init__(self, desk, rows, wants_results=False, timeout_s=TIMEOUT_S, **more):
        super().__init__(daemon=True)
        plan = FeedPlan((HOST, desk.port), SECRET, more.pop("queue", "input"), timeout_s, wants_results, **more)
        self._given, self._error = [], None
        self._feeding = feed(plan, rows)
        self.start()

    def run(self):
        try:
            self._given += self._feeding
        except Exception as err:  # noqa: BLE001 - finish() raises it
            self._error = err

    def finish(self):
        self.join(TIMEOUT_S)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error
        return self._given


def take_all(feed, batch_size=10):
    batches = []
    while not feed.should_stop():
        batches.append(feed.next_batch(batch_size))
    return batches


def rows_in(batches):
    return [row for batch in batches for row in batch]


def test_all_rows_come_in_order_and_the_task_ends_once_they_are_taken(desk, node):
    task = Task(desk, range(1000), chunk_bytes=100)
    feed = node.feed()
    first = feed.next_batch(999)
    assert task.is_alive()  # the last row is not taken yet
    assert first + feed.next_batch(1) == list(range(1000))
    assert task.finish() == []
    desk.end()
    assert feed.next_batch(5) == []
    assert feed.should_stop()
    assert feed.next_batch(5) == []  # and not a hang, as stock's would be


def test_an_empty_partition_asks_nobody():
    plan = FeedPlan((HOST, 1), SECRET, "input", 1.0, False)
    assert list(feed(plan, [])) == []


def test_results_come_back_a_row_each_in_order_for_tasks_at_once_and_uneven(desk, node):
    parts = [list(range(7)), list(range(100, 1100)), list(range(2000, 2001))]
    tasks = [Task(desk, part, True, chunk_bytes=64) for part in parts]
    feed, stop = node.feed(train_mode=False), threading.Thread(target=lambda: ([t.join() for t in tasks], desk.end()))
    stop.start()
    while not feed.should_stop():
        if batch := feed.next_batch(13):
            feed.batch_results([-row for row in batch])
    for task, part in zip(tasks, parts, strict=True):
        assert task.finish() == [-row for row in part]
    stop.join()


def test_a_batch_larger_than_what_may_be_on_the_way_is_filled(desk, node):
    rows = [b"%08d" % at + bytes(100_000) for at in range(3 * WINDOW_BYTES // 100_000)]
    task = Task(desk, rows, True)
    feed = node.feed(train_mode=False)
    batch = feed.next_batch(len(rows))
    feed.batch_results([len(row) for row in batch])
    assert batch == rows
    assert task.finish() == [100_008] * len(rows)


def test_a_batch_is_shorter_at_the_end_of_a_partition_only_if_results_are_wanted(desk, node):
    task = Task(desk, range(5), True)
    feed = node.feed(train_mode=False)
    assert feed.next_batch(10) == [0, 1, 2, 3, 4]
    feed.batch_results("abcde")
    assert task.finish() == list("abcde")


def test_an_input_mapping_gives_columns_by_tensor(desk, node):
    Task(desk, [(1, "a"), (2, "b")])
    feed = node.feed(input_mapping={"x": "first", "y": "second"})
    assert feed.next_batch(2) == {"first": [1, 2], "second": ["a", "b"]}


def test_a_row_with_too_few_columns_for_the_mapping_is_told(desk, node):
    Task(desk, [(1,)])
    with pytest.raises(UsageError, match="a row has 1 columns, but input_mapping names 2"):
        node.feed(input_mapping={"x": "first", "y": "second"}).next_batch(1)


def test_terminate_ends_tasks_that_wait_that_run_and_that_come_later_without_their_rows(desk, node):
    taken = []
    endless = (taken.append(1) or b"x" * 1000 for _ in iter(int, 1))
    task = Task(desk, endless)
    feed = node.feed()
    assert len(feed.next_batch(3)) == 3
    feed.terminate()
    assert task.finish() == []
    assert feed.should_stop()
    assert feed.next_batch(3) == []
    assert node.manager.get("state") == "terminating"
    before = len(taken)
    assert Task(desk, endless).finish() == []
    assert len(taken) <= before + 1
    assert desk.has_enough()


def test_memory_stays_flat_while_nobody_takes(desk, node):
    sent = []
    rows = (sent.append(1) or bytes(100_000) for _ in range(2000))
    rss = psutil.Process().memory_info().rss
    task = Task(desk, rows)
    feed = node.feed()
    feed.next_batch(1)
    with contextlib.suppress(TimeoutError):
        RowQueue().take(1, timeout_s=1.0)  # a second in which a sender without bounds would send all 200 MB
    assert node.intake.queue("input").num_waiting() * 100_000 <= WINDOW_BYTES
    assert len(sent) * 100_000 <= 3 * WINDOW_BYTES
    assert psutil.Process().memory_info().rss - rss < 100_000_000
    feed.terminate()
    task.finish()


def test_a_process_that_is_started_again_gets_all_that_the_dead_one_had_not_taken(desk):
    node = Node(desk)
    task = Task(desk, range(1000), chunk_bytes=100)
    first = node.feed().next_batch(300)
    node.die()
    node = Node(desk, attempt=1)
    feed = node.feed()
    rest = feed.next_batch(1)
    while rest[-1] != 999:
        rest += feed.next_batch(1)
    assert task.finish() == []
    assert first == list(range(300))
    assert rest[0] <= 300  # a chunk of which it had taken a part comes whole
    assert rest == list(range(rest[0], 1000))
    node.die()


def test_results_that_a_dead_process_owed_are_given_by_the_next_each_once(desk):
    node = Node(desk)
    task = Task(desk, range(500), True, chunk_bytes=100)
    feed = node.feed(train_mode=False)
    feed.batch_results([-row for row in feed.next_batch(120)])
    feed.next_batch(100)  # it dies with these
    node.die()
    node = Node(desk, attempt=1)
    feed = node.feed(train_mode=False)
    while task.is_alive():
        with contextlib.suppress(TimeoutError):
            taken = node.intake.queue("input").take(50, timeout_s=0.2)
            if hasattr(taken, "rows"):
                node.intake.owe(taken)
                node.intake.give([-row for row in taken.rows])
    assert task.finish() == [-row for row in range(500)]
    node.die()


def test_a_failed_run_ends_its_tasks_with_its_own_report(desk, node):
    task = Task(desk, range(10))
    node.feed().next_batch(1)
    node.die()
    desk.fail("map_fun f of worker:0 raised ValueError: no good\n  and so on")
    with pytest.raises(RoleFailedError, match=r"ValueError: no good\n  and so on"):
        task.finish()
    with pytest.raises(RoleFailedError, match="no good"):
        Task(desk, range(10)).finish()


def test_a_program_that_returns_before_it_took_all_is_told_of(desk):
    node = Node(desk)
    task = Task(desk, range(10))
    node.feed().next_batch(1)
    node.leave()
    with pytest.raises(ClusterError, match=r"the map_fun of worker:0 returned before it had taken all rows"):
        task.finish()
    with pytest.raises(ClusterError, match="returned before it had taken all rows"):
        Task(desk, range(10)).finish()


def test_a_worker_that_takes_nothing_is_given_up_with_the_number_of_rows(desk, node):
    with pytest.raises(ClusterError, match=r"worker:0 has taken no row .* over the feed_timeout of 0.1, while 10 rows"):
        Task(desk, range(10), timeout_s=0.1).finish()


def ask(desk, *question):
    with connect((HOST, desk.port), SECRET) as stream:
        stream.send(list(question))
        return stream.receive(TIMEOUT_S)


def test_who_starves_while_another_takes_nothing_is_named_and_all_feeding_ends_at_once():
    with Coordinator(HOST, SECRET, ["worker:0", "worker:1", "worker:2"]) as desk:
        nodes = [Node(desk, f"worker:{at}") for at in range(3)]
        waiting = [threading.Thread(target=node.feed().next_batch, args=(1,)) for node in nodes[1:]]
        for thread in waiting:
            thread.start()
        deadline_s = time.monotonic() + TIMEOUT_S
        while not all(node.intake.state()[0] for node in nodes[1:]) and time.monotonic() < deadline_s:
            threading.Event().wait(0.01)
        told = "worker:0 took none, and worker:1 and worker:2 wait for rows and get none: workers that"
        answer = ask(desk, "give_up", "worker:0", 0.0, "worker:0 took none")
        assert answer[0] == "failed"
        assert answer[1].startswith(told)
        assert desk.given_up == answer[1]
        with pytest.raises(RoleFailedError, match=told):
            Task(desk, [1]).finish()
        desk.end()
        for thread in waiting:
            thread.join()
        for node in nodes:
            node.die()


def test_a_worker_that_is_busy_with_the_rows_of_others_is_not_given_up(desk, node):
    task = Task(desk, [1], queue="more")
    node.feed(qname_in="more").next_batch(1)
    task.finish()
    kind, idle_s = ask(desk, "give_up", WORKER, 1000.0, "it took none of mine")
    assert kind == "taking"
    assert 0 <= idle_s < 1000
    assert not desk.given_up
    assert ask(desk, "ask", WORKER)[0] == "up"


def test_of_several_workers_the_one_that_was_given_the_fewest_is_next():
    with Coordinator(HOST, SECRET, ["worker:0", "worker:1"]) as desk:
        nodes = [Node(desk, f"worker:{at}", where=f"executor {at}") for at in range(2)]
        own = [ask(desk, "where", "executor 0", "")[1] for _ in range(3)]
        others = [ask(desk, "where", "executor 2", "")[1] for _ in range(4)]
        assert own == ["worker:0"] * 3
        assert others == ["worker:1"] * 3 + ["worker:0"]
        for node in nodes:
            node.die()


def test_a_worker_that_never_comes_is_given_up(desk):
    with pytest.raises(ClusterError, match=r"worker:0 was not there to be fed for 0.3 s"):
        Task(desk, range(10), timeout_s=0.3).finish()


def test_a_row_that_cannot_be_carried_fails_its_task_alone(desk, node):
    with pytest.raises(DataError, match="row 1 of its partition cannot be fed: it holds a object"):
        Task(desk, [1, object()]).finish()
    task = Task(desk, [2])
    assert node.feed().next_batch(1) in ([1], [2])
    node.feed().terminate()
    task.finish()


def test_results_for_rows_that_were_taken_in_train_mode_are_refused_in_a_sentence(desk, node):
    task = Task(desk, range(10), True)
    node.feed(train_mode=True).next_batch(10)
    with pytest.raises(ClusterError, match="DataFeed was made with train_mode=True"):
        task.finish()


def test_more_results_than_rows_are_an_error_of_the_program(desk, node):
    task = Task(desk, range(2), True)
    feed = node.feed(train_mode=False)
    batch = feed.next_batch(2)
    with pytest.raises(DataError, match="3 results for 2 rows"):
        feed.batch_results([*batch, 1])
    with pytest.raises(DataError, match="holds a object"):
        feed.batch_results([1, object()])
    feed.terminate()
    task.finish()


def test_an_unknown_queue_is_named_with_those_that_there_are(desk, node):
    with pytest.raises(ClusterError, match="no queue 'other', only input, more"):
        Task(desk, [1], queue="other").finish()
    with pytest.raises(UsageError, match="no queue 'other'"):
        node.feed(qname_in="other")


def test_a_task_goes_to_the_worker_of_its_own_executor_and_to_any_where_there_is_none():
    with Coordinator(HOST, SECRET, ["worker:0", "worker:1"]) as desk:
        near, far = Node(desk, "worker:1"), Node(desk, "worker:0", where="elsewhere")
        for _ in range(3):
            task = Task(desk, [1])
            assert near.feed().next_batch(1) == [1]
            task.finish()
        near.feed().terminate()
        assert Task(desk, [2]).finish() == []  # its own worker has enough
        assert far.intake.queue("input").num_waiting() == 0
        near.die()
        far.die()


def test_a_late_process_learns_that_the_feeding_is_over(desk):
    desk.end()
    node = Node(desk)
    assert node.feed().next_batch(5) == []
    node.die()


def test_a_forked_child_is_told_where_its_rows_are(node, monkeypatch):
    monkeypatch.setattr(node.manager, "_pid", 1)
    with pytest.raises(UsageError, match="in the process that map_fun was called in"):
        node.feed()


def test_where_nothing_is_fed_a_feed_is_refused():
    with pytest.raises(UsageError, match=r"InputMode\.SPARK only"):
        DataFeed(Manager(["input"]))
    own = Manager(["mine"])
    own.get_queue("mine").put(1)
    assert own.get_queue("mine").get() == 1
