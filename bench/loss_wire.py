"""What goes over the wire: reads the stream of incidents beside the dispatchers, and counts what was sent twice."""

import threading
from contextlib import closing
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from alerts.queue import INCIDENTS, IncidentStream, connect

_WAIT_MS = 200
_AT_ONCE = 1000


class Wire:
    """``again``: messages that were there before, and that Redis had not lost; ``anew``: those that it had lost."""

    def __init__(self, url: str) -> None:
        self._url, self._last = url, "0-0"
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._here: set[tuple[bytes, bytes]] = set()
        self._gone: set[tuple[bytes, bytes]] = set()
        self.again = self.anew = 0
        self.thread = threading.Thread(target=self._run, name="wire")

    def stop(self) -> None:
        self._stop.set()

    def flush(self) -> int:
        """Empties Redis; how many messages on their way were lost with it."""
        with self._turn, closing(connect(self._url)) as client:
            while self._read(client):
                pass
            stream = IncidentStream(client)
            lost = sum(len(stream.held(source.decode())) for source in {source for source, _ in self._here})
            client.flushall()
            self._gone |= self._here
            self._here.clear()
        return lost

    def _run(self) -> None:
        with closing(connect(self._url)) as client:
            while not self._stop.is_set():
                try:
                    with self._turn:
                        found = self._read(client)
                    if not found:
                        client.xread({INCIDENTS: self._last}, count=1, block=_WAIT_MS)
                except RedisError:
                    self._stop.wait(_WAIT_MS / 1000)

    def _read(self, client: Redis) -> int:
        answer: Any = client.xread({INCIDENTS: self._last}, count=_AT_ONCE)
        messages = answer[0][1] if answer else []
        for message_id, fields in messages:
            key = (fields[b"source"], fields[b"seq"])
            self.again += key in self._here
            self.anew += key in self._gone and key not in self._here
            self._here.add(key)
            self._last = message_id.decode()
        return len(messages)
