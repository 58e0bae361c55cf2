"""What a user of KServe's REST client does: ``python kserve_client.py URL PICTURE``; prints JSON."""

import asyncio
import base64
import json
import pathlib
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

URL = sys.argv[1]
TEXT = base64.b64encode(pathlib.Path(sys.argv[2]).read_bytes()).decode()


async def main():
    v1 = InferenceRESTClient(RESTConfig(protocol="v1", timeout=300))
    v2 = InferenceRESTClient(RESTConfig(protocol="v2", timeout=300))
    found = {
        "v1": [await v1.is_server_live(URL), await v1.is_model_ready(URL, "colors")],
        "v2": [await v2.is_server_live(URL), await v2.is_server_ready(URL), await v2.is_model_ready(URL, "colors")],
        "predictions": (await v1.infer(URL, {"instances": [{"b64": TEXT}]}, model_name="colors"))["predictions"],
        "outputs": [],
    }
    for binary in (True, False):
        pixels = InferInput("input", [1, 16, 16, 3], "FP32")
        pixels.set_data_from_numpy(np.ones((1, 16, 16, 3), np.float32), binary_data=binary)
        answer = await v2.infer(URL, InferRequest("colors", [pixels]), model_name="colors")
        found["outputs"].append(answer.outputs[0].as_numpy().tolist())
    picture = InferInput("encoded", [1], "BYTES", data=[TEXT])
    answer = await v2.infer(URL, InferRequest("colors", [picture]), model_name="colors")
    found["picture"] = answer.outputs[0].as_numpy().tolist()
    print(json.dumps(found))


asyncio.run(main())
