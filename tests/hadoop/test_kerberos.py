"""The secured form of the cluster: it knows who is there, and a client without a ticket is nobody to it."""

import pytest

from tests.hadoop import hadoop
from tests.hadoop.kdc import HOST, REALM
from tests.hadoop.kinit import kinit

pytestmark = pytest.mark.hadoop


def test_every_daemon_logs_in_and_the_administrator_has_a_ticket_of_his_own():
    with hadoop(kerberos=True) as cluster:
        assert "Live datanodes (1)" in cluster.admin("-report")
        assert cluster.daemons["nn1"].get("/jmx?qry=Hadoop:service=NameNode,name=NameNodeInfo")["beans"]
        log = cluster.daemons["dn1"].log.read_text()
        assert f"Login successful for user dn/{HOST}@{REALM}" in log
        for keytab, name, said in (
            (cluster.kdc.keytab_of("alice"), f"bob@{REALM}", "no suitable keys for bob"),
            (cluster.kdc.keytab_of("alice", "OTHER.TEST"), "alice@OTHER.TEST", "Cannot find KDC for realm"),
            (cluster.root / "nothing.keytab", f"alice@{REALM}", "not found"),
        ):
            with pytest.raises(RuntimeError, match=said):
                kinit(cluster.kdc.config, keytab, name, cluster.root / "cache")
        assert cluster.kdc.keytab.stat().st_mode & 0o777 == 0o600
        assert cluster.kdc.login("bob").stat().st_mode & 0o777 == 0o600
