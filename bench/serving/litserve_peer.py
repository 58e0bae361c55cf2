"""Serve a SavedModel by LitServe: ``python litserve_peer.py SAVED_MODEL PORT MAX_BATCH DELAY_MS PICTURE``."""

import sys

import litserve
import tensorflow as tf

folder, port, max_batch, delay_ms = sys.argv[1], *map(int, sys.argv[2:5])


class Net(litserve.LitAPI):
    """Takes a form with a file, and gives probabilities."""

    def setup(self, device: str) -> None:
        """Load the net in the worker."""
        self.net = tf.saved_model.load(folder).signatures["serving_default"]
        with open(sys.argv[5], "rb") as source:
            self.net(encoded=tf.constant([source.read()]))

    # Without a type: with ``dict`` LitServe wants a JSON body, and answers a form by 422 or 500.
    def decode_request(self, request):
        """Return the file's bytes."""
        return request["image"].file.read()

    def batch(self, inputs: list) -> list:
        """Leave the bytes as they are."""
        return inputs

    def predict(self, pictures: list) -> list:
        """Score a batch, or one picture where there is no batch."""
        one = isinstance(pictures, bytes)
        scores = self.net(encoded=tf.constant([pictures] if one else pictures))["probabilities"].numpy()
        return scores[0] if one else scores

    def unbatch(self, output: list) -> list:
        """Return the rows."""
        return list(output)

    def encode_response(self, output: object) -> dict:
        """Return JSON."""
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    api = Net(max_batch_size=max_batch, batch_timeout=delay_ms / 1000)
    litserve.LitServer(api, accelerator="cpu").run(port=port, host="127.0.0.1", generate_client_file=False)
