"""Versions that come and go, without a process and without HTTP."""

import asyncio
import dataclasses

import pytest

from sparkcv.predict import manifest as manifests
from sparkcv.serve.catalog import Catalog, CatalogSpec
from sparkcv.serve.errors import RequestError
from sparkcv.serve.model_process import WorkerOrder
from sparkcv.serve.model_version import ModelVersion, State
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
