#!/usr/bin/env bash
# Builds dist/sparkcv.zip, the package for `spark-submit --py-files`: same sources, same bytes.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p dist
"${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}" - <<'PY'
"""Zip the package with fixed times and order, so that the archive's digest says what is in it."""

import pathlib
import zipfile

target = pathlib.Path("dist/sparkcv.zip")
aside = target.with_suffix(".tmp")
sources = sorted(p for p in pathlib.Path("sparkcv").rglob("*") if p.is_file() and "__pycache__" not in p.parts)
with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sources:
        entry = zipfile.ZipInfo(path.as_posix(), (1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, path.read_bytes())
aside.replace(target)
print(f"{target}: {len(sources)} files, {target.stat().st_size / 1024:.0f} KiB")
PY
