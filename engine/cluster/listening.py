"""The address on which a gateway listens."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import PortInUse, UsageError, first_line


def parse_address(text: str, option: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises UsageError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 2**16:
        raise UsageError(f"{option} is {text!r}; it must be HOST:PORT, such as 127.0.0.1:7870.")
    return host, int(port)


@contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """A port that is free: this one, or with 0 any, which only a gateway of this user can take in
    the block. Raises PortInUse."""
    with socket.socket() as holder:
        try:
            if port:
                socket.create_server((host, port)).close()
            else:
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                holder.bind((host, 0))
                port = holder.getsockname()[1]
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else first_line(error)
            raise PortInUse(f"{host}:{port} is not available: {reason}.") from error
        yield port
