"""Crowds of users: when which of them requests four pictures."""

import random
from dataclasses import dataclass
from typing import Final, NamedTuple

DAY: Final = 24 * 3600.0
RUSH_SECONDS: Final = 60.0


class Arrival(NamedTuple):
    """A request for four pictures."""

    at: float
    """In seconds since the start."""
    user: int


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How many people use the bot, and how much. These are assumptions, not measurements."""

    users: int
    """Of all guilds together."""
    active_share: float = 0.1
    """Of the users, those who request pictures on one day."""
    jobs_per_day: float = 5.0
    """Of each active user."""
    peak_factor: float = 3.0
    """The rate in the busiest hour, in times of the day's mean."""
    rush_share: float = 0.05
    """Of the active users, those who request pictures within a minute after an announcement."""

    @property
    def active(self) -> int:
        """Users who request pictures on one day."""
        return max(1, round(self.users * self.active_share))

    @property
    def peak_rate(self) -> float:
        """Jobs a second in the busiest hour."""
        return self.active * self.jobs_per_day * self.peak_factor / DAY

    def peak(self, seconds: float, seed: int = 0) -> list[Arrival]:
        """Arrivals in the busiest hour: a Poisson process, in order, each of any active user."""
        return steady_arrivals(self.active, self.peak_rate, seconds, seed)

    def rush(self, seed: int = 0, start: float = 0.0) -> list[Arrival]:
        """A job of each user who reads an announcement, at any time within a minute; in order."""
        rng = random.Random(seed)
        users = rng.sample(range(self.active), max(1, round(self.active * self.rush_share)))
        return sorted(Arrival(start + rng.uniform(0.0, RUSH_SECONDS), user) for user in users)


def steady_arrivals(users: int, rate: float, seconds: float, seed: int) -> list[Arrival]:
    """Requests of so many users at this rate, in jobs a second of all; a Poisson process."""
    rng = random.Random(seed)
    arrivals = []
    at = rng.expovariate(rate)
    while at < seconds:
        arrivals.append(Arrival(at, rng.randrange(users)))
        at += rng.expovariate(rate)
    return arrivals
