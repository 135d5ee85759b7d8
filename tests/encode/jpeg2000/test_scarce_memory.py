"""Encoders that find no memory: that is not said to be a fault of the samples."""

import subprocess
import sys

import numpy as np
import pytest

from stacchip_osml.encode.jpeg2000 import codecs
from stacchip_osml.encode.jpeg2000.tiles import array_codestream
from stacchip_osml.errors import EncodeError

SCARCE = """
import resource, sys
import numpy as np
from pathlib import Path
from stacchip_osml.encode.jpeg2000.tiles import Jpeg2000Options, array_codestream

options = Jpeg2000Options(ratio=float(sys.argv[1]) or None)
pixels = np.random.default_rng(0).integers(0, 255, (3, 1024, 1024), np.uint8)
array_codestream(pixels[:, :64, :64], options)  # all libraries are loaded
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2]) * pixels.size
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    array_codestream(pixels, options)
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much address space is in use")
@pytest.mark.parametrize("bytes_a_sample", [2, 8, 10])
@pytest.mark.parametrize("ratio", [0, 10])
def test_a_lack_of_memory_is_a_memory_error(ratio, bytes_a_sample):
    command = [sys.executable, "-c", SCARCE, str(ratio), str(bytes_a_sample)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == "MemoryError\n"


def test_samples_that_an_encoder_refuses_are_an_encode_error(monkeypatch):
    def refuse(*_, **__):
        raise codecs.imagecodecs.Jpeg2kError("refused")

    monkeypatch.setattr(codecs.imagecodecs, "jpeg2k_encode", refuse)
    with pytest.raises(EncodeError, match=r"JPEG 2000 cannot hold uint8 samples of shape \(1, 64, 64\): refused"):
        array_codestream(np.zeros((1, 64, 64), np.uint8))
