"""Delegation tokens for as long as a run lives: taken out of the driver's Java, handed to those that read and write.

Spark renews tokens (``--principal``, ``--keytab``), but in its JVMs only: the file that a Python process sees never
changes. So the driver's keeper (keeper.py) takes the newest from Java (source.py) and puts them on a shelf (shelf.py);
whoever speaks with the driver by the control channel gets them there: agents with their beats, the tasks of a scoring
stage at a desk of their own (desk.py). Where nothing can be renewed, the run is told in time (end.py).
"""
