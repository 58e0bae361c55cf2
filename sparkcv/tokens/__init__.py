"""Delegation tokens for as long as a run lives: taken out of the driver's Java, handed to those that read and write.

Spark renews tokens (``--principal``, ``--keytab``), but in its JVMs only: the file that a Python process sees never
changes. So a thread of the driver (renewer.py) takes the newest from Java (jvm.py) into a store (store.py). From there
agents get them in the replies to their heartbeats, the tasks of a stage from a server of their own (server.py), both
over the control channel, encrypted. Where nothing can be renewed, the run stops in time (expiry.py).
"""
