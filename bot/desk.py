"""What the features work with."""

import msgspec

from bot.domain.user_data import Promise
from bot.gate import Gate
from bot.ledger import Ledger
from bot.ledger.moderation import Moderation
from bot.ledger.nsfw import NsfwLevels
from bot.ledger.presses import Presses
from bot.ledger.privacy import Privacy
from bot.monitoring.monitor import Monitor
from bot.retention import Retention
from bot.storage import Archive
from bot.studio import Studio
from bot.whereabouts import Whereabouts


class Desk(msgspec.Struct, frozen=True):
    """The parts of the bot that a person's wish can reach."""

    studio: Studio
    ledger: Ledger
    presses: Presses
    archive: Archive
    moderation: Moderation
    gate: Gate
    monitor: Monitor
    whereabouts: Whereabouts
    levels: NsfwLevels
    privacy: Privacy
    retention: Retention
    promise: Promise
