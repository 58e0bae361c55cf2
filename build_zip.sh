#!/usr/bin/env bash
# Builds dist/sparkcv.zip and dist/Python.zip for spark-submit; `./build_zip.sh --help` says more.
set -euo pipefail
cd "$(dirname "$0")"
if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=${PYTHON:-python3}; fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "build_zip.sh: $python is missing or too old, wanted Python 3.11 or newer in .venv or \$PYTHON" >&2
    exit 2
}
# By a line, not as a script: its folder would stand before the standard library's on the path.
exec "$python" -c 'from sparkcv.archive.build import main; raise SystemExit(main())' "$@"
