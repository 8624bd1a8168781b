"""What the features work with."""

import msgspec

from bot.db.erasure import Privacy
from bot.db.guild_settings import NsfwLevels
from bot.db.jobs import Ledger
from bot.db.moderation import Moderation
from bot.db.pending_interactions import Presses
from bot.domain.user_data import Promise
from bot.messages.channels import Whereabouts
from bot.monitoring.status import Monitor
from bot.services.admission import Gate
from bot.services.job_service import Studio
from bot.services.retention import Retention
from bot.storage import Archive


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
