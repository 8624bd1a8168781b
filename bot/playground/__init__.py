"""A local Discord to run a real bot against: REST API, gateway, CDN and web page."""

from bot.playground.client.person import Person
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
from bot.playground.model.attachments import Attachment, Upload
from bot.playground.model.guild import Channel, ChannelType, Guild, Role, User
from bot.playground.model.interactions import Interaction
from bot.playground.model.messages import Message
from bot.playground.model.permissions import Permission
from bot.playground.rest.http import Request, Response
from bot.playground.server import Playground

__all__ = [
    "Attachment",
    "Channel",
    "ChannelType",
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
