"""HTTP/2 by hand: frames are written byte by byte, also those that no library would send, and read as they come."""

import socket
import ssl
import struct

import hpack

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def setting(*pairs):
    return b"".join(struct.pack(">HI", name, value) for name, value in pairs)


def _length(size):
    if size < 127:
        return bytes([size])
    out, size = bytearray([127]), size - 127
    while size >= 128:
        out.append(size % 128 + 128)
        size >>= 7
    return bytes(out) + bytes([size])


def literal(name, value, how=0):
    """One field as HPACK writes it in full; `how` 0x40 puts it into the table."""
    name, value = (part.encode() if isinstance(part, str) else part for part in (name, value))
    return bytes([how]) + _length(len(name)) + name + _length(len(value)) + value


def head(path="/test.Origin/Call", *fields):
    """The block of a gRPC request."""
    usual = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers"),
             ("content-type", "application/grpc"))
    return b"".join(literal(*field) for field in (*usual, *fields))


def headers(stream, block, flags=END_HEADERS, size=16384):
    """The block as HEADERS and as many CONTINUATIONs as it takes."""
    parts = [block[at:at + size] for at in range(0, len(block), size)] or [b""]
    if len(parts) == 1:
        return frame(HEADERS, flags, stream, block)
    out = frame(HEADERS, flags & ~END_HEADERS, stream, parts[0])
    for part in parts[1:-1]:
        out += frame(CONTINUATION, 0, stream, part)
    return out + frame(CONTINUATION, flags & END_HEADERS, stream, parts[-1])


def message(payload, flag=0):
    return bytes([flag]) + struct.pack(">I", len(payload)) + payload


class Response:
    """What came on one stream. `head` and `trailers` are lists of (name, value) in bytes; `reset` is a code or None."""

    def __init__(self):
        self.head, self.trailers, self.data = None, None, bytearray()
        self.has_ended, self.reset = False, None

    def trailer(self, name):
        """The value of a field of the trailers, or of a head without them."""
        return dict(self.trailers or self.head or []).get(name.encode(), b"").decode(errors="replace")

    @property
    def code(self):
        return int(self.trailer("grpc-status") or -1)

    @property
    def is_over(self):
        return self.has_ended or self.reset is not None


