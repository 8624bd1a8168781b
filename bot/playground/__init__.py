"""A local Discord, REST and gateway and CDN and web page, to run a real bot against."""

from bot.playground.calls import Request, Response
from bot.playground.clock import Clock
from bot.playground.errors import (
    InvalidOption,
    NoSuchButton,
    NotAcknowledged,
    NotPermitted,
    PlaygroundError,
    TimedOut,
    UnknownCommand,
)
from bot.playground.faults import Fault
from bot.playground.files import Attachment, Upload
from bot.playground.guild import Channel, Guild, Role, User
from bot.playground.interactions import Interaction
from bot.playground.people import Person
from bot.playground.permissions import Permission
from bot.playground.server import Playground
from bot.playground.world import Message

__all__ = [
    "Attachment",
    "Channel",
    "Clock",
    "Fault",
    "Guild",
    "Interaction",
    "InvalidOption",
    "Message",
    "NoSuchButton",
    "NotAcknowledged",
    "NotPermitted",
    "Permission",
    "Person",
    "Playground",
    "PlaygroundError",
    "Request",
    "Response",
    "Role",
    "TimedOut",
    "UnknownCommand",
    "Upload",
    "User",
]
