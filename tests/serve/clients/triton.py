"""What a user of tritonclient does: ``python triton.py HOST:PORT PICTURE``; prints JSON."""

import base64
import json
import pathlib
import sys

import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient(sys.argv[1])
picture = pathlib.Path(sys.argv[2]).read_bytes()
found = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": [client.is_model_ready("colors"), client.is_model_ready("colors", "1")],
    "extensions": client.get_server_metadata()["extensions"],
    "versions": client.get_model_metadata("colors")["versions"],
    "max_batch_size": client.get_model_config("colors")["max_batch_size"],
    "inputs": [one["name"] for one in client.get_model_config("colors")["input"]],
    "index": client.get_model_repository_index(),
    "pictures": [],
    "pixels": [],
}
for binary in (True, False):
    data = picture if binary else base64.b64encode(picture).decode()
    for compression in (None, "gzip", "deflate"):
        given = triton.InferInput("encoded", [2], "BYTES")
        given.set_data_from_numpy(np.array([data, data], object), binary_data=binary)
        answer = client.infer(
            "colors", [given], request_compression_algorithm=compression, response_compression_algorithm="gzip"
        )
        found["pictures"].append(answer.as_numpy("probabilities").tolist())
    pixels = triton.InferInput("input", [1, 16, 16, 3], "FP32")
    pixels.set_data_from_numpy(np.ones((1, 16, 16, 3), np.float32), binary_data=binary)
    wanted = triton.InferRequestedOutput("probabilities", binary_data=binary)
    answer = client.infer("colors", [pixels], outputs=[wanted], model_version="1", request_id="7")
    found["pixels"].append([answer.get_response()["id"], answer.as_numpy("probabilities").tolist()])
    wanted = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=1)
    (best,) = client.infer("colors", [pixels], outputs=[wanted]).as_numpy("probabilities")[0]
    found["pixels"].append(best.decode() if isinstance(best, bytes) else best)
found["statistics"] = [
    client.get_inference_statistics()["model_stats"],
    client.get_inference_statistics("colors", "1")["model_stats"],
]
try:
    client.infer("dogs", [pixels])
except triton.InferenceServerException as err:
    found["unknown"] = str(err)
print(json.dumps(found))
