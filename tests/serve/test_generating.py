"""The checkpoint of a generator's process: copied once, whoever else wants it at that moment."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

from sparkcv.rundir import checkpoint
from sparkcv.serve import generating


def test_two_versions_of_the_same_nets_copy_one_checkpoint_and_both_find_it(tmp_path, monkeypatch):
    fetched = []

    def fetch(found, folder):
        fetched.append(folder)
        time.sleep(0.05)
        os.makedirs(os.path.join(folder, "model.ckpt-7"))

    monkeypatch.setattr(checkpoint, "locate", lambda url: url)
    monkeypatch.setattr(checkpoint, "fetch", fetch)
    folder = str(tmp_path / "cache" / "digest")
    with ThreadPoolExecutor(2) as pool:
        prefixes = list(pool.map(lambda url: generating._fetched(url, folder), ["/a/model.ckpt-7", "/b/model.ckpt-7"]))
    assert prefixes == [os.path.join(folder, "model.ckpt-7", "model.ckpt-7")] * 2
    assert len(fetched) == 1
