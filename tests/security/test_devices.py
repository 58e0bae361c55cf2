"""A role sees the devices that Spark gave its task, a ps none; and everybody keeps to the range of ports."""

import os
import time
from pathlib import Path

import pytest

from sparkcv.cluster.child import Child, Placement
from sparkcv.roles import Role

PROGRAMS = str(Path(__file__).with_name("programs"))
PATIENCE_S = 300


@pytest.mark.spark
def test_each_worker_sees_the_device_of_its_own_task_and_a_ps_sees_none(looked):
    _, _, told, _ = looked
    seen = {role: result["devices"] for role, result in told["results"].items()}
    assert seen.pop("ps:0")["CUDA_VISIBLE_DEVICES"] == ""
    addresses = [devices["CUDA_VISIBLE_DEVICES"] for devices in seen.values()]
    assert len(set(addresses)) == 3
    assert set(addresses) < {"0", "1", "2", "3"}
    assert {devices["CUDA_DEVICE_ORDER"] for devices in seen.values()} == {"PCI_BUS_ID"}


@pytest.mark.spark
def test_every_port_of_ours_and_of_the_embedded_spark_lies_in_the_range(looked):
    _, _, told, ports = looked
    members = told["results"]["worker:0"]["cluster"].values()
    held = {int(address.rpartition(":")[2]) for addresses in members for address in addresses}
    assert len(held) == 4
    assert len(told["ports"]) >= 5  # the control channel, the driver's and each block manager's
    used = held | set(told["ports"]) | {told["ui"]}
    assert used <= set(range(ports.low, ports.high + 1))


@pytest.mark.parametrize(
    ("role", "gpus", "wanted"),
    [
        ("worker:0", ("2", "5"), {"CUDA_VISIBLE_DEVICES": "2,5", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        ("evaluator:0", ("1",), {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        ("ps:0", ("2",), {"CUDA_VISIBLE_DEVICES": ""}),
        ("ps:0", (), {"CUDA_VISIBLE_DEVICES": ""}),
        ("worker:0", (), {"CUDA_VISIBLE_DEVICES": "7"}),  # Spark gives none out
    ],
)
def test_what_a_role_sees_of_its_slots_devices(role, gpus, wanted, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(PROGRAMS)  # from where this process imports, its child does
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")  # which the host shows
    place = Placement("security_programs:devices", {}, {})
    with Child(Role.parse(role), place, str(tmp_path), str(tmp_path), gpus) as child:
        deadline = time.monotonic() + PATIENCE_S
        os.close(child.take_log_fd())
        while child.is_running:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        said = child.messages()
    assert said[-1]["result"] == {"CUDA_DEVICE_ORDER": None} | wanted
