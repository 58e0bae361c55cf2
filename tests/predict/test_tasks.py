import shutil
import socket

import pytest

from sparkcv.errors import ModelError
from sparkcv.predict import manifest as manifests
from sparkcv.predict import tasks
from sparkcv.predict.rows import InputPart, find_input, list_parts
from sparkcv.predict.tasks import ScoreTask
from sparkcv.preprocess.picture_file import PictureRules
from tests.predict.models import COLORS


@pytest.fixture
def task(model_copy, tmp_path, picture):
    """A task of two pieces: all reds, all blues."""
    pieces = []
    for color in ("red", "blue"):
        (tmp_path / color).mkdir()
        for index in range(3):
            (tmp_path / color / f"{index}.jpg").write_bytes(picture(color))
        pieces.append(list_parts(find_input(str(tmp_path / color)), str(tmp_path / f"list-{color}")).parts)
    tasks.write_pieces(pieces, str(tmp_path / "pieces"))
    yield ScoreTask(
        pieces_url=str(tmp_path / "pieces"),
        model_url=str(model_copy),
        model_digest=manifests.read_manifest(str(model_copy)).digest,
        batch_size=2,
        top_k=len(COLORS),
        rules=PictureRules(10**6),
        num_threads=1,
        cache_host="elsewhere",
        cache_dir="/no/such/cache",
    )
    tasks.unload()


@pytest.fixture(autouse=True)
def local_dirs(tmp_path, monkeypatch):
    """The folders that YARN gives to an executor."""
    (tmp_path / "yarn").mkdir()
    monkeypatch.setenv("LOCAL_DIRS", f"{tmp_path}/yarn,/other")
    return tmp_path / "yarn"


def test_a_plan_of_many_pieces_is_read_piece_by_piece(tmp_path):
    pieces = [[InputPart("records", f"/s{i}", f"ü\n{i}", j, j + 1, 9) for j in range(i % 3)] for i in range(1100)]
    tasks.write_pieces(pieces, str(tmp_path / "plan"))
    for index in (0, 1, 2, 511, 512, 513, 1099):
        assert tasks.read_piece(str(tmp_path / "plan"), index) == pieces[index]


def test_the_ids_of_a_piece_are_those_of_its_rows(task):
    assert [batch.to_pydict() for batch in tasks.piece_ids(task.pieces_url, 1)] == [
        {"id": ["0.jpg", "1.jpg", "2.jpg"], "piece": [1, 1, 1]}
    ]


@pytest.mark.tensorflow
def test_a_worker_loads_its_model_once_and_keeps_it(task, local_dirs, tmp_path):
    labels = [row["label"] for batch in tasks.score_piece(task, 0) for row in batch.to_pylist()]
    assert labels == ["red"] * 3
    shutil.rmtree(task.model_url)
    shutil.rmtree(local_dirs)
    batches = list(tasks.score_piece(task, 1))
    assert [batch.num_rows for batch in batches] == [2, 1]
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [row["label"] for row in rows] == ["blue"] * 3
    assert {row["model_digest"] for row in rows} == {task.model_digest}


@pytest.mark.tensorflow
def test_another_model_than_the_pinned_one_is_refused(task):
    import dataclasses

    with pytest.raises(ModelError, match="this run was pinned to 00"):
        list(tasks.score_piece(dataclasses.replace(task, model_digest="00" * 32), 0))


@pytest.mark.tensorflow
def test_the_model_is_kept_where_it_goes_with_the_application(task, local_dirs, tmp_path):
    import dataclasses

    list(tasks.score_piece(task, 0))
    (cache,) = local_dirs.iterdir()
    assert sorted(path.name for path in cache.iterdir() if path.is_dir()) == [task.model_digest[:32]]
    tasks.unload()
    (tmp_path / "driver").mkdir(mode=0o700)
    here = dataclasses.replace(task, cache_host=socket.gethostname(), cache_dir=str(tmp_path / "driver"))
    list(tasks.score_piece(here, 0))
    assert task.model_digest[:32] in [path.name for path in (tmp_path / "driver").iterdir()]
