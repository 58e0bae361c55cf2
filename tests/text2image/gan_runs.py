"""Runs of GAN-CLS, and of a judge, on drawn figures, in this process and in seconds."""

import json

from sparkcv import config as configs
from sparkcv import figures
from sparkcv.config import ConvertCaptionsConfig, TrainConfig, TrainText2ImageConfig
from sparkcv.driver import convert_captions, train_plan
from sparkcv.driver import train_text2image as driver
from sparkcv.programs import train, train_text2image
from sparkcv.roles import NodeContext, Role
from tests.caption.scene_shards import OneProcess
from tests.inputs import data


def write_dataset(folder, *, number=24, name="data", **flags):
    """Draw figures into ``folder/figures`` and write their shards into ``folder/data``; return the figures."""
    drawn = figures.write_figures(folder / "figures", number, 1, size=16)
    config = ConvertCaptionsConfig(
        captions_file=str(folder / "figures/captions.csv"),
        dataset_dir=str(folder / name),
        **{"num_shards": 2, "min_word_count": 1, **flags},
    )
    convert_captions.run_with(OneProcess(), convert_captions.prepare(config), lambda: None)
    return drawn


def flags_of(folder, name, **flags):
    """The flags of a small run, by their names."""
    return {
        "dataset_dir": str(folder / "data"),
        "train_dir": str(folder / name),
        "train_image_size": 16,
        "batch_size": 4,
        "gf": 4,
        "df": 4,
        "z_size": 8,
        "text_units": 8,
        "word_size": 8,
        "num_ps_tasks": 0,
        "num_preprocessing_threads": 2,
        "log_every_n_steps": 1,
        **flags,
    }


def train_run(folder, name, **flags):
    """One process's life of the run ``name``, with its run.json; returns what the worker gives."""
    plan = driver.prepare(TrainText2ImageConfig(**flags_of(folder, name, **flags)))
    train_plan.describe(plan).write(str(folder / name))
    scratch = folder / f"scratch-{len(list(folder.iterdir()))}"
    scratch.mkdir()
    params = {"config": configs.to_dict(plan.config), "dataset": plan.dataset.to_dict()}
    given = json.loads(json.dumps(params))
    stop = lambda: False  # noqa: E731
    context = NodeContext(Role("worker", 0), {"worker": ["127.0.0.1:1"]}, given, str(scratch), lambda _: None, stop)
    return train_text2image.main(context)


def train_judge(folder):
    """Train a classifier of circles, dots and others for a step, in this process; return its folder."""
    data.write_dataset(folder / "judged", data.drawn_shards(1, 8, 16))
    config = TrainConfig(
        dataset_dir=str(folder / "judged"),
        dataset_name="shapes",
        train_dir=str(folder / "judge"),
        model_name="gan_cls",
        train_image_size=16,
        batch_size=4,
        num_ps_tasks=0,
        max_number_of_steps=1,
    )
    plan = train_plan.prepare(config)
    train_plan.describe(plan).write(str(folder / "judge"))
    scratch = folder / "judge-scratch"
    scratch.mkdir()
    given = json.loads(json.dumps({"config": configs.to_dict(plan.config), "dataset": plan.dataset.to_dict()}))
    stop = lambda: False  # noqa: E731
    train.main(NodeContext(Role("worker", 0), {"worker": ["127.0.0.1:1"]}, given, str(scratch), lambda _: None, stop))
    return folder / "judge"
