"""Small datasets as bytes and files, for the tests of inputs and training."""

import io

import google_crc32c
from PIL import Image

from sparkcv import storage, synthetic
from sparkcv.records import example, tfrecord
from sparkcv.records.shards import Shard, shard_name

CLASSES = ("checkerboard", "circle", "dots")


def picture(label, seed, size=32, kind="jpeg"):
    """The bytes of a drawn picture."""
    return synthetic.encode(synthetic.draw(label, seed, size), kind)


def palette_bmp():
    """A BMP of indices into a palette, which TensorFlow takes for colours."""
    buffer = io.BytesIO()
    Image.new("P", (8, 8)).save(buffer, "BMP")
    return buffer.getvalue()


def undecodable(seed=0):
    """A JPEG whose header is fine and whose Huffman table is not: only a decoder finds out."""
    data = bytearray(picture(0, seed))
    at = data.find(b"\xff\xc4")
    data[at + 5 : at + 20] = b"\xff" * 15
    return bytes(data)


def payload(encoded, label, filename="a.jpg", kind="jpeg"):
    """The bytes of an Example."""
    return example.encode(example.ImageExample(encoded, kind, label, CLASSES[label % 3], 32, 32, filename))


def shard_bytes(payloads):
    """The bytes of a shard."""
    return b"".join(tfrecord.frame(one) for one in payloads)


def write_shard(path, payloads, *, with_count=True):
    """A shard file on disk."""
    data = shard_bytes(payloads)
    path.write_bytes(data)
    return Shard(str(path), len(payloads) if with_count else None, len(data), None)


def write_dataset(folder, shards, *, name="shapes", split="train"):
    """A dataset folder with manifest and labels of ``shards``, each a list of payloads; a further split is added."""
    entries = []
    folder.mkdir(parents=True, exist_ok=True)
    for index, payloads in enumerate(shards):
        data = shard_bytes(payloads)
        file = folder / shard_name(name, split, index, len(shards))
        file.write_bytes(data)
        crc32c = f"{google_crc32c.value(data):08x}"
        entries.append(
            {"name": file.name, "records": len(payloads), "bytes": len(data), "crc32c": crc32c, "labels": {}}
        )
    (folder / "labels.txt").write_text("".join(f"{i}:{label}\n" for i, label in enumerate(CLASSES)))
    url = str(folder / "manifest.json")
    splits = storage.read_json(url)["splits"] if storage.exists(url) else {}
    splits[split] = {"seed": 0, "shards": entries}
    manifest = {"schema": 1, "dataset_name": name, "labels": list(CLASSES), "splits": splits}
    storage.write_json(url, manifest)


def drawn_shards(num_shards=4, per_shard=12, size=32):
    """Payloads of shards of drawn pictures, labels in turn."""
    return [
        [payload(picture(i % 3, shard * 100 + i, size), i % 3, f"{shard}-{i}.jpg") for i in range(per_shard)]
        for shard in range(num_shards)
    ]
