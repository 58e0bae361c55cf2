"""Versions that come and go, without a process and without HTTP."""

import asyncio
import dataclasses
import threading

import pytest

from sparkcv.errors import ModelError, UnavailableError
from sparkcv.predict import manifest as manifests
from sparkcv.serve import catalog as catalogs
from sparkcv.serve.answers import Answers
from sparkcv.serve.catalog import Catalog, CatalogSpec
from sparkcv.serve.errors import RequestError
from sparkcv.serve.model_process import WorkerOrder
from sparkcv.serve.model_version import ModelVersion, ServedNet, State, digest_now
from sparkcv.serve.repository import LabelRule, VersionPolicy
from tests.predict.models import write_folder

ORDER = WorkerOrder("", "", "", "tf", 1, 1, 0.0, 1, (0, 0, 0), 1)


def catalog(models_dir="/none", labels=None, draw=0.0, versions=()):
    made = Catalog(CatalogSpec(str(models_dir), VersionPolicy(0), labels or {}, ORDER, 1, 1.0), lambda: draw)
    for version in versions:
        one = made._models.setdefault("m", {})[version] = ModelVersion("m", version, "")
        one.state = State.AVAILABLE
    return made


def test_a_rollback_goes_back_from_what_requests_get_not_from_a_canary():
    canary = {"m": {"canary": LabelRule(5, 0.1)}}
    made = catalog(labels=canary, draw=0.05, versions=(2, 3, 4, 5))
    assert made.resolve("m").version == 5  # this draw is the canary's
    assert made.rollback("m") == 3
    assert made.rollback("m") == 2


@pytest.mark.parametrize(("draw", "version"), [(0.1, 2), (0.35, 4), (0.45, 2)])
def test_the_share_of_a_version_that_is_not_there_goes_to_no_other_label(draw, version):
    labels = {"m": {"canary": LabelRule(5, 0.3), "second": LabelRule(4, 0.1), "old": LabelRule(1)}}
    made = catalog(labels=labels, draw=draw, versions=(1, 2, 4, 5))
    made._models["m"][5].state = State.FAILED
    assert made.resolve("m").version == version


def test_shares_that_are_1_as_decimals_are_not_more_than_1():
    made = catalog(versions=(1, 2, 3))
    for version, share in ((1, 0.33), (2, 0.56), (3, 0.11)):  # 1.0000000000000002 as binary numbers
        made.set_label("m", f"label{version}", LabelRule(version, share))
    with pytest.raises(RequestError, match="add up to more than 1"):
        made.set_label("m", "label3", LabelRule(3, 0.12))


def test_a_model_that_a_look_takes_away_before_it_is_unloaded_is_a_404():
    async def both():
        made = catalog(versions=(1, 2))
        async with made._changing:  # as a look at the folder holds it
            unloading = asyncio.create_task(made.unload("m"))
            await asyncio.sleep(0)
            made._models.clear()
        await unloading

    with pytest.raises(RequestError, match="there is no model 'm'") as caught:
        asyncio.run(both())
    assert caught.value.status == 404


def test_a_version_that_comes_while_its_model_waits_to_be_unloaded_is_unloaded_too():
    async def both():
        made = catalog(versions=(1,))
        async with made._changing:
            unloading = asyncio.create_task(made.unload("m"))
            await asyncio.sleep(0)
            made._models["m"][2] = ModelVersion("m", 2, "")
        await unloading
        return {one.version: one.state for one in made.versions("m")}

    assert asyncio.run(both()) == {1: State.END, 2: State.END}


def test_labels_that_are_no_text_fail_their_version_and_no_look_at_the_folder(tmp_path):
    folder = tmp_path / "colors" / "1"
    manifest = write_folder(folder, b"graph")
    (folder / manifests.LABELS).write_bytes("0:rouge\n1:foncé\n2:bleu\n".encode("latin-1"))
    manifest = dataclasses.replace(manifest, files=manifests.describe_files(str(folder)))
    (folder / manifests.FILE_NAME).write_bytes(manifest.to_bytes())

    async def look():
        made = catalog(tmp_path)
        await made.refresh()
        return made.versions("colors")

    (one,) = asyncio.run(look())
    assert one.state is State.FAILED
    assert "labels.txt' is no list of labels" in one.error


