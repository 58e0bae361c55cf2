"""The folder that an embedded Spark takes for its installation: links to the installed one, and its own settings."""

import importlib.util
import sys
from pathlib import Path

__all__ = ["LOOPBACK", "lay_out"]

LOOPBACK = "127.0.0.1"
_LOG4J = """\
status = error
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} spark %p %c{1}: %m%n
"""


def lay_out(root: Path) -> dict[str, str]:
    """Make a private SPARK_HOME of links in ``root``; return the environment that Spark's Java is started with.

    Spark's embedded workers write to ``$SPARK_HOME/work``, whatever is configured: with the installed package
    as SPARK_HOME each run would leave files in site-packages, or fail where that is read-only.
    """
    from pyspark.find_spark_home import _find_spark_home

    home, local, settings = root / "home", root / "local", root / "conf"
    for folder in (home, local, settings, root / "tmp"):
        folder.mkdir()
    spark_home = Path(_find_spark_home())
    for entry in spark_home.iterdir():
        if entry.name not in ("work", "conf", "logs", "python"):
            (home / entry.name).symlink_to(entry)
    _link_packages(spark_home, home)
    (settings / "log4j2.properties").write_text(_LOG4J)
    return {
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(settings),
        "SPARK_LOCAL_DIRS": str(local),
        "SPARK_LOCAL_IP": LOOPBACK,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }


def _link_packages(spark_home: Path, home: Path) -> None:
    """Put folders of the installed packages where Spark's Python processes look for its zips of them.

    A zip has no compiled modules: each of those processes would compile pyspark anew, for 1 s of CPU.
    """
    libraries = home / "python" / "lib"
    libraries.mkdir(parents=True)
    for archive in spark_home.glob("python/lib/*.zip"):
        name = archive.name.split("-")[0].removesuffix(".zip")  # pyspark.zip, py4j-0.10.9.9-src.zip
        spec = importlib.util.find_spec(name)
        package = Path(spec.origin).parent if spec and spec.origin else None
        if package is not None and package.is_dir():
            (libraries / archive.name).mkdir()
            (libraries / archive.name / name).symlink_to(package)
        else:  # the driver has it from a zip too
            (libraries / archive.name).symlink_to(archive)
