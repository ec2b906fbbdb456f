"""What is sent: messages of 170 bytes and more, of nobody in particular and of Spark Connect (numbers as on its wire)."""

import uuid

from .loads import frame

UNARY_BYTES = 170
ECHO = "/bench.Load/Echo"
STREAM = "/bench.Load/Stream"
UPLOAD = "/bench.Load/Upload"
HOLD = "/bench.Load/Hold"
CONFIG = "/spark.connect.SparkConnectService/Config"
ADD_ARTIFACTS = "/spark.connect.SparkConnectService/AddArtifacts"


def field(number, content):
    """A length-delimited field of protobuf."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _spark(session, payload_number, client_type_number, size):
    """session_id, user_context, a payload that fills the message to `size` bytes, client_type."""
    user = field(2, field(1, b"somebody") + field(2, b"somebody"))
    rest = field(1, session.encode()) + user + field(client_type_number, b"_SPARK_CONNECT_PYTHON")
    payload = size - len(rest) - 2
    while len(field(payload_number, bytes(payload))) + len(rest) > size:
        payload -= 1
    return field(1, session.encode()) + user + field(payload_number, bytes(payload)) + \
        field(client_type_number, b"_SPARK_CONNECT_PYTHON")


def session_ids(count, seed=0):
    return [str(uuid.UUID(int=seed << 64 | number, version=4)) for number in range(count)]


def unary():
    return frame(bytes(UNARY_BYTES))


def config(session):
    return frame(_spark(session, 3, 4, UNARY_BYTES))


def artifact(session):
    return frame(_spark(session, 3, 6, 32 << 10))


def spark_headers(token):
    return [("authorization", f"Bearer {token}"), ("x-spark-team", "ads"), ("x-spark-environment", "prod")]
