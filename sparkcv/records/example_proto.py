"""The messages of ``tf.train.Example`` and ``SequenceExample``, without TensorFlow's seconds and half a gigabyte.

They are tensorflow/core/example/{example,feature}.proto, described here and made by protobuf's own runtime. They lie in
a descriptor pool of their own: TensorFlow registers the same names in the default one, and two of a name are an error.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["Example", "SequenceExample"]

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "tensorflow"


def _message(parent: Any, name: str, *fields: tuple[str, Any], is_repeated: bool = False) -> Any:
    """Add a message whose ``fields`` are numbered from 1; a type is a number of protobuf's or a message's name."""
    message = parent.add(name=name)
    label = _Field.LABEL_REPEATED if is_repeated else _Field.LABEL_OPTIONAL
    for number, (field, kind) in enumerate(fields, 1):
        if isinstance(kind, str):
            named = {"type": _Field.TYPE_MESSAGE, "type_name": f".{_PACKAGE}.{kind}"}
        else:
            named = {"type": kind}
        message.field.add(name=field, number=number, label=label, **named)
    return message


def _map(parent: Any, name: str, field: str, kind: str) -> None:
    """Add a message of one map from strings to messages of ``kind``."""
    entry = f"{kind}Entry"
    message = _message(parent, name, (field, f"{name}.{entry}"), is_repeated=True)
    _message(message.nested_type, entry, ("key", _Field.TYPE_STRING), ("value", kind)).options.map_entry = True


def _build() -> tuple[Any, Any]:
    """Return the classes of the messages ``Example`` and ``SequenceExample``."""
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package=_PACKAGE, syntax="proto3")
    add = file.message_type
    _message(add, "BytesList", ("value", _Field.TYPE_BYTES), is_repeated=True)
    _message(add, "FloatList", ("value", _Field.TYPE_FLOAT), is_repeated=True)
    _message(add, "Int64List", ("value", _Field.TYPE_INT64), is_repeated=True)
    lists = ("bytes_list", "BytesList"), ("float_list", "FloatList"), ("int64_list", "Int64List")
    feature = _message(add, "Feature", *lists)
    feature.oneof_decl.add(name="kind")
    for field in feature.field:
        field.oneof_index = 0
    _map(add, "Features", "feature", "Feature")
    _message(add, "Example", ("features", "Features"))
    _message(add, "FeatureList", ("feature", "Feature"), is_repeated=True)
    _map(add, "FeatureLists", "feature_list", "FeatureList")
    _message(add, "SequenceExample", ("context", "Features"), ("feature_lists", "FeatureLists"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    example, sequence = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in ("Example", "SequenceExample")
    )
    return example, sequence


Example, SequenceExample = _build()
