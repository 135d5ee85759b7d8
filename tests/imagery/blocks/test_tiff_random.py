"""TIFF files of random structure are read as GDAL reads them; damaged, they are that, a typed error, or cannot be told.

``STACCHIP_OSML_RANDOM_TIFFS`` says how many files, where more are wanted than every run takes time for.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

PROBE = Path(__file__).with_name("tiff_probe.py")
FILES = int(os.environ.get("STACCHIP_OSML_RANDOM_TIFFS", "60"))


def test_files_of_random_structure_are_what_gdal_makes_of_them_whole_and_damaged(tmp_path):
    command = [sys.executable, str(PROBE), str(tmp_path), "0", str(FILES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 + 5 * FILES)
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0, f"file {lines[-1]['number'] if lines else 0}: {done.stderr[-400:]}"
    found = [line for line in lines if "told" in line]
    assert len(found) == FILES
    assert {line["number"]: line["told"] for line in found if line["told"]} == {}
    assert {line["number"]: line["damaged"] for line in found if line["damaged"]} == {}
    made = Counter(line["made"].partition(":")[0] for line in found)
    assert min(made["gdal"], made["tifffile"]) > FILES // 4
    assert made["none"] < FILES // 4
    assert max(line["seconds"] for line in found) < 20  # of a processor: nothing hangs
    assert max(line["peak"] for line in found) < 1024
