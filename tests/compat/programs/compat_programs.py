"""Programs as TensorFlowOnSpark's users write them, without TensorFlow: what each did stands in files of its folder."""

import json
import multiprocessing
import os
import pathlib
import sys
import time


def note(args, ctx, name, **what):
    """Writes it whole, once: a reader never sees half of it."""
    path = pathlib.Path(args["folder"], f"{name}-{ctx.job_name}-{ctx.task_index}-{os.getpid()}")
    path.with_suffix(".part").write_text(json.dumps(what))
    path.with_suffix(".part").rename(path)


def tell(args, ctx):
    note(
        args,
        ctx,
        "told",
        executor_id=ctx.executor_id,
        worker_num=ctx.worker_num,
        num_workers=ctx.num_workers,
        cluster=ctx.cluster_spec,
        default_fs=ctx.defaultFS,
        working_dir=ctx.working_dir,
        path=ctx.absolute_path("x"),
        tf_config=json.loads(os.environ.get("TF_CONFIG", "null")),
        has_socket=ctx.tmp_socket is not None,
    )
    if ctx.tmp_socket is not None:
        ctx.release_port()
    while ctx.job_name in ("ps", "evaluator"):
        time.sleep(1)  # as server.join() does: it hears of nothing


def argv(args, ctx):
    pathlib.Path(args[1], f"argv-{ctx.executor_id}").write_text(json.dumps([sys.argv, ctx.num_workers]))


def take(args, ctx):
    """Takes all rows; a ps returns at once, as many do. The first that has ``die_after`` rows waits to be killed."""
    if ctx.job_name == "ps":
        note(args, ctx, "serving")
        return
    feed = ctx.get_data_feed()
    rows = []
    while not feed.should_stop():
        rows += feed.next_batch(7)
        if len(rows) >= args.get("die_after", 10**9) and not list(pathlib.Path(args["folder"]).glob("waits-*")):
            note(args, ctx, "waits", rows=rows)
            time.sleep(120)
    note(args, ctx, "took", rows=rows)


def answer(args, ctx):
    feed = ctx.get_data_feed(train_mode=False)
    while not feed.should_stop():
        if batch := feed.next_batch(10):
            feed.batch_results([(row, ctx.task_index) for row in batch])


def have_enough(args, ctx):
    feed = ctx.get_data_feed()
    rows = feed.next_batch(10)
    feed.terminate()
    note(args, ctx, "took", num_rows=len(rows))


def wait_for_one_another(args, ctx):
    """After its first rows each waits for all others to have theirs, as collective steps do."""
    ctx.get_data_feed().next_batch(5)
    note(args, ctx, "stepped")
    while len(list(pathlib.Path(args["folder"]).glob("stepped-*"))) < 2:
        time.sleep(0.1)


def misbehave(args, ctx):
    if ctx.job_name == "ps":
        return
    match args["deed"]:
        case "return":
            return
        case "raise":
            raise ValueError("there is no\nmodel")
        case "raise_later":
            ctx.get_data_feed().next_batch(3)
            raise KeyError("loss")
        case "exit":
            sys.exit(3)
        case "hdfs":
            raise NotImplementedError("File system scheme 'hdfs' not implemented (file: 'hdfs://nn/model')")


def wait_to_be_killed(args, ctx):
    """The first process of worker:0 waits; all others end well."""
    if ctx.job_name == "worker" and ctx.task_index == 0 and not list(pathlib.Path(args["folder"]).glob("waits-*")):
        note(args, ctx, "waits")
        time.sleep(120)
    note(args, ctx, "done")


def parallel(args, ctx):
    note(args, ctx, f"instance-{ctx.executor_id}", num_workers=ctx.num_workers, cluster=ctx.cluster_spec)
    if args.get("fails"):
        raise ValueError("one of them")


def stage_and_publish(args, ctx):
    local = ctx.stage(args["source"])
    text = "".join(sorted(path.read_text() for path in pathlib.Path(local).rglob("*.txt")))
    out = pathlib.Path(args["folder"], "published.txt")
    out.write_text(text.upper())
    ctx.publish(str(out), args["target"])
    note(args, ctx, "staged", local=local)


def _square(value):
    return value * value


def fork_and_leave(args, ctx):
    """Leaves a child that sleeps on; others return, leave by sys.exit, and raise."""
    children = {}
    for how in ("sleeps", "returns", "exits", "raises"):
        children[how] = os.fork()
        if not children[how]:
            match how:
                case "sleeps":
                    time.sleep(120)
                case "exits":
                    sys.exit(3)
                case "raises":
                    raise ValueError("of a child")
            return
    codes = {how: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for how, pid in children.items() if how != "sleeps"}
    if args.get("is_fed"):
        feed = ctx.get_data_feed()
        while not feed.should_stop():
            feed.next_batch(10)
    note(args, ctx, "forked", codes=codes, sleeper=children["sleeps"])


def fork_and_pool(args, ctx):
    """Forks by hand, and has a pool of processes."""
    child = os.fork()
    if not child:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    feed = ctx.get_data_feed()
    with multiprocessing.Pool(2) as pool:
        total = 0
        while not feed.should_stop():
            total += sum(pool.map(_square, feed.next_batch(50)))
    note(args, ctx, "sum", total=total)
