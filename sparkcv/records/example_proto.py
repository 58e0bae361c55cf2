"""The messages of ``tf.train.Example``, without TensorFlow, which takes seconds and half a gigabyte to import.

They are tensorflow/core/example/{example,feature}.proto, described here and made by protobuf's own runtime. They lie in
a descriptor pool of their own: TensorFlow registers the same names in the default one, and two of a name are an error.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = ["Example"]

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


def _build() -> Any:
    """Return the class of the message ``Example``."""
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
    features = _message(add, "Features", ("feature", "Features.FeatureEntry"), is_repeated=True)
    entry = _message(features.nested_type, "FeatureEntry", ("key", _Field.TYPE_STRING), ("value", "Feature"))
    entry.options.map_entry = True
    _message(add, "Example", ("features", "Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Example"))


Example = _build()
