"""What control groups leave: of both versions, one inside of another, and in a container that sees only its own."""

import os

import pytest

from sparkcv import container

USABLE = 8
LIMIT, USED = str(3 << 30), str(1 << 30)


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Return what writes the files of this process's control groups, on a machine of eight cores."""
    monkeypatch.setattr(container, "_OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(container, "_MOUNT", tmp_path / "mount")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(USABLE)))

    def write(own, files):
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "mount" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")

    return write


V1_OWN = "4:memory:/yarn/c1\n2:cpu,cpuacct:/yarn/c1\n"


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/", {}, USABLE),
        ("0::/", {"cpu.max": "max 100000"}, USABLE),
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "250000 100000"}, 3),
        ("0::/", {"cpu.max": "5000 100000"}, 1),
        ("0::/", {"cpu.max": "6400000 100000"}, USABLE),
        ("0::/pod/one", {"pod/cpu.max": "300000 100000", "pod/one/cpu.max": "max 100000"}, 3),
        ("0::/pod/of/the/machine", {"cpu.max": "400000 100000"}, 4),  # which a container does not see
        (V1_OWN, {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, USABLE),
        (
            V1_OWN,
            {"cpu,cpuacct/yarn/c1/cpu.cfs_quota_us": "150000", "cpu,cpuacct/yarn/c1/cpu.cfs_period_us": "50000"},
            3,
        ),
    ],
)
def test_cores_are_those_whose_time_the_narrowest_group_has(groups, own, files, cores):
    groups(own, files)
    assert container.cores() == cores


def test_another_system_has_no_control_groups(groups):
    assert container.cores() == USABLE
    assert container.memory_left() is None


@pytest.mark.parametrize(
    ("own", "files", "left"),
    [
        ("0::/", {"memory.max": "max", "memory.current": USED}, None),
        ("0::/", {"memory.max": LIMIT, "memory.current": USED}, 2 << 30),
        (
            "0::/",
            {"memory.max": LIMIT, "memory.current": USED, "memory.stat": f"anon 7\ninactive_file {1 << 29}"},
            (2 << 30) + (1 << 29),
        ),
        (
            "0::/a/b",
            {
                "a/memory.max": LIMIT,
                "a/memory.current": USED,
                "a/b/memory.max": str(4 << 30),
                "a/b/memory.current": "0",
            },
            2 << 30,
        ),
        (
            V1_OWN,
            {"memory/yarn/c1/memory.limit_in_bytes": LIMIT, "memory/yarn/c1/memory.usage_in_bytes": USED},
            2 << 30,
        ),
    ],
)
def test_memory_is_what_the_narrowest_group_leaves(groups, own, files, left):
    groups(own, files)
    assert container.memory_left() == left