def test_a_load_that_could_not_look_is_no_success(tmp_path):
    with pytest.raises(RequestError, match="the folder of models cannot be read") as caught:
        asyncio.run(catalog(tmp_path / "none", versions=(1,)).load("m"))
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1)


def test_a_model_whose_folder_cannot_be_read_stays_as_it_was_loaded(tmp_path, caplog):
    (tmp_path / "m" / "1" / "run.json").mkdir(parents=True)
    (tmp_path / "other" / "1" / "run.json").mkdir(parents=True)
    made = catalog(tmp_path, versions=(1,))
    asyncio.run(made.refresh())
    asyncio.run(made.refresh())
    assert [one.version for one in made.versions("m")] == [1]
    said = [
        one.getMessage() for one in caplog.records if "cannot be read, what is loaded of it stays" in one.msg % one.args
    ]
    assert [one.split("'")[1] for one in said] == ["m", "other"]  # once each
    for name, status in (("m", 400), ("other", 503)):
        with pytest.raises(RequestError) as caught:
            asyncio.run(made.load(name))
        assert caught.value.status == status


def test_a_version_goes_when_its_explanations_are_told():
    class Process:
        def __init__(self):
            self.may_tell, self.told = asyncio.Event(), []

        async def explain(self, picture, label_id):
            await self.may_tell.wait()
            self.told.append(picture)
            return {}

        async def close(self):
            assert self.told == [b"picture"]

    async def both():
        one = ModelVersion("m", 1, "")
        process = one.process = Process()
        explaining = asyncio.create_task(one.explain(b"picture", None))
        await asyncio.sleep(0)
        unloading = asyncio.create_task(one.unload(30.0))
        for _ in range(5):
            await asyncio.sleep(0)
        process.may_tell.set()
        await asyncio.gather(explaining, unloading)
        return one.state

    assert asyncio.run(both()) is State.END


class Loading(Catalog):
    """A catalog whose versions are loaded without a process, or fail by the errors given."""

    def __init__(self, models_dir, *errors, policy=None, labels=None):
        super().__init__(CatalogSpec(str(models_dir), policy or VersionPolicy(), labels or {}, ORDER, 1, 1.0))
        self.errors, self.num_loads = list(errors), 0

    async def _run(self, one):
        self.num_loads += 1
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            one.state, one.error = State.FAILED, str(error)
            raise ModelError(f"{one} is not loaded: {error}") from error
        one.net, one.state = ServedNet(Answers.SCORES, digest_now(one.url), "net"), State.AVAILABLE


def test_a_load_takes_what_was_put_in_place_of_a_loaded_version(tmp_path):
    async def look():
        made = Loading(tmp_path)
        write_folder(tmp_path / "m" / "1", b"graph")
        await made.refresh()
        first = made.resolve("m")
        await made.load("m")
        same = made.resolve("m")
        write_folder(tmp_path / "m" / "1", b"another graph")
        await made.refresh()
        looked = made.resolve("m")
        await made.load("m")
        return first, same, looked, made.resolve("m")

    first, same, looked, second = asyncio.run(look())
    assert same is first
    assert looked is first  # without a call a version is what it was
    assert (first.state, second.state) == (State.END, State.AVAILABLE)
    assert second.digest == digest_now(str(tmp_path / "m" / "1")) != first.digest


def test_a_load_that_fails_says_so_and_leaves_what_was_loaded(tmp_path):
    async def look():
        made = Loading(tmp_path, None, ModelError("its scores are others"))
        write_folder(tmp_path / "m" / "1", b"graph")
        await made.refresh()
        first = made.resolve("m")
        write_folder(tmp_path / "m" / "1", b"another graph")
        with pytest.raises(RequestError, match="as its folder is now, what can answer stays") as caught:
            await made.load("m")
        return first, made.resolve("m"), caught.value.status

    first, now, status = asyncio.run(look())
    assert now is first
    assert status == 400


