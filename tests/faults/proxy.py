"""A TCP proxy that breaks connections where it is told to: at a byte, or at a place in the frames of HTTP/2, or in the
records of TLS. It may end TLS itself, on either side, and then sees the frames within."""

import asyncio
import contextlib
import dataclasses
import socket
import struct
import threading

from wire import PREFACE

UP, DOWN = "up", "down"  # from the client to the server, and back

# What is done when the place is reached.
DELAY = "delay"        # both directions rest for a moment, then go on
THROTTLE = "throttle"  # both directions go on in small pieces with pauses
CUT = "cut"            # both connections are closed; with TLS without a word
RESET = "reset"        # both are reset
SILENCE = "silence"    # whatever comes is swallowed, as if the other side had lost its power
STALL = "stall"        # nothing more is taken in the direction of the place
REFUSE = "refuse"      # nobody listens, until the next arm(); it has no other place than the connection


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in a connection: byte `at` of a direction, or part of the nth frame of a kind (counted from 0).

    `part`: 0 before the frame, 1 behind it, and anything between within its payload. `is_record`: it is a record of TLS, and
    its kind the content's.
    """

    direction: str = UP
    at: int | None = None
    kind: int = 0
    nth: int = 0
    part: float = 0.0
    is_record: bool = False


CONNECTION = Place(UP, at=0)


def ssl_of(context):
    """What asyncio is told. Nobody is waited for who does not say goodbye."""
    return {"ssl": context, "ssl_shutdown_timeout": 1} if context else {}


class Finder:
    """Watches one direction for a place."""

    def __init__(self, direction, place):
        self._place = place if place and place.direction == direction else None
        self._passed, self._seen = 0, 0
        is_record = bool(place) and place.is_record
        self._skip = len(PREFACE) if direction == UP and not is_record else 0  # what belongs to the frame before
        self._head, self._head_size = bytearray(), 5 if is_record else 9
        self._to_place = None  # bytes from here to the place, once its frame has begun

    def find(self, data):
        """How many of these bytes come before the place; None: all of them."""
        place = self._place
        if place is None:
            return None
        start, self._passed = self._passed, self._passed + len(data)
        if place.at is not None:
            return place.at - start if start <= place.at <= self._passed else None
        if self._to_place is not None:
            return self._near(0, self._to_place, data)
        at = begin = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            if not self._head:
                begin = at
            step = min(self._head_size - len(self._head), len(data) - at)
            self._head += data[at:at + step]
            at += step
            if len(self._head) < self._head_size:
                # A head that is torn is let through: peers write it in one piece.
                continue
            self._skip, is_one = self._read_head()
            self._head.clear()
            if not is_one:
                continue
            self._seen += 1
            if self._seen == place.nth + 1:
                within = 0 if place.part == 0 else self._head_size + int(self._skip * place.part)
                return self._near(begin, within, data)
        return None

    def _read_head(self):
        """The payload's size, and whether it is one of those that are counted."""
        head = self._head
        if self._place.is_record:
            return int.from_bytes(head[3:5], "big"), head[0] == self._place.kind
        size, kind, is_ack = int.from_bytes(head[:3], "big"), head[3], head[3] == 4 and head[4] & 1
        return size, kind == self._place.kind and not is_ack and (kind != 0 or size > 0)

    def _near(self, begin, distance, data):
        if begin + distance <= len(data):
            return begin + distance
        self._to_place = begin + distance - len(data)
        return None


class Proxy:
    """Listens when it is made. `hit` is set when the place that was armed has been reached. Methods block, for a moment.

    `tls`, `target_tls`: the context of ssl's with which it listens, or connects.
    """

    def __init__(self, target, pause=0.05, tls=None, target_tls=None):
        self.target, self.pause = target, pause
        self.tls, self.target_tls = tls, target_tls
        self.hit = threading.Event()
        self._armed, self._links = None, set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server, self.address = None, "127.0.0.1:0"
        self._run(self._listen())

    def _run(self, what):
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    def arm(self, act=None, place=CONNECTION):
        """The next connection gets `act` at the place, the later ones nothing. None: neither does the next."""
        self._run(self._arm(act, place))

    def end_connections(self):
        """Closes those that are open."""
        self._run(self._end_connections())

    def close(self):
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self):
        host, port = self.address.rsplit(":", 1)
        self._server = await asyncio.start_server(self._serve, host, int(port), **ssl_of(self.tls))
        self.address = "%s:%d" % self._server.sockets[0].getsockname()

    async def _arm(self, act, place):
        self.hit.clear()
        self._armed = (act, place) if act and act != REFUSE else None
        if act == REFUSE and self._server:
            self._server.close()
            self._server = None
            self.hit.set()
        elif act != REFUSE and not self._server:
            await self._listen()

    async def _end_connections(self):
        for link in list(self._links):
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _close(self):
        await self._arm(None, CONNECTION)
        self._server.close()
        await self._end_connections()

    async def _serve(self, reader, writer):
        act, place = self._armed or (None, None)
        self._armed = None
        task = asyncio.current_task()
        self._links.add(task)
        link = Link(self, act, place)
        try:
            await link.run(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._links.discard(task)


class Link:
    """One connection of a client, and its own one to the server."""

    def __init__(self, proxy, act, place):
        self._proxy, self._act, self._place = proxy, act, place
        self._is_slow = self._is_silent = False
        self._wakes = asyncio.Event()  # when a pause of both directions is over
        self._wakes.set()
        self._writers = []

    async def run(self, reader, writer):
        self._writers.append(writer)
        try:
            if self._act and self._place == CONNECTION and await self._hit() is False:
                return
            host, port = self._proxy.target.rsplit(":", 1)
            name = {"server_hostname": "localhost"} if self._proxy.target_tls else {}
            far_reader, far_writer = await asyncio.open_connection(host, int(port), **ssl_of(self._proxy.target_tls), **name)
            self._writers.append(far_writer)
            pumps = [asyncio.ensure_future(self._pump(UP, reader, far_writer)),
                     asyncio.ensure_future(self._pump(DOWN, far_reader, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            for one in self._writers:
                one.close()

    async def _pump(self, direction, reader, writer):
        """Ends when the link is to end."""
        finder = Finder(direction, self._place)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                before = finder.find(data) if self._act else None
                if before is not None:
                    await self._pass(data[:before], writer)
                    data = data[before:]
                    if await self._hit() is False:
                        return
                await self._pass(data, writer)
        # Half of a closed connection is none: gRPC's peers close both.
        if self._is_silent:
            await asyncio.Event().wait()

    async def _pass(self, data, writer):
        await self._wakes.wait()
        if self._is_silent:
            return
        while data:
            size = 2000 if self._is_slow else len(data)
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
            if self._is_slow:
                await asyncio.sleep(0.002)

    async def _hit(self):
        """Does it. False: the link ends."""
        act, self._act = self._act, None
        if act == RESET:
            for one in self._writers:
                one.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.transport.abort()
        if act == CUT:
            for one in self._writers:
                if one.get_extra_info("ssl_object"):
                    one.transport.abort()
        self._is_slow = act == THROTTLE
        self._is_silent = act == SILENCE
        self._proxy.hit.set()
        if act in (CUT, RESET):
            return False
        if act == DELAY:
            self._wakes.clear()
            await asyncio.sleep(self._proxy.pause)
            self._wakes.set()
        if act == STALL:
            await asyncio.Event().wait()
        return True
