"""What the jobs ask of the flags that name a net and a dataset, in one sentence for all of them."""

from sparkcv import nets, preprocess
from sparkcv.errors import UsageError
from sparkcv.records.shards import Dataset

__all__ = ["check_image_size", "check_num_classes"]


def check_image_size(model_name: str, preprocessing_name: str | None, image_size: int | None) -> int:
    """Return the side of the net's pictures in pixels: as asked for, else the net's own.

    Raises UsageError for a net or a preprocessing that there is not, or a size that they do not take.
    """
    net = nets.get(model_name)
    size = net.check_image_size(image_size or net.default_image_size)
    preprocess.get(preprocessing_name or net.preprocessing).check_image_size(size)
    return size


def check_num_classes(dataset: Dataset, labels_offset: int, dataset_dir: str) -> int:
    """Return how many classes are left once the offset is taken off; raises UsageError for fewer than 2."""
    num_classes = dataset.num_classes - labels_offset
    if num_classes < 2:
        raise UsageError(
            f"--labels_offset {labels_offset} leaves {num_classes} of the {dataset.num_classes} classes in"
            f" {dataset_dir}; wanted at least 2"
        )
    return num_classes
