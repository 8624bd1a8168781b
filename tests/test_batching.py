"""Which pictures share the next forward pass: nobody starves, no batch is too large."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from engine.core.batching import Credit, Lane, Round, next_turn

SMALL, LARGE = Lane("tiny", 64, 64, 8), Lane("tiny", 256, 256, 8)


@dataclass
class Picture:
    """A picture in progress."""

    lane: Lane
    rows: int
    order: int
    served: int = 0
    owner: str = ""


LANES = st.builds(
    Lane,
    st.sampled_from(["tiny", "other"]),
    st.sampled_from([64, 128]),
    st.sampled_from([64, 96]),
    st.sampled_from([2, 8]),
    st.sampled_from([0, 0, 0, 5]),
)
CROWDS = st.lists(st.tuples(LANES, st.sampled_from([1, 2])), min_size=1, max_size=20)


def crowd(kinds: Sequence[tuple[Lane, int]]) -> list[Picture]:
    """Pictures of these lanes and rows."""
    return [Picture(lane, rows, order) for order, (lane, rows) in enumerate(kinds)]


def cost(lane: Lane) -> float:
    """Seconds for one batch: by its pixels."""
    return lane.width * lane.height * lane.capacity * 1e-7


def walk(pictures: list[Picture], ticks: int, before: Round = ()) -> list[Lane]:
    """Serve so many batches; whose they were."""
    served = []
    for tick in range(1, ticks + 1):
        turn = next_turn(pictures, before, cost)
        before = turn.after
        for place in turn.batch:
            pictures[place] = replace(pictures[place], served=tick)
        served.append(turn.lane)
    return served


@given(CROWDS, st.integers(0, 30))
def test_a_batch_is_of_one_lane_and_not_too_large(
    kinds: Sequence[tuple[Lane, int]], ticks: int
) -> None:
    """No picture is in it twice, all are of its lane, and its rows are no more than it has."""
    pictures = crowd(kinds)
    before: Round = ()
    for tick in range(1, ticks + 2):
        turn = next_turn(pictures, before, cost)
        before = turn.after
        assert turn.batch
        assert len(set(turn.batch)) == len(turn.batch)
        assert {pictures[place].lane for place in turn.batch} == {turn.lane}
        assert sum(pictures[place].rows for place in turn.batch) <= turn.lane.capacity
        for place in turn.batch:
            pictures[place] = replace(pictures[place], served=tick)


@given(CROWDS)
def test_nobody_starves(kinds: Sequence[tuple[Lane, int]]) -> None:
    """Everybody is served in a time that the others' number and the costs bound."""
    pictures = crowd(kinds)
    lanes = {picture.lane for picture in pictures}
    dearest = max(map(cost, lanes))
    bound = sum(len(pictures) * (dearest / cost(lane) + 2) for lane in lanes)
    walk(pictures, int(2 * bound) + 1)
    assert all(picture.served for picture in pictures)


@given(CROWDS)
def test_the_longest_waiting_of_a_lane_goes_first(kinds: Sequence[tuple[Lane, int]]) -> None:
    """Whoever is left out of a batch has not waited longer than who is in it, rows permitting."""
    pictures = crowd(kinds)
    turn = next_turn(pictures, (), cost)
    eldest = min(p.order for p in pictures if p.lane == turn.lane)
    assert eldest in [pictures[place].order for place in turn.batch]


def test_time_is_shared_between_sizes() -> None:
    """One large job and one small one get the same seconds, not the same ticks."""
    kinds = [(SMALL, 2)] * 4 + [(LARGE, 2)] * 4
    served = Counter(walk(crowd(kinds), 17 * 20))
    assert served[SMALL] == 16 * served[LARGE]


def test_time_is_shared_between_pictures() -> None:
    """Three jobs of one size get three times the seconds of the one of another."""
    twin = Lane("tiny", 64, 72, 8)
    served = Counter(walk(crowd([(SMALL, 2)] * 12 + [(twin, 2)] * 4), 400))
    seconds = {lane: count * cost(lane) for lane, count in served.items()}
    assert 2.7 < seconds[SMALL] / seconds[twin] < 3.3


def test_a_late_job_is_served_soon() -> None:
    """It does not wait for the end of those that came before it."""
    pictures = crowd([(SMALL, 2)] * 8)
    walk(pictures, 50)
    late = Picture(SMALL, 2, order=99)
    pictures.append(late)
    turn = next_turn(pictures, (), cost)
    assert pictures.index(late) in turn.batch


