"""Rows from a task to a worker and results back, without Spark: over real sockets, in threads of one process."""

import contextlib
import threading
import time

import psutil
import pytest

from sparkcv.channel.stream import Stream, connect
from sparkcv.compat.manager import Manager
from sparkcv.compat.TFNode import DataFeed
from sparkcv.errors import ChannelError, ClusterError, DataError, RoleFailedError, UsageError
from sparkcv.feeding import receiver
from sparkcv.feeding.coordinator import Coordinator
from sparkcv.feeding.coordinator_client import CoordinatorClient
from sparkcv.feeding.feeder import FeedPlan, executor_name, feed
from sparkcv.feeding.receiver import WINDOW_BYTES, Receiver
from sparkcv.feeding.row_queue import RowQueue

SECRET = b"s" * 32
HOST = "127.0.0.1"
TIMEOUT_S = 30
WORKER = "worker:0"


class Node:
    """A worker's process, as far as the feeding knows it; ``die`` is its death."""

    def __init__(self, coordinator, role=WORKER, attempt=0, where=None):
        self.receiver = Receiver(HOST, SECRET, ["input", "output", "error", "more"])
        introduction = ["node", role, attempt, HOST, self.receiver.port, where or executor_name()]
        self.client = CoordinatorClient(
            (HOST, coordinator.port), SECRET, introduction, self.receiver.end, self.receiver.state
        )
        self.manager = Manager(["input", "output", "error"], self.receiver, lambda: self.client.report("enough"))

    def feed(self, train_mode=True, **more):
        return DataFeed(self.manager, train_mode, **more)

    def die(self):
        self.client.close()
        self.receiver.close()

    def leave(self):
        self.client.report("returned")
        self.die()


@pytest.fixture
def coordinator():
    with Coordinator(HOST, SECRET, [WORKER]) as found:
        yield found


@pytest.fixture
def node(coordinator):
    node = Node(coordinator)
    yield node
    node.die()


class Task(threading.Thread):
    """A feeding task; ``finish()`` gives its results or raises what it raised."""

    def __init__(self, coordinator, rows, wants_results=False, timeout_s=TIMEOUT_S, **more):
        super().__init__(daemon=True)
        plan = FeedPlan((HOST, coordinator.port), SECRET, more.pop("queue", "input"), timeout_s, wants_results, **more)
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


def test_all_rows_come_in_order_and_the_task_ends_once_they_are_taken(coordinator, node):
    task = Task(coordinator, range(1000), chunk_bytes=100)
    feed = node.feed()
    first = feed.next_batch(999)
    assert task.is_alive()  # the last row is not taken yet
    assert first + feed.next_batch(1) == list(range(1000))
    assert task.finish() == []
    coordinator.end()
    assert feed.next_batch(5) == []
    assert feed.should_stop()
    assert feed.next_batch(5) == []  # and not a hang, as stock's would be


def test_an_empty_partition_asks_nobody():
    plan = FeedPlan((HOST, 1), SECRET, "input", 1.0, False)
    assert list(feed(plan, [])) == []


def test_results_come_back_a_row_each_in_order_for_tasks_at_once_and_uneven(coordinator, node):
    parts = [list(range(7)), list(range(100, 1100)), list(range(2000, 2001))]
    tasks = [Task(coordinator, part, True, chunk_bytes=64) for part in parts]
    feed, stop = (
        node.feed(train_mode=False),
        threading.Thread(target=lambda: ([t.join() for t in tasks], coordinator.end())),
    )
    stop.start()
    while not feed.should_stop():
        if batch := feed.next_batch(13):
            feed.batch_results([-row for row in batch])
    for task, part in zip(tasks, parts, strict=True):
        assert task.finish() == [-row for row in part]
    stop.join()


