"""A module that cannot be imported: the import raises."""

raise RuntimeError("no licence for this host")