def test_a_load_whose_new_version_fails_is_no_success(tmp_path):
    async def look():
        made = Loading(tmp_path, None, ModelError("its scores are others"))
        write_folder(tmp_path / "m" / "1", b"graph")
        await made.refresh()
        write_folder(tmp_path / "m" / "2", b"another graph")
        with pytest.raises(RequestError, match="as its folder is now, what can answer stays") as caught:
            await made.load("m")
        return caught.value.status, made.resolve("m").version

    assert asyncio.run(look()) == (400, 1)


@pytest.mark.parametrize(
    ("error", "num_loads"), [(UnavailableError("the store does not answer"), 2), (ModelError("its digest is x"), 1)]
)
def test_a_version_whose_store_failed_is_tried_at_each_look_and_a_bad_one_is_not(tmp_path, error, num_loads):
    async def look():
        made = Loading(tmp_path, error)
        write_folder(tmp_path / "m" / "1", b"graph")
        await made.refresh()
        await made.refresh()
        return made

    made = asyncio.run(look())
    assert made.num_loads == num_loads
    assert made.versions("m")[0].is_available == (num_loads == 2)


def test_an_end_does_not_wait_for_a_store_that_does_not_answer(monkeypatch):
    may_answer, answers = threading.Event(), []
    monkeypatch.setattr(catalogs, "find_models", lambda url: answers.append(may_answer.wait(60)))

    async def look():
        looking = asyncio.create_task(catalog().refresh())
        await asyncio.sleep(0.05)
        looking.cancel()
        await asyncio.wait([looking])

    try:
        asyncio.run(look())
        assert not answers
    finally:
        may_answer.set()
        for thread in threading.enumerate():
            if thread.name == "sparkcv-store":
                thread.join()


def test_versions_that_flags_name_and_the_folder_has_not_are_told_once(tmp_path, caplog):
    async def look():
        write_folder(tmp_path / "m" / "2", b"graph")
        labels = {"m": {"canary": LabelRule(7, 0.1)}, "n": {"stable": LabelRule(1)}}
        made = Loading(tmp_path, policy=VersionPolicy.parse("3,4"), labels=labels)
        await made.refresh()
        await made.refresh()

    asyncio.run(look())
    assert [record.getMessage() for record in caplog.records] == [
        "label 'canary' of model 'm' is version 7, which the folder of models does not have",
        "label 'stable' of model 'n' is version 1, which the folder of models does not have",
        "--version_policy: of model 'm' no version is loaded, the folder has 2",
    ]


def test_a_version_and_a_label_are_one_too_many():
    with pytest.raises(RequestError, match="version and label are both given, wanted one of them") as caught:
        catalog(labels={"m": {"stable": LabelRule(1)}}, versions=(1, 2)).resolve("m", "2", "stable")
    assert caught.value.status == 400


def test_a_run_of_absurd_numbers_stops_no_look(tmp_path):
    folder = tmp_path / "m" / "1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"step": ' + "9" * 5000 + "}")
    made = Loading(tmp_path)
    asyncio.run(made.refresh())
    assert (made.names(), made.problem) == ([], "")


def test_an_unloaded_model_stays_so_when_a_version_comes_until_it_is_loaded(tmp_path):
    async def look():
        made = Loading(tmp_path)
        write_folder(tmp_path / "m" / "1", b"graph")
        await made.refresh()
        await made.unload("m")
        write_folder(tmp_path / "m" / "2", b"another graph")
        await made.refresh()
        unloaded = {one.version: one.state for one in made.versions("m")}
        await made.load("m")
        return unloaded, made.resolve("m").version

    assert asyncio.run(look()) == ({1: State.END}, 2)
