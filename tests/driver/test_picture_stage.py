"""The folder of pictures that a run makes, and what a run that dies while it replaces one leaves."""

from sparkcv import storage
from sparkcv.driver import picture_stage
from sparkcv.driver.picture_folder import SETTINGS, check_prior

THEIRS, MINE = {"style_digest": "a"}, {"style_digest": "b"}


def test_a_run_that_dies_while_it_clears_a_folder_leaves_one_that_the_next_replaces(tmp_path, monkeypatch):
    output = str(tmp_path)
    storage.write_json(storage.join(output, SETTINGS), THEIRS)
    for name in ("a.png", "b.png", ".staging-1"):
        storage.write_text(storage.join(output, name), "made")
    storage.write_text(storage.join(output, "_results", "part"), "made")
    delete, deleted = storage.delete, []

    def look(url, **options):
        delete(url, **options)
        deleted.append(storage.basename(url))
        check_prior(output, MINE, overwrite=True)  # as the next run does after a death right here

    monkeypatch.setattr(storage, "delete", look)
    picture_stage._clear(output)
    assert sorted(deleted) == ["_results", "a.png", "b.png"]
    assert sorted(entry.name for entry in storage.list_dir(output)) == [".staging-1", SETTINGS]
