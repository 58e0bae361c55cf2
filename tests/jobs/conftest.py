"""What several jobs start from."""

import pytest

from sparkcv.config import ConvertConfig
from sparkcv.driver import convert


@pytest.fixture(scope="session")
def dataset(spark, pictures, tmp_path_factory):
    """Shards of the drawn pictures, which nobody writes to."""
    folder = tmp_path_factory.mktemp("dataset")
    convert.run(
        spark,
        convert.prepare(
            ConvertConfig(images_dir=str(pictures), dataset_dir=str(folder), dataset_name="shapes", num_shards=2)
        ),
    )
    return folder