def test_a_batch_larger_than_what_may_be_on_the_way_is_filled(coordinator, node):
    rows = [b"%08d" % at + bytes(100_000) for at in range(3 * WINDOW_BYTES // 100_000)]
    task = Task(coordinator, rows, True)
    feed = node.feed(train_mode=False)
    batch = feed.next_batch(len(rows))
    feed.batch_results([len(row) for row in batch])
    assert batch == rows
    assert task.finish() == [100_008] * len(rows)


def test_a_batch_is_shorter_at_the_end_of_a_partition_only_if_results_are_wanted(coordinator, node):
    task = Task(coordinator, range(5), True)
    feed = node.feed(train_mode=False)
    assert feed.next_batch(10) == [0, 1, 2, 3, 4]
    feed.batch_results("abcde")
    assert task.finish() == list("abcde")


def test_an_input_mapping_gives_columns_by_tensor(coordinator, node):
    Task(coordinator, [(1, "a"), (2, "b")])
    feed = node.feed(input_mapping={"x": "first", "y": "second"})
    assert feed.next_batch(2) == {"first": [1, 2], "second": ["a", "b"]}


def test_a_row_with_too_few_columns_for_the_mapping_is_told(coordinator, node):
    Task(coordinator, [(1,)])
    with pytest.raises(UsageError, match="a row has 1 columns, but input_mapping names 2"):
        node.feed(input_mapping={"x": "first", "y": "second"}).next_batch(1)


def test_terminate_ends_tasks_that_wait_that_run_and_that_come_later_without_their_rows(coordinator, node):
    taken = []
    endless = (taken.append(1) or b"x" * 1000 for _ in iter(int, 1))
    task = Task(coordinator, endless)
    feed = node.feed()
    assert len(feed.next_batch(3)) == 3
    feed.terminate()
    assert task.finish() == []
    assert feed.should_stop()
    assert feed.next_batch(3) == []
    assert node.manager.get("state") == "terminating"
    before = len(taken)
    assert Task(coordinator, endless).finish() == []
    assert len(taken) <= before + 1
    assert coordinator.has_enough()


def test_memory_stays_flat_while_nobody_takes(coordinator, node):
    sent = []
    rows = (sent.append(1) or bytes(100_000) for _ in range(2000))
    rss = psutil.Process().memory_info().rss
    task = Task(coordinator, rows)
    feed = node.feed()
    feed.next_batch(1)
    with contextlib.suppress(TimeoutError):
        RowQueue().take(1, timeout_s=1.0)  # a second in which a sender without bounds would send all 200 MB
    assert node.receiver.queue("input").num_waiting() * 100_000 <= WINDOW_BYTES
    assert len(sent) * 100_000 <= 3 * WINDOW_BYTES
    assert psutil.Process().memory_info().rss - rss < 100_000_000
    feed.terminate()
    task.finish()


def test_a_process_that_is_started_again_gets_all_that_the_dead_one_had_not_taken(coordinator):
    node = Node(coordinator)
    task = Task(coordinator, range(1000), chunk_bytes=100)
    first = node.feed().next_batch(300)
    node.die()
    node = Node(coordinator, attempt=1)
    feed = node.feed()
    rest = feed.next_batch(1)
    while rest[-1] != 999:
        rest += feed.next_batch(1)
    assert task.finish() == []
    assert first == list(range(300))
    assert rest[0] <= 300  # a chunk of which it had taken a part comes whole
    assert rest == list(range(rest[0], 1000))
    node.die()


def test_results_that_a_dead_process_owed_are_given_by_the_next_each_once(coordinator):
    node = Node(coordinator)
    task = Task(coordinator, range(500), True, chunk_bytes=100)
    feed = node.feed(train_mode=False)
    feed.batch_results([-row for row in feed.next_batch(120)])
    feed.next_batch(100)  # it dies with these
    node.die()
    node = Node(coordinator, attempt=1)
    feed = node.feed(train_mode=False)
    while task.is_alive():
        with contextlib.suppress(TimeoutError):
            taken = node.receiver.queue("input").take(50, timeout_s=0.2)
            if hasattr(taken, "rows"):
                node.receiver.owe(taken)
                node.receiver.give([-row for row in taken.rows])
    assert task.finish() == [-row for row in range(500)]
    node.die()


def test_results_of_a_chunk_that_are_more_than_one_message_holds_come_in_parts(coordinator, node, monkeypatch):
    monkeypatch.setattr(receiver, "MOST_ROW_BYTES", 10_000)
    task = Task(coordinator, range(100), True)
    feed = node.feed(train_mode=False)
    feed.batch_results([b"%04d" % row + bytes(3000) for row in feed.next_batch(100)])
    assert [int(result[:4]) for result in task.finish()] == list(range(100))


def test_a_task_that_did_not_take_a_message_is_let_go_and_begins_anew(coordinator, node, monkeypatch):
    def send(stream, message):
        if message[0] == "results":
            monkeypatch.undo()
            raise ChannelError("it takes nothing for a minute")
        return whole(stream, message)

    whole = Stream.send
    task = Task(coordinator, range(10), True)
    feed = node.feed(train_mode=False)
    first = feed.next_batch(10)
    monkeypatch.setattr(Stream, "send", send)
    feed.batch_results([-row for row in first])
    feed.batch_results([-row for row in feed.next_batch(10)])
    assert task.finish() == [-row for row in range(10)]


def test_a_failed_run_ends_its_tasks_with_its_own_report(coordinator, node):
    task = Task(coordinator, range(10))
    node.feed().next_batch(1)
    node.die()
    coordinator.fail("map_fun f of worker:0 raised ValueError: no good\n  and so on")
    with pytest.raises(RoleFailedError, match=r"ValueError: no good\n  and so on"):
        task.finish()
    with pytest.raises(RoleFailedError, match="no good"):
        Task(coordinator, range(10)).finish()


def test_a_program_that_returns_before_it_took_all_is_told_of(coordinator):
    node = Node(coordinator)
    task = Task(coordinator, range(10))
    node.feed().next_batch(1)
    node.leave()
    with pytest.raises(ClusterError, match=r"the map_fun of worker:0 returned before it had taken all rows"):
        task.finish()
    with pytest.raises(ClusterError, match="returned before it had taken all rows"):
        Task(coordinator, range(10)).finish()


def test_a_worker_that_takes_nothing_is_given_up_with_the_number_of_rows(coordinator, node):
    with pytest.raises(ClusterError, match=r"worker:0 has taken no row .* over the feed_timeout of 0.1, while 10 rows"):
        Task(coordinator, range(10), timeout_s=0.1).finish()


def ask(coordinator, *question):
    with connect((HOST, coordinator.port), SECRET) as stream:
        stream.send(list(question))
        return stream.receive(TIMEOUT_S)


def test_who_starves_while_another_takes_nothing_is_named_and_all_feeding_ends_at_once():
    with Coordinator(HOST, SECRET, ["worker:0", "worker:1", "worker:2"]) as coordinator:
        nodes = [Node(coordinator, f"worker:{at}") for at in range(3)]
        waiting = [threading.Thread(target=node.feed().next_batch, args=(1,)) for node in nodes[1:]]
        for thread in waiting:
            thread.start()
        deadline_s = time.monotonic() + TIMEOUT_S
        while not all(node.receiver.state()[0] for node in nodes[1:]) and time.monotonic() < deadline_s:
            threading.Event().wait(0.01)
        told = "worker:0 took none, and worker:1 and worker:2 wait for rows and get none: workers that"
        answer = ask(coordinator, "give_up", "worker:0", 0.0, "worker:0 took none")
        assert answer[0] == "failed"
        assert answer[1].startswith(told)
        assert coordinator.given_up == answer[1]
        with pytest.raises(RoleFailedError, match=told):
            Task(coordinator, [1]).finish()
        coordinator.end()
        for thread in waiting:
            thread.join()
        for node in nodes:
            node.die()


def test_a_worker_that_is_busy_with_the_rows_of_others_is_not_given_up(coordinator, node):
    task = Task(coordinator, [1], queue="more")
    node.feed(qname_in="more").next_batch(1)
    task.finish()
    kind, idle_s = ask(coordinator, "give_up", WORKER, 1000.0, "it took none of mine")
    assert kind == "taking"
    assert 0 <= idle_s < 1000
    assert not coordinator.given_up
    assert ask(coordinator, "ask", WORKER)[0] == "up"


def test_of_several_workers_the_one_that_was_given_the_fewest_is_next():
    with Coordinator(HOST, SECRET, ["worker:0", "worker:1"]) as coordinator:
        nodes = [Node(coordinator, f"worker:{at}", where=f"executor {at}") for at in range(2)]
        own = [ask(coordinator, "find", "executor 0", "")[1] for _ in range(3)]
        others = [ask(coordinator, "find", "executor 2", "")[1] for _ in range(4)]
        assert own == ["worker:0"] * 3
        assert others == ["worker:1"] * 3 + ["worker:0"]
        for node in nodes:
            node.die()


def test_a_worker_that_never_comes_is_given_up(coordinator):
    with pytest.raises(ClusterError, match=r"worker:0 was not there to be fed for 0.3 s"):
        Task(coordinator, range(10), timeout_s=0.3).finish()


def test_a_row_that_cannot_be_carried_fails_its_task_alone(coordinator, node):
    with pytest.raises(DataError, match="row 1 of its partition cannot be fed: it holds a object"):
        Task(coordinator, [1, object()]).finish()
    task = Task(coordinator, [2])
    assert node.feed().next_batch(1) in ([1], [2])
    node.feed().terminate()
    task.finish()


def test_results_for_rows_that_were_taken_in_train_mode_are_refused_in_a_sentence(coordinator, node):
    task = Task(coordinator, range(10), True)
    node.feed(train_mode=True).next_batch(10)
    with pytest.raises(ClusterError, match="DataFeed was made with train_mode=True"):
        task.finish()


def test_more_results_than_rows_are_an_error_of_the_program(coordinator, node):
    task = Task(coordinator, range(2), True)
    feed = node.feed(train_mode=False)
    batch = feed.next_batch(2)
    with pytest.raises(DataError, match="3 results for 2 rows"):
        feed.batch_results([*batch, 1])
    with pytest.raises(DataError, match="holds a object"):
        feed.batch_results([1, object()])
    feed.terminate()
    task.finish()


def test_an_unknown_queue_is_named_with_those_that_there_are(coordinator, node):
    with pytest.raises(ClusterError, match="no queue 'other', only input, more"):
        Task(coordinator, [1], queue="other").finish()
    with pytest.raises(UsageError, match="no queue 'other'"):
        node.feed(qname_in="other")


def test_a_task_goes_to_the_worker_of_its_own_executor_and_to_any_where_there_is_none():
    with Coordinator(HOST, SECRET, ["worker:0", "worker:1"]) as coordinator:
        near, far = Node(coordinator, "worker:1"), Node(coordinator, "worker:0", where="elsewhere")
        for _ in range(3):
            task = Task(coordinator, [1])
            assert near.feed().next_batch(1) == [1]
            task.finish()
        near.feed().terminate()
        assert Task(coordinator, [2]).finish() == []  # its own worker has enough
        assert far.receiver.queue("input").num_waiting() == 0
        near.die()
        far.die()


def test_a_late_process_learns_that_the_feeding_is_over(coordinator):
    coordinator.end()
    node = Node(coordinator)
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
