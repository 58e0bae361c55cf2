"""The doctor on a secured YARN, in client mode: by a keytab, and by a ticket of one's own."""

import pytest

from tests.hadoop.kdc import REALM
from tests.hadoop.submit import submit

pytestmark = [pytest.mark.hadoop, pytest.mark.spark]
FLAGS = [
    "--model_name",
    "cifarnet",
    "--batch_size",
    "8",
    "--num_ps_tasks",
    "1",
    "--cluster_size",
    "2",
    "--noload_tensorflow",
]


@pytest.mark.parametrize("way", ["keytab", "ticket"])
def test_in_client_mode_one_is_told_who_one_is_until_when_and_what_is_encrypted(secured_cluster, way):
    kdc = secured_cluster.kdc
    keytab = str(kdc.keytab_of("alice"))
    options = ["--principal", f"alice@{REALM}", "--keytab", keytab] if way == "keytab" else []
    # A keytab is all that is needed: who has one has no ticket.
    cache = kdc.root / "no-tickets" if way == "keytab" else kdc.login("alice")
    words = [*FLAGS, "--train_dir", f"{secured_cluster.url}/user/alice/examined", "--principal", f"bob@{REALM}"]
    done = submit(
        secured_cluster,
        "jobs/doctor.py",
        [*words, "--keytab", keytab],
        deploy_mode="client",
        num_executors=2,
        options=options,
        env={"KRB5CCNAME": str(cache)},
    )
    said = " ".join(done.output.split())
    assert "the application is alice's" in said, done.output
    assert f"alice@{REALM} by a token of ha-hdfs:default, renewer rm, until 20" in said
    assert ("renewed by keytab" in said) == (way == "keytab")
    assert (f"the Kerberos ticket of alice@{REALM} lasts until 20" in said) == (way == "ticket")
    assert f"the KDC's of realm {REALM}" in said
    assert "the NameNode encrypts every call, whatever a client wants" in said
    assert "list, write, rename, read, delete in" in said
    assert "spark.authenticate is off" in said
    assert f"has keys of alice@{REALM}, wanted one of bob@{REALM}; run klist" in said
    assert done.exit_code == 1  # for that
