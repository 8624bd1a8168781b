"""/stats: the state of the bot, for members who manage a server."""

from datetime import timedelta
from typing import Final

from discord import app_commands

from bot.context import Interaction, services
from bot.domain.job import Status
from bot.features.exports import Exports
from bot.features.responses import defer_privately
from bot.i18n import _
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
        _("**imagine-bot {version}**, up for {uptime}").format(
            version=report.version, uptime=timedelta(seconds=int(report.uptime))
        ),
        _models(report.models),
        _("Last 24 hours: {results}").format(results=_results(report)),
        _("Queue: {queue}").format(queue=_queue(now)),
        _("Engine: {engine}").format(engine=_engine(now)),
        _("Gateway: {gateway}").format(gateway=_gateway(now)),
        _("Memory: bot {bot}, engine {engine}").format(
            bot=_mib(report.memory), engine=_mib(engine_memory)
        ),
    ]
    return "\n".join(lines)


def _models(names: tuple[str, ...]) -> str:
    text = ", ".join(f"`{name}`" for name in names)
    return (
        _("Model: {text}").format(text=text)
        if len(names) == 1
        else _("Models: {text} (the first is the default)").format(text=text)
    )


def _results(report: StatusReport) -> str:
    counts = ", ".join(f"{report.day.endings.get(status, 0)} {_(status)}" for status in _STATUSES)
    if report.day.median_seconds is None:
        return counts
    return _("{counts}; median {seconds:.1f} s").format(
        counts=counts, seconds=report.day.median_seconds
    )


def _queue(now: StatusSnapshot) -> str:
    if now.queue is None:
        return _("the database is not available")
    text = _("{waiting} waiting, {running} running").format(
        waiting=now.queue.waiting, running=now.queue.running
    )
    return (
        _("{text}; longest wait {seconds:.0f} s").format(text=text, seconds=now.oldest_wait)
        if now.queue.waiting
        else text
    )


def _engine(now: StatusSnapshot) -> str:
    text = _("{state}, {count} restarts").format(
        state=_("up") if now.is_engine_up else _("down"), count=now.engine_restarts
    )
    if now.heartbeat is not None and now.heartbeat.replicas is not None:
        count = sum(not replica.is_draining for replica in now.heartbeat.replicas)
        text += _(", 1 replica") if count == 1 else _(", {count} replicas").format(count=count)
    if now.heartbeat is None:
        return text
    return _("{text}, {ticks} ticks, {percent:.1f} % padding").format(
        text=text, ticks=now.heartbeat.ticks, percent=100 * now.padding
    )


def _gateway(now: StatusSnapshot) -> str:
    text = _("up") if now.is_gateway_up else _("down")
    return (
        text
        if now.gateway_latency is None
        else _("{text}, {latency:.0f} ms").format(text=text, latency=1000 * now.gateway_latency)
    )


def _mib(size: int | float | None) -> str:
    return _("unknown") if size is None else _("{size:.0f} MiB").format(size=size / _MIB)


exports: Final = Exports(commands=(command,))
