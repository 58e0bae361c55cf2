"""``python -m tests.hadoop [--yarn] [--datanodes N] [--ha] [--kerberos]``: a Hadoop to try things on, until Ctrl-C."""

import argparse
import contextlib
import signal

from tests.hadoop.cluster import hadoop


def main() -> None:
    """Start the daemons, print what a client's shell needs, and wait."""
    parser = argparse.ArgumentParser(prog="python -m tests.hadoop", description=__doc__)
    parser.add_argument("--yarn", action="store_true", help="also a ResourceManager and a NodeManager")
    parser.add_argument("--ha", action="store_true", help="two NameNodes and a JournalNode")
    parser.add_argument("--datanodes", type=int, default=1, metavar="N")
    parser.add_argument("--replication", type=int, default=1, metavar="N")
    parser.add_argument("--kerberos", action="store_true", help="with a KDC, and privacy on every wire")
    args = parser.parse_args()
    with hadoop(
        yarn=args.yarn,
        num_datanodes=args.datanodes,
        num_namenodes=2 if args.ha else 1,
        replication=args.replication,
        kerberos=args.kerberos,
    ) as cluster:
        for key, value in cluster.env.items():
            print(f"export {key}={value}")
        if cluster.kdc is not None:
            print(f"export KRB5CCNAME={cluster.admin_cache}  # HDFS's superuser")
            print(f"# keytab of alice: {cluster.kdc.keytab_of('alice')}")
        print(f"# file system {cluster.url}; logs in {cluster.root}/logs; Ctrl-C ends it", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            signal.pause()


if __name__ == "__main__":
    main()