class End:
    """One end of a connection. Unless `window` says less, the peer may send as much as it likes."""

    def __init__(self, connected, window=2**31 - 1):
        self.socket = connected
        self.streams, self.goaway, self.has_ended = {}, None, False
        self.send_window, self.stream_windows, self.initial_window = 65535, {}, 65535
        self.credits = window == 2**31 - 1
        self._decoder = hpack.Decoder(max_header_list_size=1 << 24)
        self._buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def write(self, *frames):
        self.socket.sendall(b"".join(frames))

    def reset(self, stream, code=8):
        self.write(frame(RESET, 0, stream, struct.pack(">I", code)))

    def push(self, data):
        """As much as the peer takes; False when it has closed."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def send(self, stream, data, is_end=True):
        """As DATA frames, as far and as soon as the peer's windows let them."""
        view, at = memoryview(data), 0
        while True:
            left = min(self.send_window, self.stream_windows.get(stream, self.initial_window), len(view) - at, 16384)
            if left <= 0 and at < len(view):
                if self.wants_no_more(stream) or not self.read_some():
                    return
                continue
            is_last = at + left == len(view)
            self.write(frame(DATA, END_STREAM if is_end and is_last else 0, stream, bytes(view[at:at + left])))
            at += left
            self.send_window -= left
            self.stream_windows[stream] = self.stream_windows.get(stream, self.initial_window) - left
            if is_last:
                return

    def wants_no_more(self, stream):
        return self.streams[stream].is_over

    def wait(self, stream, condition=lambda response: response.is_over):
        response = self.streams[stream]
        while not condition(response):
            if not self.read_some():
                raise ConnectionError(f"the connection ended before stream {stream}; GOAWAY {self.goaway}")
        return response

    def ping(self):
        """A round trip: what was sent before has been seen."""
        self._pong = False
        self.write(frame(PING, payload=b"12345678"))
        while not self._pong:
            if not self.read_some():
                raise ConnectionError("the connection ended")

    def read_to_end(self):
        """Everything until the peer closes; the code of its GOAWAY, or None."""
        while self.read_some():
            pass
        return self.goaway

    def read_some(self):
        """The next frames; False when the connection has ended."""
        try:
            part = self.socket.recv(1 << 18)
        except ConnectionError:
            part = b""
        if not part:
            self.has_ended = True
            return False
        self._buffer += part
        at = 0
        while len(self._buffer) - at >= 9:
            size = int.from_bytes(self._buffer[at:at + 3], "big")
            if len(self._buffer) - at < 9 + size:
                break
            kind, flags = self._buffer[at + 3], self._buffer[at + 4]
            stream = int.from_bytes(self._buffer[at + 5:at + 9], "big") & 0x7FFFFFFF
            self._on_frame(kind, flags, stream, bytes(self._buffer[at + 9:at + 9 + size]))
            at += 9 + size
        del self._buffer[:at]
        return True

    def _on_frame(self, kind, flags, stream, payload):
        response = self.streams.setdefault(stream, Response()) if stream else None
        if kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == 4:
                    for one in self.stream_windows:
                        self.stream_windows[one] += value - self.initial_window
                    self.initial_window = value
            self.push(frame(SETTINGS, ACK))
        elif kind == PING:
            if flags & ACK:
                self._pong = True
            else:
                self.push(frame(PING, ACK, payload=payload))
        elif kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == WINDOW_UPDATE:
            if stream:
                more = int.from_bytes(payload, "big")
                self.stream_windows[stream] = self.stream_windows.get(stream, self.initial_window) + more
            else:
                self.send_window += int.from_bytes(payload, "big")
        elif kind == RESET:
            code = int.from_bytes(payload, "big")
            if code or not response.has_ended:  # NO_ERROR behind a whole response only says that the request's rest is not wanted.
                response.reset = code
        elif kind == DATA:
            response.data += payload
            if self.credits and payload:
                credit = struct.pack(">I", len(payload))
                self.push(frame(WINDOW_UPDATE, payload=credit) + frame(WINDOW_UPDATE, 0, stream, credit))
        elif kind in (HEADERS, CONTINUATION):
            if kind == HEADERS:
                self._block, self._is_last = b"", flags & END_STREAM
            self._block += payload
            if flags & END_HEADERS:
                fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(self._block, raw=True)]
                if response.head is None:
                    response.head = fields
                else:
                    response.trailers = fields
                response.has_ended |= bool(self._is_last)
        if kind == DATA and flags & END_STREAM:
            response.has_ended = True


class Wire(End):
    """A client's end, that speaks first."""

    def __init__(self, address, ca=None, window=2**31 - 1, timeout=60):
        host, port = address.rsplit(":", 1)
        connected = socket.create_connection((host, int(port)), timeout=timeout)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if ca:
            context = ssl.create_default_context(cafile=ca)
            context.set_alpn_protocols(["h2"])
            connected = context.wrap_socket(connected, server_hostname="localhost")
        super().__init__(connected, window)
        self.next = 1
        hello = PREFACE + frame(SETTINGS, payload=setting((2, 0), (4, window), (6, 1 << 24)))
        if self.credits:
            hello += frame(WINDOW_UPDATE, payload=struct.pack(">I", 2**31 - 1 - 65535))
        try:
            self.write(hello)
        except OSError:
            self.close()
            raise

    def open(self, block, is_end=False):
        """A new stream with this head; its id."""
        stream, self.next = self.next, self.next + 2
        self.streams[stream] = Response()
        self.write(headers(stream, block, END_HEADERS | (END_STREAM if is_end else 0)))
        return stream

    def call(self, block, body=b"", is_end=True):
        """A whole call: its Response."""
        stream = self.open(block)
        self.send(stream, body, is_end)
        return self.wait(stream)
