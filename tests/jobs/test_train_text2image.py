"""Pictures from captions through the jobs' doors: trained on roles, made, judged, and what is refused."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from jobs import evaluate_text2image, generate_pictures
from jobs import train_text2image as job
from tests.text2image import gan_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Shards of drawn figures."""
    folder = tmp_path_factory.mktemp("text2image")
    gan_runs.write_dataset(folder)
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    """A run of one step, in this process."""
    gan_runs.train_run(folder, "trained", max_number_of_steps=1)
    return folder / "trained"


def words(flags):
    return [f"--{name}={value}" for name, value in flags.items() if value is not None]


def run(folder, name, **changes):
    flags = gan_runs.flags_of(folder, name, max_number_of_steps=4)
    return job.main(words({**flags, **changes}))


@pytest.mark.spark
@pytest.mark.tensorflow
def test_two_workers_train_together_and_go_on(spark, folder, capsys):
    together = {"num_ps_tasks": 1, "cluster_size": 3, "sync_replicas": True, "replicas_to_aggregate": 2}
    assert run(folder, "run", **together) == 0
    assert run(folder, "run", **together, max_number_of_steps=6) == 0
    described = json.loads((folder / "run/run.json").read_text())
    assert described["config"]["gf"] == 4
    assert described["resumed_from_step"] == 4
    assert (folder / "run/model.ckpt-6.index").exists()
    assert list((folder / "run/samples").iterdir())
    capsys.readouterr()
    assert run(folder, "run", **together, max_number_of_steps=7, gf=8) == 2
    assert "--gf 8: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"dataset_dir": None}, 2, "--dataset_dir is missing"),
        ({"dataset_split_name": "test"}, 1, "has no split 'test', it has train"),
        (
            {"dataset_dir": "{folder}/figures"},
            1,
            "is no dataset of captions: wanted one that `sparkcv convertcaptions`",
        ),
        ({"text": "vectors", "word_size": None}, 1, "has no vectors of its captions; wanted a dataset that"),
        (
            {"text": "letters"},
            2,
            "argument --text: invalid choice: 'letters' (choose from 'words', 'characters', 'vectors')",
        ),
        ({"train_image_size": 48}, 2, "--train_image_size: got 48, wanted one of 16, 32, 64, 128"),
        ({"batch_size": 1}, 2, "--batch_size: got 1, wanted"),
        (
            {"model_name": "cifarnet"},
            2,
            "--model_name cifarnet: a training of pictures from captions has no use for it",
        ),
        ({"checkpoint_path": "/no/model.ckpt-1"}, 2, "--checkpoint_path /no/model.ckpt-1: a training of pictures"),
        ({"real_target": 0.4}, 2, "--real_target: got 0.4, wanted"),
    ],
)
def test_what_cannot_be_trained_is_one_sentence_and_nothing_is_written(folder, changes, code, sentence, capsys):
    given = {name: value.format(folder=folder) if isinstance(value, str) else value for name, value in changes.items()}
    assert run(folder, "refused", **given) == code
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert sentence in line
    assert not (folder / "refused").exists()


