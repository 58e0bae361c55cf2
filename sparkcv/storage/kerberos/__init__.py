"""Kerberos, as far as messages need it: whose ticket this is, until when, and whether the KDC answers.

Logging in is left to the system's library, which hdfs-native calls. It says "Ticket expired"; whose, and what to run,
is read here from its files: ``krb5.conf``, ticket caches, keytabs.
"""
