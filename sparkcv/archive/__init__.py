"""The two zips that a cluster needs: this package, and a Python with every package that it imports.

``build_zip.sh`` runs :mod:`~sparkcv.archive.build` with the Python of .venv, else with any: ``sparkcv.zip`` is built by
one that has none of the packages, so these modules import the standard library only. ``Python.zip`` is a copy of the
Python that builds it, so that one has the packages, pyelftools among them, which elf.py alone imports, when it is
called; where they are missing, the build ends with one sentence that says how to get them. It holds, for
``--archives hdfs:///...#Python``::

    bin/python3                starts bin/python3.X with this archive's libraries, wherever it was unpacked
    bin/python3.X              the interpreter
    lib/python3.X/             the standard library, and site-packages with what pyproject.toml needs
    lib/*.so.*                 libpython and what else a bare machine may lack; never glibc
    sparkcv-archive.json       what is in it and what it needs (description.py)

It has no link and no folder entry, and no file depends on its mode: YARN reads the zip as a stream, where neither is
told, and then makes every file r-x.
"""
