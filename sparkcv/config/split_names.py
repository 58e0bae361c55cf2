"""The flags that name the split that a conversion writes, where several jobs have them."""

from typing import Any

from sparkcv.errors import UsageError

__all__ = ["check_names"]


def check_names(config: Any) -> None:
    """Raise UsageError for a name that cannot stand in a shard's, and for a split's that would not be written."""
    for name in ("dataset_name", "dataset_split_name"):
        value = getattr(config, name)
        if not value.replace("-", "_").replace(".", "_").isidentifier() or ".." in value:
            raise UsageError(f"--{name}: got {value!r}, wanted letters, digits, '_', '-' or '.' only")
    if config.validation_fraction is not None and config.dataset_split_name != "train":
        raise UsageError(
            f"--dataset_split_name {config.dataset_split_name} with --validation_fraction: got both, but that writes"
            " the splits train and validation; wanted one of them"
        )