@pytest.mark.tensorflow
def test_a_file_of_captions_becomes_pngs_and_a_grid(trained, tmp_path, capsys):
    (tmp_path / "captions.txt").write_text("a large red ring\n\na small zeppelin\n")
    flags = {"checkpoint_path": trained, "captions_file": tmp_path / "captions.txt", "num_pictures": 3, "columns": 2}
    assert generate_pictures.main(words({**flags, "output_dir": tmp_path / "out"})) == 0
    said = capsys.readouterr()
    assert "6 pictures and grid.png in" in said.out
    assert "do not know zeppelin of the caption" in said.err
    told = json.loads((tmp_path / "out/pictures.json").read_text())
    assert [each["caption"] for each in told["pictures"]] == ["a large red ring"] * 3 + ["a small zeppelin"] * 3
    assert sorted(os.listdir(tmp_path / "out")) == [
        *(f"{number:05d}.png" for number in range(6)),
        "grid.png",
        "pictures.json",
    ]
    grid = np.asarray(Image.open(tmp_path / "out/grid.png"))
    first = np.asarray(Image.open(tmp_path / "out/00000.png"))
    assert (first.shape, grid.shape) == ((16, 16, 3), (3 * 66 - 2, 2 * 66 - 2, 3))
    assert np.array_equal(grid[:64:4, :64:4], first)


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({}, 2, "--caption and --captions_file: got neither, wanted one of them"),
        ({"caption": "a ring", "captions_file": "{tmp}/c.txt"}, 2, "got both, wanted one of them"),
        ({"caption": " "}, 1, "has no word, wanted some"),
        ({"caption": "zeppelin"}, 1, "the caption 'zeppelin' has no word that the nets were trained with; they know"),
        ({"caption": "ring " * 10_000}, 1, "has 10000 words, wanted 100 at most"),
        ({"captions_file": "{tmp}/none.txt"}, 1, "none.txt"),
        ({"captions_file": "{tmp}/empty.txt"}, 1, "has 0 captions, wanted 1 to 10000, one a line"),
        ({"captions_file": "{tmp}/latin.txt"}, 1, "latin.txt' line 2 is not UTF-8: byte 0xe9; wanted UTF-8"),
        (
            {"captions_file": "{tmp}/many.txt", "num_pictures": 1000},
            2,
            "--num_pictures 1000: of 101 captions got 101,000 pictures, wanted 100,000 at most",
        ),
        ({"caption": "a ring", "num_pictures": 0}, 2, "--num_pictures: got 0, wanted"),
        ({"caption": "a ring", "num_pictures": 1, "to_caption": "a star"}, 2, "wanted 2 at least, one of each"),
        ({"to_caption": "a star", "captions_file": "{tmp}/c.txt"}, 2, "--to_caption without --caption"),
        ({"caption": "a ring", "vectors": "{tmp}/v.npz"}, 2, "were trained on words; wanted it unset"),
        ({"caption": "a ring", "output_dir": "{tmp}"}, 1, "is there already; wanted a new or an empty folder"),
        ({"caption": "a ring", "checkpoint_path": "{tmp}"}, 1, "{tmp}"),
    ],
)
def test_what_cannot_be_made_is_one_sentence_and_nothing_is_written(trained, tmp_path, changes, code, sentence, capsys):
    (tmp_path / "c.txt").write_text("a ring\n")
    (tmp_path / "many.txt").write_text("a ring\n" * 101)
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("a ring\nun carré\n".encode("latin-1"))
    before = sorted(os.listdir(tmp_path))
    given = {"checkpoint_path": str(trained), "output_dir": "{tmp}/out", **changes}
    given = {name: value.format(tmp=tmp_path) if isinstance(value, str) else value for name, value in given.items()}
    assert generate_pictures.main(words(given)) == code
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert sentence.format(tmp=tmp_path) in line
    assert sorted(os.listdir(tmp_path)) == before


@pytest.fixture(scope="module")
def judge(folder):
    """A classifier of circles, dots and others that was trained for a step, with its run.json."""
    return gan_runs.train_judge(folder)


def cifarnet(folder):
    """Write a checkpoint of random weights that no training tells of; return its prefix."""
    import tensorflow.compat.v1 as tf

    from sparkcv import nets

    prefix = folder / "net/model.ckpt-3"
    if not (prefix.parent / "model.ckpt-3.index").exists():
        prefix.parent.mkdir(exist_ok=True)
        with tf.Graph().as_default(), tf.Session() as session:
            tf.set_random_seed(1)
            nets.get("cifarnet").build(tf.zeros([1, 32, 32, 3]), None, is_training=False)
            session.run(tf.global_variables_initializer())
            tf.train.Saver().save(session, str(prefix), write_meta_graph=False)
    return prefix


