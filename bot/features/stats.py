"""/stats: the state of the bot, for members who manage a server."""

from datetime import timedelta
from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.job import Status
from bot.features.exports import Exports
from bot.features.responses import defer_privately
from bot.monitoring.metrics import StatusSnapshot
from bot.monitoring.status import StatusReport

_MIB: Final = 2**20
_STATUSES: Final = (Status.DONE, Status.FAILED, Status.CANCELLED, Status.REFUSED)


@app_commands.command(name="stats", description="Show the state of the bot")
@app_commands.default_permissions(manage_guild=True)
@app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
@app_commands.allowed_installs(guilds=True, users=False)
async def command(interaction: Interaction) -> None:
    """For members who manage the server, unless its integration settings say otherwise."""
    await defer_privately(interaction)
    report = await services(interaction).status_reporter.report()
    await interaction.edit_original_response(content=format_report(report))


def format_report(report: StatusReport) -> str:
    """The response of /stats."""
    now = report.now
    engine_memory = now.heartbeat.memory if now.heartbeat is not None else None
    lines = [
        f"**imagine-bot {report.version}**, up for {timedelta(seconds=int(report.uptime))}",
        _models(report.models),
        f"Last 24 hours: {_results(report)}",
        f"Queue: {_queue(now)}",
        f"Engine: {_engine(now)}",
        f"Gateway: {_gateway(now)}",
        f"Memory: bot {_mib(report.memory)}, engine {_mib(engine_memory)}",
    ]
    return "\n".join(lines)


def _models(names: tuple[str, ...]) -> str:
    text = ", ".join(f"`{name}`" for name in names)
    return f"Model: {text}" if len(names) == 1 else f"Models: {text} (the first is the default)"


def _results(report: StatusReport) -> str:
    counts = ", ".join(f"{report.day.endings.get(status, 0)} {status}" for status in _STATUSES)
    if report.day.median_seconds is None:
        return counts
    return f"{counts}; median {report.day.median_seconds:.1f} s"


def _queue(now: StatusSnapshot) -> str:
    if now.queue is None:
        return "the database is not available"
    text = f"{now.queue.waiting} waiting, {now.queue.running} running"
    return f"{text}; longest wait {now.oldest_wait:.0f} s" if now.queue.waiting else text


def _engine(now: StatusSnapshot) -> str:
    text = f"{'up' if now.is_engine_up else 'down'}, {now.engine_restarts} restarts"
    if now.heartbeat is not None and now.heartbeat.replicas is not None:
        count = sum(not replica.is_draining for replica in now.heartbeat.replicas)
        text += ", 1 replica" if count == 1 else f", {count} replicas"
    if now.heartbeat is None:
        return text
    return f"{text}, {now.heartbeat.ticks} ticks, {100 * now.padding:.1f} % padding"


def _gateway(now: StatusSnapshot) -> str:
    text = "up" if now.is_gateway_up else "down"
    return text if now.gateway_latency is None else f"{text}, {1000 * now.gateway_latency:.0f} ms"


def _mib(size: int | float | None) -> str:
    return "unknown" if size is None else f"{size / _MIB:.0f} MiB"


exports: Final = Exports(commands=(command,))
