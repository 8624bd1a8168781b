"""The address on which a gateway listens."""

import socket

from engine.errors import PortInUse, UsageError


def parse_address(text: str, option: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`. Raises UsageError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 2**16:
        raise UsageError(f"{option} is {text!r}; it must be HOST:PORT, such as 127.0.0.1:7870.")
    return host, int(port)


def reserve_port(host: str, port: int) -> socket.socket:
    """A bound socket, on whose port no program can listen but a gateway of this user; 0 means any
    free port. Raises PortInUse."""
    holder = socket.socket()
    try:
        with socket.create_server((host, port)) as probe:
            address = probe.getsockname()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(address)
    except OSError as error:
        holder.close()
        raise PortInUse(f"{host}:{port} is not available: {error.strerror}.") from error
    return holder