@pytest.mark.tensorflow
def test_made_pictures_are_judged_beside_real_ones(folder, trained, judge, tmp_path, capsys):
    rows = [f"figure-{number:05d}.png,{('a red circle', 'red dots')[number % 2]}" for number in range(6)]
    (tmp_path / "captions.csv").write_text("\n".join(["path,caption", *rows]) + "\n")
    flags = {
        "checkpoint_path": trained,
        "judge_path": judge,
        "captions_file": tmp_path / "captions.csv",
        "images_dir": folder / "figures",
        "num_pictures": 2,
    }
    assert evaluate_text2image.main(words({**flags, "output_dir": tmp_path / "out"})) == 0
    assert "Frechet distance" in capsys.readouterr().out
    said = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert said["num_pictures"] == 12
    assert 0 <= said["agree"] <= 1
    assert said["frechet"] > 0
    assert (said["features"], said["features_checkpoint"]) == ("the classifier", said["judge"])
    assert sorted(os.listdir(tmp_path / "out")) == ["evaluation.json", "grid.png", "report.html"]
    page = (tmp_path / "out/report.html").read_text()
    assert page.count("data:image/png") == 12
    assert "Loss of made pictures" in page
    # By the features of another net all is the same but the distance.
    named = {"features_path": cifarnet(tmp_path), "features_model": "cifarnet", "output_dir": tmp_path / "by"}
    assert evaluate_text2image.main(words({**flags, **named})) == 0
    other = json.loads((tmp_path / "by/evaluation.json").read_text())
    assert (other["agree"], other["real"], other["features"]) == (said["agree"], said["real"], "cifarnet")
    assert 0 < other["frechet"] != pytest.approx(said["frechet"], rel=0.01)
    for more, code, sentence in (
        ({"features_model": "cifarnet"}, 2, "--features_model without --features_path"),
        ({"features_path": cifarnet(tmp_path)}, 2, "--features_model is missing: "),
        ({"features_path": judge, "features_model": "no_net"}, 2, "no_net"),
        ({"features_path": judge, "features_model": "charnet"}, 2, "charnet looks at grey pictures"),
        (
            {"features_path": judge, "features_model": "cifarnet"},
            1,
            "variables of cifarnet, such as CifarNet/conv1/weights: it is of another net",
        ),
    ):
        assert evaluate_text2image.main(words({**flags, **more, "output_dir": tmp_path / "no"})) == code
        assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
        assert not (tmp_path / "no").exists()
    (tmp_path / "other.csv").write_text("path,caption\nfigure-00000.png,a ring\nfigure-00001.png,a ring\n")
    other = {**flags, "captions_file": tmp_path / "other.csv", "output_dir": tmp_path / "other"}
    assert evaluate_text2image.main(words(other)) == 1
    assert "the caption 'a ring' has the name of none of the" in capsys.readouterr().err
    (tmp_path / "other.csv").write_text("path,caption\nfigure-00000.png,red dots\ngone.png,a red circle\n")
    assert evaluate_text2image.main(words(other)) == 1
    assert "names a picture that is not there: no file " in capsys.readouterr().err
    (tmp_path / "other.csv").write_text("path,caption\nfigure-00000.png,red dots\nfigure-00001.png,\n")
    assert evaluate_text2image.main(words(other)) == 1
    assert "other.csv', the picture 'figure-00001.png': the caption '' has no word" in capsys.readouterr().err
    (tmp_path / "other.csv").write_text("path,caption\nfigure-00000.png,red dots\nfigure-00001.png,the red dots\n")
    assert evaluate_text2image.main(words(other)) == 1
    assert "all 2 captions that were drawn of " in capsys.readouterr().err
    assert evaluate_text2image.main(words({**flags, "judge_path": trained, "output_dir": tmp_path / "other"})) == 1
    assert "--judge_path: " in capsys.readouterr().err
    described = json.loads((judge / "run.json").read_text())
    described["config"]["use_grayscale"] = True
    (judge / "run.json").write_text(json.dumps(described))
    assert evaluate_text2image.main(words({**flags, "output_dir": tmp_path / "other"})) == 2
    assert "--judge_path: it was trained with --use_grayscale True; wanted" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
