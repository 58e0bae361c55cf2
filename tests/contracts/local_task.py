"""One task of LocalLauncher: reads its index and what to run, and runs it in its main thread."""

import base64
import json
import pickle
import sys


def main() -> None:
    from sparkcv.launchers import TaskSlot

    task = json.loads(sys.stdin.readline())

    def exchange(text: str) -> list[str]:
        print(json.dumps(text), flush=True)
        return json.loads(sys.stdin.readline())

    index = task["index"]
    body = pickle.loads(base64.b64decode(task["body"]))  # noqa: S301 - from the test that started this process
    body(TaskSlot(index, "127.0.0.1", str(index), task["scratch_root"], exchange))


if __name__ == "__main__":
    main()
