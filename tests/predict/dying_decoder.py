"""The program that prepares pictures, round a decoder that some pictures kill: started by a test as a module."""

import os
import signal
import sys

import numpy as np

from sparkcv.errors import ImageError
from sparkcv.predict.limited import PreparerOrder
from sparkcv.predict.preparing import PicturePreparer
from sparkcv.programs.prepare_pictures import serve


class DyingDecoder:
    """Gives the picture's size as pixels; what a comment in the file says is what happens."""

    def decode(self, pictures):
        return [self._decode(*picture) for picture in pictures]

    def _decode(self, encoded, orientation):
        if b"killed" in encoded:
            os.kill(os.getpid(), signal.SIGSEGV)
        if b"left" in encoded:
            os._exit(9)
        while b"busy" in encoded:
            pass
        if b"refused" in encoded:
            return ImageError("not decodable: refused")
        print("what a library prints is no answer")
        return np.full([2, 2, 3], orientation, np.float32)

    def close(self):
        pass


if __name__ == "__main__":
    order = PreparerOrder.from_json(sys.argv[1])
    serve(PicturePreparer(DyingDecoder(), order.rules), order.limit_s)
