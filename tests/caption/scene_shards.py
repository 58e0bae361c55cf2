"""Datasets of drawn scenes with captions, written by the conversion's own functions, without Spark."""

from sparkcv import scenes
from sparkcv.config import ConvertCaptionsConfig
from sparkcv.driver import convert_captions


class OneProcess:
    """Does what Spark does with the shards of a conversion, in this process, one after the other."""

    def __init__(self):
        self.sparkContext = self

    def parallelize(self, items, _):
        self.items = items
        return self

    def map(self, function):
        self.items = [function(item) for item in self.items]
        return self

    def collect(self):
        return self.items


def write_dataset(folder, *, number=24, size=32, seed=1, **flags):
    """Draw scenes into ``folder/scenes`` and write their shards into ``folder/data``; return the scenes."""
    drawn = scenes.write_scenes(folder / "scenes", number, seed, size=size)
    config = ConvertCaptionsConfig(
        captions_file=str(folder / "scenes/captions.csv"),
        dataset_dir=str(folder / "data"),
        **{"num_shards": 2, "min_word_count": 1, **flags},
    )
    convert_captions.run_with(OneProcess(), convert_captions.prepare(config), lambda: None)
    return drawn
