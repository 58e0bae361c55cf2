"""A real Spark on an interface that others reach, with spark.authenticate, and the training job's start on it.

``exposed.py HOST FOLDER``: a line of JSON with what became of a run with a ps, and of one without.
"""

import dataclasses
import json
import os
import sys
from pathlib import Path

from sparkcv import doctor
from sparkcv.config import TrainConfig
from sparkcv.doctor import survey
from sparkcv.driver import train
from sparkcv.errors import UsageError
from sparkcv.spark.session import spark_session
from tests.inputs import data


def main(host: str, folder: Path) -> None:
    data.write_dataset(folder / "data", data.drawn_shards(1, 4))
    config = TrainConfig(
        dataset_dir=str(folder / "data"),
        dataset_name="shapes",
        train_dir=str(folder / "run"),
        model_name="lenet",
        train_image_size=12,
        max_number_of_steps=1,
        num_ps_tasks=1,
        cluster_size=2,
    )
    os.environ["SPARK_LOCAL_HOSTNAME"] = host  # what Spark's own workers call themselves
    conf = {
        "spark.driver.host": host,
        "spark.driver.bindAddress": host,
        "spark.authenticate": "true",
        "spark.authenticate.secret": "of this test alone",
    }
    told = {"refused": ""}
    with spark_session("exposed", num_executors=2, memory_mb=512, conf=conf) as spark:
        told["executors"] = sorted(set(survey.executors(spark).values()))
        plan = train.prepare(config)
        try:
            train.run(spark, plan)
        except UsageError as err:
            told["refused"] = str(err)
        alone = dataclasses.replace(plan.config, num_ps_tasks=0, cluster_size=1)
        doctor.check_start(spark, alone, plan.dataset)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
