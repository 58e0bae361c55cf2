"""What a conversion did, as data and as the small table that a user reads."""

from dataclasses import dataclass, field

from sparkcv import logs


@dataclass(frozen=True)
class SplitReport:
    """One split: ``reasons`` counts its rejects by the head of their reason; their list is at ``quarantine``."""

    split: str
    num_records: int
    num_shards: int
    num_bytes: int
    num_rejected: int
    reasons: dict[str, int] = field(default_factory=dict)
    quarantine: str | None = None


@dataclass(frozen=True)
class ConvertReport:
    """What a conversion wrote; as text, a table of the splits and where everything lies."""

    dataset_dir: str
    name: str
    labels: tuple[str, ...]
    splits: tuple[SplitReport, ...]

    @property
    def num_records(self) -> int:
        """Records written, over the splits."""
        return sum(split.num_records for split in self.splits)

    @property
    def num_rejected(self) -> int:
        """Unusable pictures, over the splits."""
        return sum(split.num_rejected for split in self.splits)

    @property
    def reasons(self) -> dict[str, int]:
        """Unusable pictures by the head of their reason, over the splits."""
        total: dict[str, int] = {}
        for split in self.splits:
            for reason, count in split.reasons.items():
                total[reason] = total.get(reason, 0) + count
        return dict(sorted(total.items()))

    def __str__(self) -> str:
        rows = [("split", "records", "shards", "bytes", "rejected")]
        rows += [
            (s.split, f"{s.num_records:,}", str(s.num_shards), f"{s.num_bytes:,}", f"{s.num_rejected:,}")
            for s in self.splits
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [f"{self.name}: {len(self.labels)} classes in {logs.clean(self.dataset_dir)}"]
        for row in rows:
            numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            lines.append("  ".join([row[0].ljust(widths[0]), *numbers]))
        for split in self.splits:
            if split.num_rejected:
                reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(split.reasons.items()))
                lines.append(f"rejected in {split.split}: {reasons} ({logs.clean(str(split.quarantine))})")
        return "\n".join(lines)
