"""A driver that writes its frames by hand. It keeps to the windows it is given, unless a test has it do otherwise."""

import contextlib
import socket
import struct
import threading

from wire import END_HEADERS, END_STREAM, PREFACE, SETTINGS, WINDOW_UPDATE, End, frame, headers, literal, message, setting

HEAD = literal(":status", "200") + literal("content-type", "application/grpc")


def trailers(code=0):
    return literal("grpc-status", str(code))


class DriverEnd(End):
    """A connection that was accepted; its `streams` hold what the requests said."""

    def __init__(self, connected, window=2**31 - 1, hello=b""):
        super().__init__(connected, window)
        got = b""
        while len(got) < len(PREFACE):
            part = connected.recv(len(PREFACE) - len(got))
            if not part:
                raise ConnectionError("the connection ended before its preface")
            got += part
        assert got == PREFACE, got
        self.write(frame(SETTINGS, payload=setting((3, 100), (4, window))) + hello)
        if self.credits:
            self.write(frame(WINDOW_UPDATE, payload=struct.pack(">I", 2**31 - 1 - 65535)))

    def next_request(self, condition=lambda request: request.is_over):
        """Reads until a stream that was not given yet satisfies the condition; its number, or None at the end."""
        given = self.__dict__.setdefault("_given", set())
        while True:
            for stream, request in self.streams.items():
                if stream not in given and request.head is not None and condition(request):
                    given.add(stream)
                    return stream
            if not self.read_some():
                return None

    def wants_no_more(self, stream):
        return self.streams[stream].reset is not None

    def begin(self, stream, *messages):
        self.write(headers(stream, HEAD))
        if messages:
            self.send(stream, b"".join(message(one) for one in messages), is_end=False)

    def end(self, stream, code=0):
        self.write(headers(stream, trailers(code), END_HEADERS | END_STREAM))

    def refuse(self, stream, code):
        """A response of trailers only."""
        self.write(headers(stream, HEAD + trailers(code), END_HEADERS | END_STREAM))

    def reset_connection(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def answer_all(end):
    """What a driver does that has nothing else to do."""
    while (stream := end.next_request()) is not None:
        end.begin(stream, b"")
        end.end(stream)


class RawDriver:
    """Plays `script(end)` for each connection, in a thread of its own. What a script raises is kept in `faults`.

    The next connections hear the frames of `hellos`, one each, in one write with the SETTINGS.
    """

    def __init__(self, script=answer_all):
        self.script, self.window, self.faults, self.ends, self.hellos = script, 2**31 - 1, [], [], []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):  # It is closed.
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, connected):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(60)
        try:
            with connected, DriverEnd(connected, self.window, self.hellos.pop(0) if self.hellos else b"") as end:
                self.ends.append(end)
                self.script(end)
        except (ConnectionError, TimeoutError):
            pass  # The gateway's own business.
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(fault)

    def end_connections(self):
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.socket.shutdown(socket.SHUT_RDWR)
        self.ends.clear()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.end_connections()
