"""The programs beside this file on TensorFlowOnSpark itself, for what of a difference is ours and what TensorFlow's.

    python tests/compat/programs/on_stock.py [--package tensorflowonspark] [--jar tensorflow-hadoop.jar] [NAME ...]

``--jar`` is the one that stock's dfutil needs.
"""

import argparse
import importlib
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ("feed_digits", "files_residual", "segment", "ps_digits", "parallel")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", default="tensorflowonspark")
    parser.add_argument("--jar", default="")
    parser.add_argument("names", nargs="*", default=NAMES)
    flags = parser.parse_args()
    sys.path[:0] = [str(HERE.parents[2]), str(HERE)]
    from sparkcv.spark.session import spark_session
    from tests.spark_programs import add_programs

    conf = {"spark.jars": flags.jar} if flags.jar else {}
    for name in flags.names:
        # A Spark of its own each, as a failed TFCluster stops it.
        with tempfile.TemporaryDirectory() as folder, spark_session(name, num_executors=3, conf=conf) as spark:
            add_programs(spark, HERE)
            try:
                told = importlib.import_module(name).run(spark, flags.package, folder)
            except (Exception, SystemExit) as err:  # noqa: BLE001 - it is what is to be seen
                told = f"{type(err).__name__}: {str(err)[-600:]}"
            print(f"{name} on {flags.package}: {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
