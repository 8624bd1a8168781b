"""/stats: how the bot is doing, for those who manage a server."""

from datetime import timedelta
from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.job import Status
from bot.features.responses import guarded
from bot.monitoring.metrics import StatusSnapshot
from bot.monitoring.status import StatusReport

_MIB: Final = 2**20
_ORDER: Final = (Status.DONE, Status.FAILED, Status.CANCELLED, Status.REFUSED)


@app_commands.command(name="stats", description="How the bot is doing")
@app_commands.default_permissions(manage_guild=True)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def command(interaction: Interaction) -> None:
    """Shown to members who may manage the server, unless its own settings name others."""
    await guarded(interaction, _stats(interaction))


async def _stats(interaction: Interaction) -> None:
    await interaction.response.defer(ephemeral=True, thinking=True)
    report = await services(interaction).status_reporter.report()
    await interaction.edit_original_response(content=told(report))


def told(report: StatusReport) -> str:
    """The figures in words."""
    now = report.now
    engine = now.heartbeat.memory if now.heartbeat is not None else None
    lines = [
        f"**imagine-bot {report.version}**, up for {timedelta(seconds=int(report.uptime))}",
        f"Model: `{report.model}`",
        f"Last 24 hours: {_endings(report)}",
        f"Queue: {_queue(now)}",
        f"Engine: {_engine(now)}",
        f"Gateway: {_gateway(now)}",
        f"Memory: bot {_mib(report.memory)}, engine {_mib(engine)}",
    ]
    return "\n".join(lines)


def _endings(report: StatusReport) -> str:
    counts = ", ".join(f"{report.day.endings.get(each, 0)} {each}" for each in _ORDER)
    if report.day.median_seconds is None:
        return counts
    return f"{counts}; half of the pictures were there within {report.day.median_seconds:.1f} s"


def _queue(now: StatusSnapshot) -> str:
    if now.queue is None:
        return "the record does not answer"
    said = f"{now.queue.waiting} waiting, {now.queue.running} being painted"
    return f"{said}; the oldest waits for {now.oldest_wait:.0f} s" if now.queue.waiting else said


def _engine(now: StatusSnapshot) -> str:
    said = f"{'up' if now.is_engine_up else 'down'}, {now.engine_restarts} restarts"
    if now.heartbeat is None:
        return said
    return f"{said}, {now.heartbeat.ticks} ticks, {100 * now.padding:.1f} % padding"


def _gateway(now: StatusSnapshot) -> str:
    said = "up" if now.is_gateway_up else "down"
    return said if now.gateway_latency is None else f"{said}, {1000 * now.gateway_latency:.0f} ms"


def _mib(size: int | float | None) -> str:
    return "unknown" if size is None else f"{size / _MIB:.0f} MiB"