def test_pictures_of_all_rows_share_a_batch() -> None:
    """Guided ones and unguided ones."""
    turn = next_turn(crowd([(SMALL, 2), (SMALL, 1), (SMALL, 2), (SMALL, 1)]), (), cost)
    assert len(turn.batch) == 4


def test_who_must_be_alone_is() -> None:
    """A job that is set apart shares with nobody."""
    alone = SMALL._replace(apart=3)
    pictures = crowd([(SMALL, 2), (alone, 2)])
    assert len(next_turn(pictures, (), cost).batch) == 1


def test_who_is_in_hand_keeps_the_turn() -> None:
    """With several hands, a lane whose pictures are all in work is not forgotten: a small picture
    among many large ones gets its share of the seconds."""
    pictures = crowd([(SMALL, 2)] + [(LARGE._replace(capacity=2), 2)] * 8)
    seconds, before, now = dict[Lane, float](), tuple[Credit, ...](), 0.0
    hands: list[tuple[float, Lane, tuple[int, ...]]] = []
    for _ in range(4000):
        busy = {place for _, _, batch in hands for place in batch}
        waiting = [place for place in range(len(pictures)) if place not in busy]
        if waiting and len(hands) < 3:
            turn = next_turn(
                [pictures[place] for place in waiting],
                before,
                cost,
                in_hand={lane for _, lane, _ in hands},
            )
            before = turn.after
            hands.append((now + cost(turn.lane), turn.lane, tuple(waiting[n] for n in turn.batch)))
            seconds[turn.lane] = seconds.get(turn.lane, 0.0) + cost(turn.lane)
        else:
            hands.sort()
            now, *_ = hands.pop(0)
    small, large = seconds[SMALL], seconds[LARGE._replace(capacity=2)]
    assert small > 0.8 * (small + large) / 9


def owned(*owners: str) -> list[Picture]:
    """Pictures of one lane that belong to these."""
    return [Picture(SMALL, 2, order, owner=owner) for order, owner in enumerate(owners)]


def test_who_had_least_goes_first() -> None:
    """A newcomer's four pictures fill the batch, though the other's twelve came before."""
    pictures = owned(*["much"] * 12, *["new"] * 4)
    had = {"much": 60.0, "new": 0.0}
    assert next_turn(pictures, (), cost, had).batch == (12, 13, 14, 15)
    assert next_turn(pictures, (), cost).batch == (0, 1, 2, 3)


def test_room_in_a_batch_is_for_whoever_fits() -> None:
    """One picture of a newcomer leaves three places to others."""
    pictures = owned("much", "much", "some", "new", "much")
    had = {"much": 60.0, "some": 3.0, "new": 0.0}
    assert next_turn(pictures, (), cost, had).batch == (3, 2, 0, 1)


def test_the_sizes_of_one_owner_share_their_time_whoever_comes_between() -> None:
    """The round is kept while others have their turns."""
    mine = [Picture(SMALL, 2, 0, owner="me"), Picture(LARGE, 2, 1, owner="me")]
    others = Picture(Lane("tiny", 64, 96, 8), 2, 2, owner="you")
    before: Round = ()
    served: Counter[Lane] = Counter()
    for tick in range(2 * 17 * 10):
        had = {"me": float(tick % 2), "you": float(1 - tick % 2)}
        turn = next_turn([*mine, others], before, cost, had)
        before = turn.after
        served[turn.lane] += 1
    assert served[SMALL] == 16 * served[LARGE]


@given(CROWDS, st.lists(st.sampled_from("abc"), min_size=20, max_size=20))
def test_nobody_starves_whoever_comes(kinds: Sequence[tuple[Lane, int]], owners: list[str]) -> None:
    """When each fourth batch is for who waited longest, all are served, even if one owner has
    always had least."""
    pictures = [
        replace(each, owner=owner) for each, owner in zip(crowd(kinds), owners, strict=False)
    ]
    dearest = max(cost(picture.lane) for picture in pictures)
    cheapest = min(cost(picture.lane) for picture in pictures)
    before: Round = ()
    for tick in range(1, 4 * int(len(pictures) ** 2 * (dearest / cheapest + 2)) + 1):
        turn = next_turn(pictures, before, cost, {"b": 1.0, "c": 1.0} if tick % 4 else {})
        before = turn.after
        for place in turn.batch:
            pictures[place] = replace(pictures[place], served=tick)
    assert all(picture.served for picture in pictures)
