"""A KDC of its own as a process, Hadoop's MiniKdc, with the principals of a small cluster and of two people."""

import os
from pathlib import Path

from tests.hadoop.daemons import START_TIMEOUT_S, Daemon, Warden, wait_until
from tests.hadoop.jars import jars_dir
from tests.hadoop.kinit import kinit, split_keytab

REALM = "SPARKCV.TEST"
HOST = "localhost"
SERVICES = ("nn", "dn", "rm", "nm", "HTTP")
PEOPLE = ("alice", "bob")
_MAIN = "org.apache.hadoop.minikdc.MiniKdc"
_READY = "Standalone MiniKdc Running"
# What MiniKdc writes is for Java; MIT's library must not ask a name server for what stands here.
_CONFIG = """\
[libdefaults]
    default_realm = {realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    forwardable = true
[realms]
    {realm} = {{
        kdc = {address}
    }}
[domain_realm]
    {host} = {realm}
"""


class Kdc:
    """The running KDC.

    Attributes:
        config: the ``krb5.conf`` for Java and for MIT's library.
        keytab: of all principals; ``keytab_of`` has one's own.
        daemon: its process.
        address: ``127.0.0.1:port``.
    """

    def __init__(self, root: Path, warden: Warden, address: str, ticket_life_s: int = 86400) -> None:
        self.root, self.address = root / "kdc", address
        self.root.mkdir(mode=0o700)
        self.config, self.keytab = self.root / "krb5.conf", self.root / "all.keytab"
        host, _, port = address.rpartition(":")
        properties = {
            "org.name": REALM.partition(".")[0],
            "org.domain": REALM.partition(".")[2],
            "kdc.bind.address": host,
            "kdc.port": port,
            "instance": "sparkcv",
            "transport": "TCP",
            "max.ticket.lifetime": str(1000 * ticket_life_s),
            "max.renewable.lifetime": str(7 * 1000 * ticket_life_s),
            "debug": "false",
        }
        path = self.root / "kdc.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        principals = [f"{name}/{HOST}" for name in SERVICES] + list(PEOPLE)
        # Its own krb5.conf goes to a folder where nobody looks.
        work = self.root / "work"
        work.mkdir()
        argv = ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Djava.io.tmpdir={root}"]
        argv += ["--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED"]
        argv += ["--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED"]
        argv += ["-cp", f"{jars_dir('minikdc')}/*", _MAIN, str(work), str(path), str(self.keytab), *principals]
        env = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "LANG") if name in os.environ}
        self.daemon = Daemon("kdc", warden, argv, env, root / "logs" / "kdc.log", "")
        self._num_caches = 0

    def start(self) -> None:
        """Start it and wait until it gives tickets; a second life would have other keys."""
        self.daemon.start()
        self.daemon.wait(lambda: self.daemon.log.exists() and _READY in self.daemon.log.read_text(), "answering")
        wait_until(self.keytab.exists, "the keytab", START_TIMEOUT_S)
        self.keytab.chmod(0o600)
        self.config.write_text(_CONFIG.format(realm=REALM, address=self.address, host=HOST))

    @property
    def env(self) -> dict[str, str]:
        """The variable by which MIT's library finds it."""
        return {"KRB5_CONFIG": str(self.config)}

    @property
    def java(self) -> list[str]:
        """The words by which a Java process finds it."""
        return [
            f"-Djava.security.krb5.conf={self.config}",
            "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
        ]

    def keytab_of(self, name: str, realm: str = "") -> Path:
        """A keytab of one principal, such as ``alice``; with another realm written into it, if one is given."""
        path = self.root / f"{name.replace('/', '-')}{realm and '-' + realm}.keytab"
        return path if path.exists() else split_keytab(self.keytab, f"{name}@{REALM}", path, realm)

    def login(self, name: str, life_s: int = 0) -> Path:
        """A new ticket cache of a principal."""
        self._num_caches += 1
        cache = self.root / f"cache-{self._num_caches}"
        return kinit(self.config, self.keytab_of(name), f"{name}@{REALM}", cache, life_s)
