"""One module for each feature. It ends in its `exports`, which the client registers."""

from typing import Final

from bot.features import (
    admin,
    bans,
    full_size,
    imagine,
    privacy,
    reactions,
    report,
    report_cards,
    result_buttons,
    stats,
)

FEATURES: Final = (
    imagine.exports,
    result_buttons.exports,
    full_size.exports,
    reactions.exports,
    report.exports,
    report_cards.exports,
    admin.exports,
    bans.exports,
    privacy.exports,
    stats.exports,
)
"""The only list of features. Their start-up work runs in this order."""
